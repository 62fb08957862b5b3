//! Kubernetes quantities as whole numbers.

/// A quantity in thousandths: `250m` CPU is 250, `1Ki` is 1,024,000. What is below a thousandth is left out. `None` for what
/// is none, is too large, or is written with an exponent.
pub fn milli(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction: i128 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let milli = whole.parse::<i128>().ok()?.checked_mul(1000)?.checked_add(fraction)?;
    let factor: i128 = match suffix {
        "" => 1,
        "n" => return Some(milli / 1_000_000_000),
        "u" => return Some(milli / 1_000_000),
        "m" => return Some(milli / 1000),
        "k" => 1000,
        "M" => 1000_i128.pow(2),
        "G" => 1000_i128.pow(3),
        "T" => 1000_i128.pow(4),
        "P" => 1000_i128.pow(5),
        "E" => 1000_i128.pow(6),
        "Ki" => 1024,
        "Mi" => 1024_i128.pow(2),
        "Gi" => 1024_i128.pow(3),
        "Ti" => 1024_i128.pow(4),
        "Pi" => 1024_i128.pow(5),
        "Ei" => 1024_i128.pow(6),
        _ => return None,
    };
    milli.checked_mul(factor)
}

/// CPU in thousandths of a core, as Kubernetes writes it: `2`, `250m`.
pub fn shown_cpu(milli: i128) -> String {
    if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// Thousandths of bytes in the largest unit that divides them: `64Mi`, `1536Mi`, `1000`.
pub fn shown_bytes(milli: i128) -> String {
    let bytes = milli / 1000;
    let units = [(1024_i128.pow(4), "Ti"), (1024_i128.pow(3), "Gi"), (1024_i128.pow(2), "Mi"), (1024, "Ki")];
    let unit = units.iter().find(|(size, _)| bytes != 0 && bytes % size == 0);
    unit.map_or_else(|| bytes.to_string(), |(size, unit)| format!("{}{unit}", bytes / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_thousandths() {
        for (text, wanted) in [
            ("250m", 250),
            ("1", 1000),
            ("0.5", 500),
            ("1Ki", 1_024_000),
            ("2k", 2_000_000),
            ("1500u", 1),
            ("1.0005", 1000),
        ] {
            assert_eq!(milli(text), Some(wanted), "{text}");
        }
        for bad in ["", "x", "1x", "-1", "1e3", "1.2.3", "99999999999999999999999999999999999999E"] {
            assert_eq!(milli(bad), None, "{bad}");
        }
    }

    #[test]
    fn they_are_told_as_kubernetes_writes_them() {
        assert_eq!((shown_cpu(2000), shown_cpu(250)), ("2".to_owned(), "250m".to_owned()));
        let told = |text| shown_bytes(milli(text).unwrap());
        assert_eq!((told("64Mi"), told("1.5Gi"), told("1000")), ("64Mi".into(), "1536Mi".into(), "1000".into()));
        assert_eq!(told("0"), "0");
    }
}
