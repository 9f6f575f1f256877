//! A connection that leaves the host is protected, and the server must be who it says.

use std::path::Path;
use std::process::Command;

use crate::incidents::Blocked;
use crate::postgres::Server;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_with_a_certificate_of_a_known_authority_is_spoken_to() {
    let authority = tempfile::tempdir().unwrap();
    let ca = authority.path().join("ca.crt");
    let server = Server::start_with(100, |data| {
        make_certificates(authority.path(), data);
        vec!["ssl=on".to_owned()]
    })
    .await;
    let mut scene = Scene::new(&server).await;
    scene.dsn.push_str(" sslmode=require");

    let incident = Blocked::new(&server, &scene).await;
    let ran = scene.run(&scene.config("unknown", ""), &scene.order(&incident.plan));
    assert_eq!(
        (ran.result.as_str(), ran.code),
        ("target_unreachable", Some(1)),
        "{}",
        ran.stderr
    );
    incident.assert_untouched(&server).await;
    drop(incident);

    let incident = Blocked::new(&server, &scene).await;
    let config = scene.config("known", "");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}ca_file = \"{}\"\n", ca.display())).unwrap();
    let ran = scene.run(&config, &scene.order(&incident.plan));
    assert_eq!((ran.result.as_str(), ran.code), ("done", Some(0)), "{}", ran.stderr);
    assert!(server.log().contains("SSL enabled"));
}

/// An authority, and a certificate of it for 127.0.0.1.
fn make_certificates(dir: &Path, data: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(dir.join("extensions"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!(
        "req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=test-authority"
    ));
    openssl(&format!(
        "req {key} -keyout server.key -out server.csr -subj /CN=orders"
    ));
    openssl(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.crt",
    );
    for file in ["server.key", "server.crt"] {
        std::fs::copy(dir.join(file), data.join(file)).unwrap();
    }
}
