//! Kubernetes quantities as numbers: `250m` CPU is 0.25 cores, `16Mi` is 16777216 bytes.

/// The suffixes of quantities and what they stand for.
const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// The number that `quantity` stands for.
pub(super) fn number(quantity: &str) -> Option<f64> {
    // First without a suffix: `1E3` is a thousand and not one exa followed by nonsense.
    if let Ok(number) = quantity.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    SUFFIXES.iter().find_map(|(suffix, factor)| {
        let digits = quantity.strip_suffix(suffix)?;
        digits.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number * factor)
    })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn quantities_are_numbers() {
        let near = |text: &str, wanted: f64| (number(text).unwrap() - wanted).abs() < 1e-9 * wanted.max(1.0);
        for (text, wanted) in
            [("250m", 0.25), ("1", 1.0), ("1234567n", 0.001_234_567), ("16Mi", 16_777_216.0), ("2k", 2e3), ("1E3", 1e3)]
        {
            assert!(near(text, wanted), "{text}: {:?}", number(text));
        }
        assert_eq!(number("x"), None);
        assert_eq!(number(""), None);
    }
}
