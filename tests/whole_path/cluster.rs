//! A private PostgreSQL: made for one test, on a port the system picks, gone with the test.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio_postgres::{Client, NoTls};

pub struct Cluster {
    dir: tempfile::TempDir,
    bin: PathBuf,
    pub port: u16,
    as_postgres: bool,
}

impl Cluster {
    /// Makes a cluster with these settings beside its own.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::Builder::new().prefix("countersign-pg-").tempdir().unwrap();
        let as_postgres = fs::metadata("/proc/self")
            .map(|m| std::os::unix::fs::MetadataExt::uid(&m))
            .unwrap()
            == 0;
        if as_postgres {
            let id = |flag| {
                let out = Command::new("id").args([flag, "postgres"]).output().unwrap();
                String::from_utf8(out.stdout).unwrap().trim().parse::<u32>().unwrap()
            };
            chown(dir.path(), Some(id("-u")), Some(id("-g"))).unwrap();
        }
        let out = Command::new("pg_config").arg("--bindir").output().unwrap();
        let bin = PathBuf::from(String::from_utf8(out.stdout).unwrap().trim());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self {
            dir,
            bin,
            port,
            as_postgres,
        };
        cluster.run(
            "initdb",
            &["-U", "postgres", "-A", "trust", "--no-sync", "-D", &cluster.data()],
        );
        let mut conf = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\nlog_line_prefix = '%m [%p] %u '\n"
        );
        for (name, value) in settings {
            conf.push_str(&format!("{name} = '{value}'\n"));
        }
        fs::write(Path::new(&cluster.data()).join("postgresql.auto.conf"), conf).unwrap();
        cluster.run(
            "pg_ctl",
            &[
                "-D",
                &cluster.data(),
                "-l",
                &cluster.log_file(),
                "-w",
                "-t",
                "30",
                "start",
            ],
        );
        cluster
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    fn log_file(&self) -> String {
        self.dir.path().join("server.log").display().to_string()
    }

    /// What the server wrote to its log.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap()).into_owned()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.bin.join(program);
        let mut command = if self.as_postgres {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        let output = self.dir.path().join("setup.log");
        let status = command
            .args(arguments)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(File::create(&output).unwrap())
            .stderr(File::options().append(true).open(&output).unwrap())
            .status()
            .unwrap();
        assert!(status.success(), "{}", fs::read_to_string(output).unwrap());
    }

    pub fn dsn(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// A connection that says who it is.
    pub async fn connect(&self, role: &str, database: &str, application: &str) -> Client {
        let mut config: tokio_postgres::Config = self.dsn(role, database).parse().unwrap();
        config.application_name(application);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(async move {
            // A session that somebody ends is what these tests are about.
            let _ = connection.await;
        });
        client
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }
}
