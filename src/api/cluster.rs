//! Errors of the cluster as problems. What a caller reads says nothing of the cluster's inside; the log says all.

use super::problem::{Code, FieldError, Problem};
use crate::cluster::rights;
use kube::core::Status;

/// The problem that an error of the cluster is for the caller.
pub(super) fn problem(error: &kube::Error) -> Problem {
    match error {
        kube::Error::Api(status) => refused(status),
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => {
            tracing::warn!(%error, "the cluster does not answer");
            Problem::new(Code::ClusterUnavailable, "the cluster does not answer; try again in a moment")
        }
        // Not ours to match exhaustively: the client's own failures.
        _ => {
            tracing::error!(%error, "a request to the cluster failed");
            Problem::new(Code::ClusterRefused, "a request to the cluster failed; the log has the reason")
        }
    }
}

fn refused(status: &Status) -> Problem {
    if let Some(sentence) = rights::refused(&status.message).filter(|_| status.code == 403) {
        tracing::error!(message = status.message, "the cluster refused");
        return Problem::new(Code::MissingRight, sentence);
    }
    match status.code {
        409 => Problem::new(Code::Conflict, "somebody else changed it at the same time; try again"),
        422 => Problem { errors: causes(status), ..Problem::new(Code::Invalid, invalid(status)) },
        500..=599 if is_full(&status.message) => {
            tracing::error!(message = status.message, "the cluster's disk is full");
            Problem::new(
                Code::ClusterUnavailable,
                "nothing was changed: the cluster's disk is full; make room and try again",
            )
        }
        429 | 500..=599 => {
            tracing::warn!(code = status.code, reason = status.reason, message = status.message, "the cluster failed");
            Problem::new(Code::ClusterUnavailable, "the cluster cannot do it right now; try again in a moment")
        }
        code => {
            tracing::error!(code, reason = status.reason, message = status.message, "the cluster refused");
            Problem::new(
                Code::ClusterRefused,
                format!("the cluster refused with status {code}; the log has the reason"),
            )
        }
    }
}

fn invalid(status: &Status) -> String {
    format!("the cluster refused the object: {}", status.message)
}

fn causes(status: &Status) -> Vec<FieldError> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.map(|cause| FieldError::new(format!("/{}", cause.field.replace('.', "/")), cause.message.clone())).collect()
}

/// Whether the cluster says that there is no such object.
pub(super) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether the cluster says that an object was changed, or made, by somebody else in between.
pub(super) fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// The words of the embedded cluster's database, and of etcd.
fn is_full(message: &str) -> bool {
    (message.contains("the disk that holds") && message.contains("is full"))
        || message.contains("database space exceeded")
}
