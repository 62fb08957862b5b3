//! Where the OpenAPI documents are served.

use super::failure::{Failure, Outcome};
use super::openapi;
use super::request::Call;
use super::response::{self, Body};
use http::{Method, Response, StatusCode};

/// The media type of the protobuf form of version 2.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// A document of that form without a path: `swagger`, `info` with `title` and `version`, `paths`.
///
/// `kubectl` asks for it only when version 3 does not know a kind, so there is nothing to say but that nobody does. Refused,
/// it would complain of the media type in place of the kind.
const EMPTY: &[u8] = b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.36.0\x42\x00";

/// Answers below `/openapi`.
pub(crate) fn answer(call: &Call, segments: &[&str]) -> Outcome<Response<Body>> {
    if call.method != Method::GET {
        return Err(Failure::method_not_allowed());
    }
    let wants_json = call.accept().is_empty() || call.accept().contains("json") || call.accept().contains("*/*");
    let document = match segments {
        ["openapi", "v2"] if !wants_json && call.accept().contains("proto-openapi.spec.v2") => {
            return Ok(response::bytes(StatusCode::OK, PROTOBUF, EMPTY));
        }
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
