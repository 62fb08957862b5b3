//! Durations as `kubectl` shortens them.

/// Seconds with the precision that matters at their size: `45s`, `3m20s`, `42m`, `5h10m`, `3d4h`, `12d`, `2y30d`.
pub(super) fn short(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with = |whole: i64, unit: &str, rest: i64, rest_unit: &str| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{rest_unit}") }
    };
    match seconds {
        i64::MIN..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => with(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => with(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => with(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 365 * 8 => with(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn precision_fits_the_size() {
        let told =
            [0, 119, 120, 200, 600, 2520, 10_800, 18_600, 28_800, 172_800, 273_600, 691_200, 70_000_000].map(short);
        let expected = ["0s", "119s", "2m", "3m20s", "10m", "42m", "3h", "5h10m", "8h", "2d", "3d4h", "8d", "2y80d"];
        assert_eq!(told, expected);
    }
}
