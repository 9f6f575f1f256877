//! `approve` and `reject`: shows the plan from its bytes, checks that the statement is about exactly those bytes, and
//! only then lets ssh-keygen sign. The gate is not believed in anything that can be computed here.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use approval::{Decision, Method, STATEMENT_NAMESPACE, STATEMENT_TYPE, Statement, pae};
use clap::Args;
use runbooks::{Catalog, Plan, PlanDocument, canonical_json};
use serde_json::Value;

use super::client::{CliError, GateClient};
use super::{GateUrl, Signer, keygen};
use crate::cli::terminal::request_text;
use crate::text::visible;
use crate::view::RequestView;

/// `approval-gate approve ID --key K`
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The request, as in req-0123456789abcdef
    id: String,
    #[command(flatten)]
    gate: GateUrl,
    #[command(flatten)]
    signer: Signer,
    /// Your own copy of the runbooks; without it, those built into this program
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Sign without asking once more
    #[arg(long)]
    yes: bool,
}

/// `approval-gate reject ID --reason R --key K`
#[derive(Debug, Args)]
pub struct RejectArgs {
    /// The request, as in req-0123456789abcdef
    id: String,
    #[command(flatten)]
    gate: GateUrl,
    #[command(flatten)]
    signer: Signer,
    /// Why; shown beside the signature
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Reads, checks, shows, asks, signs.
pub async fn approve(args: ApproveArgs) -> Result<(), CliError> {
    let gate = GateClient::new(&args.gate)?;
    let view: RequestView = gate.get(&["v1", "requests", &args.id], &[]).await?;
    let plan = check_shown(&view)?;
    print!("{}", request_text(&view).map_err(anyhow::Error::from)?);
    println!("\n{}", own_opinion(&view, args.catalog.as_deref()));
    let signed = Signing {
        gate: &gate,
        view: &view,
        plan: &plan,
        signer: &args.signer,
        decision: Decision::Approve,
    };
    let (bytes, key_id) = signed.statement().await?;
    // Without a terminal nobody has read it: that takes a word of its own.
    let agreed = args.yes || std::io::stdin().is_terminal() && confirmed()?;
    if !agreed {
        return Err(CliError::NotSigned);
    }
    signed.send(&bytes, &key_id, None).await
}

/// Signs a no. What is rejected need not be read to its end.
pub async fn reject(args: RejectArgs) -> Result<(), CliError> {
    let gate = GateClient::new(&args.gate)?;
    let view: RequestView = gate.get(&["v1", "requests", &args.id], &[]).await?;
    let plan = check_shown(&view)?;
    let signed = Signing {
        gate: &gate,
        view: &view,
        plan: &plan,
        signer: &args.signer,
        decision: Decision::Reject,
    };
    let (bytes, key_id) = signed.statement().await?;
    signed.send(&bytes, &key_id, Some(&args.reason)).await
}

struct Signing<'a> {
    gate: &'a GateClient,
    view: &'a RequestView,
    plan: &'a PlanDocument,
    signer: &'a Signer,
    decision: Decision,
}

