//! `metrics.k8s.io/v1beta1`: what pods and nodes use, told by the node.

use super::failure::{Failure, Outcome};
use super::request::Call;
use super::response::Body;
use super::service::Api;
use http::Response;
use std::sync::Arc;

pub(crate) async fn answer(_: &Arc<Api>, _: &Call, _: &[&str]) -> Outcome<Response<Body>> {
    Err(Failure::no_such_path())
}
