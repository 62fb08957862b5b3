//! `doorstep explain URL`: who would answer a request, and why.

use super::client::Client;
use super::exit::Failure;
use super::globals::Globals;
use super::output::{self, Format};
use super::text::printable;
use crate::api::{ExplainRequest, ExplainResponse, HeaderField};
use crate::model::shown;
use clap::Args;
use serde_json::Value;

/// What people want to know first, in this order.
const FIRST: [&str; 8] =
    ["decision", "winner", "filters", "outcome", "losers", "backends", "environment", "environmentState"];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The URL of the request
    url: String,
    /// A field of the request; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The method of the request
    #[arg(short = 'X', long = "request", value_name = "METHOD", default_value = "GET")]
    method: String,
    /// The address that it comes from, for rules and filters that ask for it
    #[arg(long, value_name = "ADDRESS")]
    client: Option<std::net::IpAddr>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let headers = arguments.headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?;
    let asked = ExplainRequest {
        url: arguments.url.clone(),
        method: Some(arguments.method.clone()),
        headers,
        client: arguments.client.map(|client| client.to_string()),
    };
    let answer: ExplainResponse = Client::new(globals)?.post("/explain", &asked).await?;
    output::result(arguments.output, &answer, |answer, _| show(answer))
}

fn header(text: &str) -> Result<HeaderField, Failure> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| Failure::usage(format!("-H {} has no colon; give a field as -H 'Name: value'", shown(text))))?;
    Ok(HeaderField { name: name.trim().to_owned(), value: value.trim().to_owned() })
}

fn show(answer: &ExplainResponse) -> Result<(), Failure> {
    let told = FIRST.iter().filter_map(|name| answer.explanation.get_key_value(*name));
    let rest = answer.explanation.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()));
    told.chain(rest).try_for_each(|(name, value)| lines(name, value, 0))?;
    match &answer.certificate {
        Some(certificate) => output::line(&format!(
            "certificate: {} until {}, from {}",
            certificate.names.join(", "),
            certificate.not_after,
            certificate.origin
        )),
        None => output::line("certificate: none for this host"),
    }
}

/// A JSON value as indented lines, with nothing but its words.
fn lines(name: &str, value: &Value, depth: usize) -> Result<(), Failure> {
    let indent = "  ".repeat(depth);
    let name = printable(name);
    match value {
        Value::Null => Ok(()),
        Value::String(text) => output::line(&format!("{indent}{name}: {}", printable(text))),
        Value::Bool(_) | Value::Number(_) => output::line(&format!("{indent}{name}: {value}")),
        Value::Array(items) if items.is_empty() => output::line(&format!("{indent}{name}: none")),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            output::line(&format!("{indent}{name}: {}", printable(&texts.join(", "))))
        }
        Value::Array(items) => {
            output::line(&format!("{indent}{name}:"))?;
            items.iter().enumerate().try_for_each(|(index, item)| lines(&(index + 1).to_string(), item, depth + 1))
        }
        Value::Object(fields) => {
            output::line(&format!("{indent}{name}:"))?;
            fields.iter().try_for_each(|(name, field)| lines(name, field, depth + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::header;

    #[test]
    fn a_field_is_taken_apart_at_its_colon() {
        let field = header("X-Time: 10:30").unwrap();
        assert_eq!((field.name.as_str(), field.value.as_str()), ("X-Time", "10:30"));
        assert!(header("X-Beta").unwrap_err().sentence.contains("no colon"));
    }
}