impl Signing<'_> {
    /// The bytes to sign, once they say what was shown and nothing else; printed.
    async fn statement(&self) -> Result<(Vec<u8>, String), CliError> {
        let key_id = keygen::fingerprint(&self.signer.key)?;
        let mut query = vec![("key", key_id.as_str()), ("decision", decision_name(self.decision))];
        query.extend(self.signer.approver.as_deref().map(|approver| ("approver", approver)));
        let path = ["v1", "requests", &self.view.summary.id, "statement"];
        let bytes = self.gate.get_bytes(&path, &query).await?;
        let statement = statement_in(&bytes)?;
        self.check(&statement, &key_id)?;
        let shown = serde_json::to_string_pretty(&statement).map_err(anyhow::Error::from)?;
        println!("\nWHAT YOU SIGN");
        shown.lines().for_each(|line| println!("  {}", visible(line)));
        Ok((bytes, key_id))
    }

    fn check(&self, statement: &Statement, key_id: &str) -> Result<(), CliError> {
        let (view, plan) = (self.view, self.plan);
        let approver = self.signer.approver.as_ref();
        let agreements = [
            ("decision", statement.decision == self.decision),
            ("request", statement.request == view.summary.id),
            ("action", statement.action == view.summary.action),
            ("plan digest", statement.plan_digest == view.summary.plan_digest),
            ("target", statement.target == plan.target),
            ("gate", statement.gate == view.gate),
            ("executor", statement.audience == view.audience),
            ("requester", statement.requester == plan.requester),
            ("policy", statement.policy_digest == plan.policy_digest),
            ("not_before", statement.not_before >= plan.not_before),
            ("approve_by", statement.approve_by <= plan.approve_by),
            ("execute_by", statement.execute_by <= plan.expires_at),
            (
                "approver",
                approver.is_none_or(|approver| statement.approver == *approver),
            ),
            ("key", statement.key_id == key_id),
            ("method", statement.method == Method::Ssh),
        ];
        match agreements.iter().find(|(_, agrees)| !agrees) {
            None => Ok(()),
            Some((what, _)) => Err(CliError::NotVerified(format!(
                "the gate offers a statement with another {what} than it shows"
            ))),
        }
    }

    async fn send(&self, bytes: &[u8], key_id: &str, remark: Option<&str>) -> Result<(), CliError> {
        let signature = keygen::sign(&self.signer.key, STATEMENT_NAMESPACE, bytes)?;
        if signature.key_id() != key_id {
            return Err(CliError::NotVerified(format!(
                "ssh-keygen signed with `{}`",
                signature.key_id()
            )));
        }
        let mut query: Vec<(&str, &str)> = Vec::new();
        query.extend(self.signer.approver.as_deref().map(|approver| ("approver", approver)));
        query.extend(remark.map(|remark| ("remark", remark)));
        let path = ["v1", "requests", &self.view.summary.id, "decisions"];
        let decided: Value = self.gate.post(&path, &query, signature.to_armored()).await?;
        let text = |key: &str| decided.get(key).map(Value::to_string).unwrap_or_default();
        println!(
            "\nsigned: request {} is {}, {} of {} people",
            self.view.summary.id,
            visible(text("status").trim_matches('"')),
            text("have"),
            text("need")
        );
        Ok(())
    }
}

/// The shown text is the digest's, and has one reading.
fn check_shown(view: &RequestView) -> Result<PlanDocument, CliError> {
    if !view.digest_is_of_plan() {
        return Err(CliError::NotVerified(
            "the digest that the gate shows is not that of the plan that it shows".to_owned(),
        ));
    }
    let plan: PlanDocument = serde_json::from_str(&view.plan)
        .map_err(|error| CliError::NotVerified(format!("what the gate shows is no plan: {error}")))?;
    let again = canonical_json(&plan).map_err(anyhow::Error::from)?;
    if again != view.plan.as_bytes() {
        return Err(CliError::NotVerified(
            "the plan's text can be read in two ways".to_owned(),
        ));
    }
    Ok(plan)
}

/// What this program's own catalog says of the plan, whatever the gate says.
fn own_opinion(view: &RequestView, catalog: Option<&std::path::Path>) -> String {
    let judged = Catalog::open(catalog)
        .map_err(|error| error.to_string())
        .and_then(|catalog| {
            let plan = Plan::admit(view.plan.as_bytes(), &catalog).map_err(|error| error.to_string())?;
            plan.check_evidence(&view.evidence).map_err(|error| error.to_string())
        });
    match judged {
        Ok(()) => "CHECKED HERE: your own catalog renders exactly this plan, from exactly this evidence".to_owned(),
        Err(reason) => format!(
            "NOT CHECKED HERE: your own catalog does not vouch for this plan: {}",
            visible(&reason)
        ),
    }
}

fn statement_in(bytes: &[u8]) -> Result<Statement, CliError> {
    let refused = || CliError::NotVerified("what the gate offers to sign is no statement".to_owned());
    let start = bytes.iter().position(|byte| *byte == b'{').ok_or_else(refused)?;
    let payload = bytes.get(start..).ok_or_else(refused)?;
    if pae(STATEMENT_TYPE, payload) != bytes {
        return Err(refused());
    }
    Statement::parse(payload).map_err(|error| CliError::NotVerified(format!("what the gate offers to sign: {error}")))
}

fn decision_name(decision: Decision) -> &'static str {
    match decision {
        Decision::Approve => "approve",
        Decision::Reject => "reject",
    }
}

pub fn confirmed() -> Result<bool, CliError> {
    print!("\nSign this? Type yes: ");
    std::io::stdout().flush().map_err(anyhow::Error::from)?;
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(anyhow::Error::from)?;
    Ok(line.trim() == "yes")
}
