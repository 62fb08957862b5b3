//! The nearest known name to a mistyped one.

/// The known name that `given` most likely meant, if one is near enough to be worth telling.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A hostile name of megabytes would make the distance quadratic; no known name is that long.
    let given: String = given.chars().take(64).collect::<String>().to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&given, &name.to_lowercase());
    let (best, name) = known.into_iter().map(|name| (distance(name), name)).min_by_key(|(d, _)| *d)?;
    let longest = given.chars().count().max(name.chars().count());
    (best * 2 <= longest).then_some(name)
}

/// The end of a sentence that tells the nearest known name, or else all of them: `; did you mean "staging"?`.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(given, known.iter().copied()) {
        Some(name) => format!("; did you mean \"{name}\"?"),
        None if known.is_empty() => String::new(),
        None if known.len() == 1 => format!("; known is {}", known.join(", ")),
        None => format!("; known are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, nearest};

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let known = ["integration", "staging", "production", "production-2"];
        assert_eq!(nearest("integraton", known), Some("integration"));
        assert_eq!(nearest("prodution-2", known), Some("production-2"));
        assert_eq!(nearest("zzz", known), None);
        assert_eq!(did_you_mean("zzz", ["a", "b"]), "; known are a, b");
        assert_eq!((did_you_mean("zzz", ["a"]).as_str(), did_you_mean("zzz", []).as_str()), ("; known is a", ""));
    }
}
