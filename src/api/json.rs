//! JSON from outside. A field that is given twice is a mistake: which of the two is meant, nobody knows.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// The most repeated fields that are told.
const MOST_TOLD: usize = 16;

/// Reads JSON; gives the places of the fields that are given twice beside it.
pub(super) fn parse(bytes: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let twice = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Place { at: String::new(), twice: &twice }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, twice.into_inner()))
}

/// The JSON pointer of `name` in the object at `at` (RFC 6901).
pub(super) fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A value at a place. The depth is bounded by the reader.
struct Place<'t> {
    at: String,
    twice: &'t RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
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

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) =
            items.next_element_seed(Place { at: pointer(&self.at, &list.len().to_string()), twice: self.twice })?
        {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let at = pointer(&self.at, &name);
            let value = fields.next_value_seed(Place { at: at.clone(), twice: self.twice })?;
            if map.insert(name, value).is_some() {
                let mut twice = self.twice.borrow_mut();
                if twice.len() == MOST_TOLD {
                    return Err(A::Error::custom("too many fields are given twice"));
                }
                twice.push(at);
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_read_as_serde_json_reads_them() {
        let text = r#"{"a": [1, -2, 1.5, true, null, "x", {}], "b": {"c": ""}}"#;
        let (value, twice) = parse(text.as_bytes()).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert!(twice.is_empty());
    }

    #[test]
    fn a_repeated_field_is_told_with_its_place() {
        let (value, twice) = parse(br#"{"a": {"b": 1, "b": 2}, "c": [{"d/": 1, "d/": 1}]}"#).unwrap();
        assert_eq!(twice, ["/a/b", "/c/0/d~1"]);
        assert_eq!(value["a"], json!({"b": 2}));
    }

    #[test]
    fn depth_and_trailing_bytes_are_refused() {
        assert!(parse("[".repeat(100_000).as_bytes()).unwrap_err().to_string().contains("recursion limit"));
        assert!(parse(b"{} {}").is_err());
        let many = format!("{{{}}}", vec!["\"a\":1"; 100].join(","));
        assert!(parse(many.as_bytes()).unwrap_err().to_string().contains("too many fields"));
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(pointer("/parameters", "a/b~c"), "/parameters/a~1b~0c");
    }
}
