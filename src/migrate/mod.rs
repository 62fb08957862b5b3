//! Configurations of other gateways, translated. Pure: texts come in, texts and remarks go out.

mod remark;
pub mod traefik;

pub use remark::{Remark, Severity};

/// A file that is to be translated.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// How messages call it.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// What comes of it.
#[derive(Debug, Clone, Default)]
pub struct Migration {
    /// A file of routes; empty when nothing needs one.
    pub routes: String,
    /// Ingress objects; empty when there are none.
    pub ingresses: String,
    /// What has no counterpart, what refuses instead, and what could not be read.
    pub remarks: Vec<Remark>,
}

impl Migration {
    /// Whether something could not be read.
    pub fn has_mistakes(&self) -> bool {
        self.remarks.iter().any(|remark| remark.severity == Severity::Mistake)
    }
}
