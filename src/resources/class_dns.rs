//! What a class says of DNS: which records lead to its hosts.

use crate::model::{RecordTarget, shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which DNS records lead to the hosts of a class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassDns {
    /// `wildcard`: one record for all names of the class's zone; `record`: one for each environment; `none`: none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["wildcard", "record", "none"]))]
    pub mode: Option<String>,
    /// Where the records lead to: addresses, or one name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 16, "items" = {"type": "string", "maxLength": 253}))]
    pub target: Vec<String>,
    /// How long an answer may be kept, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604800))]
    pub ttl_seconds: Option<i32>,
}

impl ClassDns {
    /// The modes there are.
    pub const MODES: [&'static str; 3] = ["wildcard", "record", "none"];

    /// All that is wrong with it: a field and a sentence each.
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut mistakes = Vec::new();
        if let Some(mode) = self.mode.as_deref().filter(|mode| !Self::MODES.contains(mode)) {
            mistakes.push(("mode", format!("{} is no mode; wildcard, record and none are", shown(mode))));
        }
        if !self.target.is_empty()
            && let Err(said) = RecordTarget::parse(self.target.iter().map(String::as_str))
        {
            mistakes.push(("target", said));
        }
        if let Some(ttl) = self.ttl_seconds.filter(|ttl| !(1..=604_800).contains(ttl)) {
            mistakes.push(("ttlSeconds", format!("{ttl} is out of bounds; 1 to 604800 are not")));
        }
        mistakes
    }
}
