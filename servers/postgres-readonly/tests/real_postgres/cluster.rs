//! A private PostgreSQL for one test, and sessions in it that provoke things.

use std::{
    fs,
    net::TcpListener,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

/// A running server; dropping it stops it.
pub struct Cluster {
    folder: TempDir,
    binaries: PathBuf,
    port: u16,
}

/// A session with its pid.
pub struct Pg {
    client: Client,
    pub pid: i32,
}

/// A session whose statement does not come back; dropping it ends it.
pub struct Hanging {
    pub pid: i32,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Deref for Pg {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Cluster {
    pub async fn start(settings: &[&str]) -> Self {
        let listed = Command::new("pg_config").arg("--bindir").output().unwrap();
        let binaries = PathBuf::from(String::from_utf8(listed.stdout).unwrap().trim());
        let folder = tempfile::Builder::new().prefix("postgres-readonly-").tempdir().unwrap();
        let data = folder.path().join("data");
        let writable = folder.path().join("writable");
        fs::create_dir(&writable).unwrap();
        if is_root() {
            let owned = Command::new("chown")
                .args(["-R", "postgres:postgres"])
                .arg(folder.path())
                .status()
                .unwrap();
            assert!(owned.success());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { folder, binaries, port };
        cluster.run(
            "initdb",
            &[
                "-D",
                data.to_str().unwrap(),
                "-U",
                "postgres",
                "-A",
                "trust",
                "-N",
                "--no-instructions",
            ],
        );
        let mut conf = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nfsync = off\nautovacuum = off\n\
             max_connections = 50\nmax_prepared_transactions = 5\nshared_buffers = 16MB\nlogging_collector = off\n\
             shared_preload_libraries = 'pg_stat_statements'\n"
        );
        settings
            .iter()
            .for_each(|setting| conf.push_str(&format!("{setting}\n")));
        append(&data.join("postgresql.conf"), &conf);
        fs::write(
            data.join("pg_hba.conf"),
            "host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n",
        )
        .unwrap();
        cluster.start_again().await;
        let admin = cluster.connect("postgres", "setup").await;
        admin.batch_execute("CREATE ROLE app LOGIN").await.unwrap();
        cluster
    }

    /// Starts a streaming standby of this cluster, over the slot `slot`.
    pub async fn standby(&self, slot: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("postgres-readonly-").tempdir().unwrap();
        if is_root() {
            let owned = Command::new("chown")
                .arg("postgres:postgres")
                .arg(folder.path())
                .status()
                .unwrap();
            assert!(owned.success());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let standby = Self {
            folder,
            binaries: self.binaries.clone(),
            port,
        };
        let data = standby.data();
        let source = format!(
            "host=127.0.0.1 port={} user=postgres application_name={slot}",
            self.port
        );
        standby.run(
            "pg_basebackup",
            &[
                "-D",
                data.to_str().unwrap(),
                "-d",
                &source,
                "-R",
                "-C",
                "-S",
                slot,
                "-c",
                "fast",
                "-N",
            ],
        );
        append(&data.join("postgresql.conf"), &format!("port = {port}\n"));
        standby.start_again().await;
        standby
    }

    pub async fn start_again(&self) {
        let data = self.data();
        let log = self.log();
        self.run(
            "pg_ctl",
            &[
                "-D",
                data.to_str().unwrap(),
                "-l",
                log.to_str().unwrap(),
                "-w",
                "-t",
                "60",
                "start",
            ],
        );
    }

    pub fn stop(&mut self) {
        self.run(
            "pg_ctl",
            &["-D", self.data().to_str().unwrap(), "-m", "fast", "-w", "stop"],
        );
    }

    /// A folder that the server's own user can write to, and that is empty.
    pub fn writable_folder(&self) -> PathBuf {
        self.folder.path().join("writable")
    }

    pub fn dsn(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres", self.port)
    }

    pub async fn connect(&self, user: &str, application: &str) -> Pg {
        self.try_connect(user, application).await.unwrap()
    }

    pub async fn try_connect(&self, user: &str, application: &str) -> Result<Pg, tokio_postgres::Error> {
        session(self.config(user, application)).await
    }

    pub async fn connect_to(&self, database: &str, user: &str, application: &str) -> Pg {
        let mut config = self.config(user, application);
        session(config.dbname(database).clone()).await.unwrap()
    }

    /// Opens a session and leaves it in a statement that will not come back by itself.
    pub async fn hang(&self, application: &str, sql: &'static str) -> Hanging {
        let session = self.connect("postgres", application).await;
        let pid = session.pid;
        let task = tokio::spawn(async move {
            let _ = session.batch_execute(sql).await;
            std::future::pending::<()>().await;
        });
        Hanging { pid, task }
    }

    /// Opens a session that collects notifications.
    pub async fn listen(&self, channel: &str) -> mpsc::UnboundedReceiver<String> {
        let (client, mut connection) = self.config("postgres", "listener").connect(NoTls).await.unwrap();
        let (heard, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(note) = message {
                    let _ = heard.send(note.payload().to_owned());
                }
            }
        });
        client.batch_execute(&format!("LISTEN {channel}")).await.unwrap();
        // The client must outlive the connection's task.
        tokio::spawn(async move {
            let _client = client;
            std::future::pending::<()>().await;
        });
        receiver
    }

    /// Runs a script for psql, whose errors are part of it. `suite` is where scripts of the regression suite look for data.
    pub fn psql(&self, user: &str, script: &Path, suite: &Path) {
        let status = Command::new(self.binaries.join("psql"))
            .args(["-X", "-q", "-f"])
            .arg(script)
            .arg(self.dsn(user))
            .env("PG_ABS_SRCDIR", suite)
            .env("PG_ABS_BUILDDIR", suite)
            .env("PG_LIBDIR", suite)
            .env("PG_DLSUFFIX", ".so")
            .env(
                "PGOPTIONS",
                "-c client_min_messages=error -c statement_timeout=5s -c intervalstyle=postgres_verbose",
            )
            .env("PGDATESTYLE", "Postgres, MDY")
            .env("PGTZ", "PST8PDT")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.unwrap();
    }

    fn config(&self, user: &str, application: &str) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(user)
            .dbname("postgres")
            .application_name(application);
        config
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The server's log.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("writable.log")
    }

    /// Runs one of the server's programs, which refuse root.
    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.binaries.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        let status = command
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{arguments:?} failed");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            self.run(
                "pg_ctl",
                &["-D", self.data().to_str().unwrap(), "-m", "immediate", "-w", "stop"],
            );
        }
    }
}

async fn session(config: Config) -> Result<Pg, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    let pid = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    Ok(Pg { client, pid })
}

/// Waits until `holds` does, asking again and again: the other side has no event to offer.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn append(path: &Path, text: &str) {
    let old = fs::read_to_string(path).unwrap();
    fs::write(path, old + text).unwrap();
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0\n")
}
