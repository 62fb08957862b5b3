//! Follows how the requests of a client's HTTP/1.1 connection are framed, to tell of a head that has both `Transfer-Encoding` and
//! `Content-Length`: hyper silently drops the second, and RFC 9112, section 6.1, lets a server refuse such a request, which smuggling looks like.
//!
//! Nothing else depends on it. hyper reads the same bytes and is strict: where it refuses a head or a chunk the connection ends, so what is followed here
//! need only be right for what is valid.

/// Where in a connection's requests the bytes are.
#[derive(Debug)]
pub(super) struct Framing {
    at: At,
    heads: u64,
}

#[derive(Debug, Clone, Copy)]
enum At {
    Head(Head),
    /// In content, with so many bytes to come.
    Content(u64),
    /// In the line before a chunk.
    Size(ChunkSize),
    /// In a chunk and the line end behind it, with so many bytes to come.
    Chunk(u64),
    /// Behind the last chunk; whether the line has no byte so far.
    Trailer(bool),
}

/// A head, as far as it has come.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    line: Line,
    /// Whether a line came before.
    began: bool,
    is_coded: bool,
    has_length: bool,
    length: u64,
}

#[derive(Debug, Clone, Copy, Default)]
enum Line {
    #[default]
    Empty,
    /// So many bytes of a name agree with one of those that are looked for.
    Length(usize),
    Coding(usize),
    /// The value of a Content-Length.
    Value,
    Other,
}

#[derive(Debug, Clone, Copy, Default)]
struct ChunkSize {
    size: u64,
    /// Whether an extension has begun.
    ended: bool,
}

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";

impl Default for Framing {
    fn default() -> Self {
        Self { at: At::Head(Head::default()), heads: 0 }
    }
}

impl Framing {
    /// Follows `bytes`. Gives the number of the first head in them, counted from 1 on the connection, that says its content's length in both ways.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Option<u64> {
        let (mut rest, mut found) = (bytes, None);
        while let Some((&byte, after)) = rest.split_first() {
            self.at = match self.at {
                At::Content(left) | At::Chunk(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    rest = rest.get(taken..).unwrap_or_default();
                    let left = left - taken as u64;
                    match self.at {
                        At::Chunk(_) if left == 0 => At::Size(ChunkSize::default()),
                        At::Chunk(_) => At::Chunk(left),
                        _ if left == 0 => At::Head(Head::default()),
                        _ => At::Content(left),
                    }
                }
                At::Head(Head { line: Line::Other, .. }) if byte != b'\n' => {
                    // Most bytes of a head: nothing is asked of them but where they end.
                    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    rest = rest.get(end..).unwrap_or_default();
                    self.at
                }
                At::Head(mut head) => {
                    rest = after;
                    if head.take(byte) {
                        self.heads += 1;
                        if head.is_coded && head.has_length {
                            found = found.or(Some(self.heads));
                        }
                        head.content()
                    } else {
                        At::Head(head)
                    }
                }
                At::Size(size) => {
                    rest = after;
                    size.take(byte)
                }
                At::Trailer(is_empty) => {
                    rest = after;
                    match byte {
                        b'\n' if is_empty => At::Head(Head::default()),
                        b'\n' => At::Trailer(true),
                        b'\r' => At::Trailer(is_empty),
                        _ => At::Trailer(false),
                    }
                }
            };
        }
        found
    }
}

impl Head {
    /// Takes the next byte; tells whether the head is complete by it.
    fn take(&mut self, byte: u8) -> bool {
        let agrees = |name: &[u8], at: usize| name.get(at).is_some_and(|want| byte.eq_ignore_ascii_case(want));
        self.line = match (self.line, byte) {
            // Empty lines before the request line count for nothing (RFC 9112, section 2.2).
            (Line::Empty, b'\n') => return self.began,
            (_, b'\n') => {
                self.began = true;
                Line::Empty
            }
            (line, b'\r') => line,
            (Line::Empty, _) if !self.began => Line::Other,
            (Line::Empty, _) if agrees(LENGTH, 0) => Line::Length(1),
            (Line::Empty, _) if agrees(CODING, 0) => Line::Coding(1),
            (Line::Length(at), b':') if at == LENGTH.len() => {
                (self.has_length, self.length) = (true, 0);
                Line::Value
            }
            (Line::Coding(at), b':') if at == CODING.len() => {
                self.is_coded = true;
                Line::Other
            }
            (Line::Length(at), _) if agrees(LENGTH, at) => Line::Length(at + 1),
            (Line::Coding(at), _) if agrees(CODING, at) => Line::Coding(at + 1),
            (Line::Value, b'0'..=b'9') => {
                self.length = self.length.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                Line::Value
            }
            (Line::Value, _) => Line::Value,
            (Line::Empty | Line::Length(_) | Line::Coding(_) | Line::Other, _) => Line::Other,
        };
        false
    }

