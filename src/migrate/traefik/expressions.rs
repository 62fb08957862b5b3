//! Regular expressions: Traefik looks for them anywhere in a text, a rule of ours takes whole texts; and version 2's
//! templates, `{name:expression}`.

/// `regex`, looked for anywhere, as an expression for the whole text.
pub(super) fn whole_of(regex: &str) -> String {
    if has_alternatives(regex) || regex.contains("(?m") {
        return format!("(?s:.*)(?:{regex})(?s:.*)");
    }
    let (flags, rest) = match regex.strip_prefix("(?i)") {
        Some(rest) => ("(?i)", rest),
        None => ("", regex),
    };
    let (head, rest) = match rest.strip_prefix('^') {
        Some(rest) => ("", rest),
        None => ("(?s:.*)", rest),
    };
    let (tail, core) = match rest.strip_suffix('$').filter(|core| !ends_escaped(core)) {
        Some(core) => ("", core),
        None => ("(?s:.*)", rest),
    };
    format!("{flags}{head}{core}{tail}")
}

/// Whether what follows `text` is escaped by its last backslash.
fn ends_escaped(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Whether a `|` stands outside of all groups and classes.
fn has_alternatives(regex: &str) -> bool {
    let (mut depth, mut in_class) = (0_usize, false);
    let mut bytes = regex.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'[' if !in_class => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => depth += 1,
            b')' if !in_class => depth = depth.saturating_sub(1),
            b'|' if !in_class && depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// Whether `text` is a template of version 2.
pub(super) fn is_template(text: &str) -> bool {
    text.contains('{')
}

/// The expression of a template of version 2; a name alone stands for one part between separators.
pub(super) fn template(text: &str, separator: char) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(&regex::escape(before));
        let mut depth = 1_usize;
        let end = after.char_indices().find(|(_, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let Some((inner, next)) = end.and_then(|(end, _)| after.split_at_checked(end)) else {
            return Err(format!("a brace of {text} is not closed; {{name:expression}} is a template"));
        };
        match inner.split_once(':') {
            Some((_, expression)) => out.push_str(&format!("(?:{expression})")),
            None => out.push_str(&format!("[^{separator}]+")),
        }
        rest = next.strip_prefix('}').unwrap_or_default();
    }
    out.push_str(&regex::escape(rest));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn anchors_are_kept_in_their_meaning() {
        for (regex, whole) in [
            ("^/products/(shoes|socks)/[0-9]+$", "/products/(shoes|socks)/[0-9]+"),
            ("\\.(jpeg|png)$", "(?s:.*)\\.(jpeg|png)"),
            ("(?i)^/products", "(?i)/products(?s:.*)"),
            ("^a$|^b$", "(?s:.*)(?:^a$|^b$)(?s:.*)"),
            ("^a\\$", "a\\$(?s:.*)"),
        ] {
            assert_eq!(whole_of(regex), whole);
        }
    }

    #[test]
    fn templates_are_expressions_between_plain_texts() {
        assert_eq!(template("{sub:[a-z]{2,}}.a.test", '.').unwrap(), "(?:[a-z]{2,})\\.a\\.test");
        assert_eq!(template("/x/{id}/y", '/').unwrap(), "/x/[^/]+/y");
        assert!(template("/{id", '/').is_err());
    }

    proptest! {
        /// The whole text matches the one exactly where the other is found.
        #[test]
        fn what_is_found_anywhere_is_what_the_whole_takes(
            regex in "(\\^)?(a|b|ab|\\(a\\|b\\)|\\[ab\\]|a\\|b|\\\\\\$){1,3}(\\$)?",
            text in "[ab$]{0,5}",
        ) {
            let found = regex::Regex::new(&regex).unwrap().is_match(&text);
            let whole = crate::routing::whole(&whole_of(&regex)).unwrap();
            prop_assert_eq!(whole.is_match(&text), found, "{} in {}", regex, text);
        }
    }
}
