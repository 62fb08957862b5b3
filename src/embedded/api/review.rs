//! Reviews of who asks and what they may: one token, which may do everything.

use super::failure::{Failure, Outcome};
use super::json;
use super::request::Call;
use super::response::{self, Body};
use http::{Method, Response, StatusCode};
use serde_json::json;

/// The user behind the token.
const USER: &str = "doorstep-admin";

/// Answers a review.
pub(crate) fn answer(call: &Call, group: &str, resource: &str) -> Outcome<Response<Body>> {
    if call.method != Method::POST {
        return Err(Failure::method_not_allowed());
    }
    // The answer is the same whatever is asked, and some clients ask in protobuf.
    let mut review = match call.content_type() {
        super::protobuf::MEDIA => json!({}),
        _ => call.object()?,
    };
    match (group, resource) {
        ("authorization.k8s.io", "selfsubjectaccessreviews") => {
            json::set(&mut review, &["status"], json!({"allowed": true}));
        }
        ("authentication.k8s.io", "selfsubjectreviews") => {
            let user = json!({"username": USER, "groups": ["system:masters", "system:authenticated"]});
            json::set(&mut review, &["status", "userInfo"], user);
        }
        _ => return Err(Failure::no_such_path()),
    }
    let kind = if group.starts_with("authorization") { "SelfSubjectAccessReview" } else { "SelfSubjectReview" };
    json::set(&mut review, &["kind"], kind);
    json::set(&mut review, &["apiVersion"], format!("{group}/v1"));
    json::set_default(&mut review, &["metadata"], json!({}));
    Ok(response::json(StatusCode::CREATED, &review))
}
