//! How long one token takes to verify: `cargo bench -p approval`.
#![expect(dead_code, reason = "the scene is the tests'")]

#[path = "../tests/approved_plan.rs"]
mod scene;

use std::hint::black_box;
use std::time::Instant;

use scene::{Alice, NONCE, permitted};

const TIMES: u32 = 2_000;

fn main() {
    let alice = Alice::listed();
    let plan = permitted(NONCE);
    let text = alice.signs(plan.plan()).encode().to_owned();
    alice.with_expectations(|expect| {
        let began = Instant::now();
        for _ in 0..TIMES {
            let token = approval::Token::parse(black_box(&text));
            let checked = token.map(|token| approval::check(&plan, &token, expect));
            assert!(matches!(black_box(checked), Ok(Ok(()))));
        }
        let each = began.elapsed() / TIMES;
        println!("token with one ed25519 signature, parsed and verified: {each:.1?} each, {TIMES} times");
    });
}
