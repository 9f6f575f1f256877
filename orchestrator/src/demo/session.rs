//! One database session of the workload: a psql on a pipe, which stays as long as we hold the pipe.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::database::Database;

const MARK: &str = "__told__";
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) struct Session {
    pub name: String,
    pub identity: Identity,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    _psql: Child,
}

/// What names one session for ever: pids are used again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub pid: i64,
    pub backend_start: String,
}

impl Session {
    pub async fn open(database: &Database, role: &str, application: &str) -> Result<Self> {
        let mut command = database.psql(role, application)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut psql = command.spawn().context("could not run psql")?;
        let stdin = psql.stdin.take().context("psql has no stdin")?;
        let stdout = BufReader::new(psql.stdout.take().context("psql has no stdout")?).lines();
        let nobody = Identity {
            pid: 0,
            backend_start: String::new(),
        };
        let mut session = Self {
            name: format!("{application} ({role})"),
            identity: nobody,
            stdin,
            stdout,
            _psql: psql,
        };
        let who = "SELECT pid || '|' || backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid();";
        let told = session.run(who).await?;
        session.identity = told
            .iter()
            .find_map(|line| Identity::parse(line))
            .context("a session does not know itself")?;
        Ok(session)
    }

    /// Runs statements and waits until they are through; returns the lines they gave.
    pub async fn run(&mut self, sql: &str) -> Result<Vec<String>> {
        self.send(sql).await?;
        self.answer(PATIENCE).await
    }

    /// Sends statements without waiting.
    pub async fn send(&mut self, sql: &str) -> Result<()> {
        self.stdin
            .write_all(format!("{sql}\n\\echo {MARK}\n").as_bytes())
            .await?;
        self.stdin.flush().await.context("psql does not listen any more")
    }

    /// Waits for the end of what was sent.
    pub async fn answer(&mut self, patience: Duration) -> Result<Vec<String>> {
        let mut told = Vec::new();
        let reading = async {
            while let Some(line) = self.stdout.next_line().await? {
                if line == MARK {
                    return Ok(told);
                }
                told.push(line);
            }
            bail!("the session of `{}` ended", self.name)
        };
        tokio::time::timeout(patience, reading)
            .await
            .with_context(|| format!("`{}` is not through after {patience:?}", self.name))?
    }
}

impl Identity {
    /// Reads `pid|backend_start`.
    pub fn parse(line: &str) -> Option<Self> {
        let (pid, backend_start) = line.split_once('|')?;
        Some(Self {
            pid: pid.parse().ok()?,
            backend_start: backend_start.to_owned(),
        })
    }
}
