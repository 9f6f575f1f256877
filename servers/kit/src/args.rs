//! The flags that every server shares.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, Parser, ValueEnum};
use serde::{Serialize, de::DeserializeOwned};

use crate::{ExitCode, config, text, to_stdout};

/// `#[command(flatten)]` this into a server's own flags.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Serve MCP over HTTP at /mcp on this address instead of stdio; port 0 lets the system choose
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_address)]
    pub http: Option<SocketAddr>,

    /// Write the bound address (http://ADDR:PORT) into this file once listening
    #[arg(long, value_name = "FILE", requires = "http")]
    pub addr_file: Option<PathBuf>,

    /// Accept requests whose Host is this name, beside loopback; may be repeated
    #[arg(long = "allow-host", value_name = "HOST", requires = "http")]
    pub allow_hosts: Vec<String>,

    /// Listen on an address that is not loopback, although there is no authentication
    #[arg(long, requires = "http")]
    pub dangerously_bind_any: bool,

    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Print the resulting configuration, secrets masked, and exit
    #[arg(long)]
    pub print_config: bool,

    /// How logs are written to stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    #[default]
    Json,
    Text,
}

impl ServeArgs {
    /// Reads the file of `--config`, or takes the defaults; says on stderr what is wrong and returns the exit code.
    pub fn load_config<T: DeserializeOwned + Default>(&self) -> Result<T, ExitCode> {
        let Some(path) = &self.config else {
            return Ok(T::default());
        };
        config::load(path).map_err(|error| {
            eprintln!("error: {}", text::chain(&error));
            ExitCode::Usage
        })
    }

    /// Prints the resulting configuration if that is all that was asked; the caller then exits with the code.
    pub fn printed_config(&self, config: &impl Serialize) -> Option<ExitCode> {
        if !self.print_config {
            return None;
        }
        match config::print(config) {
            Ok(text) => Some(to_stdout(text)),
            Err(error) => {
                eprintln!("error: {}", text::chain(&error));
                Some(ExitCode::Failed)
            }
        }
    }

    /// Reads the process's flags, for a server without flags of its own; prints help or usage and exits where asked to.
    pub fn parse_flags() -> Self {
        #[derive(Parser)]
        #[command(version)]
        struct Only {
            #[command(flatten)]
            serve: ServeArgs,
        }
        Only::parse().serve
    }
}

/// An IP address and port; `localhost` is understood without asking a resolver.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:") {
        let port = port.parse().map_err(|_| format!("`{port}` is not a port"))?;
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse()
        .map_err(|_| "expected an IP address and a port, as in 127.0.0.1:8080 or [::1]:0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_numbers_or_localhost() {
        assert_eq!(parse_address("localhost:0"), Ok(SocketAddr::from(([127, 0, 0, 1], 0))));
        assert_eq!(
            parse_address("[::1]:80"),
            Ok(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 80)))
        );
        assert!(parse_address("db.example.com:80").is_err());
        assert!(parse_address("127.0.0.1").is_err());
    }
}
