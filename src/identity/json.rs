//! JSON in which no name stands twice.
//!
//! Two readers of one token must not see two values of one claim (RFC 8725, section 2.7), so a second one is refused
//! wherever it stands. Depth is bounded by `serde_json`.

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Reads an object without repeated names.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice::<Unique>(bytes) {
        Ok(Unique(Value::Object(fields))) => Ok(fields),
        Ok(_) => Err("it is JSON, but not an object".to_owned()),
        // The position helps; what stands there is not told, as it may be somebody's secret.
        Err(error) if error.to_string().starts_with(TWICE) => Err(TWICE.to_owned()),
        Err(error) => Err(format!("it is not JSON (column {})", error.column())),
    }
}

const TWICE: &str = "a name stands twice in it";

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((name, Unique(value))) = entries.next_entry::<String, Unique>()? {
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn a_repeated_name_is_refused_at_any_depth() {
        assert!(object(br#"{"a": 1, "b": {"a": [true, null, 1.5, "x"]}}"#).is_ok());
        for twice in [r#"{"a": 1, "a": 1}"#, r#"{"b": [{"a": 1, "a": 2}]}"#, r#"{"a": 1, "\u0061": 2}"#] {
            assert_eq!(object(twice.as_bytes()).unwrap_err(), "a name stands twice in it", "{twice}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_in_a_sentence() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for bad in ["", "[]", "\"x\"", "{", "{}{}", "{\"a\":NaN}", "\u{feff}{}", &deep] {
            let said = object(bad.as_bytes()).unwrap_err();
            assert!(said.starts_with("it is"), "{said}");
        }
    }
}
