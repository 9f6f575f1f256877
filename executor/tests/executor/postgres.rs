//! A private PostgreSQL, from the server binaries that are installed, and gone when its test ends.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

pub const EXECUTOR_ROLE: &str = "countersign_executor";
pub const EXECUTOR_PASSWORD: &str = "only in a file";

pub struct Server {
    pub port: u16,
    /// The superuser, who is asked what happened.
    pub admin: Client,
    child: Child,
    dir: tempfile::TempDir,
}

impl Server {
    pub async fn start(max_connections: u32) -> Self {
        Self::start_with(max_connections, |_| Vec::new()).await
    }

    /// `prepare` may put files into the data directory, and returns further settings.
    pub async fn start_with(max_connections: u32, prepare: impl Fn(&Path) -> Vec<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let owner = postgres_user();
        if let Some((uid, gid)) = owner {
            chown(&data, Some(uid), Some(gid)).unwrap();
        }
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
        let bin = bindir();
        let made = as_postgres(owner, &bin.join("initdb"))
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "--no-sync",
                "--no-locale",
                "-E",
                "UTF8",
                "-D",
            ])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let hba = format!("host all {EXECUTOR_ROLE} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n");
        std::fs::write(data.join("pg_hba.conf"), hba).unwrap();

        let mut settings = Vec::new();
        for setting in prepare(&data) {
            settings.extend(["-c".to_owned(), setting]);
        }
        for entry in std::fs::read_dir(&data).unwrap() {
            if let Some((uid, gid)) = owner {
                chown(entry.unwrap().path(), Some(uid), Some(gid)).unwrap();
            }
        }

        let port = free_port();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = as_postgres(owner, &bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args([
                "-c",
                "fsync=off",
                "-c",
                "shared_buffers=16MB",
                "-c",
                "superuser_reserved_connections=3",
            ])
            .args(["-c", &format!("max_connections={max_connections}")])
            .args(settings)
            .args([
                "-c",
                "log_statement=all",
                "-c",
                "log_connections=on",
                "-c",
                "log_line_prefix=%a|",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let postgres = connect(port, "postgres", "postgres", "setup").await;
        postgres.batch_execute("CREATE DATABASE orders").await.unwrap();
        let admin = connect(port, "postgres", "orders", "oracle").await;
        admin.batch_execute(&executor::setup_sql(EXECUTOR_ROLE)).await.unwrap();
        admin
            .batch_execute(&format!(
                "ALTER ROLE {EXECUTOR_ROLE} CREATEROLE PASSWORD '{EXECUTOR_PASSWORD}';
                 CREATE ROLE app LOGIN; CREATE ROLE batch LOGIN;
                 CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL);
                 INSERT INTO items VALUES (1, 0), (2, 0);
                 GRANT SELECT, UPDATE ON items TO app, batch;"
            ))
            .await
            .unwrap();
        Self {
            port,
            admin,
            child,
            dir,
        }
    }

    pub async fn connect(&self, user: &str, application: &str) -> Client {
        connect(self.port, user, "orders", application).await
    }

    pub fn executor_dsn(&self) -> String {
        format!(
            "host=127.0.0.1 port={} user={EXECUTOR_ROLE} password='{EXECUTOR_PASSWORD}' dbname=orders",
            self.port
        )
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// How often sessions of the executor's steps ran a statement that holds `text`, as the server's own log has it.
    pub fn ran(&self, text: &str) -> usize {
        let log = self.log();
        let steps = log.lines().filter(|line| line.starts_with("countersign/"));
        steps
            .filter(|line| line.contains("execute") && line.contains(text))
            .count()
    }

    pub async fn text(&self, query: &str) -> String {
        self.admin.query_one(query, &[]).await.unwrap().get(0)
    }

    pub async fn number(&self, query: &str) -> i64 {
        self.admin.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Waits until the query returns true.
    pub async fn wait_until(&self, query: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.admin.query_one(query, &[]).await.unwrap().get::<_, bool>(0) {
            assert!(Instant::now() < deadline, "never true: {query}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-QUIT", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

async fn connect(port: u16, user: &str, database: &str, application: &str) -> Client {
    let dsn = format!("host=127.0.0.1 port={port} user={user} dbname={database} application_name={application}");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match tokio_postgres::connect(&dsn, NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                return client;
            }
            Err(error) => {
                assert!(Instant::now() < deadline, "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn bindir() -> PathBuf {
    let out = Command::new("pg_config").arg("--bindir").output().unwrap();
    PathBuf::from(String::from_utf8(out.stdout).unwrap().trim())
}

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The server refuses to run as root; then it runs as the user that its package made.
fn postgres_user() -> Option<(u32, u32)> {
    if id("-u", None) != 0 {
        return None;
    }
    Some((id("-u", Some("postgres")), id("-g", Some("postgres"))))
}

fn id(what: &str, user: Option<&str>) -> u32 {
    let out = Command::new("id").arg(what).args(user).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().parse().unwrap()
}

fn as_postgres(owner: Option<(u32, u32)>, program: &Path) -> Command {
    let Some((uid, gid)) = owner else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        // A test that is killed takes its server with it.
        .args(["--pdeathsig", "QUIT", "--clear-groups"])
        .arg(format!("--reuid={uid}"))
        .arg(format!("--regid={gid}"))
        .arg(program);
    command.current_dir("/");
    command
}
