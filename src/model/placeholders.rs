//! Placeholders in templates: `{user}`, `{TAG_FRONT}`. They are replaced as data, never parsed again.

use super::shown;

/// A placeholder that nothing defines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the placeholder {{{name}}} in {} is not known", shown(text))]
pub struct UnknownPlaceholder {
    /// Its name, without braces.
    pub name: String,
    /// The text that holds it.
    pub text: String,
}

/// Replaces each `{name}` in `text` by what `value` gives for it. `{{` and `}}` stand for one brace each; braces around
/// anything that is not a name (`{"a": 1}`) are left as they are.
pub fn substitute<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, UnknownPlaceholder> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = brace.strip_prefix("{{") {
            out.push('{');
            rest = after;
        } else if let Some(after) = brace.strip_prefix("}}") {
            out.push('}');
            rest = after;
        } else if let Some((name, after)) = placeholder(brace) {
            let unknown = || UnknownPlaceholder { name: name.to_owned(), text: text.to_owned() };
            out.push_str(value(name).ok_or_else(unknown)?);
            rest = after;
        } else {
            let mut chars = brace.chars();
            out.extend(chars.next());
            rest = chars.as_str();
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The name and what follows, if `text` begins with `{name}`.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::substitute;

    fn value(name: &str) -> Option<&'static str> {
        match name {
            "user" => Some("haimaz"),
            "TAG" => Some("{user}$(id)"),
            _ => None,
        }
    }

    #[test]
    fn values_are_put_in_once_and_as_they_are() {
        assert_eq!(substitute("front{user}.int", value).unwrap(), "fronthaimaz.int");
        assert_eq!(substitute("{TAG}", value).unwrap(), "{user}$(id)");
        assert_eq!(substitute(r#"{"a": "{user}"} {{user}} {"#, value).unwrap(), r#"{"a": "haimaz"} {user} {"#);
        assert_eq!(substitute("{usr}", value).unwrap_err().name, "usr");
    }
}
