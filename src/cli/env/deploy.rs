//! `doorstep env deploy CLASS -p NAME=VALUE … [--wait]`.

use super::{Which, parameters, wait};
use crate::api::{EnvironmentInput, EnvironmentView};
use crate::cli::client::{Client, path_of};
use crate::cli::exit::Failure;
use crate::cli::globals::Globals;
use crate::cli::output::{self, Format};
use clap::Args;
use std::time::Duration;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// A parameter of the class; all that it needs have to be given
    #[arg(short, long = "parameter", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    parameters: Vec<String>,
    /// Wait until a request to it succeeds
    #[arg(short, long)]
    wait: bool,
    /// How long to wait: 90s, 2m
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = duration)]
    timeout: Duration,
    /// The form of the result; a table is the URL alone
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let key = arguments.which.key(globals)?;
    let input =
        EnvironmentInput { parameters: parameters::parse(&arguments.parameters)?, ..EnvironmentInput::default() };
    let client = Client::new(globals)?;
    let mut environment: EnvironmentView = client.put(&path_of(&key), &input).await?;
    if arguments.wait {
        let url = environment.url.take();
        environment = wait::until_ready(&client, &key, &environment, arguments.timeout).await?;
        environment.url = environment.url.or(url);
    }
    output::result(arguments.output, &environment, |environment, _| {
        output::line(environment.url.as_deref().unwrap_or(&environment.name))
    })
}

/// Reads `90`, `90s`, `2m`, `1h`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "give a duration like 90s, 2m or 1h".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let duration = match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" | "" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    };
    // Longer than a year is a slip, and would overflow the clock.
    duration.filter(|duration| *duration <= Duration::from_secs(31_536_000)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("120s"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "s", "1y", "-1s", "1.5s", "99999999999999999999s", "99999999999h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
