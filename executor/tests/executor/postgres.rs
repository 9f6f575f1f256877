//! A private PostgreSQL, from the server binaries that are installed, and gone when its test ends.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
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
    start: Command,
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
        let hba = format!(
            "host all {EXECUTOR_ROLE} 127.0.0.1/32 scram-sha-256\nhost all,replication all 127.0.0.1/32 trust\n"
        );
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
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.path().join("log"))
            .unwrap();
        let mut start = as_postgres(owner, &bin.join("postgres"));
        start
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
            .stderr(Stdio::from(log));
        let child = start.spawn().unwrap();
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
            start,
            child,
            dir,
        }
    }

    /// Stops the server, does something to its data directory, and starts it again.
    pub async fn restart(&mut self, meanwhile: impl FnOnce(&Path)) {
        signal("-INT", &self.child);
        self.child.wait().unwrap();
        meanwhile(&self.dir.path().join("data"));
        self.child = self.start.spawn().unwrap();
        self.admin = connect(self.port, "postgres", "orders", "oracle").await;
    }

    /// Everything that a runbook could leave behind or take away, one line for each: roles and what they are members of,
    /// settings and where they come from, relations, indexes, slots, prepared transactions, rights, and the tables' rows,
    /// but for those of `queued`, which a fault keeps everybody waiting for.
    pub async fn image(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for row in self.admin.query(IMAGE, &[]).await.unwrap() {
            lines.insert(row.get::<_, String>(0));
        }
        let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'queued'";
        for row in self.admin.query(tables, &[]).await.unwrap() {
            let table: String = row.get(0);
            let rows =
                format!("SELECT coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM public.{table} t");
            lines.insert(format!("rows {table} {}", self.text(&rows).await));
        }
        lines
    }

    pub async fn connect(&self, user: &str, application: &str) -> Client {
        connect(self.port, user, "orders", application).await
    }

    pub async fn connect_to(&self, user: &str, database: &str) -> Client {
        connect(self.port, user, database, user).await
    }

    pub fn executor_dsn(&self) -> String {
        executor_dsn(self.port)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    pub fn log_length(&self) -> usize {
        usize::try_from(std::fs::metadata(self.dir.path().join("log")).unwrap().len()).unwrap()
    }

    /// The log from that many bytes on.
    pub fn log_from(&self, bytes: usize) -> String {
        let mut log = std::fs::File::open(self.dir.path().join("log")).unwrap();
        log.seek(SeekFrom::Start(u64::try_from(bytes).unwrap())).unwrap();
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        text
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

    /// Waits until the query returns true; null is not.
    pub async fn wait_until(&self, query: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self
            .admin
            .query_one(query, &[])
            .await
            .unwrap()
            .get::<_, Option<bool>>(0)
            != Some(true)
        {
            assert!(Instant::now() < deadline, "never true: {query}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        signal("-QUIT", &self.child);
        let _ = self.child.wait();
    }
}

fn signal(signal: &str, child: &Child) {
    let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
}

const IMAGE: &str = "
    SELECT 'role ' || (to_jsonb(a) - 'oid')::text FROM pg_authid a
    UNION ALL SELECT 'member ' || concat_ws(' ', m.roleid::regrole, m.member::regrole, m.admin_option) FROM pg_auth_members m
    UNION ALL SELECT 'role setting ' || concat_ws(' ', s.setdatabase, r.rolname, c) FROM pg_db_role_setting s
      LEFT JOIN pg_roles r ON r.oid = s.setrole CROSS JOIN unnest(s.setconfig) c
    UNION ALL SELECT 'setting ' || concat_ws(' ', name, setting, source, sourcefile, sourceline) FROM pg_settings
      WHERE name NOT IN ('application_name', 'transaction_read_only')
    UNION ALL SELECT 'parameter ' || p::text FROM pg_parameter_acl p
    UNION ALL SELECT 'relation ' || concat_ws(' ', c.oid, c.relname, c.relkind, c.relowner::regrole, c.reloptions, c.relacl)
      FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'index ' || i::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
      WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'slot ' || concat_ws(' ', slot_name, plugin, slot_type, database, temporary) FROM pg_replication_slots
    UNION ALL SELECT 'prepared ' || gid FROM pg_prepared_xacts
    UNION ALL SELECT 'database ' || (to_jsonb(d) - 'datfrozenxid' - 'datminmxid')::text FROM pg_database d
    UNION ALL SELECT 'function ' || concat_ws(' ', oid::regprocedure, proacl, prosecdef) FROM pg_proc
      WHERE pronamespace = 'public'::regnamespace";

pub fn executor_dsn(port: u16) -> String {
    format!("host=127.0.0.1 port={port} user={EXECUTOR_ROLE} password='{EXECUTOR_PASSWORD}' dbname=orders")
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

pub fn bindir() -> PathBuf {
    let out = Command::new("pg_config").arg("--bindir").output().unwrap();
    PathBuf::from(String::from_utf8(out.stdout).unwrap().trim())
}

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The server refuses to run as root; then it runs as the user that its package made.
pub fn postgres_user() -> Option<(u32, u32)> {
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
