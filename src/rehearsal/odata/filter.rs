//! Parsing of filters.

use jiff::Timestamp;

use super::error::ODataError;
use super::path::guid;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    /// Both expressions match.
    And(Box<Self>, Box<Self>),
    /// At least one expression matches.
    Or(Box<Self>, Box<Self>),
    /// The expression does not match.
    Not(Box<Self>),
    /// A property compared with a literal.
    Compare {
        /// The property, with slashes if it goes through others.
        property: String,
        operator: Operator,
        literal: Literal,
    },
    /// `contains`, `startswith` or `endswith`.
    Text {
        function: TextFunction,
        property: String,
        /// The text to find.
        text: String,
    },
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextFunction {
    /// `contains`
    Contains,
    /// `startswith`
    StartsWith,
    /// `endswith`
    EndsWith,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    Number(f64),
    /// A text between quotes.
    Text(String),
    /// A GUID without quotes.
    Guid(String),
    Time(Timestamp),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Comma,
    Word(String),
    Text(String),
}

/// The maximum nesting of parentheses and `not`.
const MAX_DEPTH: usize = 50;

/// Parses a filter.
pub(crate) fn parse(text: &str) -> Result<Expression, ODataError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let expression = parser.or()?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => Err(syntax(&format!("{token:?} is not expected here"))),
    }
}

fn syntax(why: &str) -> ODataError {
    ODataError::bad_request(format!("Syntax error in the $filter query option: {why}."))
}

fn tokens(text: &str) -> Result<Vec<Token>, ODataError> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            ',' => tokens.push(Token::Comma),
            '\'' => tokens.push(Token::Text(quoted(&mut letters)?)),
            letter if letter.is_whitespace() => {}
            letter => {
                let mut word = String::from(letter);
                while let Some(next) = letters.next_if(|next| is_word(*next)) {
                    word.push(next);
                }
                // An enumeration's literal, such as
                // Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'.
                if letters.next_if_eq(&'\'').is_some() {
                    tokens.push(Token::Text(quoted(&mut letters)?));
                } else {
                    tokens.push(Token::Word(word));
                }
            }
        }
    }
    Ok(tokens)
}

fn is_word(letter: char) -> bool {
    !letter.is_whitespace() && !['(', ')', ',', '\''].contains(&letter)
}

