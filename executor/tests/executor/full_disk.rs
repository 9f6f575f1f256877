//! The target's disk is full when a step comes to it: nothing takes effect by halves, the end says why, and with room again
//! the same plan, or a new one, goes through. A small file system is mounted for it, which takes root; elsewhere these tests
//! say so and try nothing.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::catalog;
use crate::faults::{self, Fault};
use crate::hooks::Hold;
use crate::postgres::{Server, postgres_user};
use crate::scene::{Scene, ended, nonce, set};

/// A file system in memory of a few MiB.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(mib: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={mib}m,mode=0755");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Self(dir));
        }
        println!("no file system can be mounted here: not tried");
        None
    }

    /// Makes a folder of the server's on it.
    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.0.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        give(&folder);
        folder
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        let page = [b'x'; 4096];
        loop {
            match file.write(&page) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                    return;
                }
            }
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The server may still have files open there.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn give(path: &Path) {
    if let Some((uid, gid)) = postgres_user() {
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
    }
}

async fn scene(server: &Server) -> Scene {
    Scene::with_catalog(server, |runbook| {
        set(runbook, "/verification/hold_s", json!(1));
        set(runbook, "/verification/interval_ms", json!(100));
        // What this is about happens to the step, whatever the fault.
        if runbook["id"] == "lock-manager-contention" {
            let checks = runbook["prechecks"].as_array_mut().unwrap();
            set(checks.last_mut().unwrap(), "/expect", json!({"at_least": 0}));
        }
    })
    .await
}

/// A plan of one transactional step.
fn cap(scene: &Scene) -> runbooks::Plan {
    let facts = vec![
        ("role", json!("app")),
        ("sessions", json!(4)),
        ("previous_limit", json!(-1)),
    ];
    faults::plan(scene, "lock-manager-contention", &facts)
}

async fn limit(server: &Server) -> i64 {
    crate::incidents::limit(server).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_room_for_the_marker_keeps_the_step_from_taking_effect() {
    let Some(disk) = SmallDisk::new(2) else { return };
    let server = catalog::server().await;
    let scene = scene(&server).await;
    let folder = disk.folder("marks");
    let invalid: Fault = faults::invalid_index(&server, &scene).await;
    for statement in [
        format!("CREATE TABLESPACE small LOCATION '{}'", folder.display()),
        "ALTER TABLE countersign.executed_steps SET TABLESPACE small".to_owned(),
    ] {
        server.admin.batch_execute(&statement).await.unwrap();
    }
    disk.fill();
    let before = server.image().await;
    // One step of each class.
    for plan in [cap(&scene), faults::plan(&scene, invalid.runbook, &invalid.facts)] {
        let ran = scene.run(&scene.config(&nonce(), ""), &scene.order(&plan));
        assert_eq!(
            (ran.result.as_str(), ran.code),
            ("disk_full", Some(1)),
            "{}",
            ran.stderr
        );
        assert_eq!(server.image().await, before);
    }

    disk.make_room();
    for plan in [cap(&scene), faults::plan(&scene, invalid.runbook, &invalid.facts)] {
        let ran = scene.run(&scene.config(&nonce(), ""), &scene.order(&plan));
        assert_eq!((ran.result.as_str(), ran.code), ("done", Some(0)), "{}", ran.stderr);
    }
    assert_eq!(limit(&server).await, 2);
    server.wait_until(&invalid.gone).await;
}

/// The server itself goes down for want of room in its write-ahead log, in the middle of the step. Half a minute is waited
/// for it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a minute: make soak"]
async fn a_server_that_dies_of_a_full_disk_is_waited_for_and_the_step_done_once_it_is_back() {
    let Some(disk) = SmallDisk::new(64) else { return };
    let wal = disk.folder("wal");
    let elsewhere = |data: &Path| {
        let inside = data.join("pg_wal");
        let copied = Command::new("cp")
            .arg("-a")
            .arg(inside.join("."))
            .arg(&wal)
            .status()
            .unwrap();
        assert!(copied.success());
        std::fs::remove_dir_all(&inside).unwrap();
        std::os::unix::fs::symlink(&wal, &inside).unwrap();
        ["min_wal_size=32MB", "max_wal_size=32MB", "wal_recycle=off"]
            .map(str::to_owned)
            .to_vec()
    };
    let mut server = Server::start_with(60, elsewhere).await;
    faults::prepare(&server).await;
    let scene = scene(&server).await;
    let (plan, state) = (cap(&scene), nonce());
    let dir = tempfile::tempdir().unwrap();
    let hold = Hold::new(dir.path());
    let config = scene.config(&state, &hold.at("step_started"));
    let child = scene.command(&config, Some(&scene.order(&plan))).spawn().unwrap();
    hold.wait().await;
    disk.fill();
    // The next record needs a new segment.
    server.admin.batch_execute("SELECT pg_switch_wal()").await.unwrap();
    hold.let_go();
    let ran = ended(child.wait_with_output().unwrap());
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("target_unreachable", Some(6)),
        "{}",
        ran.stderr
    );

    server.restart(|_| disk.make_room()).await;
    assert_eq!(limit(&server).await, -1, "it was not committed");
    let ran = scene.recover(&scene.config(&state, ""));
    assert_eq!((ran.result.as_str(), ran.code), ("done", Some(0)), "{}", ran.stderr);
    assert_eq!(limit(&server).await, 2);
    assert_eq!(
        server.number("SELECT count(*) FROM countersign.executed_steps").await,
        1
    );
}
