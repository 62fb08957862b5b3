//! What of a URL or a foreign text may be logged: status URLs carry a signed query, messages may quote one.

/// The URL without its query, which on ARM's status URLs is a signature that stands for the caller's rights.
pub(super) fn url(url: &str) -> String {
    match url.split_once('?') {
        Some((path, _)) => format!("{path}?…"),
        None => url.to_owned(),
    }
}

/// The most characters of a foreign sentence that are kept.
const MAX_CHARS: usize = 500;

/// A sentence of the service as it may stand in an error: no control characters, not endless, no signature of a URL.
pub(super) fn sentence(text: &str) -> String {
    let mut kept = String::new();
    for (at, word) in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).enumerate() {
        if at > 0 {
            kept.push(' ');
        }
        kept.push_str(&unsigned(word));
        if kept.len() > MAX_CHARS {
            let end = kept.floor_char_boundary(MAX_CHARS);
            kept.truncate(end);
            kept.push('…');
            break;
        }
    }
    kept
}

/// `word` without the query of a URL in it.
fn unsigned(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    let is_secret = ["sig=", "token=", "secret=", "assertion=", "code="].iter().any(|name| lower.contains(name));
    match word.split_once('?') {
        Some((head, _)) if lower.contains("://") || is_secret => format!("{head}?…"),
        _ if is_secret => "…".to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_a_status_url_is_not_told() {
        assert_eq!(url("https://m.example/op/1?t=1&s=SIGNED"), "https://m.example/op/1?…");
        assert_eq!(url("https://m.example/op/1"), "https://m.example/op/1");
    }

    #[test]
    fn a_foreign_sentence_keeps_no_signature_no_control_characters_and_an_end() {
        let said = sentence("cannot read https://a.example/b?sv=1&sig=SECRET now\u{1b}[31m\n\nclient_secret=abc");
        assert_eq!(said, "cannot read https://a.example/b?… now [31m …");
        assert!(sentence(&"ä ".repeat(10_000)).len() < 600);
        assert!(sentence(&"ä".repeat(10_000)).len() < 600);
    }
}
