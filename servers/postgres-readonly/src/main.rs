//! A PostgreSQL MCP server that cannot write: by role, by transaction, by parser, in that order of trust.

mod config;
mod db;
mod ddl;
mod doctor;
mod dsn;
mod facts;
mod growth;
mod guard;
mod inquiry;
mod locks;
mod masked;
mod pgpass;
mod relation;
mod risks;
mod serve;
mod setup_sql;
mod state;
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
    /// Connect once and say whether the role is harmless (exit code 0) or not (1)
    Doctor,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    if let Some(Command::SetupSql { role }) = &flags.command {
        print!("{}", setup_sql::script(role));
        return ExitCode::Done;
    }
    let target = match serve::find_target(&flags.serve, &flags.target) {
        Ok(target) => target,
        Err(code) => return code,
    };
    let db = db::Database::new(target, flags.target.options());
    kit::main(async move {
        match flags.command {
            Some(_) => doctor::run(&db).await,
            None => serve::run(&flags.serve, db).await,
        }
    })
}
