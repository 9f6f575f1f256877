//! A PostgreSQL MCP server that cannot write: by role, by transaction, by parser, in that order of trust.

mod advice;
mod config;
mod db;
mod ddl;
mod doctor;
mod dsn;
mod extensions;
mod facts;
mod growth;
mod guard;
mod hypothetical;
mod iam;
mod inquiry;
mod locks;
mod masked;
mod pace;
mod pgpass;
mod plan;
mod planner;
mod relation;
mod risks;
mod serve;
mod setup_sql;
mod state;
mod statement_counters;
mod tables;
mod target;
mod tls;
mod tools;
mod wire;

use clap::{Parser, Subcommand};
use kit::{ExitCode, ServeArgs};

/// Answers questions about a PostgreSQL server over MCP, and cannot change it.
#[derive(Parser)]
#[command(version)]
struct Flags {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    target: config::TargetArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Print the SQL that makes a harmless role
    SetupSql {
        /// The role's name
        #[arg(long, default_value = "countersign_readonly")]
        role: String,
    },
    /// Connect once to each target and say whether its role is harmless (exit code 0) or not (1)
    Doctor,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    if let Some(Command::SetupSql { role }) = &flags.command {
        print!("{}", setup_sql::script(role));
        return ExitCode::Done;
    }
    let targets = match serve::find_targets(&flags.serve, &flags.target) {
        Ok(targets) => targets,
        Err(code) => return code,
    };
    let databases = targets
        .into_iter()
        .map(|(name, chosen)| (name, db::Database::new(chosen.target, chosen.options)))
        .collect();
    kit::main_on_one_thread(|| async move {
        match flags.command {
            Some(_) => doctor::run(&databases).await,
            None => serve::run(&flags.serve, databases).await,
        }
    })
}
