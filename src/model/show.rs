//! How a value from outside is quoted in a sentence: escaped, and short whatever its length.

/// At most this many characters of a foreign value appear in a message.
const SHOWN_CHARS: usize = 64;

/// Quotes `value` for a message: control characters escaped, long values cut with their length told.
pub fn shown(value: &str) -> String {
    let escape = |part: &str| part.escape_debug().to_string();
    let count = value.chars().count();
    if count <= SHOWN_CHARS {
        return format!("\"{}\"", escape(value));
    }
    let head: String = value.chars().take(SHOWN_CHARS / 2).collect();
    format!("\"{}…\" ({count} characters)", escape(&head))
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn control_characters_are_escaped_and_long_values_cut() {
        assert_eq!(shown("a\nb\u{1b}"), "\"a\\nb\\u{1b}\"");
        let long = shown(&"x".repeat(10_000));
        assert!(long.ends_with("…\" (10000 characters)"), "{long}");
        assert!(long.len() < 100);
    }
}
