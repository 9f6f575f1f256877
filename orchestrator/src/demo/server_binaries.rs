//! Finds PostgreSQL's own programs. A download would be another way to a `ServerBinaries`; nothing else would change.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

const NEEDED: [&str; 4] = ["initdb", "postgres", "pg_isready", "psql"];

pub(super) struct ServerBinaries {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
    pub pg_isready: PathBuf,
    pub psql: PathBuf,
}

impl ServerBinaries {
    /// Looks where `pg_config` points, then where Debian installs, then along `PATH`.
    pub fn find() -> Result<Self> {
        let folders = candidates();
        let find = |name: &str| {
            folders
                .iter()
                .map(|folder| folder.join(name))
                .find(|file| file.is_file())
        };
        let found: Vec<Option<PathBuf>> = NEEDED.iter().map(|name| find(name)).collect();
        match found.as_slice() {
            [Some(initdb), Some(postgres), Some(pg_isready), Some(psql)] => Ok(Self {
                initdb: initdb.clone(),
                postgres: postgres.clone(),
                pg_isready: pg_isready.clone(),
                psql: psql.clone(),
            }),
            _ => bail!(
                "PostgreSQL's server programs ({}) were not found: install them with `apt-get install postgresql` (Debian, Ubuntu), \
                 `dnf install postgresql-server` (Fedora) or `brew install postgresql` (macOS), or put them on PATH. The demo runs \
                 its own private server; it never touches one that is running",
                NEEDED.join(", ")
            ),
        }
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output()
        && output.status.success()
    {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    debian.sort_by_key(|folder| std::cmp::Reverse(version_of(folder)));
    folders.extend(debian);
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    folders
}

/// `15` of `/usr/lib/postgresql/15/bin`.
fn version_of(folder: &Path) -> u32 {
    let version = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}
