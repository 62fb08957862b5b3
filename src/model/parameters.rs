//! The parameters of a deployment: what a class declares, and the values that a person gives.

use super::{did_you_mean, shown};
use regex::Regex;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The most characters of a parameter's value, whatever its pattern says.
pub const MAX_PARAMETER_CHARS: usize = 1024;

/// The name of a parameter: `[A-Za-z_][A-Za-z0-9_]{0,62}`, as an environment variable is named.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterName(String);

impl ParameterName {
    /// The name as a regular expression, for schemas.
    pub const PATTERN: &'static str = "^[A-Za-z_][A-Za-z0-9_]{0,62}$";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParameterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ParameterName {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let all = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if begins && all && text.len() <= 63 {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParameterError::Name(text.to_owned()))
        }
    }
}

/// One parameter that a class declares.
#[derive(Debug, Clone)]
pub struct ParameterDeclaration {
    /// Its name.
    pub name: ParameterName,
    /// What a value must match as a whole.
    pub pattern: Regex,
    /// The pattern as it was written, for messages.
    pub pattern_text: String,
    /// Whether a deployment must give it.
    pub required: bool,
    /// The value when none is given.
    pub default: Option<String>,
    /// What it means, for people.
    pub description: String,
}

impl ParameterDeclaration {
    /// A declaration whose `pattern` has to match the whole of a value.
    pub fn new(name: ParameterName, pattern: &str, required: bool) -> Result<Self, ParameterError> {
        // Anchored around a group: a bare alternative would otherwise escape the anchors.
        let compiled = regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build();
        let compiled = compiled.map_err(|error| ParameterError::Pattern {
            name: name.to_string(),
            reason: error.to_string().lines().last().unwrap_or("it does not parse").to_owned(),
        })?;
        Ok(Self {
            name,
            pattern: compiled,
            pattern_text: pattern.to_owned(),
            required,
            default: None,
            description: String::new(),
        })
    }
}

/// Why parameters are refused. Each names the parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Not a name at all.
    #[error("{} is not a parameter's name: letters, digits and underscores, not begun by a digit, at most 63", shown(.0))]
    Name(String),
    /// The class's pattern does not compile.
    #[error("the pattern of parameter {name} does not compile: {reason}")]
    Pattern {
        /// The parameter.
        name: String,
        /// What the regex compiler said.
        reason: String,
    },
    /// The class does not declare it.
    #[error("parameter {} is not declared by class {class}{hint}", shown(name))]
    Undeclared {
        /// The name that was given.
        name: String,
        /// The class.
        class: String,
        /// The nearest declared name, as the end of the sentence.
        hint: String,
    },
    /// A required one was not given.
    #[error("parameter {name} is required by class {class} and was not given")]
    Missing {
        /// The parameter.
        name: String,
        /// The class.
        class: String,
    },
    /// The value does not match.
    #[error("parameter {name}: {} does not match {pattern}", shown(value))]
    Mismatch {
        /// The parameter.
        name: String,
        /// What was given.
        value: String,
        /// What the class wants.
        pattern: String,
    },
    /// The value is too long to be looked at.
    #[error("parameter {name}: the value has {chars} characters; {MAX_PARAMETER_CHARS} are the most")]
    TooLong {
        /// The parameter.
        name: String,
        /// The value's length.
        chars: usize,
    },
}

impl ParameterError {
    /// The parameter's name, as it was given.
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name)
            | Self::Pattern { name, .. }
            | Self::Undeclared { name, .. }
            | Self::Missing { name, .. }
            | Self::Mismatch { name, .. }
            | Self::TooLong { name, .. } => name,
        }
    }
}

/// Checked values by name, with the defaults of the class filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Checks `given` against what `class` declares. All mistakes are returned, not only the first.
    pub fn check(
        class: &str,
        declared: &[ParameterDeclaration],
        given: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<ParameterError>> {
        let mut errors = Vec::new();
        let mut values = BTreeMap::new();
        let names = || declared.iter().map(|d| d.name.as_str());
        for name in given.keys().filter(|name| !names().any(|known| known == *name)) {
            let hint = did_you_mean(name, names());
            errors.push(ParameterError::Undeclared { name: name.clone(), class: class.to_owned(), hint });
        }
        for declaration in declared {
            match value_of(class, declaration, given) {
                Ok(Some(value)) => {
                    values.insert(declaration.name.to_string(), value);
                }
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self(values)) } else { Err(errors) }
    }

    /// The values by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

fn value_of(
    class: &str,
    declaration: &ParameterDeclaration,
    given: &BTreeMap<String, String>,
) -> Result<Option<String>, ParameterError> {
    let name = declaration.name.to_string();
    let Some(value) = given.get(&name) else {
        return match &declaration.default {
            Some(default) => Ok(Some(default.clone())),
            None if declaration.required => Err(ParameterError::Missing { name, class: class.to_owned() }),
            None => Ok(None),
        };
    };
    let chars = value.chars().count();
    if chars > MAX_PARAMETER_CHARS {
        return Err(ParameterError::TooLong { name, chars });
    }
    if !declaration.pattern.is_match(value) {
        let pattern = declaration.pattern_text.clone();
        return Err(ParameterError::Mismatch { name, value: value.clone(), pattern });
    }
    Ok(Some(value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> Vec<ParameterDeclaration> {
        ["TAG_FRONT", "VERSION"]
            .map(|name| ParameterDeclaration::new(name.parse().unwrap(), "[A-Za-z0-9._-]{1,128}", true).unwrap())
            .to_vec()
    }

    fn check(pairs: &[(&str, &str)]) -> Result<Parameters, Vec<ParameterError>> {
        let given = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Parameters::check("integration", &declared(), &given)
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let errors = check(&[("TAG_FRNT", "1"), ("VERSION", "$(id)")]).unwrap_err();
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("did you mean \"TAG_FRONT\"?"), "{said:?}");
        assert!(said[1].contains("TAG_FRONT is required"), "{said:?}");
        assert!(said[2].contains("\"$(id)\" does not match"), "{said:?}");
    }

    #[test]
    fn a_pattern_matches_the_whole_value_with_each_alternative() {
        let alternatives = ParameterDeclaration::new("A".parse().unwrap(), "a|b", true).unwrap();
        assert!(alternatives.pattern.is_match("b") && !alternatives.pattern.is_match("bx"));
        for bad in ["1 2", "1\n", "'", "\"", ""] {
            assert!(check(&[("TAG_FRONT", bad), ("VERSION", "1")]).is_err(), "{bad:?}");
        }
        let long = check(&[("TAG_FRONT", &"1".repeat(10_000)), ("VERSION", "1")]).unwrap_err();
        assert!(long[0].to_string().contains("has 10000 characters"));
    }
}
