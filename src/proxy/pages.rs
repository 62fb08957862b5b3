//! The state page: why a host does not answer, for a person. One file, no script, nothing loaded from elsewhere.

use super::refusal::{Refusal, deploy, wake};
use base64::Engine;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6675;--ground:#f4f6f9;--card:#fff;--line:#dfe4ea;--mark:#2f6fde}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#9aa7b8;--ground:#11161d;--card:#1a212b;--line:#2c3644;--mark:#7aa8ff}}\
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;\
background:var(--ground);color:var(--ink);font:1.05rem/1.55 system-ui,sans-serif}\
main{max-width:40rem;width:100%;background:var(--card);border:1px solid var(--line);border-radius:.9rem;padding:2rem 2.25rem}\
h1{font-size:1.5rem;line-height:1.25;margin:.35rem 0 1rem}p{margin:.7rem 0}\
.host{color:var(--soft);overflow-wrap:anywhere;margin:0}.reason{display:inline-block;border:1px solid var(--mark);\
color:var(--mark);border-radius:2rem;padding:.1rem .75rem;font-size:.9rem;font-weight:600}\
pre{background:var(--ground);border:1px solid var(--line);border-radius:.5rem;padding:.8rem 1rem;white-space:pre-wrap;\
overflow-wrap:anywhere;font:.92rem/1.5 ui-monospace,monospace;user-select:all}\
footer{margin-top:1.6rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}";

/// The policy that allows this page's style and nothing else.
pub(super) fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    });
    &POLICY
}

/// The page for `refusal`.
pub(super) fn page(refusal: &Refusal, detail: &str, host: &str, request_id: &str) -> String {
    let refresh = if refusal.is_transient() { "<meta http-equiv=\"refresh\" content=\"2\">" } else { "" };
    let waiting = if refusal.is_transient() { "<p>This page looks again every two seconds.</p>" } else { "" };
    let title = heading(refusal);
    let (status, code) = (refusal.status(), refusal.code());
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">{refresh}\
         <title>{title}</title><style>{STYLE}</style></head>\n\
         <body><main><p class=\"host\">{}</p><h1>{title}</h1>\n{}{waiting}\n\
         <footer>{} · {code} · request {} · doorstep</footer></main></body></html>\n",
        escape(host),
        explanation(refusal, detail),
        status.as_u16(),
        escape(request_id),
    )
}

/// The title; for an environment that is not ready, what it is doing.
fn heading(refusal: &Refusal) -> &'static str {
    let Refusal::NotReady { reason, .. } = refusal else { return refusal.title() };
    match &**reason {
        "CrashLoopBackOff" | "Crashing" | "Error" => "This environment keeps crashing",
        "ImagePullBackOff" | "ErrImagePull" => "This environment's image cannot be pulled",
        "Creating" | "Pending" | "ContainerCreating" => "This environment is being created",
        "Starting" | "Progressing" | "Unready" => "This environment is starting",
        _ => refusal.title(),
    }
}

fn explanation(refusal: &Refusal, detail: &str) -> String {
    match refusal {
        Refusal::NoEnvironment { key } => format!(
            "<p>The host belongs to <strong>{}</strong>, who has no environment of the class <strong>{}</strong>. \
             Deploy it with this command and what parameters the class wants:</p><pre><code>{}</code></pre>",
            escape(key.user.as_str()),
            escape(key.class.as_str()),
            escape(&deploy(key)),
        ),
        Refusal::Asleep { key, message, wakes } => {
            let how = match wakes {
                true => "<p>Your request wakes it.</p>".to_owned(),
                false => format!("<p>Wake it with this command:</p><pre><code>{}</code></pre>", escape(&wake(key))),
            };
            let said = escape(message);
            format!("<p><span class=\"reason\">Asleep</span></p><p>{said}. Everything of it is kept.</p>{how}")
        }
        Refusal::Expired { key, at, message } => format!(
            "<p><span class=\"reason\">Expired</span></p><p>The environment of the class <strong>{}</strong> of <strong>{}</strong> \
             expired at {}: {}.</p><p>Get it back with this command and what parameters the class wants:</p>\
             <pre><code>{}</code></pre>",
            escape(key.class.as_str()),
            escape(key.user.as_str()),
            escape(at),
            escape(message),
            escape(&deploy(key)),
        ),
        Refusal::NotReady { key, reason, message } => format!(
            "<p><span class=\"reason\">{}</span></p><p>{}</p><p>What it says itself:</p>\
             <pre><code>doorstep env logs {} --user {}</code></pre>",
            escape(reason),
            escape(message),
            escape(key.class.as_str()),
            escape(key.user.as_str()),
        ),
        _ => format!("<p>{}</p>", escape(detail)),
    }
}

/// Escapes text for HTML content and quoted attributes. Control characters are left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EnvironmentKey;

    #[test]
    fn foreign_text_cannot_become_markup() {
        let key = EnvironmentKey::from_object_name("haimaz-integration").unwrap();
        let message = "<script>alert('x')</script>\u{1b}[0m".into();
        let refusal = Refusal::NotReady { key, reason: "Crash\"<b>".into(), message };
        let page = page(&refusal, &refusal.detail(), "<i>host</i>", "id");
        assert!(
            !page.contains("<script") && !page.contains("<b>") && !page.contains("<i>") && !page.contains('\u{1b}')
        );
        assert!(page.contains("&lt;script&gt;") && page.contains("http-equiv=\"refresh\""));
    }

    #[test]
    fn a_missing_environment_comes_with_the_command_that_makes_it() {
        let key = EnvironmentKey::from_object_name("haimaz-production-2").unwrap();
        let page = page(&Refusal::NoEnvironment { key }, "", "h", "id");
        assert!(page.contains("doorstep env deploy production-2 --user haimaz"), "{page}");
    }
}
