//! The built gate between stand-ins of Slack, PagerDuty and Teams, which say and take what the vendors' own models allow.

mod models;
mod pagerduty;
mod slack;
mod socket;
pub mod stand_in;

use std::fs;

use policies::Policy;
use runbooks::Plan;
use serde_json::{Value, json};

use crate::world::{Gate, TEAM, World, account, now, plan_with, text};
use stand_in::StandIn;

pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub const WEBHOOK_SECRETS: [&str; 2] = ["webhook-secret-the-old", "webhook-secret-the-new"];
const SECRETS: [(&str, &str); 7] = [
    ("bot-token", "xoxb-this-is-the-bot-token"),
    ("app-token", "xapp-this-is-the-app-token"),
    ("signing-secret", SIGNING_SECRET),
    ("routing-key", "e93facc04764012d7bfb002500d5d1a6"),
    ("webhook-secret-0", WEBHOOK_SECRETS[0]),
    ("webhook-secret-1", WEBHOOK_SECRETS[1]),
    ("api-token", "y_NbAkKc66ryYTWUXYEu"),
];

/// A gate with every channel, each towards the stand-in; `more` goes before `[channels.slack]` and into it.
pub fn configure(world: &World, vendors: &StandIn, channels: &str, slack: &str) {
    for (name, secret) in SECRETS {
        fs::write(world.path(name), format!("{secret}\n")).unwrap();
    }
    fs::write(world.path("teams-url"), format!("{}/teams/workflow\n", vendors.url)).unwrap();
    let url = &vendors.url;
    let section = format!(
        r#"
        [channels]
        {channels}
        [channels.slack]
        bot_token_file = "bot-token"
        signing_secret_file = "signing-secret"
        team = "{TEAM}"
        channel = "C0PROD"
        api_url = "{url}/api"
        {slack}
        [channels.pagerduty]
        routing_key_file = "routing-key"
        webhook_secret_files = ["webhook-secret-0", "webhook-secret-1"]
        events_url = "{url}/v2/enqueue"
        api_token_file = "api-token"
        from = "countersign@example.com"
        api_url = "{url}"
        [channels.teams]
        webhook_url_file = "teams-url"
        "#
    );
    let file = world.path("gate.toml");
    let config = fs::read_to_string(&file).unwrap();
    fs::write(file, config + &section).unwrap();
}

/// A policy under which clicks and notes may count, and a floor that lets them.
pub fn let_attested_count(world: &World) -> Policy {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/rego");
    let folder = world.path("rego");
    fs::create_dir(&folder).unwrap();
    let files = fs::read_dir(shipped).unwrap().map(Result::unwrap);
    for file in files.filter(|file| file.path().is_file()) {
        let rego = fs::read_to_string(file.path()).unwrap();
        let rego = rego.replace(r#"["passkey", "ssh"]"#, r#"["passkey", "ssh", "slack", "pagerduty"]"#);
        fs::write(folder.join(file.file_name()), rego).unwrap();
    }
    let file = world.path("gate.toml");
    let config = fs::read_to_string(&file).unwrap();
    let config = config.replace("[floor]\n", "[floor]\nattested = true\n");
    fs::write(file, format!("{config}\n[policy]\ndir = \"rego\"\n")).unwrap();
    Policy::open(Some(&folder), None, None).unwrap()
}

/// Puts a plan to the gate and returns the request that it became.
pub async fn ask(gate: &Gate, plan: &Plan) -> String {
    let asked = gate.execute(text(plan), None).await;
    asked["request_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{asked}"))
        .to_owned()
}

/// A plan that people must approve within so many seconds.
pub fn plan_within(seconds: i64) -> Plan {
    plan_with(|context| {
        context.incident = format!("inc-{seconds}");
        context.approve_by = now().plus_s(seconds);
    })
}

pub async fn status(gate: &Gate, request: &str) -> String {
    let view = gate.json(&format!("/v1/requests/{request}")).await;
    view["status"].as_str().unwrap().to_owned()
}

/// The codes of what was refused, in the order of the journal, with the account that said it.
pub fn refused(world: &World) -> Vec<(String, Value)> {
    let leaves = world.journal("channel_refused");
    leaves
        .iter()
        .map(|leaf| {
            let leaf: Value = leaf.parse().unwrap();
            let data = &leaf["data"];
            (
                data["code"].as_str().unwrap().to_owned(),
                data["said"]["account"].clone(),
            )
        })
        .collect()
}

/// A secret that stands anywhere it should not.
pub fn leaked(world: &World, text: &str) -> Option<&'static str> {
    let journal = world.journal("%").join("\n");
    let secrets = SECRETS.iter().map(|(_, secret)| *secret);
    secrets
        .into_iter()
        .find(|secret| text.contains(secret) || journal.contains(secret))
}

pub fn slack_account(id: &str) -> Value {
    json!({"channel": "slack", "team": TEAM, "user": account(id)})
}
