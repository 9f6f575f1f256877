//! Starts the stand-ins, once for all tests of this binary, with the vendors' own packages in a folder of their own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

pub const KEY: &str = "sk-stand-in-1";

/// It ends with the test process, whose pipe it reads.
pub struct StandIn {
    port: u16,
    _process: Child,
}

impl StandIn {
    pub fn port() -> u16 {
        static RUNNING: OnceLock<StandIn> = OnceLock::new();
        RUNNING.get_or_init(Self::start).port
    }

    fn start() -> Self {
        let mut process = script().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            port: line.trim().parse().unwrap(),
            _process: process,
        }
    }
}

/// Drives the stand-ins with the vendors' own clients.
pub fn check() {
    run(script().arg("check"), "the vendors' clients");
}

fn script() -> Command {
    let mut command = Command::new(python());
    command
        .arg(folder().join("stand_in.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn folder() -> PathBuf {
    // The tests of the whole path start them as well.
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = above.map(|folder| folder.join("orchestrator/model/tests/stand_in"));
    folders.find(|folder| folder.is_dir()).unwrap()
}

/// The interpreter of a folder of Python packages, made on first use.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let told = run(
            &mut Command::new(folder().join("prepare")),
            "the stand-ins' Python packages",
        );
        PathBuf::from(told.trim())
    })
}

fn run(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        output.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
