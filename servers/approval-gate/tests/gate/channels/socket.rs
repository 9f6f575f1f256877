//! Socket Mode: the gate calls Slack, acknowledges each envelope, and comes back when it is sent away.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::stand_in::StandIn;
use super::{ask, configure, leaked, status};
use crate::world::{World, plan, plan_with};

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = patient(listener.accept()).await.unwrap();
        let mut socket = Self(patient(tokio_tungstenite::accept_async(stream)).await.unwrap());
        let hello = json!({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A0APP"}});
        socket.say(&hello).await;
        socket
    }

    async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sends an envelope and returns after how long it was acknowledged.
    async fn ask(&mut self, kind: &str, id: &str, payload: &Value) -> Duration {
        let started = Instant::now();
        self.say(&json!({"type": kind, "envelope_id": id, "payload": payload, "accepts_response_payload": false}))
            .await;
        loop {
            if let Message::Text(text) = patient(self.0.next()).await.unwrap().unwrap() {
                assert_eq!(text.parse::<Value>().unwrap(), json!({"envelope_id": id}));
                return started.elapsed();
            }
        }
    }
}

async fn patient<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_come_through_a_socket_that_is_opened_again() {
    let (world, vendors) = (World::new(), StandIn::start().await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    vendors.open_sockets_at(&format!(
        "ws://{}/link/?ticket=one-use-only",
        listener.local_addr().unwrap()
    ));
    configure(&world, &vendors, "", "app_token_file = \"app-token\"");
    let gate = world.start().await;
    let mut socket = Socket::accept(&listener).await;

    let (first, second) = (plan(), plan_with(|context| context.incident = "inc-2".into()));
    let (first, second) = (ask(&gate, &first).await, ask(&gate, &second).await);
    let (message, _) = vendors.posted(&first).await;
    let click = vendors.click("ana", "reject", &message, 0);
    assert!(socket.ask("interactive", "envelope-1", &click).await < Duration::from_secs(3));
    assert_eq!(status(&gate, &first).await, "rejected");
    // What Slack sends again because it saw no acknowledgement changes nothing more.
    socket.ask("interactive", "envelope-1", &click).await;
    socket
        .ask(
            "events_api",
            "envelope-2",
            &json!({"event": {"type": "message", "text": "approve"}}),
        )
        .await;

    socket
        .say(&json!({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}}))
        .await;
    let mut socket = Socket::accept(&listener).await;
    let (message, _) = vendors.posted(&second).await;
    socket
        .ask(
            "interactive",
            "envelope-3",
            &vendors.click("ben", "reject", &message, 1),
        )
        .await;
    assert_eq!(status(&gate, &second).await, "rejected");
    // A socket that just breaks is opened again too.
    drop(socket);
    let mut socket = Socket::accept(&listener).await;
    socket
        .ask("slash_commands", "envelope-4", &json!({"command": "/approve"}))
        .await;

    let opened = vendors.sent("/api/apps.connections.open");
    assert_eq!(opened.len(), 3);
    assert!(
        opened
            .iter()
            .all(|sent| sent.bearer == "Bearer xapp-this-is-the-app-token")
    );
    gate.kill().await;
    assert_eq!(world.journal("request_rejected").len(), 2);
    assert_eq!(leaked(&world, ""), None);
}
