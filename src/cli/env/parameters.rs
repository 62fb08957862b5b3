//! `-p NAME=VALUE`, several times.

use crate::cli::exit::Failure;
use crate::model::shown;
use std::collections::BTreeMap;

/// The parameters that were given; every mistake in them at once.
pub(super) fn parse(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let (mut parameters, mut mistakes) = (BTreeMap::new(), Vec::new());
    for text in given {
        match text.split_once('=') {
            None => mistakes.push(format!("-p {} has no value; give it as -p NAME=VALUE", shown(text))),
            Some(("", _)) => mistakes.push(format!("-p {} has no name; give it as -p NAME=VALUE", shown(text))),
            Some((name, value)) => {
                if parameters.insert(name.to_owned(), value.to_owned()).is_some() {
                    mistakes.push(format!("-p {} is given twice; give it once", shown(name)));
                }
            }
        }
    }
    match mistakes.as_slice() {
        [] => Ok(parameters),
        [only] => Err(Failure::usage(only.clone())),
        several => {
            let failure = Failure::usage(format!("{} mistakes in the parameters; nothing was changed", several.len()));
            Err(several.iter().fold(failure, |failure, mistake| failure.hint(format!("  {mistake}"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn texts(given: &[&str]) -> Vec<String> {
        given.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn values_keep_all_that_follows_the_first_equals_sign() {
        let parameters = parse(&texts(&["A=b=c", "B=", "C= x \n$(id)\""])).unwrap();
        assert_eq!(parameters["A"], "b=c");
        assert_eq!(parameters["B"], "");
        assert_eq!(parameters["C"], " x \n$(id)\"");
    }

    #[test]
    fn mistakes_are_told_together() {
        let one = parse(&texts(&["TAG_FRONT"])).unwrap_err();
        assert_eq!(one.sentence, "-p \"TAG_FRONT\" has no value; give it as -p NAME=VALUE");
        let several = parse(&texts(&["A", "=b", "C=1", "C=2"])).unwrap_err();
        assert_eq!(several.hints.len(), 3, "{several:?}");
        assert!(several.hints[2].contains("given twice"), "{several:?}");
    }
}
