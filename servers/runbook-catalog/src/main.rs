//! The pinned runbooks as MCP tools and resources, and the commands of those who write them.

mod cli;
mod commands;
mod config;
mod context;
mod readme;
mod resources;
mod shelf;
mod tools;

use clap::Parser;
use kit::ExitCode;

use crate::cli::{Cli, Command, PolicyCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match &cli.command {
        None => serve(cli),
        Some(Command::Lint { dir }) => commands::lint::run(dir.as_deref()),
        Some(Command::Schema { hand_over }) => commands::schema::run(*hand_over),
        Some(Command::Manifest { dir }) => commands::manifest::run(dir),
        Some(Command::Test(args)) => commands::fixtures::run(args),
        Some(Command::Render(args)) => commands::render::run(args),
        Some(Command::Policy {
            command: PolicyCommand::Test(args),
        }) => commands::policy::test(args),
        Some(Command::Policy {
            command: PolicyCommand::Eval(args),
        }) => commands::policy::eval(args),
    }
}

fn serve(cli: Cli) -> ExitCode {
    kit::main(async move {
        let config = match cli.serve.load_config::<config::Config>() {
            Ok(config) => config,
            Err(code) => return code,
        };
        if let Some(code) = cli.serve.printed_config(&config) {
            return code;
        }
        kit::logging::init(tools::INFO.name, cli.serve.log_format);
        match shelf::Shelf::open(config.catalog.dir.as_deref()) {
            Ok(shelf) => tools::server(shelf).run(&cli.serve).await,
            Err(error) => {
                tracing::error!("{error:#}");
                ExitCode::Usage
            }
        }
    })
}
