//! `doorstep sample-front`.

use super::exit::{Exit, Failure};
use super::output;
use crate::sample_front::{self, Options, SampleFrontError};

pub(super) fn run() -> Result<(), Failure> {
    let failed = |error: SampleFrontError| Failure::new(Exit::Failed, error.to_string());
    let options = Options::from_environment().map_err(failed)?;
    // Its log is what a person reads with `doorstep env logs`; nobody has to read it.
    let announce = |address| output::line(&format!("listening on {address}")).unwrap_or_default();
    sample_front::run(options, announce).map_err(failed)
}
