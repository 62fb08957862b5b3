//! The few bodies that `kubectl create` sends as protobuf: namespaces, config maps, secrets, service accounts, services
//! and deployments. Numbers are those of Kubernetes' `generated.proto` files. A body that holds more is not taken.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The media type of such bodies.
pub(crate) const MEDIA: &str = "application/vnd.kubernetes.protobuf";
/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may be nested.
const DEPTH: usize = 16;

/// What a field holds.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Texts,
    Integer,
    Boolean,
    /// A map of texts to texts.
    Texted,
    /// A map of texts to bytes.
    Bytes,
    IntOrString,
    Message(&'static [Field]),
    Messages(&'static [Field]),
}

/// Number, name and content of a field.
type Field = (u64, &'static str, Holds);

const METADATA: &[Field] = &[
    (1, "name", Holds::Text),
    (2, "generateName", Holds::Text),
    (3, "namespace", Holds::Text),
    (11, "labels", Holds::Texted),
    (12, "annotations", Holds::Texted),
];
const BARE: &[Field] = &[(1, "metadata", Holds::Message(METADATA))];
const CONFIG_MAP: &[Field] = &[
    (1, "metadata", Holds::Message(METADATA)),
    (2, "data", Holds::Texted),
    (3, "binaryData", Holds::Bytes),
    (4, "immutable", Holds::Boolean),
];
const SECRET: &[Field] = &[
    (1, "metadata", Holds::Message(METADATA)),
    (2, "data", Holds::Bytes),
    (3, "type", Holds::Text),
    (4, "stringData", Holds::Texted),
    (5, "immutable", Holds::Boolean),
];
const SERVICE_PORT: &[Field] = &[
    (1, "name", Holds::Text),
    (2, "protocol", Holds::Text),
    (3, "port", Holds::Integer),
    (4, "targetPort", Holds::IntOrString),
    (5, "nodePort", Holds::Integer),
];
const SERVICE_SPEC: &[Field] = &[
    (1, "ports", Holds::Messages(SERVICE_PORT)),
    (2, "selector", Holds::Texted),
    (3, "clusterIP", Holds::Text),
    (4, "type", Holds::Text),
    (7, "sessionAffinity", Holds::Text),
    (10, "externalName", Holds::Text),
];
const SERVICE: &[Field] = &[(1, "metadata", Holds::Message(METADATA)), (2, "spec", Holds::Message(SERVICE_SPEC))];
const CONTAINER_PORT: &[Field] =
    &[(1, "name", Holds::Text), (3, "containerPort", Holds::Integer), (4, "protocol", Holds::Text)];
const VARIABLE: &[Field] = &[(1, "name", Holds::Text), (2, "value", Holds::Text)];
const CONTAINER: &[Field] = &[
    (1, "name", Holds::Text),
    (2, "image", Holds::Text),
    (3, "command", Holds::Texts),
    (4, "args", Holds::Texts),
    (5, "workingDir", Holds::Text),
    (6, "ports", Holds::Messages(CONTAINER_PORT)),
    (7, "env", Holds::Messages(VARIABLE)),
];
const POD_SPEC: &[Field] = &[(2, "containers", Holds::Messages(CONTAINER)), (3, "restartPolicy", Holds::Text)];
const TEMPLATE: &[Field] = &[(1, "metadata", Holds::Message(METADATA)), (2, "spec", Holds::Message(POD_SPEC))];
const LABEL_SELECTOR: &[Field] = &[(1, "matchLabels", Holds::Texted)];
const DEPLOYMENT_SPEC: &[Field] = &[
    (1, "replicas", Holds::Integer),
    (2, "selector", Holds::Message(LABEL_SELECTOR)),
    (3, "template", Holds::Message(TEMPLATE)),
];
const DEPLOYMENT: &[Field] = &[(1, "metadata", Holds::Message(METADATA)), (2, "spec", Holds::Message(DEPLOYMENT_SPEC))];
const TYPE: &[Field] = &[(1, "apiVersion", Holds::Text), (2, "kind", Holds::Text)];

/// The object of a body, or `None` where it is of another kind, holds fields beyond those above or is malformed.
pub(crate) fn object(body: &[u8]) -> Option<Value> {
    let parts = fields(body.strip_prefix(MAGIC)?)?;
    let part = |number: u64| {
        parts.iter().find_map(|(found, wire)| match wire {
            Wire::Bytes(bytes) if *found == number => Some(*bytes),
            Wire::Bytes(_) | Wire::Number(_) => None,
        })
    };
    let mut object = message(part(1)?, TYPE, DEPTH)?;
    let kind = match (object.get("apiVersion")?.as_str()?, object.get("kind")?.as_str()?) {
        ("v1", "Namespace" | "ServiceAccount") => BARE,
        ("v1", "ConfigMap") => CONFIG_MAP,
        ("v1", "Secret") => SECRET,
        ("v1", "Service") => SERVICE,
        ("apps/v1", "Deployment") => DEPLOYMENT,
        _ => return None,
    };
    object.extend(message(part(2)?, kind, DEPTH)?);
    Some(Value::Object(object))
}

/// A field's content as it is on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The fields of a message; `None` where it is none, or has content of a fixed size, which no field above has.
fn fields(mut input: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut found = Vec::new();
    while !input.is_empty() {
        let key = varint(&mut input)?;
        let wire = match key & 7 {
            0 => Wire::Number(varint(&mut input)?),
            2 => {
                let length = usize::try_from(varint(&mut input)?).ok()?;
                let (bytes, rest) = input.split_at_checked(length)?;
                input = rest;
                Wire::Bytes(bytes)
            }
            _ => return None,
        };
        found.push((key >> 3, wire));
    }
    Some(found)
}

/// Whether a field says nothing: Kubernetes writes fields that were not given as empty ones.
fn says_nothing(wire: &Wire<'_>, depth: usize) -> bool {
    match wire {
        Wire::Number(number) => *number == 0,
        Wire::Bytes([]) => true,
        Wire::Bytes(bytes) => {
            depth > 0
                && fields(bytes).is_some_and(|fields| fields.iter().all(|(_, wire)| says_nothing(wire, depth - 1)))
        }
    }
}

fn message(input: &[u8], known: &[Field], depth: usize) -> Option<Map<String, Value>> {
    let depth = depth.checked_sub(1)?;
    let mut object = Map::new();
    for (number, wire) in fields(input)? {
        let Some((_, name, holds)) = known.iter().find(|(known, _, _)| *known == number) else {
            if says_nothing(&wire, depth) {
                continue;
            }
            return None;
        };
        put(&mut object, name, *holds, &wire, depth)?;
    }
    Some(object)
}

fn put(object: &mut Map<String, Value>, name: &str, holds: Holds, wire: &Wire<'_>, depth: usize) -> Option<()> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let list = |object: &mut Map<String, Value>, item: Value| {
        object.entry(name.to_owned()).or_insert_with(|| json!([])).as_array_mut().map(|items| items.push(item))
    };
    match (holds, wire) {
        (Holds::Text, Wire::Bytes([])) => {}
        (Holds::Text, Wire::Bytes(bytes)) => drop(object.insert(name.to_owned(), Value::from(text(bytes)?))),
        (Holds::Texts, Wire::Bytes(bytes)) => list(object, Value::from(text(bytes)?))?,
        (Holds::Integer, Wire::Number(number)) => {
            // Negative numbers are written in two's complement.
            drop(object.insert(name.to_owned(), Value::from(number.cast_signed())));
        }
        (Holds::Boolean, Wire::Number(number)) => drop(object.insert(name.to_owned(), Value::from(*number != 0))),
        (Holds::Texted | Holds::Bytes, Wire::Bytes(bytes)) => {
            let (key, value) = entry(bytes)?;
            let value = match holds {
                Holds::Bytes => STANDARD.encode(value),
                _ => text(value)?,
            };
            let map = object.entry(name.to_owned()).or_insert_with(|| json!({})).as_object_mut()?;
            map.insert(key, Value::from(value));
        }
        (Holds::IntOrString, Wire::Bytes(bytes)) => {
            let parts =
                message(bytes, &[(1, "t", Holds::Integer), (2, "i", Holds::Integer), (3, "s", Holds::Text)], depth)?;
            let is_text = parts.get("t").and_then(Value::as_i64) == Some(1);
            let value = parts.get(if is_text { "s" } else { "i" }).cloned().unwrap_or_default();
            object.insert(name.to_owned(), value);
        }
        (Holds::Message(known), Wire::Bytes(bytes)) => {
            let inner = message(bytes, known, depth)?;
            object.insert(name.to_owned(), Value::Object(inner));
        }
        (Holds::Messages(known), Wire::Bytes(bytes)) => {
            list(object, Value::Object(message(bytes, known, depth)?))?;
        }
        _ => return None,
    }
    Some(())
}

/// Key and value of a map's entry.
fn entry(input: &[u8]) -> Option<(String, &[u8])> {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in fields(input)? {
        match field {
            (1, Wire::Bytes(bytes)) => key = bytes,
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => return None,
        }
    }
    Some((String::from_utf8(key.to_vec()).ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::object;
    use serde_json::json;

    /// A field of bytes.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn body(kind: &str, raw: &[u8]) -> Vec<u8> {
        let of_type = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [b"k8s\0".to_vec(), field(1, &of_type), field(2, raw), field(3, b""), field(4, b"")].concat()
    }

    #[test]
    fn a_config_map_is_read_and_what_it_does_not_say_is_left_out() {
        let metadata = [field(1, b"m"), field(2, b""), vec![7 << 3, 0], field(8, b"")].concat();
        let raw = [field(1, &metadata), field(2, &[field(1, b"a"), field(2, b"1")].concat())].concat();
        let read = object(&body("ConfigMap", &raw)).unwrap();
        assert_eq!(
            read,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1"}})
        );
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let finalizers = field(1, &[field(1, b"m"), field(14, b"keep")].concat());
        assert_eq!(object(&body("Namespace", &finalizers)), None);
        assert_eq!(object(&body("Pod", b"")), None);
        let whole = body("Namespace", &field(1, &field(1, b"m")));
        assert!((0..whole.len() - 4).all(|end| object(&whole[..end]).is_none()));
    }
}
