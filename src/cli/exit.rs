//! How a command ends: a code for programs, a sentence and hints for people.

use crate::api::Problem;
use std::process::ExitCode;

/// The exit codes. They are part of the interface: `docs/cli.md` and `--help` list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// A mistake in the arguments, or in what they ask for.
    Usage,
    /// No such environment, class or pod.
    NotFound,
    /// The manager is not reachable, or refused the token.
    Unreachable,
    /// Timed out while waiting.
    TimedOut,
    /// Ended by Ctrl-C while waiting.
    Interrupted,
}

impl Exit {
    /// The code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unreachable => 4,
            Self::TimedOut => 5,
            // What shells make of a SIGINT.
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What is wrong, in one sentence; empty when there is nothing to be said.
    pub sentence: String,
    /// Details and ways out, a line each.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure with its sentence.
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into(), hints: Vec::new() }
    }

    /// A mistake in the arguments.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, sentence)
    }

    /// The same with one more line.
    #[must_use]
    pub fn hint(mut self, line: impl Into<String>) -> Self {
        self.hints.push(line.into());
        self
    }

    /// What the management API answered.
    pub fn of_problem(problem: &Problem) -> Self {
        let exit = match problem.status {
            400 | 413 | 415 | 422 => Exit::Usage,
            401 | 403 | 421 => Exit::Unreachable,
            404 => Exit::NotFound,
            _ => Exit::Failed,
        };
        let failure = Self::new(exit, problem.detail.clone());
        let told = problem.errors.iter().filter(|error| error.detail != problem.detail);
        told.fold(failure, |failure, error| failure.hint(format!("  {}", error.detail)))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(error) => Self::new(Exit::Failed, format!("{error:#}")),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Code, FieldError};

    #[test]
    fn the_code_follows_the_problem() {
        let exit = |code| Failure::of_problem(&Problem::new(code, "x")).exit;
        assert_eq!(exit(Code::UnknownClass), Exit::NotFound);
        assert_eq!(exit(Code::Invalid), Exit::Usage);
        assert_eq!(exit(Code::Malformed), Exit::Usage);
        assert_eq!(exit(Code::Unauthorized), Exit::Unreachable);
        assert_eq!(exit(Code::EnvironmentDeleting), Exit::Failed);
    }

    #[test]
    fn every_mistake_is_a_line_and_none_is_told_twice() {
        let two = Problem::invalid(vec![FieldError::new("/a", "a is wrong"), FieldError::new("/b", "b is wrong")]);
        assert_eq!(Failure::of_problem(&two).hints, ["  a is wrong", "  b is wrong"]);
        let one = Problem::invalid(vec![FieldError::new("/a", "a is wrong")]);
        assert!(Failure::of_problem(&one).hints.is_empty());
    }
}
