//! The segments of an address below the Web API's root.

use super::error::ODataError;

/// One segment: `workflows(…)`, `$ref`, `Microsoft.Dynamics.CRM.StateAttributeMetadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The text before the parentheses.
    pub(crate) name: String,
    /// The text between them.
    pub(crate) arguments: Option<Arguments>,
}

/// The arguments between the parentheses of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Nothing.
    None,
    /// One value, such as a row's id.
    Value(String),
    /// Named values: an alternate key, or a function's parameters.
    Named(Vec<(String, String)>),
}

impl Segment {
    /// The id of the row the segment names: a GUID in lower case.
    pub(crate) fn id(&self) -> Option<String> {
        match &self.arguments {
            Some(Arguments::Value(value)) => guid(value),
            _ => None,
        }
    }

    /// The value of a named argument, unquoted.
    pub(crate) fn argument(&self, name: &str) -> Option<String> {
        match &self.arguments {
            Some(Arguments::Named(arguments)) => arguments
                .iter()
                .find(|(argument, _)| argument == name)
                .map(|(_, value)| unquoted(value)),
            _ => None,
        }
    }

    /// Whether the segment has no parentheses, or empty ones.
    pub(crate) fn is_bare(&self) -> bool {
        matches!(self.arguments, None | Some(Arguments::None))
    }
}

/// A GUID in Dataverse's form: lower case, with hyphens, without braces.
pub(crate) fn guid(text: &str) -> Option<String> {
    let id = uuid::Uuid::parse_str(text.trim()).ok()?;
    Some(id.to_string())
}

/// A literal without its quotes.
pub(crate) fn unquoted(literal: &str) -> String {
    let literal = literal.trim();
    literal
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .map_or_else(|| literal.to_owned(), |text| text.replace("''", "'"))
}

/// The segments of a decoded path.
pub(crate) fn segments(path: &str) -> Result<Vec<Segment>, ODataError> {
    split(path, '/')
        .into_iter()
        .filter(|segment| !segment.is_empty())
        .map(segment)
        .collect()
}

fn segment(text: &str) -> Result<Segment, ODataError> {
    let Some((name, rest)) = text.split_once('(') else {
        return Ok(Segment {
            name: text.to_owned(),
            arguments: None,
        });
    };
    let inner = rest.strip_suffix(')').ok_or_else(|| {
        ODataError::bad_request(format!("Bad Request - Error in query syntax: {text}"))
    })?;
    let arguments = split(inner, ',');
    let arguments = if inner.trim().is_empty() {
        Arguments::None
    } else if arguments.iter().all(|argument| named(argument).is_some()) {
        Arguments::Named(
            arguments
                .iter()
                .filter_map(|argument| named(argument))
                .collect(),
        )
    } else {
        Arguments::Value(inner.trim().to_owned())
    };
    Ok(Segment {
        name: name.to_owned(),
        arguments: Some(arguments),
    })
}

fn named(argument: &str) -> Option<(String, String)> {
    let (name, value) = argument.split_once('=')?;
    let plain = name
        .trim()
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    plain.then(|| (name.trim().to_owned(), value.trim().to_owned()))
}

/// Splits at a character outside quotes and parentheses.
pub(crate) fn split(text: &str, at: char) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut from, mut depth, mut quoted) = (0, 0_usize, false);
    for (index, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ if letter == at && !quoted && depth == 0 => {
                pieces.push(&text[from..index]);
                from = index + letter.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(&text[from..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keys_and_functions_are_distinguished() {
        let row = &segments("workflows(D9E875BF-1C9B-EA11-A811-000D3A122B89)").unwrap()[0];
        assert_eq!(row.id().unwrap(), "d9e875bf-1c9b-ea11-a811-000d3a122b89");
        let key = &segments("EntityDefinitions(LogicalName='x')/Attributes").unwrap();
        assert_eq!(key[0].argument("LogicalName").unwrap(), "x");
        assert_eq!(key[1].name, "Attributes");
        let text = "RetrieveCurrentOrganization(AccessType=Microsoft.Dynamics.CRM.EndpointAccessType'Default')";
        let function = &segments(text).unwrap()[0];
        assert_eq!(
            function.argument("AccessType").unwrap(),
            "Microsoft.Dynamics.CRM.EndpointAccessType'Default'"
        );
        assert!(segments("WhoAmI()").unwrap()[0].is_bare());
    }

    #[test]
    fn separators_in_quotes_do_not_split() {
        let key =
            &segments("connectionreferences(connectionreferencelogicalname='a/b,''c')").unwrap();
        assert_eq!(key.len(), 1);
        assert_eq!(
            key[0].argument("connectionreferencelogicalname").unwrap(),
            "a/b,'c"
        );
    }

    #[test]
    fn an_open_parenthesis_is_refused() {
        assert!(segments("workflows(abc").is_err());
    }
}
