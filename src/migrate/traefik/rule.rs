//! Traefik's rule language: ``Host(`a.test`) && (PathPrefix(`/x`) || !Method(`GET`))``.

use std::fmt;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Each of them.
    All(Vec<Expression>),
    /// At least one of them.
    Any(Vec<Expression>),
    /// Not this.
    Not(Box<Expression>),
    /// A matcher.
    Matcher {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// Where it begins in the rule, in bytes.
        at: usize,
    },
}

/// Why a rule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Where, in bytes.
    pub at: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.at + 1, self.message)
    }
}

/// The longest rule that is read, and how deep it may nest.
const MAX_BYTES: usize = 16 * 1024;
const MAX_NESTING: usize = 12;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Sign(&'static str),
}

/// Reads a rule.
pub fn parse(text: &str) -> Result<Expression, RuleError> {
    if text.len() > MAX_BYTES {
        return Err(RuleError { at: 0, message: format!("a rule has at most {MAX_BYTES} bytes") });
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.len() };
    let expression = parser.any(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.wrong("the rule should end here, or go on with && or ||")),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, RuleError> {
    const SIGNS: [&str; 6] = ["&&", "||", "!", "(", ")", ","];
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        if first.is_whitespace() {
            rest = rest.trim_start();
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            found.push((at, Token::Sign(sign)));
            rest = rest.get(sign.len()..).unwrap_or_default();
        } else if first == '`' || first == '"' {
            let (value, length) = quoted(rest).map_err(|message| RuleError { at, message })?;
            found.push((at, Token::Text(value)));
            rest = rest.get(length..).unwrap_or_default();
        } else if first.is_ascii_alphabetic() {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let (name, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            found.push((at, Token::Name(name.to_owned())));
            rest = after;
        } else {
            let message = match first {
                '\'' => "values stand in backticks or double quotes".to_owned(),
                '&' | '|' => format!("there is no operator {first}; && and || are"),
                other => format!("{other:?} does not belong here; a matcher like Host(`a.example.com`) does"),
            };
            return Err(RuleError { at, message });
        }
    }
    Ok(found)
}

/// The value of the text that `rest` begins with, and its length with its quotes.
fn quoted(rest: &str) -> Result<(String, usize), String> {
    let mut chars = rest.char_indices();
    let quote = chars.next().map_or('`', |(_, quote)| quote);
    let mut value = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((value, at + c.len_utf8())),
            '\\' if quote == '"' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                Some((_, other)) => return Err(format!("\\{other} is no escape; \\\\ is a backslash")),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err(format!("a text begins with {quote} and does not end"))
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn wrong(&self, message: &str) -> RuleError {
        RuleError { at: self.at(), message: message.to_owned() }
    }

    fn take(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(is_it);
        is_it
    }

    fn any(&mut self, depth: usize) -> Result<Expression, RuleError> {
        if depth > MAX_NESTING {
            return Err(self.wrong("it is nested too deep"));
        }
        let first = self.all(depth)?;
        let mut several = vec![first];
        while self.take("||") {
            several.push(self.all(depth)?);
        }
        Ok(one_or(several, Expression::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, RuleError> {
        let mut several = vec![self.unary(depth)?];
        while self.take("&&") {
            several.push(self.unary(depth)?);
        }
        Ok(one_or(several, Expression::All))
    }

    fn unary(&mut self, depth: usize) -> Result<Expression, RuleError> {
        if self.take("!") {
            if depth > MAX_NESTING {
                return Err(self.wrong("it is nested too deep"));
            }
            return Ok(Expression::Not(Box::new(self.unary(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.any(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err(self.wrong("a closing parenthesis is missing")) };
        }
        self.matcher()
    }

    fn matcher(&mut self) -> Result<Expression, RuleError> {
        let at = self.at();
        let Some(Token::Name(name)) = self.peek().cloned() else {
            return Err(self.wrong("a matcher is missing, like Host(`a.example.com`)"));
        };
        self.next += 1;
        if !self.take("(") {
            return Err(self.wrong("a matcher has its values in parentheses"));
        }
        let mut arguments = Vec::new();
        loop {
            let Some(Token::Text(value)) = self.peek().cloned() else {
                return Err(self.wrong("a value in backticks is missing"));
            };
            self.next += 1;
            arguments.push(value);
            if self.take(")") {
                return Ok(Expression::Matcher { name: spelled(name), arguments, at });
            }
            if !self.take(",") {
                return Err(self.wrong("a comma or a closing parenthesis is missing"));
            }
        }
    }
}

/// Traefik takes `HOST` and `pathprefix` too.
fn spelled(name: String) -> String {
    const NAMES: [&str; 14] = [
        "ClientIP",
        "Header",
        "HeaderRegexp",
        "Headers",
        "HeadersRegexp",
        "Host",
        "HostHeader",
        "HostRegexp",
        "Method",
        "Path",
        "PathPrefix",
        "PathRegexp",
        "Query",
        "QueryRegexp",
    ];
    let known = NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(&name));
    known.map_or(name, str::to_owned)
}

fn one_or(mut several: Vec<Expression>, join: impl FnOnce(Vec<Expression>) -> Expression) -> Expression {
    match (several.len(), several.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            several.extend(last);
            join(several)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matcher(name: &str, arguments: &[&str], at: usize) -> Expression {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Expression::Matcher { name: name.to_owned(), arguments, at }
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_tighter_than_both() {
        let read = parse("Host(`a`) && !Path(\"/x\\\\d\") || Query(`k`, `v`)").unwrap();
        let not = Expression::Not(Box::new(matcher("Path", &["/x\\d"], 14)));
        let all = Expression::All(vec![matcher("Host", &["a"], 0), not]);
        assert_eq!(read, Expression::Any(vec![all, matcher("Query", &["k", "v"], 31)]));
    }

    #[test]
    fn a_mistake_has_its_place_and_what_would_be_right() {
        for (rule, said) in [
            ("", "at character 1: a matcher is missing"),
            ("Host('a')", "at character 6: values stand in backticks"),
            ("Host(`a", "at character 6: a text begins with ` and does not end"),
            ("Host(`a`) & Path(`/`)", "at character 11: there is no operator &"),
            ("Host(`a`) Path(`/`)", "at character 11: the rule should end here"),
            ("(Host(`a`)", "at character 11: a closing parenthesis"),
            ("Host()", "at character 6: a value in backticks is missing"),
            ("Host(`a` `b`)", "at character 10: a comma"),
        ] {
            let told = parse(rule).unwrap_err().to_string();
            assert!(told.starts_with(said), "{rule}: {told}");
        }
        assert!(parse(&"(".repeat(9000)).is_err() && parse(&"!".repeat(9000)).is_err());
        assert!(parse(&"x".repeat(MAX_BYTES + 1)).is_err());
    }

    proptest! {
        /// Whatever a manifest holds, it is read or refused.
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,60}|[A-Za-z(),`\"!&| \\\\]{0,60}") {
            drop(parse(&text));
        }
    }
}
