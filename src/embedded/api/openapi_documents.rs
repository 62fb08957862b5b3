//! Where the OpenAPI documents are served.

use super::failure::{Failure, Outcome};
use super::openapi;
use super::request::Call;
use super::response::{self, Body};
use http::{Method, Response, StatusCode};

/// Answers below `/openapi`.
pub(crate) fn answer(call: &Call, segments: &[&str]) -> Outcome<Response<Body>> {
    if call.method != Method::GET {
        return Err(Failure::method_not_allowed());
    }
    let wants_json = call.accept().is_empty() || call.accept().contains("json") || call.accept().contains("*/*");
    let document = match segments {
        ["openapi", "v2"] if !wants_json => return Err(Failure::not_acceptable()),
        ["openapi", "v2"] => openapi::v2_document(),
        ["openapi", "v3"] => openapi::v3_index(),
        ["openapi", "v3", rest @ ..] => {
            if !wants_json {
                return Err(Failure::not_acceptable());
            }
            openapi::v3_document(&rest.join("/")).ok_or_else(Failure::no_such_path)?
        }
        _ => return Err(Failure::no_such_path()),
    };
    Ok(response::json(StatusCode::OK, &document))
}
