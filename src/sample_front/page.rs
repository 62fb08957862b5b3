//! The page: who this is and what was asked, as HTML to a browser and as plain lines to anything else.

use std::fmt::Write;

use http::header::{ACCEPT, HeaderMap};
use http::request::Parts;

use super::Identity;

/// What `/` answers.
pub struct Page {
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its content.
    pub text: String,
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--card:#fff;--line:#dfe4ea;--back:#f3f5f8;--accent:#0b5cad}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf1;--soft:#a3adba;--card:#1b222c;--line:#323c49;--back:#12171e;--accent:#7db8f5}}\
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
main{max-width:46rem;margin:0 auto;padding:3rem 1rem}h1{font-size:1.9rem;line-height:1.2;margin:0 0 .25rem}\
h1 b{color:var(--accent)}p{color:var(--soft);margin:0 0 1.5rem}section{background:var(--card);border:1px solid var(--line);\
border-radius:.6rem;padding:1rem 1.25rem;margin:0 0 1.25rem}h2{font-size:1.05rem;margin:0 0 .5rem}\
table{width:100%;border-collapse:collapse}th{width:11rem;text-align:left;font-weight:500;color:var(--soft);vertical-align:top}\
th,td{padding:.3rem .75rem .3rem 0;border-top:1px solid var(--line);overflow-wrap:anywhere}tr:first-child>*{border-top:0}\
td{font-family:ui-monospace,monospace;font-size:.92rem}";

impl Page {
    /// The page for this request.
    pub fn of(identity: &Identity, request: &Parts) -> Self {
        if wants_html(&request.headers) {
            Self { content_type: "text/html; charset=utf-8", text: html(identity, request) }
        } else {
            Self { content_type: "text/plain; charset=utf-8", text: lines(identity, request) }
        }
    }
}

fn wants_html(fields: &HeaderMap) -> bool {
    let accepted = fields.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

/// The request as lines of name and value: method, path, then the fields in their order.
fn request_lines(request: &Parts) -> Vec<(String, String)> {
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = request.uri.authority().map(|authority| (":authority".to_owned(), authority.to_string()));
    let fields = request.headers.iter();
    [("method".to_owned(), request.method.to_string()), ("path".to_owned(), path.to_owned())]
        .into_iter()
        .chain([("protocol".to_owned(), format!("{:?}", request.version))])
        .chain(authority)
        .chain(fields.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())))
        .collect()
}

fn lines(identity: &Identity, request: &Parts) -> String {
    let mut text = String::with_capacity(1024);
    for (name, value) in identity.lines() {
        line(&mut text, name, value);
    }
    text.push('\n');
    for (name, value) in request_lines(request) {
        line(&mut text, &name, &value);
    }
    text
}

/// Writing to a `String` cannot fail, so its result says nothing.
fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name}: {value}");
}

fn html(identity: &Identity, request: &Parts) -> String {
    let named = |value: &str, otherwise: &str| Escaped(if value.is_empty() { otherwise } else { value }).to_string();
    let (user, class) = (named(&identity.user, "nobody"), named(&identity.class, "no class"));
    let mut text = String::with_capacity(4096);
    let _ = write!(
        text,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{user} · {class}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1><b>{user}</b> in {class}</h1>\n<p>The sample front end of this environment.</p>\n"
    );
    table(
        &mut text,
        "Environment",
        identity.lines().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    table(&mut text, "This request", request_lines(request).into_iter());
    text.push_str("</main>\n</body>\n</html>\n");
    text
}

fn table(text: &mut String, title: &str, rows: impl Iterator<Item = (String, String)>) {
    let id = title.replace(' ', "-").to_ascii_lowercase();
    let _ = writeln!(text, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n<table>");
    for (name, value) in rows {
        let _ = writeln!(text, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", Escaped(&name), Escaped(&value));
    }
    text.push_str("</table>\n</section>\n");
}

/// Text that is safe between tags and inside double quotes.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(accept: &str) -> Page {
        let identity = Identity { user: "haimaz".into(), tag_front: "<1.4.2>".into(), ..Identity::default() };
        let request = http::Request::get("/?a='b'").header(ACCEPT, accept).header("x-test", "\"&'").body(());
        Page::of(&identity, &request.unwrap().into_parts().0)
    }

    #[test]
    fn a_browser_gets_html_with_everything_foreign_escaped() {
        let page = page("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        for part in ["lang=\"en\"", "<b>haimaz</b>", "&lt;1.4.2&gt;", "/?a=&#39;b&#39;", "&quot;&amp;&#39;"] {
            assert!(page.text.contains(part), "{part} is missing in {}", page.text);
        }
    }

    #[test]
    fn anything_else_gets_plain_lines() {
        let page = page("*/*");
        assert_eq!(page.content_type, "text/plain; charset=utf-8");
        assert!(page.text.starts_with("user: haimaz\nclass: \nTAG_FRONT: <1.4.2>\n"), "{}", page.text);
        assert!(page.text.contains("\nmethod: GET\npath: /?a='b'\n"), "{}", page.text);
    }
}
