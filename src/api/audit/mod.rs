//! The audit: what is written for each call that changes something, and the calls that read it.

mod csv;
mod export;
mod interrupted;
mod layer;
mod list;
mod observe;
mod query;
mod verify;
mod view;

pub use interrupted::close_interrupted;
pub use layer::Note;
pub use verify::ChainView;
pub use view::{AuditList, AuditRecord};

pub(super) use layer::{Refused, record, refused};
pub(super) use list::*;
pub(super) use observe::{at_first, became};
pub(super) use verify::*;
