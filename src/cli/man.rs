//! `doorstep man --to DIR`.

use super::exit::{Exit, Failure};
use super::output;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The folder, like /usr/local/share/man/man1; it is made where it is not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(super) fn run(command: clap::Command, arguments: &Arguments) -> Result<(), Failure> {
    let to = &arguments.to;
    let written = std::fs::create_dir_all(to).and_then(|()| clap_mangen::generate_to(command, to));
    written.map_err(|error| Failure::new(Exit::Failed, format!("{} cannot be written: {error}", to.display())))?;
    output::remark(&format!(
        "the manual pages are in {}; read them with: man {}",
        to.display(),
        to.join("doorstep.1").display()
    ));
    Ok(())
}
