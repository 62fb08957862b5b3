//! `doorstep completions SHELL`.

use super::exit::Failure;
use super::output;
use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(command: &mut clap::Command, arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "doorstep", &mut script);
    output::raw(&script)
}
