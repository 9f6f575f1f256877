//! Damaged orders, by the hundred thousand: none is taken for anything but what the gate and people signed, and none breaks
//! the executor. The same seed gives the same cases.

use std::time::{Duration, Instant};

use approval::{Order, Token};
use serde_json::json;

use crate::faults;
use crate::scene::{Scene, nonce, text};

/// A small generator (xorshift64*): no crate is needed for it.
pub struct Random(u64);

impl Random {
    /// One of many that begin with the same seed.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Self((seed ^ (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).max(1));
        // Neighbours begin alike.
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below_u64(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// What parsers stumble over.
const ODD: [&str; 20] = [
    "\"",
    "\\",
    "{",
    "}",
    "[[[[",
    ",",
    ":",
    "null",
    "-0",
    "1e999",
    "18446744073709551616",
    "\u{0}",
    "\u{feff}",
    "\\u0000",
    "\\ud800",
    "ä",
    "=",
    "\n",
    "true",
    "\"plan\":\"\",",
];

fn damage(text: &str, others: &[&str], random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let until = (at + 1 + random.below(40)).min(bytes.len());
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            2 => drop(bytes.drain(at.min(until)..until)),
            3 => {
                let again = bytes[at.min(until)..until].to_vec();
                bytes.splice(at..at, again);
            }
            4 => drop(bytes.splice(at..at, ODD[random.below(ODD.len())].bytes())),
            5 => bytes.truncate(at),
            6 => {
                let other = others[random.below(others.len())].as_bytes();
                let from = random.below(other.len());
                let piece = &other[from..(from + random.below(200)).min(other.len())];
                bytes.splice(at..until.max(at), piece.iter().copied());
            }
            _ => {
                let other = random.below(bytes.len());
                if at < bytes.len() && other < bytes.len() {
                    bytes.swap(at, other);
                }
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
#[ignore = "ten minutes: FUZZ_SECONDS=600 FUZZ_SEED=1 cargo test -p executor --test executor -- --ignored --nocapture fuzz::"]
fn no_damaged_order_is_taken_and_none_breaks_the_executor() {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |text| text.parse().unwrap());
    let (seconds, seed) = (number("FUZZ_SECONDS", 600), number("FUZZ_SEED", 1));
    // Nobody is there: what got through would be seen to try.
    let dsn = "host=127.0.0.1 port=1 user=nobody dbname=orders".to_owned();
    let scene = Scene::of("7000000000000000000".to_owned(), dsn, |_| {});
    let plans = [plan(&scene), plan(&scene)];
    let orders = [scene.order(&plans[0]), scene.order(&plans[1])];
    let key = scene.gate.public_key().to_string();
    let honest = orders.each_ref().map(|order| Order::verify(order, &key).unwrap());
    let corpus = [
        orders[0].as_str(),
        orders[1].as_str(),
        honest[0].token.as_str(),
        honest[1].token.as_str(),
        text(&plans[0]),
    ];

    let config = executor::Config::load(&scene.config(&nonce(), ""), None).unwrap();
    let executor = executor::Executor::open(config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut random = Random(seed.max(1));
    let (mut envelopes, mut tokens, mut signed, mut unsignable) = (0_u64, 0_u64, 0_u64, 0_u64);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < deadline {
        for _ in 0..200 {
            let envelope = damage(&orders[0], &corpus, &mut random);
            if let Ok(order) = Order::verify(&envelope, &key) {
                assert!(honest.contains(&order), "another order was verified: {envelope}");
            }
            envelopes += 1;
            let token = damage(&honest[0].token, &corpus, &mut random);
            if let Ok(parsed) = Token::parse(&token) {
                assert_eq!(parsed.encode(), token, "a token has one spelling");
            }
            tokens += 1;
        }
        // A gate that signs whatever it is given: the whole admission, to the people's signatures.
        let mut order = honest[0].clone();
        order.id = nonce();
        match random.below(3) {
            0 => order.token = damage(&order.token, &corpus, &mut random),
            1 => order.plan = damage(&order.plan, &corpus, &mut random),
            _ => order.token.clone_from(&honest[1].token),
        }
        order.standing.plan_digest = runbooks::Digest::of(order.plan.as_bytes());
        if order.token == honest[0].token && order.plan == honest[0].plan {
            continue;
        }
        let Ok(envelope) = order.sign(&scene.gate) else {
            unsignable += 1;
            continue;
        };
        let ended = runtime.block_on(executor::run_order(&executor, &envelope)).unwrap();
        assert!(matches!(ended, executor::Ended::Refused { .. }), "{ended}: {envelope}");
        signed += 1;
    }
    println!(
        "seed {seed}, {seconds} s: {envelopes} damaged envelopes, {tokens} damaged tokens, {signed} orders that the gate signed around a damaged plan or \
         token ({unsignable} more it could not sign); none was taken"
    );
}

fn plan(scene: &Scene) -> runbooks::Plan {
    let facts = vec![
        ("blocker_pid", json!(4711)),
        ("blocker_backend_start", json!("2026-11-25 10:00:00.123456+00")),
        ("blocker_xact_start", json!("2026-11-25 10:00:01.123456+00")),
        ("blocker_state", json!("idle in transaction")),
        ("blocker_role", json!("batch")),
        ("waiters", json!(1)),
    ];
    faults::plan(scene, "idle-in-transaction-blocker", &facts)
}
