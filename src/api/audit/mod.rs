//! The audit: what is written for each call that changes something, and the calls that read it.

mod interrupted;
mod layer;
mod observe;

pub use interrupted::close_interrupted;
pub use layer::Note;

pub(super) use layer::{Refused, record, refused};
