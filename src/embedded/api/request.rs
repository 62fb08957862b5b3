//! A request, read: which resource, which options, which form of answer.

use super::failure::{Failure, Outcome};
use super::json;
use super::protobuf;
use http::{HeaderMap, Method, Uri, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::BTreeMap;

/// At most this many bytes are taken as a request's body, as a real API server does.
pub(crate) const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// A request with its body read.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) segments: Vec<String>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: bytes::Bytes,
}

impl Call {
    pub(crate) fn new(method: Method, uri: &Uri, headers: HeaderMap, body: bytes::Bytes) -> Self {
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let segments = uri.path().split('/').filter(|s| !s.is_empty()).map(decoded).collect();
        Self { method, segments, query: Query::parse(uri.query().unwrap_or_default()), headers, body }
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The media type of the body, without its parameters.
    pub(crate) fn content_type(&self) -> &str {
        self.header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim()
    }

    /// The form of answer that is wanted.
    pub(crate) fn form(&self) -> Outcome<Form> {
        Form::negotiate(self.header(header::ACCEPT))
    }

    pub(crate) fn accept(&self) -> &str {
        self.header(header::ACCEPT)
    }

    /// The body as an object: JSON or YAML.
    pub(crate) fn object(&self) -> Outcome<Value> {
        let accepted = ["application/json", "application/yaml"];
        match self.content_type() {
            "" | "application/json" | "application/yaml" | "application/x-yaml" | "*/*" => {}
            protobuf::MEDIA => {
                return protobuf::object(&self.body).ok_or_else(|| Failure::unsupported_media_type(&accepted));
            }
            _ => return Err(Failure::unsupported_media_type(&accepted)),
        }
        parse(&self.body)
    }

    /// The body as options, where there is one.
    pub(crate) fn delete_options(&self) -> Outcome<Value> {
        if self.body.is_empty() { Ok(Value::Null) } else { self.object() }
    }

    pub(crate) fn write_options(&self, kind: &'static str) -> Outcome<WriteOptions> {
        let validation = match self.query.text("fieldValidation") {
            "Strict" => FieldValidation::Strict,
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            other => {
                let why = format!("Invalid value: \"{other}\": allowed: Ignore, Warn, Strict");
                return Err(Failure::invalid_options(kind, "fieldValidation", &why));
            }
        };
        let named = self.query.text("fieldManager");
        let agent = self.header(header::USER_AGENT).split('/').next().unwrap_or_default();
        let agent = if agent.is_empty() { "unknown" } else { agent };
        let manager_named = !named.is_empty();
        Ok(WriteOptions {
            dry_run: dry_run(self.query.get("dryRun"), kind)?,
            manager: if manager_named { named } else { agent }.chars().take(128).collect(),
            manager_named,
            force: self.query.flag("force"),
            validation,
        })
    }
}

/// Whether a value asks that nothing be kept.
pub(crate) fn dry_run(value: Option<&str>, kind: &'static str) -> Outcome<bool> {
    match value {
        None | Some("") => Ok(false),
        Some("All") => Ok(true),
        Some(other) => {
            let why = format!("Unsupported value: \"{other}\": supported values: \"All\"");
            Err(Failure::invalid_options(kind, "dryRun", &why))
        }
    }
}

/// Reads JSON, or YAML where it is not JSON.
pub(crate) fn parse(body: &[u8]) -> Outcome<Value> {
    let looks_like_json = body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'{');
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) if looks_like_json => {
            return Err(Failure::bad_request(format!("the body of the request cannot be decoded: {error}")));
        }
        Err(_) => {
            let text = String::from_utf8_lossy(body);
            serde_saphyr::from_str(&text).map_err(|error| {
                Failure::bad_request(format!("the body of the request cannot be decoded: error parsing YAML: {error}"))
            })?
        }
    };
    if value.is_object() || value.is_array() {
        Ok(value)
    } else {
        Err(Failure::bad_request("the body of the request is not an object"))
    }
}

/// How a write is to be made.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    pub(crate) manager: String,
    /// Whether the manager was named in the request; an apply must.
    pub(crate) manager_named: bool,
    pub(crate) force: bool,
    pub(crate) validation: FieldValidation,
}

/// What becomes of fields that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Strict,
    Warn,
    Ignore,
}

/// Query parameters.
#[derive(Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let decoded = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "" | "1" | "true" | "True" | "TRUE" | "t" | "T"))
    }

    pub(crate) fn number(&self, name: &str) -> Outcome<Option<u64>> {
        match self.text(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Failure::bad_request(format!("{name}: Invalid value: \"{text}\": must be a whole number, 0 or more"))
            }),
        }
    }
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object itself.
    Object,
    /// Rows and columns, with what of the object goes along.
    Table(Include),
    /// Only the object's metadata.
    Metadata,
}

/// What of an object goes along with its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    None,
    Metadata,
    Object,
}

impl Include {
    pub(crate) fn of(query: &Query) -> Outcome<Self> {
        match query.text("includeObject") {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::None),
            "Object" => Ok(Self::Object),
            other => Err(Failure::bad_request(format!("unrecognized includeObject value: \"{other}\""))),
        }
    }
}

impl Form {
    /// The first form of an `Accept` field that we have.
    fn negotiate(accept: &str) -> Outcome<Self> {
        let mut any = accept.trim().is_empty();
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            if !matches!(media, "application/json" | "*/*" | "application/*" | "application/yaml") {
                continue;
            }
            match parts.find_map(|parameter| parameter.strip_prefix("as=")) {
                Some("Table") => return Ok(Self::Table(Include::Metadata)),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Ok(Self::Metadata),
                Some(_) => {}
                None => any = true,
            }
            if any {
                return Ok(Self::Object);
            }
        }
        if any { Ok(Self::Object) } else { Err(Failure::not_acceptable()) }
    }
}

/// Preconditions of a deletion and how it is to be done.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) grace: Option<i64>,
    pub(crate) policy: Option<Propagation>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) dry_run: bool,
}

/// What becomes of the objects that are owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Orphan,
    Background,
    Foreground,
}

impl DeleteOptions {
    pub(crate) fn read(call: &Call) -> Outcome<Self> {
        let body = call.delete_options()?;
        let query = &call.query;
        let policy = match (json::text(&body, "/propagationPolicy"), query.text("propagationPolicy")) {
            ("", text) | (text, _) => text,
        };
        let orphan = body.pointer("/orphanDependents").and_then(Value::as_bool);
        let policy = match (policy, orphan) {
            ("", None) => None,
            ("", Some(true)) | ("Orphan", _) => Some(Propagation::Orphan),
            ("", Some(false)) | ("Background", _) => Some(Propagation::Background),
            ("Foreground", _) => Some(Propagation::Foreground),
            (other, _) => {
                let why = format!(
                    "Unsupported value: \"{other}\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
                );
                return Err(Failure::invalid_options("DeleteOptions", "propagationPolicy", &why));
            }
        };
        let grace = match json::integer(&body, "/gracePeriodSeconds") {
            Some(seconds) => Some(seconds),
            None => query.number("gracePeriodSeconds")?.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
        };
        let precondition = |pointer: &str| Some(json::text(&body, pointer).to_owned()).filter(|text| !text.is_empty());
        let dry = body.pointer("/dryRun/0").and_then(Value::as_str).or(query.get("dryRun"));
        Ok(Self {
            grace,
            policy,
            uid: precondition("/preconditions/uid"),
            resource_version: precondition("/preconditions/resourceVersion"),
            dry_run: dry_run(dry, "DeleteOptions")?,
        })
    }
}
