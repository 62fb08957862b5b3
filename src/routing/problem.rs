//! Why a source, or a part of it, is not in the table.

use super::{HostClaim, SourceKey};
use std::fmt;

/// A part of a source that has no effect, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The source.
    pub source: SourceKey,
    /// The host concerned, if one is.
    pub host: Option<HostClaim>,
    /// The kind of problem.
    pub reason: ProblemReason,
    /// A sentence that says what is wrong and what would be right.
    pub message: String,
}

/// The kinds of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProblemReason {
    /// The host lies in a zone that belongs to a class's pattern.
    HostReserved,
    /// An older source has the same host and the same match.
    HostConflict,
    /// The labels claim an environment that the object's name does not.
    ForeignLabels,
    /// The labels name a class that does not exist, or that is not valid.
    ClassUnknown,
    /// The class's pattern may make hosts of an older class.
    HostPatternTaken,
    /// Something in the object cannot be read.
    Invalid,
    /// A rule leads to a Service, or a port of one, that is not there.
    BackendNotFound,
    /// The Secret of a certificate is not there, or holds none that can be used for the host.
    CertificateUnusable,
    /// The certificate in use has ended, or not begun, or its Secret turned bad after it was taken.
    CertificateOutdated,
    /// An endpoint's address is one that no request may be sent to.
    EndpointRefused,
}

impl ProblemReason {
    /// The reason as conditions and metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HostReserved => "HostReserved",
            Self::HostConflict => "HostConflict",
            Self::ForeignLabels => "ForeignLabels",
            Self::ClassUnknown => "ClassUnknown",
            Self::HostPatternTaken => "HostPatternTaken",
            Self::Invalid => "Invalid",
            Self::BackendNotFound => "BackendNotFound",
            Self::CertificateUnusable => "CertificateUnusable",
            Self::CertificateOutdated => "CertificateOutdated",
            Self::EndpointRefused => "EndpointRefused",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.message)
    }
}
