//! Durations as people write them.

use std::time::Duration;

/// Reads a whole number with a unit, like `500ms`, `30s`, `5m`, `1h` or `14d`; none that is zero.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis).filter(|duration| !duration.is_zero())
}

/// Writes a duration with its largest units, two at most: `14d`, `1d 6h`, `90s` as `1m 30s`. What is below a second counts
/// only where there is nothing else.
pub fn shown_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return format!("{}ms", duration.as_millis());
    }
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        let count = left / size;
        left %= size;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{parse_duration, shown_duration};
    use std::time::Duration;

    #[test]
    fn a_duration_is_a_number_with_its_unit() {
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(parse_duration("14d"), Some(Duration::from_secs(14 * 86_400)));
        for bad in ["", "5", "s", "0s", "-1s", "1.5s", "5 m", "5w", "99999999999999999999h", "18446744073709551615h"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_duration_is_told_in_its_largest_units() {
        for (seconds, told) in [(14 * 86_400, "14d"), (108_000, "1d 6h"), (90, "1m 30s"), (3_601, "1h"), (59, "59s")] {
            assert_eq!(shown_duration(Duration::from_secs(seconds)), told);
        }
        assert_eq!(shown_duration(Duration::from_millis(500)), "500ms");
    }
}
