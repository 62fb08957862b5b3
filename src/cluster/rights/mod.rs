//! What each role may do in the cluster: [`RIGHTS`] is the one list, from which the chart's RBAC is generated, and by which
//! a running role looks at what it has.

mod chart;
mod keep;
mod list;
mod missing;

pub use chart::{RbacError, rbac_templates};
pub use keep::{Held, keep};
pub use list::{Need, Place, RIGHTS, Right, Role, Verb};
pub use missing::{Missing, Scope, refused};

#[cfg(test)]
mod tests;
