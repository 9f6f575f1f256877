//! The private PostgreSQL: made, started, asked. It listens on loopback alone, with passwords nobody else knows.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::RngCore;
use tokio::process::Command;

use super::children::Children;
use super::server_binaries::ServerBinaries;
use super::user::ServerUser;

pub(super) const DATABASE: &str = "orders";
pub(super) const ADMIN: &str = "postgres";
const START_TIMEOUT: Duration = Duration::from_secs(30);
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

pub(super) struct Database {
    pub port: u16,
    psql: PathBuf,
    passwords: BTreeMap<String, String>,
    log: PathBuf,
}

impl Database {
    /// Makes the cluster and starts it. `settings` are `name=value`.
    pub async fn start(
        server: &ServerBinaries,
        folder: &Path,
        settings: &[&str],
        children: &mut Children,
    ) -> Result<Self> {
        let user = ServerUser::choose()?;
        let port = free_port()?;
        let home = folder.join("postgres");
        std::fs::create_dir(&home)?;
        // The server's user has to get through to its own folder, and sees nothing else on the way.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711))?;
        user.give(&home)?;
        let mut passwords = BTreeMap::new();
        let password = random_word();
        let password_file = home.join("password");
        std::fs::write(&password_file, &password)?;
        std::fs::set_permissions(&password_file, std::fs::Permissions::from_mode(0o600))?;
        user.give(&password_file)?;
        passwords.insert(ADMIN.to_owned(), password);

        let data = home.join("data");
        let made = user
            .command(&server.initdb)
            .current_dir(&home)
            .args([
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ])
            .args(["-U", ADMIN, "-D"])
            .arg(&data)
            .arg("--pwfile")
            .arg(&password_file)
            .output()
            .await
            .context("could not run initdb")?;
        ensure!(
            made.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&made.stderr).trim()
        );

        let log = folder.join("logs").join("postgres.log");
        let log_file = std::fs::File::create(&log)?;
        let mut command = user.command(&server.postgres);
        command
            .current_dir(&home)
            .arg("-D")
            .arg(&data)
            .arg("-p")
            .arg(port.to_string());
        let fixed = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "log_line_prefix=%m [%p] %a ",
        ];
        for setting in fixed.iter().chain(settings) {
            command.args(["-c", setting]);
        }
        command
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file);
        children.adopt_postgres(command.spawn().context("could not start postgres")?);

        let database = Self {
            port,
            psql: server.psql.clone(),
            passwords,
            log,
        };
        database.wait_until_ready(server, children).await?;
        database.ask_in(ADMIN, &format!("CREATE DATABASE {DATABASE}")).await?;
        Ok(database)
    }

    /// Makes a login role with a password of its own.
    pub async fn create_role(&mut self, role: &str) -> Result<()> {
        let password = random_word();
        self.ask(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD '{password}'"))
            .await?;
        self.passwords.insert(role.to_owned(), password);
        Ok(())
    }

    /// Gives a role that exists a password, so that it can log in here.
    pub async fn let_in(&mut self, role: &str) -> Result<()> {
        let password = random_word();
        self.ask(&format!("ALTER ROLE \"{role}\" LOGIN PASSWORD '{password}'"))
            .await?;
        self.passwords.insert(role.to_owned(), password);
        Ok(())
    }

    /// A connection string with its password, for a file that only we can read.
    pub fn dsn(&self, role: &str) -> Result<String> {
        self.dsn_at(role, self.port)
    }

    /// The same for a server beside this one that has its roles: a standby.
    pub fn dsn_at(&self, role: &str, port: u16) -> Result<String> {
        let password = self.password(role)?;
        Ok(format!(
            "postgres://{role}:{password}@127.0.0.1:{port}/{DATABASE}?sslmode=disable"
        ))
    }

    /// What PostgreSQL's own programs read to connect as this role.
    pub fn env_of(&self, role: &str, application: &str, command: &mut Command) -> Result<()> {
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", role)
            .env("PGPASSWORD", self.password(role)?)
            .env("PGDATABASE", DATABASE)
            .env("PGAPPNAME", application)
            .env("PGSSLMODE", "disable");
        Ok(())
    }

    /// psql as this role, with nothing asked yet.
    pub fn psql(&self, role: &str, application: &str) -> Result<Command> {
        let mut command = Command::new(&self.psql);
        command
            .args(["-X", "-q", "-A", "-t", "-v", "VERBOSITY=terse"])
            .process_group(0)
            .kill_on_drop(true);
        self.env_of(role, application, &mut command)?;
        Ok(command)
    }

    /// Asks as the administrator: what only the database itself can answer.
    pub async fn ask(&self, sql: &str) -> Result<String> {
        self.ask_in(DATABASE, sql).await
    }

    /// Feeds a whole script to psql; the first error ends it.
    pub async fn run_script(&self, script: &str) -> Result<()> {
        use tokio::io::AsyncWriteExt;
        let mut command = self.psql(ADMIN, "demo")?;
        command
            .args(["-v", "ON_ERROR_STOP=1", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("could not run psql")?;
        let mut stdin = child.stdin.take().context("psql has no stdin")?;
        stdin.write_all(script.as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        ensure!(
            output.status.success(),
            "psql refused a script: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    async fn ask_in(&self, database: &str, sql: &str) -> Result<String> {
        let output = self
            .psql(ADMIN, "demo")?
            .env("PGDATABASE", database)
            .args(["-v", "ON_ERROR_STOP=1", "-c", sql])
            .output()
            .await
            .context("could not run psql")?;
        ensure!(
            output.status.success(),
            "`{sql}` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    async fn wait_until_ready(&self, server: &ServerBinaries, children: &mut Children) -> Result<()> {
        let ready = async {
            loop {
                let port = self.port.to_string();
                let asked = Command::new(&server.pg_isready)
                    .args(["-q", "-h", "127.0.0.1", "-p", &port])
                    .status()
                    .await;
                if asked.context("could not run pg_isready")?.success() {
                    return Ok(());
                }
                if !children.ended().is_empty() {
                    bail!(
                        "postgres ended at once: {}",
                        std::fs::read_to_string(&self.log).unwrap_or_default().trim()
                    );
                }
                // PostgreSQL says nowhere but in its log that it is ready; asking is what pg_ctl does too.
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
        };
        tokio::time::timeout(START_TIMEOUT, ready)
            .await
            .context("postgres did not start in time")?
    }

    fn password(&self, role: &str) -> Result<&str> {
        self.passwords
            .get(role)
            .map(String::as_str)
            .with_context(|| format!("role `{role}` has no password here"))
    }
}

pub(super) fn random_word() -> String {
    let mut bytes = [0_u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
