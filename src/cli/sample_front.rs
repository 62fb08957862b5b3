//! `doorstep sample-front`.

use super::exit::{Exit, Failure};

pub(super) fn run() -> Result<(), Failure> {
    Err(Failure::new(Exit::Failed, "the sample front end is not part of this build"))
}
