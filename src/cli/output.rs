//! The only place that prints. Results go to standard output, everything else to standard error.
//!
//! A reader that goes away (`doorstep env list | head -1`) is no error.
#![allow(clippy::print_stderr, reason = "this is the place")]

use super::exit::{Exit, Failure};
use super::table::Table;
use super::text::printable;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// A table that fits 80 columns
    #[default]
    Table,
    /// A table with all columns
    Wide,
    /// JSON, as the API answers
    Json,
    /// The same as YAML
    Yaml,
    /// The names alone, a line each
    Name,
}

/// Prints `value` as JSON or YAML, or else what `text` makes of it.
pub fn result<T: Serialize>(
    format: Format,
    value: &T,
    text: impl FnOnce(&T, bool) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let unwritable = |error: String| Failure::new(Exit::Failed, format!("the result cannot be written: {error}"));
    match format {
        Format::Table => text(value, false),
        Format::Wide => text(value, true),
        Format::Json => line(&serde_json::to_string_pretty(value).map_err(|error| unwritable(error.to_string()))?),
        Format::Yaml => raw(serde_saphyr::to_string(value).map_err(|error| unwritable(error.to_string()))?.as_bytes()),
        Format::Name => {
            let value = serde_json::to_value(value).map_err(|error| unwritable(error.to_string()))?;
            let names = names(&value).ok_or_else(|| Failure::usage("nothing of this has a name; ask for -o json"))?;
            names.iter().try_for_each(|name| line(&printable(name)))
        }
    }
}

/// The names of the items of a list, or that of the one thing: that by which another command finds it.
fn names(value: &Value) -> Option<Vec<String>> {
    let name = |item: &Value| {
        let field = ["number", "seq", "id", "name"].iter().find_map(|field| item.get(field))?;
        Some(field.as_str().map_or_else(|| field.to_string(), str::to_owned))
    };
    match value.get("items").unwrap_or(value) {
        Value::Array(items) => items.iter().map(name).collect(),
        one => Some(vec![name(one)?]),
    }
}

/// Prints a line of a result.
pub fn line(text: &str) -> Result<(), Failure> {
    raw(format!("{text}\n").as_bytes())
}

/// Prints a table, cut to the terminal's width when it goes to one; not where all columns were asked for.
pub fn table(table: &Table, wide: bool) -> Result<(), Failure> {
    let terminal = io::stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    raw(table.render((terminal && !wide).then(columns), colour).as_bytes())
}

/// Waits until whoever reads standard output has gone away; for ever where nobody can, as with a file.
pub async fn reader_gone() {
    // Not made non-blocking, as whoever else writes there shares that.
    let watched = io::stdout().as_fd().try_clone_to_owned().and_then(Sender::from_owned_fd_unchecked);
    match watched {
        Ok(watched) => drop(watched.ready(Interest::ERROR).await),
        Err(_) => std::future::pending().await,
    }
}

/// Prints bytes of a result as they are.
pub fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::new(Exit::Done, "")),
        Err(error) => Err(Failure::new(Exit::Failed, format!("the result cannot be written: {error}"))),
    }
}

/// Prints a remark to standard error.
pub fn remark(text: &str) {
    // Nobody is left to be told that nobody is listening.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints to standard error without ending the line.
pub fn part(text: &str) {
    let mut err = io::stderr();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Prints why a command failed, and gives the code of the process.
pub fn failure(failure: &Failure) -> ExitCode {
    if !failure.sentence.is_empty() {
        remark(&format!("doorstep: {}", printable(&failure.sentence)));
    }
    for hint in &failure.hints {
        remark(&printable(hint));
    }
    failure.exit.into()
}

/// Prints what clap says of the arguments: help and version are results, all else is a failure.
pub fn usage(error: &clap::Error) -> Result<(), Failure> {
    if !error.use_stderr() {
        return raw(error.render().to_string().as_bytes());
    }
    let said = error.render().to_string();
    let mut lines = said.trim_end().lines();
    let first = lines.next().unwrap_or_default();
    let failure = Failure::usage(first.strip_prefix("error: ").unwrap_or(first));
    Err(lines.fold(failure, Failure::hint))
}

/// Asks a yes-or-no question; `None` when nobody can answer.
pub fn ask(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    part(&format!("{question} [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Whether standard error is a terminal.
pub fn progress_on_terminal() -> bool {
    io::stderr().is_terminal()
}

/// The width of the terminal.
pub fn columns() -> usize {
    terminal_size::terminal_size().map_or(80, |(terminal_size::Width(width), _)| usize::from(width.max(20)))
}

#[cfg(test)]
mod tests {
    use super::names;
    use serde_json::json;

    #[test]
    fn a_name_is_that_by_which_the_next_command_finds_it() {
        let names = |value| names(&value).map(|names| names.join(" "));
        let environments = json!({"items": [{"name": "a-b", "user": "a"}, {"name": "c-d"}], "next": null});
        assert_eq!(names(environments).unwrap(), "a-b c-d");
        assert_eq!(names(json!([{"id": "t1", "name": "ci"}])).unwrap(), "t1");
        assert_eq!(names(json!({"items": [{"seq": 7, "name": "somebody"}]})).unwrap(), "7");
        assert_eq!(names(json!({"name": "integration"})).unwrap(), "integration");
        assert_eq!(names(json!({"items": []})).unwrap(), "");
        assert_eq!(names(json!({"items": [{"user": "a"}]})), None);
    }
}
