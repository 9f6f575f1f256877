//! Starts the stand-ins, once for all tests of this binary, with the vendors' own packages in a folder of their own.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use model::Key;

pub const KEY: &str = "sk-stand-in-1";

pub fn key() -> Key {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KEY).unwrap();
    Key::from_file(file.path()).unwrap()
}

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
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_in")
}

/// A folder of Python packages, made on first use; `pip` is asked again only when requirements.txt has changed.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let wanted = include_str!("../stand_in/requirements.txt");
        let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/model-venv");
        std::fs::create_dir_all(&venv).unwrap();
        let lock = File::create(venv.join(".lock")).unwrap();
        lock.lock().unwrap();
        let made = venv.join(".made-from");
        let python = venv.join("bin/python");
        if std::fs::read_to_string(&made).is_ok_and(|found| found == wanted) {
            return python;
        }
        run(
            Command::new("python3").args(["-m", "venv"]).arg(&venv),
            "python3 -m venv (Debian: apt-get install python3-venv)",
        );
        let requirements = folder().join("requirements.txt");
        run(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "-r"])
                .arg(requirements),
            "pip install",
        );
        std::fs::write(&made, wanted).unwrap();
        python
    })
}

fn run(command: &mut Command, what: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        output.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
