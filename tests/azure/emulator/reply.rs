//! An answer before it is sent.

use serde_json::{Value, json};

/// An answer, or the lack of one.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// None: no content.
    pub body: Option<String>,
    pub cut: Cut,
}

/// Whether the connection ends before the answer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Whole,
    /// Nothing is sent.
    Before,
    /// The head and half of the body are sent.
    Within,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..Self::empty(status) }
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None, cut: Cut::Whole }
    }

    /// An error as all services of Azure tell it.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"error": {"code": code, "message": message}}))
    }

    pub fn throttled(seconds: u64) -> Self {
        let message =
            "The request could not be processed due to an excessive volume of traffic. Please try again later.";
        Self::error(429, "TooManyRequests", message).header("retry-after", seconds.to_string())
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cut = cut;
        self
    }
}
