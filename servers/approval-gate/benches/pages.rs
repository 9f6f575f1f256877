//! Approval pages per second, and how long an order takes from the last word to the executor that waits for it:
//! `cargo bench -p approval-gate --bench pages`. Needs two quiet cores and no browser.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a measurement over the tests' own world"
)]

#[path = "../tests/gate/world.rs"]
mod world;

use std::time::{Duration, Instant};

use world::{BEARER, World, plan, text};

const LASTS: Duration = Duration::from_secs(5);
/// The policy allows 24 on one target a day.
const EXECUTIONS: usize = 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new();
        let gate = world.start().await;
        let request = gate.execute(text(&plan()), None).await["request_id"]
            .as_str()
            .unwrap()
            .to_owned();
        for at_once in [1, 8] {
            let began = Instant::now();
            let readers = (0..at_once).map(|_| async {
                let mut took = Vec::new();
                while began.elapsed() < LASTS {
                    let one = Instant::now();
                    let page = gate.get(&format!("/requests/{request}")).await;
                    assert!(page.text().await.unwrap().contains("terminate_backend"));
                    took.push(one.elapsed());
                }
                took
            });
            let took = futures_util::future::join_all(readers).await.concat();
            told(&format!("page of a request, {at_once} at once"), took, began.elapsed());
        }

        let mut took = Vec::new();
        let all = Instant::now();
        for _ in 0..EXECUTIONS {
            let plan = plan();
            let (_, token) = gate.approved(&world, &plan).await;
            let (order, began) = tokio::join!(gate.claim_as("executor-1", BEARER, 20), async {
                // The executor waits already.
                tokio::time::sleep(Duration::from_millis(50)).await;
                let began = Instant::now();
                let queued = gate.execute(text(&plan), Some(&token)).await;
                assert_eq!(queued["status"], "queued", "{queued}");
                began
            });
            assert_eq!(order.status().as_u16(), 200);
            let order = order.text().await.unwrap();
            took.push(began.elapsed());
            let id = order_id(&order);
            assert_eq!(gate.report(&id, "done").await, 200);
        }
        told("token handed in to order claimed", took, all.elapsed());
    });
}

fn order_id(order: &str) -> String {
    use base64::Engine;
    let envelope: serde_json::Value = order.parse().unwrap();
    let payload = envelope["payload"].as_str().unwrap();
    let payload = base64::prelude::BASE64_STANDARD.decode(payload).unwrap();
    let order: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    order["id"].as_str().unwrap().to_owned()
}

fn told(what: &str, mut took: Vec<Duration>, all: Duration) {
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    println!(
        "{what}: {} in {all:.1?}, {:.0}/s, p50 {:.2?}, p99 {:.2?}, max {:.2?}",
        took.len(),
        took.len() as f64 / all.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
