//! The commands, one file each. They read arguments, call the management API or [`crate::app`], and print.

mod access;
mod admin;
mod audit;
mod classes;
mod client;
mod completions;
mod costs;
mod credential;
mod dns;
mod env;
mod exit;
mod explain;
mod gateway;
mod globals;
mod login;
mod man;
mod manager;
mod migrate;
mod node;
pub mod output;
mod pages;
mod preview;
mod progress;
mod proxy;
mod quota;
mod routes;
mod sample_front;
mod sessions;
mod store;
mod table;
mod text;
mod token;
mod up;
mod webhook;

pub use exit::{Exit, Failure};
pub use globals::default_data_folder;

use clap::{CommandFactory as _, Parser, Subcommand};
use globals::Globals;
use std::ffi::OsString;
use std::process::ExitCode;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  a mistake in the arguments, or in what they ask for
  3  not found: no such environment, class or pod
  4  the manager is not reachable, or refused the token or what it may do
  5  timed out while waiting
  130  ended by Ctrl-C";

/// Personal environments on demand, and the gateway before them.
#[derive(Debug, Parser)]
#[command(name = "doorstep", version, after_help = EXIT_CODES, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything on this machine: gateway, manager and an embedded cluster
    Up(up::Arguments),
    /// Start the gateway of a cluster, or of a file of routes
    Gateway(gateway::Arguments),
    /// Start the manager of a cluster: management API and operator
    Manager(manager::Arguments),
    /// Run the pods of a cluster as processes of this machine, as the tests do
    #[command(hide = true)]
    Node(node::Arguments),
    /// Deploy, list and look at environments
    #[command(subcommand)]
    Env(env::Command),
    /// Say who would answer a request, and why
    Explain(explain::Arguments),
    /// List the routes of the gateway
    Routes(routes::Arguments),
    /// Say what manifests would add to the routes, shadow and break
    Preview(preview::Arguments),
    /// Translate the configuration of another gateway
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Show the plan for DNS, and look whether names resolve
    #[command(subcommand)]
    Dns(dns::Command),
    /// List the classes, or show one
    Classes(classes::Arguments),
    /// Say how much environments take, and how much they may
    Quota(quota::Arguments),
    /// List what was done by whom; export and verify it
    Audit(audit::Arguments),
    /// Reckon what environments used and what it costs
    Costs(costs::Arguments),
    /// Have others told of what happens to environments
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Back up, restore and check the store, without its manager
    #[command(subcommand)]
    Admin(admin::Command),
    /// Log in with a manager that knows issuers; the login serves all commands
    Login(login::Arguments),
    /// Forget the login with a manager
    Logout(login::Logout),
    /// Make, list and revoke tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Say who the manager takes you for, and what you may do
    #[command(name = "whoami")]
    WhoAmI(login::WhoAmI),
    /// Print the completions for a shell
    Completions(completions::Arguments),
    /// Write the manual pages of all commands
    Man(man::Arguments),
    /// Run the small front end that the default classes use; HOST and PORT say where
    SampleFront,
}

/// Runs the command line `arguments`, the first of which is the program itself.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = match Cli::try_parse_from(arguments) {
        Ok(cli) => dispatch(&cli),
        Err(error) => output::usage(&error),
    };
    match outcome {
        Ok(()) => Exit::Done.into(),
        Err(failure) => output::failure(&failure),
    }
}

fn dispatch(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Up(arguments) => up::run(&cli.globals, arguments),
        Command::Gateway(arguments) => gateway::run(&cli.globals, arguments),
        Command::Manager(arguments) => manager::run(&cli.globals, arguments),
        Command::Node(arguments) => node::run(&cli.globals, arguments),
        Command::Env(command) => client::block_on(env::run(&cli.globals, command)),
        Command::Dns(command) => client::block_on(dns::run(&cli.globals, command)),
        Command::Explain(arguments) => client::block_on(explain::run(&cli.globals, arguments)),
        Command::Routes(arguments) => client::block_on(routes::run(&cli.globals, arguments)),
        Command::Preview(arguments) => client::block_on(preview::run(&cli.globals, arguments)),
        Command::Migrate(command) => migrate::run(command),
        Command::Classes(arguments) => client::block_on(classes::run(&cli.globals, arguments)),
        Command::Quota(arguments) => client::block_on(quota::run(&cli.globals, arguments)),
        Command::Audit(arguments) => client::block_on(audit::run(&cli.globals, arguments)),
        Command::Costs(arguments) => client::block_on(costs::run(&cli.globals, arguments)),
        Command::Webhook(command) => client::block_on(webhook::run(&cli.globals, command)),
        Command::Admin(command) => client::block_on(admin::run(&cli.globals, command)),
        Command::Login(arguments) => client::block_on(login::run(&cli.globals, arguments)),
        Command::Logout(arguments) => client::block_on(login::logout(&cli.globals, arguments)),
        Command::Token(command) => client::block_on(token::run(&cli.globals, command)),
        Command::WhoAmI(arguments) => client::block_on(login::whoami(&cli.globals, arguments)),
        Command::Completions(arguments) => completions::run(&mut Cli::command(), arguments),
        Command::Man(arguments) => man::run(Cli::command(), arguments),
        Command::SampleFront => sample_front::run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_one_machine() {
        let Cli { command: Command::Up(up), .. } = Cli::try_parse_from(["doorstep", "up"]).unwrap() else {
            panic!("up");
        };
        assert_eq!((up.http.to_string(), up.https.to_string()), ("127.0.0.1:8080".into(), "127.0.0.1:8443".into()));
        assert_eq!((up.api.to_string(), up.domain.as_str()), ("127.0.0.1:8081".into(), "localhost"));
    }
}
