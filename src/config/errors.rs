//! What is wrong with a file: all of it, each with its place.

use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The path to the value, like `routes[1].rules[0].match.path`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// All mistakes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file.
    pub file: String,
    /// The mistakes, in the order of the file.
    pub errors: Vec<ConfigError>,
}

impl ConfigErrors {
    /// A single mistake.
    pub fn one(file: &str, path: &str, message: String) -> Self {
        Self { file: file.to_owned(), errors: vec![ConfigError { path: path.to_owned(), message }] }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.errors.len() > 1 {
            write!(f, " has {} mistakes", self.errors.len())?;
        }
        for (index, error) in self.errors.iter().enumerate() {
            f.write_str(if self.errors.len() == 1 || index == 0 { ": " } else { "\n  " })?;
            if index == 0 && self.errors.len() > 1 {
                f.write_str("\n  ")?;
            }
            match error.path.as_str() {
                "" => write!(f, "{}", error.message)?,
                path => write!(f, "{path}: {}", error.message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