fn quoted(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, ODataError> {
    let mut text = String::new();
    loop {
        match letters.next() {
            None => return Err(syntax("a quote is not closed")),
            Some('\'') if letters.next_if_eq(&'\'').is_none() => return Ok(text),
            Some(letter) => text.push(letter),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn expect(&mut self, token: &Token) -> Result<(), ODataError> {
        match self.next() {
            Some(found) if found == *token => Ok(()),
            Some(found) => Err(syntax(&format!("{token:?} is expected, not {found:?}"))),
            None => Err(syntax(&format!("{token:?} is expected, not the end"))),
        }
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        if found {
            self.at += 1;
        }
        found
    }

    fn or(&mut self) -> Result<Expression, ODataError> {
        let mut expression = self.and()?;
        while self.accept_word("or") {
            expression = Expression::Or(Box::new(expression), Box::new(self.and()?));
        }
        Ok(expression)
    }

    fn and(&mut self) -> Result<Expression, ODataError> {
        let mut expression = self.unary()?;
        while self.accept_word("and") {
            expression = Expression::And(Box::new(expression), Box::new(self.unary()?));
        }
        Ok(expression)
    }

    fn unary(&mut self) -> Result<Expression, ODataError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(syntax("it nests too deep"));
        }
        let expression = if self.accept_word("not") {
            Expression::Not(Box::new(self.unary()?))
        } else if self.peek() == Some(&Token::Open) {
            self.at += 1;
            let inner = self.or()?;
            self.expect(&Token::Close)?;
            inner
        } else {
            self.condition()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn condition(&mut self) -> Result<Expression, ODataError> {
        let Some(Token::Word(property)) = self.next() else {
            return Err(syntax("a property is expected"));
        };
        if self.peek() == Some(&Token::Open) {
            return self.function(&property);
        }
        let operator = match self.next() {
            Some(Token::Word(word)) => operator(&word)?,
            _ => {
                return Err(syntax(&format!(
                    "an operator is expected after '{property}'"
                )));
            }
        };
        let literal = match self.next() {
            Some(Token::Text(text)) => Literal::Text(text),
            Some(Token::Word(word)) => literal(&word)?,
            _ => return Err(syntax(&format!("a literal is expected after '{property}'"))),
        };
        Ok(Expression::Compare {
            property,
            operator,
            literal,
        })
    }

    fn function(&mut self, name: &str) -> Result<Expression, ODataError> {
        let function = match name {
            "contains" => TextFunction::Contains,
            "startswith" => TextFunction::StartsWith,
            "endswith" => TextFunction::EndsWith,
            _ => {
                return Err(syntax(&format!(
                    "an unknown function with name '{name}' was found"
                )));
            }
        };
        self.expect(&Token::Open)?;
        let Some(Token::Word(property)) = self.next() else {
            return Err(syntax("a property is expected"));
        };
        self.expect(&Token::Comma)?;
        let Some(Token::Text(text)) = self.next() else {
            return Err(syntax("a text is expected"));
        };
        self.expect(&Token::Close)?;
        Ok(Expression::Text {
            function,
            property,
            text,
        })
    }
}

fn operator(word: &str) -> Result<Operator, ODataError> {
    Ok(match word {
        "eq" => Operator::Equal,
        "ne" => Operator::NotEqual,
        "gt" => Operator::Greater,
        "ge" => Operator::GreaterOrEqual,
        "lt" => Operator::Less,
        "le" => Operator::LessOrEqual,
        _ => return Err(syntax(&format!("'{word}' is not an operator"))),
    })
}

fn literal(word: &str) -> Result<Literal, ODataError> {
    if let Some(literal) = match word {
        "null" => Some(Literal::Null),
        "true" => Some(Literal::Boolean(true)),
        "false" => Some(Literal::Boolean(false)),
        _ => None,
    } {
        return Ok(literal);
    }
    if let Some(id) = guid(word).filter(|_| word.len() == 36) {
        return Ok(Literal::Guid(id));
    }
    if let Ok(number) = word.parse() {
        return Ok(Literal::Number(number));
    }
    if let Ok(time) = word.parse() {
        return Ok(Literal::Time(time));
    }
    Err(syntax(&format!("'{word}' is not a literal")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(property: &str, operator: Operator, literal: Literal) -> Expression {
        Expression::Compare {
            property: property.to_owned(),
            operator,
            literal,
        }
    }

    #[test]
    fn and_binds_closer_than_or_and_not_closest() {
        let expression = parse("a eq 1 or not b eq 2 and c ne null").unwrap();
        let expected = Expression::Or(
            Box::new(compare("a", Operator::Equal, Literal::Number(1.0))),
            Box::new(Expression::And(
                Box::new(Expression::Not(Box::new(compare(
                    "b",
                    Operator::Equal,
                    Literal::Number(2.0),
                )))),
                Box::new(compare("c", Operator::NotEqual, Literal::Null)),
            )),
        );
        assert_eq!(expression, expected);
    }

    #[test]
    fn literals_are_distinguished() {
        let read = |text: &str| match parse(&format!("a eq {text}")).unwrap() {
            Expression::Compare { literal, .. } => literal,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            read("'it''s (a, b)'"),
            Literal::Text("it's (a, b)".to_owned())
        );
        assert_eq!(
            read("8061643D-EBF7-E811-A974-000D3A1E1C9A"),
            Literal::Guid("8061643d-ebf7-e811-a974-000d3a1e1c9a".to_owned())
        );
        assert_eq!(read("-5"), Literal::Number(-5.0));
        assert!(matches!(read("2024-01-01T00:00:00Z"), Literal::Time(_)));
        assert_eq!(
            read("Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'"),
            Literal::Text("UserOwned".to_owned())
        );
    }

    #[test]
    fn an_invalid_filter_is_refused_without_a_panic() {
        for text in [
            "",
            "a",
            "a eq",
            "a eq 'x",
            "(a eq 1",
            "a eq 1)",
            "a is 1",
            "not",
            "foo(a,'b')",
            "contains(a)",
            "contains(a,b)",
            "a eq b c",
            "eq eq eq eq",
        ] {
            assert_eq!(parse(text).unwrap_err().status, 400, "{text}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"not ".repeat(100_000)).is_err());
    }
}
