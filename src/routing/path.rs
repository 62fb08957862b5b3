//! What a path means must not depend on who reads it.

/// Whether a reader may find `.` or `..` among the segments of `path`: plain or as `%2E`, between slashes and backslashes that may
/// be encoded themselves, with parameters behind a semicolon or without. Such a path is matched as one thing and served as another.
///
/// One look at each byte, and nothing kept.
pub fn has_dot_segments(path: &str) -> bool {
    let mut rest = path.as_bytes();
    // Dots at the beginning of a segment; none: something else is in it.
    let mut dots = Some(0_u8);
    loop {
        let (symbol, after) = match rest {
            [] => return matches!(dots, Some(1..)),
            [b'%', high, low, after @ ..] if decoded(*high, *low) != b'%' => (decoded(*high, *low), after),
            [byte, after @ ..] => (*byte, after),
        };
        rest = after;
        dots = match symbol {
            b'/' | b'\\' | b';' if matches!(dots, Some(1..)) => return true,
            b'/' | b'\\' => Some(0),
            b'.' => dots.filter(|dots| *dots < 2).map(|dots| dots + 1),
            _ => None,
        };
    }
}

/// The symbol of a percent-encoding, if it is one that matters here.
fn decoded(high: u8, low: u8) -> u8 {
    match (high, low) {
        (b'2', b'e' | b'E') => b'.',
        (b'2', b'f' | b'F') => b'/',
        (b'3', b'b' | b'B') => b';',
        (b'5', b'c' | b'C') => b'\\',
        (_, _) => b'%',
    }
}

#[cfg(test)]
mod tests {
    use super::has_dot_segments;
    use proptest::prelude::*;

    #[test]
    fn dot_segments_are_found_in_every_spelling_and_nothing_else_is() {
        for bad in [
            "/..",
            "/.",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/a/.",
            "/%2e%2e/b",
            "/%2E./b",
            "/.%2e",
            "/a/..;/b",
            "/a/..;x=1/b",
            "/..%3bx/b",
            "/a/..%2fb",
            "/a%2F..%2fb",
            "/a%5c..%5Cb",
            "/a\\..\\b",
            "/a\\..",
            "/./a",
            "/.;",
            "//../a",
        ] {
            assert!(has_dot_segments(bad), "{bad}");
        }
        for good in [
            "/",
            "/a.b",
            "/.well-known/x",
            "/..a/b",
            "/a../b",
            "/.../b",
            "/a;x=../b",
            "/a%2Fb",
            "/@scope%2fname",
            "//a",
            "/a..",
            "/a.",
            "/%2ea",
            "/a%2e%2e",
            "/.a.",
            "/a;.b",
            "/%",
            "/%2",
            "/%252e%252e/",
            "/a b/..c",
            "/v1..v2/compare/a...b",
        ] {
            assert!(!has_dot_segments(good), "{good}");
        }
    }

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![".", "%2e", "%2E", "/", "%2f", "\\", "%5C", ";", "%3B", "a", "%61", "%", "2", "e"])
    }

    proptest! {
        /// The obvious way: decode once, cut at each separator, leave parameters out.
        #[test]
        fn it_agrees_with_decoding_and_splitting(pieces in prop::collection::vec(piece(), 0..12)) {
            let path = format!("/{}", pieces.concat());
            let plain = ["%2e", "%2E"].iter().fold(path.clone(), |text, dot| text.replace(dot, "."));
            let plain = plain.replace("%2f", "/").replace("%5C", "\\").replace("%3B", ";");
            let mut segments = plain.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap());
            prop_assert_eq!(has_dot_segments(&path), segments.any(|name| name == "." || name == ".."), "{}", path);
        }
    }
}
