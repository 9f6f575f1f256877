//! Several databases in one server, and the ways to a password.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;

use crate::{
    mcp::{self, Mcp},
    scene::{READER, with_reader},
};

#[tokio::test(flavor = "multi_thread")]
async fn one_server_reads_all_its_targets() {
    let (cluster, admin) = with_reader().await;
    admin.batch_execute("CREATE DATABASE second").await.unwrap();
    admin
        .batch_execute("CREATE ROLE locked LOGIN PASSWORD 'open sesame' IN ROLE pg_monitor")
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let dsn = cluster.dsn(READER);
    let second = dsn.replace("/postgres", "/second");
    let locked = cluster.dsn("locked");
    file("password", "open sesame\n");
    let config = file(
        "targets.toml",
        &format!(
            "[targets.first]\ndsn = '{dsn}'\nmax_connections = 2\n[targets.second]\ndsn = '{second}'\n\
             [targets.filed]\ndsn = '{locked}'\npassword_file = 'password'\n\
             [targets.printed]\ndsn = '{locked}'\ntoken_command = ['echo', 'open sesame']\n"
        ),
    );
    let mut mcp = Mcp::start("", &["--config", &config]).await;
    for (target, database) in [
        ("first", "postgres"),
        ("second", "second"),
        ("filed", "postgres"),
        ("printed", "postgres"),
    ] {
        let identity = mcp.ok("overview", json!({"target": target})).await;
        assert_eq!(
            (&identity["database"], &identity["target"]),
            (&json!(database), &json!(target))
        );
    }
    assert_eq!(mcp.refused("overview", json!({})).await["code"], "unknown_target");
    assert_eq!(
        mcp.refused("overview", json!({"target": "third"})).await["code"],
        "unknown_target"
    );
    let mut only = Mcp::start("", &["--config", &config, "--target", "second"]).await;
    assert_eq!(only.ok("overview", json!({})).await["database"], "second");

    let (code, shown) = mcp::stdout(&["--config", &config, "--print-config"], &[]);
    assert_eq!(code, 0);
    for wanted in [
        "[targets.first]",
        "[targets.second]",
        "max_connections = 2",
        "(token_command)",
    ] {
        assert!(shown.contains(wanted), "{shown}");
    }
    assert!(!shown.contains("sesame"), "{shown}");

    let (code, report) = mcp::stdout(&["--config", &config, "doctor"], &[]);
    assert_eq!((code, report.matches("is harmless").count()), (0, 4), "{report}");
    admin
        .batch_execute("GRANT INSERT ON public.orders TO locked")
        .await
        .unwrap();
    let (code, report) = mcp::stdout(&["--config", &config, "doctor"], &[]);
    assert_eq!((code, report.matches("is harmless").count()), (1, 2), "{report}");
    admin
        .batch_execute("REVOKE INSERT ON public.orders FROM locked")
        .await
        .unwrap();

    // From the environment, and from a password file that only its owner may read.
    let doctor =
        |more: &[(&str, &str)]| mcp::stdout(&["doctor"], &[&[("DATABASE_URL", locked.as_str())], more].concat());
    assert_eq!(doctor(&[("PGPASSWORD", "open sesame")]).0, 0);
    let (code, report) = doctor(&[("PGPASSWORD", "wrong")]);
    assert!(code == 1 && report.starts_with("authentication_failed: "), "{report}");
    let home = folder.path().display().to_string();
    let pgpass = file(".pgpass", "*:*:*:locked:open sesame\n");
    assert_eq!(doctor(&[("HOME", &home)]).0, 0);
    assert_eq!(doctor(&[("PGPASSFILE", &pgpass)]).0, 0);
    fs::set_permissions(&pgpass, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, report) = doctor(&[("PGPASSFILE", &pgpass)]);
    assert!(code == 1 && report.starts_with("authentication_failed: "), "{report}");

    // A token of RDS goes over verified TLS or not at all.
    let iam = file(
        "iam.toml",
        &format!("[targets.cloud]\ndsn = '{dsn}?sslmode=disable'\niam = {{ region = 'eu-central-1' }}\n"),
    );
    assert_eq!(mcp::stdout(&["--config", &iam, "doctor"], &[]).0, 2);
}
