//! Reads the expressions in the texts of a cloud flow: `@variables('u')`,
//! `https://@{outputs('Row')?['host']}/x` (Microsoft Learn, *Reference guide to workflow expression
//! functions*).

/// A part of a text.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece<'t> {
    /// What stands there.
    Written(&'t str),
    /// An expression; `None` if it cannot be read, with its text.
    Expression(Option<Expression>, &'t str),
}

/// An expression.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Expression {
    /// A text in quotes, or a number.
    Text(String),
    /// A function, by its name in lower case, and its arguments.
    Call(String, Vec<Expression>),
    /// A member of what another expression gives; the member's name if it is written.
    Member(Box<Expression>, Option<String>),
    /// `true`, `false` or `null`.
    Constant,
}

/// How deep expressions may be nested.
const DEEPEST: usize = 64;

/// The parts of a text, in their order. `@@` at the beginning, and `@@{`, are written.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    if let Some(whole) = text.strip_prefix('@')
        && !whole.starts_with(['{', '@'])
    {
        let read = Parser::new(whole).whole();
        return vec![Piece::Expression(read, whole)];
    }
    let mut found = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest[from..].find("@{").map(|at| at + from) {
        if rest[..at].ends_with('@') {
            from = at + 2;
            continue;
        }
        let inside = &rest[at + 2..];
        let length = length_inside(inside);
        found.push(Piece::Written(&rest[..at]));
        let expression = &inside[..length];
        found.push(Piece::Expression(
            Parser::new(expression).whole(),
            expression,
        ));
        rest = inside[length..].strip_prefix('}').unwrap_or_default();
        from = 0;
    }
    found.push(Piece::Written(rest));
    found.retain(|piece| *piece != Piece::Written(""));
    found
}

/// How long the expression is at the beginning of a text: up to the brace that closes it.
fn length_inside(text: &str) -> usize {
    let mut is_quoted = false;
    let mut open = 0_usize;
    for (at, sign) in text.char_indices() {
        match sign {
            '\'' => is_quoted = !is_quoted,
            '{' if !is_quoted => open += 1,
            '}' if !is_quoted && open == 0 => return at,
            '}' if !is_quoted => open -= 1,
            _ => {}
        }
    }
    text.len()
}

/// What is left to read of an expression.
struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn new(rest: &'t str) -> Self {
        Self { rest, depth: 0 }
    }

    /// The expression, if nothing follows it.
    fn whole(mut self) -> Option<Expression> {
        let expression = self.expression()?;
        self.rest.trim().is_empty().then_some(expression)
    }

    fn expression(&mut self) -> Option<Expression> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut expression = self.first()?;
        loop {
            let is_optional = self.take("?");
            if self.take("[") {
                let member = match self.expression()? {
                    Expression::Text(member) => Some(member),
                    _ => None,
                };
                self.take("]").then_some(())?;
                expression = Expression::Member(Box::new(expression), member);
            } else if self.take(".") {
                let member = self.word().to_owned();
                expression = Expression::Member(Box::new(expression), Some(member));
            } else if is_optional {
                return None;
            } else {
                self.depth -= 1;
                return Some(expression);
            }
        }
    }

    /// A text, a number, a constant or a call.
    fn first(&mut self) -> Option<Expression> {
        self.take("@");
        if self.take("'") {
            return self.quoted().map(Expression::Text);
        }
        let is_number = self
            .rest
            .starts_with(|c: char| c.is_ascii_digit() || c == '-');
        if is_number {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
            return Some(Expression::Text(self.while_part(is_part).to_owned()));
        }
        let name = self.word().to_ascii_lowercase();
        if name.is_empty() {
            return None;
        }
        if !self.take("(") {
            return Some(Expression::Constant);
        }
        let mut arguments = Vec::new();
        while !self.take(")") {
            arguments.push(self.expression()?);
            let is_last = !self.take(",");
            if is_last {
                self.take(")").then_some(())?;
                break;
            }
        }
        Some(Expression::Call(name, arguments))
    }

    /// The rest of a text in quotes; two quotes stand for one.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let (part, rest) = self.rest.split_once('\'')?;
            text.push_str(part);
            self.rest = rest;
            match rest.strip_prefix('\'') {
                Some(rest) => self.rest = rest,
                None => return Some(text),
            }
            text.push('\'');
        }
    }

    fn word(&mut self) -> &'t str {
        self.rest = self.rest.trim_start();
        self.while_part(|c| c.is_alphanumeric() || c == '_')
    }

    fn while_part(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (part, rest) = self.rest.split_at(end);
        self.rest = rest;
        part
    }

    /// Steps over a sign, and spaces before and after it, if it is next.
    fn take(&mut self, sign: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(sign) else {
            return false;
        };
        // The spaces in a text in quotes belong to it.
        self.rest = if sign == "'" { rest } else { rest.trim_start() };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, argument: &str) -> Expression {
        Expression::Call(name.to_owned(), vec![Expression::Text(argument.to_owned())])
    }

    #[test]
    fn a_text_is_split_at_its_expressions() {
        let text = "https://@{variables( 'host' )}/x@{body('R')?['a}b']}?m=a@contoso.com&@@{no}";
        let found = pieces(text);
        let body = Expression::Member(Box::new(call("body", "R")), Some("a}b".to_owned()));
        let expected = [
            Piece::Written("https://"),
            Piece::Expression(Some(call("variables", "host")), "variables( 'host' )"),
            Piece::Written("/x"),
            Piece::Expression(Some(body), "body('R')?['a}b']"),
            Piece::Written("?m=a@contoso.com&@@{no}"),
        ];
        assert_eq!(found, expected);
        assert_eq!(pieces("@@note"), [Piece::Written("@@note")]);
    }

    #[test]
    fn an_expression_is_read_or_it_is_unreadable() {
        let read = |text: &str| match pieces(text).pop() {
            Some(Piece::Expression(read, _)) => read,
            _ => None,
        };
        assert_eq!(
            read("@concat(' it''s ', 1, null)"),
            Some(Expression::Call(
                "concat".to_owned(),
                vec![
                    Expression::Text(" it's ".to_owned()),
                    Expression::Text("1".to_owned()),
                    Expression::Constant,
                ]
            ))
        );
        let item = Expression::Call("item".to_owned(), Vec::new());
        let member = Expression::Member(Box::new(item), Some("mail".to_owned()));
        assert_eq!(read("@item().mail"), Some(member));
        let deep = format!("@{}'x'{}", "f(".repeat(5000), ")".repeat(5000));
        for unreadable in [
            "@contoso and friends",
            "@f('x'",
            "@'x",
            "@f(,)",
            deep.as_str(),
        ] {
            assert_eq!(read(unreadable), None, "{unreadable:.40}");
        }
    }
}
