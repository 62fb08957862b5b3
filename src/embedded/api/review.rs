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
    let mut review = call.object()?;
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
    Ok(response::json(StatusCode::CREATED, &review))
}
