//! `doorstep sample-front`.

use super::exit::{Exit, Failure};
use crate::sample_front::{self, Options};

pub(super) fn run() -> Result<(), Failure> {
    let options = Options::from_environment().map_err(|error| Failure::usage(error.to_string()))?;
    sample_front::run(options).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}
