//! The two commands, `verify` and `export`, and their exit codes.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use journal::{ExportError, Verified, VerifyError, export, verify_export, verify_file};

/// Verifies and exports the tamper-evident log, offline. Exit codes: 0 it verifies, 1 failed, 2 usage, 7 it does not verify.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Recomputes every leaf and the tree, and compares them with the signed head and with older checkpoints
    Verify {
        /// A journal's file, or an export of one
        file: PathBuf,
        #[command(flatten)]
        old: OldCheckpoints,
        /// The verifier key that you trust, `origin+id+base64`; without it the file's own key is used
        #[arg(long, value_name = "KEY")]
        vkey: Option<String>,
        /// Prints the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Writes events with inclusion proofs and the signed checkpoint as JSON lines
    Export {
        /// A journal's file
        file: PathBuf,
        /// Only the events of this subject; `verify` then cannot tell whether some were left out
        #[arg(long)]
        subject: Option<String>,
        #[command(flatten)]
        old: OldCheckpoints,
        /// Where to write; default: stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Args)]
struct OldCheckpoints {
    /// An older checkpoint, or a directory of them; may be given several times
    #[arg(long = "checkpoint", value_name = "OLD")]
    paths: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(cli: &Cli) -> ExitCode {
    let done = match &cli.command {
        Command::Verify { file, old, vkey, json } => verify(file, old, vkey.as_deref(), *json),
        Command::Export {
            file,
            subject,
            old,
            out,
        } => write_export(file, subject.as_deref(), old, out.as_deref()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("journal: {error:#}");
        ExitCode::from(FAILED)
    })
}

fn verify(file: &Path, old: &OldCheckpoints, vkey: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let checkpoints = old.read()?;
    let result = if is_database(file)? {
        verify_file(file, vkey, &checkpoints)
    } else {
        verify_export(file, vkey, &checkpoints)
    };
    if json {
        println!("{}", as_json(&result));
    }
    match result {
        Ok(verified) => {
            if !json {
                println!("{}", as_text(&verified));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("journal: `{}` does not verify: {error}", file.display());
            Ok(ExitCode::from(NOT_VERIFIED))
        }
    }
}

fn write_export(
    file: &Path,
    subject: Option<&str>,
    old: &OldCheckpoints,
    out: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let checkpoints = old.read()?;
    let written = match out {
        Some(path) => {
            let file_out = File::create(path).with_context(|| format!("could not write `{}`", path.display()))?;
            write_to(file, subject, &checkpoints, file_out)
        }
        None => write_to(file, subject, &checkpoints, io::stdout().lock()),
    };
    match written {
        Ok(count) => {
            eprintln!("journal: {count} events exported");
            Ok(ExitCode::SUCCESS)
        }
        Err(ExportError::Broken(error)) => {
            eprintln!("journal: `{}` does not verify: {error}", file.display());
            Ok(ExitCode::from(NOT_VERIFIED))
        }
        Err(error @ ExportError::Write(_)) => Err(error.into()),
    }
}

fn write_to(file: &Path, subject: Option<&str>, old: &[String], out: impl Write) -> Result<u64, ExportError> {
    let mut out = BufWriter::new(out);
    let written = export(file, subject, old, &mut out)?;
    out.flush()?;
    Ok(written)
}

impl OldCheckpoints {
    fn read(&self) -> anyhow::Result<Vec<String>> {
        let mut notes = Vec::new();
        for path in &self.paths {
            let context = || format!("could not read `{}`", path.display());
            if path.is_dir() {
                for item in fs::read_dir(path).with_context(context)? {
                    let item = item.with_context(context)?.path();
                    if item.extension().is_some_and(|extension| extension == "checkpoint") {
                        notes.push(fs::read_to_string(&item).with_context(context)?);
                    }
                }
            } else {
                notes.push(fs::read_to_string(path).with_context(context)?);
            }
        }
        Ok(notes)
    }
}

fn is_database(path: &Path) -> anyhow::Result<bool> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(16).read_to_end(&mut start))
        .with_context(|| format!("could not read `{}`", path.display()))?;
    Ok(start == b"SQLite format 3\0")
}

fn as_text(verified: &Verified) -> String {
    let mut text = format!(
        "verified: {} of {} events of `{}`, root {}",
        verified.checked, verified.size, verified.origin, verified.root
    );
    if verified.checkpoints > 0 {
        text.push_str(&format!(", consistent with {} older checkpoints", verified.checkpoints));
    }
    if verified.checked < verified.size {
        text.push_str(
            "\nnot proven: that no event of the subject was left out; only an export of all events proves that",
        );
    }
    if !verified.pinned {
        text.push_str(&format!(
            "\nnot proven: whose log this is; its own key was used. To pin it: --vkey {}",
            verified.vkey
        ));
    }
    text
}

fn as_json(result: &Result<Verified, VerifyError>) -> serde_json::Value {
    match result {
        Ok(verified) => serde_json::json!({
            "verified": true,
            "origin": verified.origin,
            "vkey": verified.vkey,
            "pinned": verified.pinned,
            "size": verified.size,
            "checked": verified.checked,
            "root": verified.root,
            "checkpoints": verified.checkpoints,
        }),
        Err(error) => serde_json::json!({
            "verified": false,
            "code": error.code(),
            "message": error.to_string(),
            "first_bad_seq": error.first_bad_seq(),
        }),
    }
}

const FAILED: u8 = 1;
const NOT_VERIFIED: u8 = 7;
