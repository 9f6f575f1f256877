//! The flags and subcommands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use kit::ServeArgs;
use runbooks::Timestamp;

/// Serves the pinned runbooks over MCP; with a subcommand, checks runbooks and policies.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(flatten)]
    pub serve: ServeArgs,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check every runbook of a catalog folder, or of the shipped catalog
    Lint { dir: Option<PathBuf> },
    /// Print the JSON Schema of a runbook, or of a hand-over
    Schema {
        #[arg(long)]
        hand_over: bool,
    },
    /// Print a catalog folder's manifest: what its owner signs with `ssh-keygen -Y sign -n catalog@countersign`
    Manifest { dir: PathBuf },
    /// Render every fixture of a catalog folder, put its plan before the policy, and compare it with its golden script
    Test(FixtureArgs),
    /// Render the plan that a draft makes of recorded evidence, without executing anything
    Render(RenderArgs),
    /// Test a policy, or ask it about a plan
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
}

#[derive(Debug, Args)]
pub struct FixtureArgs {
    /// The folder of <id>/runbook.json and <id>/fixtures/<case>.json
    #[arg(default_value = "runbooks/catalog")]
    pub dir: PathBuf,
    /// Policy folder instead of the shipped policy, which must allow every fixture's plan
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// Write the scripts instead of comparing them; review the difference before you keep it
    #[arg(long)]
    pub write: bool,
}

#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The draft: {runbook, version, parameters}
    #[arg(long, value_name = "FILE")]
    pub draft: PathBuf,
    /// The recorded evidence: a JSON array
    #[arg(long, value_name = "FILE")]
    pub evidence: PathBuf,
    /// What the plan is made for, as in the tool `render_plan`; without it, a dry run that no gate admits
    #[arg(long, value_name = "FILE")]
    pub context: Option<PathBuf>,
    /// Catalog folder instead of the shipped catalog
    #[arg(long, value_name = "DIR")]
    pub catalog: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Run the tests of a policy folder
    Test(TestArgs),
    /// Say what the policy decides about a plan
    Eval(EvalArgs),
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// The folder of *.rego and *_test.rego
    #[arg(default_value = "policies/rego")]
    pub dir: PathBuf,
    /// Also delete each rule and each condition once, and name the deletions that no test notices
    #[arg(long)]
    pub mutate: bool,
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The exact plan text
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,
    /// Policy folder instead of the shipped policy
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// Catalog folder instead of the shipped catalog
    #[arg(long, value_name = "DIR")]
    pub catalog: Option<PathBuf>,
    /// Decide as of this moment instead of now
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// Decide as if changes were frozen
    #[arg(long)]
    pub freeze: bool,
    /// How often the runbook ran on this target during the last day
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub executions_last_day: u32,
}
