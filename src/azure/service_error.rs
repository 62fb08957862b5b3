//! The errors that Azure's services answer with: `{"error": {"code", "message", "target", "details"}}`.

use super::redact;
use serde_json::Value;
use std::fmt;

/// Deployments nest errors, even as JSON text within a message; deeper than this nobody reads.
const MAX_DEPTH: usize = 6;
const MAX_DETAILS: usize = 8;
const MAX_CODE_CHARS: usize = 100;

/// What a service said went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceError {
    /// A word for programs, like `PreconditionFailed`; empty when the answer had none.
    pub code: String,
    /// A sentence for people, cleaned: no control characters, no signatures, not endless.
    pub message: String,
    /// What it is about, if told.
    pub target: Option<String>,
    /// The reasons behind it, if told.
    pub details: Vec<ServiceError>,
}

impl ServiceError {
    /// Reads an answer's body. Whatever it is, there is an error: of a body that is none, its beginning.
    pub fn of_body(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of_value(&value),
            Err(_) => Self { message: redact::sentence(&String::from_utf8_lossy(body)), ..Self::default() },
        }
    }

    /// Reads a value that is an error, or has one as `error`, or (some Compute calls) beside a `status`.
    pub fn of_value(value: &Value) -> Self {
        Self::read(value, 0).unwrap_or_default()
    }

    /// This error and the reasons behind it, outermost first.
    pub fn all(&self) -> impl Iterator<Item = &ServiceError> {
        let mut found = vec![self];
        let mut at = 0;
        while let Some(error) = found.get(at) {
            found.extend(error.details.iter());
            at += 1;
        }
        found.into_iter()
    }

    /// Whether this error or a reason behind it has the code.
    pub fn has_code(&self, code: &str) -> bool {
        self.all().any(|error| error.code.eq_ignore_ascii_case(code))
    }

    fn read(value: &Value, depth: usize) -> Option<Self> {
        if depth > MAX_DEPTH {
            return None;
        }
        let of = value.get("error").filter(|error| error.is_object()).unwrap_or(value);
        let text = |name: &str| of.get(name).and_then(Value::as_str);
        let (code, raw) = (text("code").unwrap_or_default(), text("message").unwrap_or_default());
        let mut details: Vec<Self> = match of.get("details").and_then(Value::as_array) {
            Some(all) => all.iter().take(MAX_DETAILS).filter_map(|one| Self::read(one, depth + 1)).collect(),
            None => Vec::new(),
        };
        // A deployment tells a resource's error as JSON within the sentence.
        let inner = serde_json::from_str::<Value>(raw).ok().filter(Value::is_object);
        let inner = inner.and_then(|inner| Self::read(&inner, depth + 1));
        let message = if inner.is_some() { String::new() } else { redact::sentence(raw) };
        details.extend(inner);
        let error = Self {
            code: code.chars().filter(|c| c.is_ascii_graphic()).take(MAX_CODE_CHARS).collect(),
            message,
            target: text("target").filter(|target| !target.is_empty()).map(redact::sentence),
            details,
        };
        (error != Self::default()).then_some(error)
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("it gave no reason");
        }
        for (at, error) in self.all().enumerate() {
            let parts = [error.code.as_str(), error.message.as_str()];
            let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            f.write_str(if at == 0 { "" } else { "; " })?;
            f.write_str(&said.join(": "))?;
            if let Some(target) = &error.target {
                write!(f, " ({target})")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_error_is_read_with_all_of_its_parts() {
        let body = json!({"error": {"code": "BadRequest", "message": "no\nway", "target": "ttl", "details": [
            {"code": "Inner", "message": "why"}]}});
        let error = ServiceError::of_value(&body);
        assert_eq!(error.to_string(), "BadRequest: no way (ttl); Inner: why");
        assert!(error.has_code("inner"));
    }

    #[test]
    fn an_error_that_is_json_within_a_message_is_found() {
        let inner = json!({"status": "Failed", "error": {"code": "QuotaExceeded", "message": "cores"}}).to_string();
        let body = json!({"error": {"code": "DeploymentFailed", "details": [{"code": "Conflict", "message": inner}]}});
        let error = ServiceError::of_value(&body);
        assert!(error.has_code("QuotaExceeded"), "{error:?}");
        assert_eq!(error.to_string(), "DeploymentFailed; Conflict; QuotaExceeded: cores");
    }

    #[test]
    fn status_and_error_side_by_side_and_bodies_that_are_no_errors() {
        let beside = json!({"status": "Failed", "error": {"code": "AllocationFailed"}});
        assert_eq!(ServiceError::of_value(&beside).code, "AllocationFailed");
        assert_eq!(ServiceError::of_body(b"<html>Bad Gateway</html>").message, "<html>Bad Gateway</html>");
        assert_eq!(ServiceError::of_body(b"").to_string(), "it gave no reason");
        for odd in [json!(null), json!([1]), json!({"error": 7}), json!({"error": {"code": 7, "details": {}}})] {
            assert_eq!(ServiceError::of_value(&odd), ServiceError::default(), "{odd}");
        }
    }

    #[test]
    fn an_endless_error_has_an_end() {
        let mut body = json!({"code": "x", "message": "y"});
        for _ in 0..100 {
            body = json!({"code": "x", "details": vec![body; 3]});
            if body.to_string().len() > 1_000_000 {
                break;
            }
        }
        assert!(ServiceError::of_value(&body).all().count() < 2_000);
    }
}
