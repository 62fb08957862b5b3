//! Texts for people: ages, sizes, and what must not reach a terminal.

use jiff::Timestamp;

/// `text` without control characters: what comes from a cluster must not steer a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How long ago `then` was, as kubectl prints it: `5s`, `3m20s`, `2h5m`, `3d4h`, `12d`.
pub(super) fn age(then: Option<&str>, now: Timestamp) -> String {
    let Some(then) = then.and_then(|text| text.parse::<Timestamp>().ok()) else { return "-".to_owned() };
    let seconds = now.duration_since(then).as_secs().max(0);
    let two = |big: i64, unit: &str, small: i64, part: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{part}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

/// Cores in thousandths, as `kubectl top` prints them.
pub(super) fn cores(cores: Option<f64>) -> String {
    cores.map_or_else(|| "-".to_owned(), |cores| format!("{:.0}m", cores * 1000.0))
}

/// Bytes in mebibytes, as `kubectl top` prints them.
pub(super) fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{}Mi", bytes.div_ceil(1 << 20)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_at_most_two_units() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (seconds, wanted) in [
            (5, "5s"),
            (119, "119s"),
            (200, "3m20s"),
            (3600, "60m"),
            (11_100, "3h5m"),
            (90_000, "25h"),
            (273_600, "3d4h"),
            (1_036_800, "12d"),
        ] {
            let now = start + jiff::SignedDuration::from_secs(seconds);
            assert_eq!(age(Some("2026-01-01T00:00:00Z"), now), wanted);
        }
        assert_eq!(age(None, start), "-");
    }

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a [2Jb ");
        assert_eq!((cores(Some(0.0123)), mebibytes(Some(5 << 20))), ("12m".to_owned(), "5Mi".to_owned()));
    }
}
