//! Behind PgBouncer in transaction mode, where the session belongs to somebody else between two transactions.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use crate::{
    cluster::{Cluster, eventually},
    mcp::{self, Mcp},
    scene::{READER, with_reader},
};

/// PgBouncer with two server connections; dropping it ends it.
struct Pooler {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Pooler {
    async fn start(cluster: &Cluster, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = cluster.dsn(READER);
        let server_port = server.rsplit_once(':').unwrap().1.split('/').next().unwrap();
        let users = folder.path().join("users.txt");
        fs::write(&users, format!("\"{READER}\" \"\"\n")).unwrap();
        let ini = folder.path().join("pgbouncer.ini");
        fs::write(
            &ini,
            format!(
                "[databases]\npostgres = host=127.0.0.1 port={server_port} dbname=postgres\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
                 pool_mode = transaction\ndefault_pool_size = 2\n{more}\n",
                users.display()
            ),
        )
        .unwrap();
        let process = as_postgres(&ini).spawn().unwrap();
        let pooler = Self {
            process,
            port,
            _folder: folder,
        };
        eventually("the pooler listens", async || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .await;
        pooler
    }

    fn dsn(&self) -> String {
        format!("postgres://{READER}@127.0.0.1:{}/postgres", self.port)
    }

    async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.dsn(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// PgBouncer refuses root.
fn as_postgres(ini: &Path) -> Command {
    let binary = if Path::new("/usr/sbin/pgbouncer").exists() {
        "/usr/sbin/pgbouncer"
    } else {
        "pgbouncer"
    };
    let root = Command::new("id")
        .arg("-u")
        .output()
        .unwrap()
        .stdout
        .starts_with(b"0\n");
    let mut command = Command::new(if root { "setpriv" } else { binary });
    if root {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--", binary]);
    }
    command
        .arg(ini)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_other_clients_sessions_are_left_alone() {
    let (cluster, _admin) = with_reader().await;
    // Once it refuses the start-up parameters, once it swallows them in silence.
    let silent = "ignore_startup_parameters = default_transaction_read_only,default_transaction_isolation,\
                  default_transaction_deferrable,statement_timeout,lock_timeout,idle_in_transaction_session_timeout,\
                  max_parallel_workers_per_gather,IntervalStyle,bytea_output,extra_float_digits,jit";
    for more in ["", silent] {
        let pooler = Pooler::start(&cluster, more).await;
        let (one, two) = (pooler.client().await, pooler.client().await);
        // Both transactions are open at once, so each client is on a server connection of its own.
        for client in [&one, &two] {
            client.batch_execute("BEGIN READ WRITE").await.unwrap();
        }
        for (client, memory, key) in [(&one, "12MB", 1201), (&two, "13MB", 1301)] {
            client
                .batch_execute(&format!(
                    "SET work_mem = '{memory}'; SELECT pg_advisory_lock({key}); PREPARE mine AS SELECT {key};
                     CREATE TEMP TABLE pg_class (id int)"
                ))
                .await
                .unwrap();
        }
        for client in [&one, &two] {
            client.batch_execute("COMMIT").await.unwrap();
        }

        let mut mcp = Mcp::start(&pooler.dsn(), &[]).await;
        let ids: Vec<u64> = {
            let mut ids = Vec::new();
            for _ in 0..15 {
                ids.push(mcp.send("query", json!({"sql": "SELECT 1/0"})).await);
                ids.push(
                    mcp.send("query", json!({"sql": "SELECT count(*) FROM pg_catalog.pg_class"}))
                        .await,
                );
            }
            ids
        };
        assert_eq!(ids.len(), 30);
        let inside = mcp
            .ok(
                "query",
                json!({"sql": "SELECT current_setting('transaction_read_only'), current_setting('statement_timeout'), current_setting('TimeZone'), (SELECT count(*) > 300 FROM pg_class)"}),
            )
            .await;
        assert_eq!(inside["rows"], json!([["on", "5s", "UTC", true]]), "{inside:#}");
        let refused = mcp
            .refused(
                "query",
                json!({"sql": "SELECT count(md5(a::text || b::text)) FROM generate_series(1, 6000) a, generate_series(1, 6000) b"}),
            )
            .await;
        assert_eq!(refused["code"], "statement_timeout", "{refused:#}");
        mcp.ok("sessions", json!({})).await;

        for client in [&one, &two] {
            client.batch_execute("BEGIN").await.unwrap();
        }
        let mut seen = Vec::new();
        for client in [&one, &two] {
            // One value as text: the pooler could not keep a prepared statement.
            let state = client
                .query_typed(
                    "SELECT jsonb_build_array(
                        current_setting('work_mem'), current_setting('search_path'), current_setting('statement_timeout'),
                        current_setting('jit'),
                        (SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
                        (SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'))::text",
                    &[],
                )
                .await
                .unwrap();
            seen.push(state[0].get::<_, String>(0));
        }
        seen.sort();
        let of = |memory: &str, key: i32| json!([memory, "\"$user\", public", "10s", "on", key, 1]);
        let seen: Vec<Value> = seen.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(seen, [of("12MB", 1201), of("13MB", 1301)]);
        for client in [&one, &two] {
            client.batch_execute("ROLLBACK").await.unwrap();
        }

        let (code, report) = mcp::stdout(&["doctor"], &[("DATABASE_URL", &pooler.dsn())]);
        assert_eq!(code, 0, "{report}");
        assert!(report.contains("through a pooler"), "{report}");
        mcp.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_nothing_is_prepared_or_pretended_in_a_shared_session() {
    let (cluster, admin) = with_reader().await;
    admin.batch_execute("CREATE EXTENSION hypopg").await.unwrap();
    let pooler = Pooler::start(&cluster, "").await;
    let mut mcp = Mcp::start(&pooler.dsn(), &[]).await;
    let sql = "SELECT * FROM public.orders WHERE state = 'x'";
    let plan = mcp.ok("explain", json!({"sql": sql})).await;
    assert!(
        plan["text"].as_str().unwrap().starts_with("Seq Scan on public.orders"),
        "{plan:#}"
    );
    let wanted = json!([{"table": "public.orders", "columns": ["state"]}]);
    for arguments in [
        json!({"sql": "SELECT * FROM public.orders WHERE state = $1"}),
        json!({"sql": sql, "hypothetical_indexes": wanted}),
    ] {
        assert_eq!(mcp.refused("explain", arguments).await["code"], "shared_session");
    }
    mcp.ok("index_health", json!({"queries": [sql]})).await;
    // Both transactions are open at once, so each client is on a server connection of its own.
    for client in [&pooler.client().await, &pooler.client().await] {
        client.batch_execute("BEGIN").await.unwrap();
        for left in [
            "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'countersign%'",
            "SELECT count(*) FROM hypopg()",
        ] {
            let row = client.query_one(left, &[]).await.unwrap();
            assert_eq!(row.get::<_, i64>(0), 0, "{left}");
        }
    }
}
