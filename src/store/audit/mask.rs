//! What a record must not keep: values that look like secrets by their name, and values that have no end.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What stands in the place of a secret.
const MASKED: &str = "(masked)";
/// Words in the name of a field whose value is a secret.
const SECRETS: [&str; 9] =
    ["password", "passwd", "secret", "token", "credential", "authorization", "cookie", "privatekey", "apikey"];
/// The most bytes of a value; of a longer one its digest is kept.
const MOST_BYTES: usize = 32 * 1024;

/// The same value without secrets, and of a bounded size.
pub fn mask(mut value: Value) -> Value {
    hide(&mut value);
    let text = value.to_string();
    if text.len() <= MOST_BYTES {
        return value;
    }
    json!({"bytes": text.len(), "sha256": crate::store::hex(&Sha256::digest(text.as_bytes()))})
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if is_secret(name) && !value.is_null() && !value.is_boolean() {
                    *value = Value::String(MASKED.to_owned());
                } else {
                    hide(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRETS.iter().any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let given = json!({"parameters": {"VERSION": "3", "ADMIN_PASSWORD": "hunter2"}, "list": [{"apiKey": "x"}],
            "token": {"deep": "y"}, "secretSet": true});
        let masked = mask(given);
        assert_eq!(masked["parameters"], json!({"VERSION": "3", "ADMIN_PASSWORD": "(masked)"}));
        assert_eq!(masked["list"][0]["apiKey"], "(masked)");
        assert_eq!((&masked["token"], &masked["secretSet"]), (&json!("(masked)"), &json!(true)));
    }

    #[test]
    fn a_value_without_end_leaves_its_digest() {
        let masked = mask(json!({"a": "x".repeat(100_000)}));
        assert!(masked["bytes"].as_u64().unwrap() > 100_000);
        assert_eq!(masked["sha256"].as_str().unwrap().len(), 64);
    }
}