    /// What follows the head. Any coding is `chunked`: others are refused, and end the connection.
    fn content(&self) -> At {
        match (self.is_coded, self.length) {
            (true, _) => At::Size(ChunkSize::default()),
            (false, 0) => At::Head(Self::default()),
            (false, length) => At::Content(length),
        }
    }
}

impl ChunkSize {
    fn take(mut self, byte: u8) -> At {
        match (byte, char::from(byte).to_digit(16)) {
            (b'\n', _) if self.size == 0 => return At::Trailer(true),
            // With the line end behind it.
            (b'\n', _) => return At::Chunk(self.size.saturating_add(2)),
            (_, Some(digit)) if !self.ended => {
                self.size = self.size.saturating_mul(16).saturating_add(u64::from(digit));
            }
            (b'\r', _) => {}
            (_, _) => self.ended = true,
        }
        At::Size(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the whole of `bytes` gives, cut at `cuts`.
    fn followed(bytes: &[u8], cuts: &[usize]) -> Option<u64> {
        let (mut framing, mut found, mut begun) = (Framing::default(), None, 0);
        for cut in cuts.iter().copied().filter(|cut| *cut < bytes.len()).chain([bytes.len()]) {
            if cut > begun {
                found = found.or(framing.follow(&bytes[begun..cut]));
                begun = cut;
            }
        }
        found
    }

    #[test]
    fn a_head_with_both_is_found_and_content_is_no_head() {
        const TEXT: &str = "POST /x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (bytes, expected) in [
            (TEXT.to_owned(), Some(1)),
            (format!("\r\n{}", TEXT.replace("Content", "cOnTENT")), Some(1)),
            (TEXT.replace("Content-Length", "X-Content-Length"), None),
            (TEXT.replace("Content-Length", "Content-Lengths"), None),
            (TEXT.replace("Content-Length: 1", "X: Content-Length: 1"), None),
            (format!("GET / HTTP/1.1\r\n\r\n{TEXT}"), Some(2)),
            (format!("PUT / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{TEXT}", TEXT.len()), None),
            (format!("PUT / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{TEXT}{TEXT}", TEXT.len()), Some(2)),
            (
                format!(
                    "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:X};a=b\r\n{TEXT}\r\n0\r\n\r\n",
                    TEXT.len()
                ),
                None,
            ),
            (format!("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: {TEXT}"), None),
            (
                format!("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n{TEXT}"),
                Some(2),
            ),
        ] {
            for cut in 0..bytes.len() {
                assert_eq!(followed(bytes.as_bytes(), &[cut]), expected, "{bytes:?} cut at {cut}");
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Part {
        Plain,
        Length(Vec<u8>),
        Chunks(Vec<Vec<u8>>),
        Both(Vec<Vec<u8>>),
    }

    impl Part {
        fn bytes(&self) -> Vec<u8> {
            let chunked = |chunks: &[Vec<u8>]| {
                let whole = chunks.iter().filter(|chunk| !chunk.is_empty());
                let mut bytes: Vec<u8> = whole
                    .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
                    .collect();
                bytes.extend(b"0\r\n\r\n");
                bytes
            };
            let head = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
            match self {
                Self::Plain => head(""),
                Self::Length(content) => {
                    [head(&format!("Content-Length: {}\r\n", content.len())), content.clone()].concat()
                }
                Self::Chunks(chunks) => [head("Transfer-Encoding: chunked\r\n"), chunked(chunks)].concat(),
                Self::Both(chunks) => {
                    [head("Transfer-Encoding: chunked\r\nContent-Length: 7\r\n"), chunked(chunks)].concat()
                }
            }
        }
    }

    /// Content that looks like a head more often than not.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(&b"\r\n\r\n"[..]),
            Just(&b"content-length: 3\r\n"[..]),
            Just(&b"transfer-encoding: chunked\r\n"[..]),
            Just(&b"GET / HTTP/1.1\r\n"[..]),
            Just(&b"0\r\n"[..]),
        ];
        prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
    }

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            Just(Part::Plain),
            content().prop_map(Part::Length),
            prop::collection::vec(content(), 0..3).prop_map(Part::Chunks),
            prop::collection::vec(content(), 0..3).prop_map(Part::Both),
        ]
    }

    proptest! {
        #[test]
        fn requests_are_told_apart_however_they_are_cut(
            parts in prop::collection::vec(part(), 1..6),
            mut cuts in prop::collection::vec(0_usize..600, 0..12),
        ) {
            let bytes: Vec<u8> = parts.iter().flat_map(Part::bytes).collect();
            cuts.sort_unstable();
            let expected = parts.iter().position(|part| matches!(part, Part::Both(_))).map(|at| at as u64 + 1);
            prop_assert_eq!(followed(&bytes, &cuts), expected);
        }
    }
}
