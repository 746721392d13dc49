//! The query options of a request.

use super::error::ODataError;
use super::filter::{self, Expression};
use super::path::split;

#[derive(Clone, Debug, Default)]
pub(crate) struct QueryOptions {
    /// `$select`: properties; none means all.
    pub(crate) select: Vec<String>,
    /// `$filter`.
    pub(crate) filter: Option<Expression>,
    /// `$orderby`: properties, and whether the order is descending.
    pub(crate) order_by: Vec<(String, bool)>,
    /// `$top`.
    pub(crate) top: Option<usize>,
    /// `$count=true`.
    pub(crate) count: bool,
    /// `$expand`: navigation properties with their own options.
    pub(crate) expand: Vec<(String, Self)>,
    /// `$skiptoken`.
    pub(crate) skip_token: Option<String>,
}

impl QueryOptions {
    /// Parses the options of an address. Names without `$` (parameter aliases, custom options) are
    /// ignored.
    pub(crate) fn parse<'pairs>(
        pairs: impl IntoIterator<Item = (&'pairs str, &'pairs str)>,
    ) -> Result<Self, ODataError> {
        let mut options = Self::default();
        for (name, value) in pairs {
            if name.starts_with('$') {
                options.set(name, value)?;
            }
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ODataError> {
        match name {
            "$select" => self.select = names(value),
            "$filter" => self.filter = Some(filter::parse(value)?),
            "$orderby" => self.order_by = order(value)?,
            "$top" => {
                let top = value.trim().parse().map_err(|_| {
                    ODataError::bad_request(format!(
                        "Invalid value '{value}' for $top query option."
                    ))
                })?;
                self.top = Some(top);
            }
            "$count" => self.count = value.trim().eq_ignore_ascii_case("true"),
            "$expand" => self.expand = expand(value)?,
            "$skiptoken" => self.skip_token = Some(value.to_owned()),
            "$skip" => {
                return Err(ODataError::bad_request(
                    "Skip Clause is not supported in CRM",
                ));
            }
            _ => {
                let text = format!("The query parameter {name} is not supported");
                return Err(ODataError::bad_request(text));
            }
        }
        Ok(())
    }
}

fn names(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn order(text: &str) -> Result<Vec<(String, bool)>, ODataError> {
    split(text, ',')
        .into_iter()
        .map(|item| {
            let mut words = item.split_whitespace();
            let name = words.next().unwrap_or_default().to_owned();
            let descending = match (words.next(), words.next()) {
                (None | Some("asc"), None) => false,
                (Some("desc"), None) => true,
                _ => {
                    let text = format!("Syntax error in the $orderby query option: '{item}'.");
                    return Err(ODataError::bad_request(text));
                }
            };
            Ok((name, descending))
        })
        .collect()
}

fn expand(text: &str) -> Result<Vec<(String, QueryOptions)>, ODataError> {
    split(text, ',')
        .into_iter()
        .map(|item| {
            let item = item.trim();
            let Some((name, rest)) = item.split_once('(') else {
                return Ok((item.to_owned(), QueryOptions::default()));
            };
            let inner = rest.strip_suffix(')').ok_or_else(|| {
                ODataError::bad_request(format!(
                    "Syntax error in the $expand query option: '{item}'."
                ))
            })?;
            let mut options = QueryOptions::default();
            for option in split(inner, ';') {
                let (name, value) = option.split_once('=').ok_or_else(|| {
                    ODataError::bad_request(format!("'{option}' is not an option of $expand."))
                })?;
                options.set(name.trim(), value)?;
            }
            Ok((name.trim().to_owned(), options))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_options_are_parsed() {
        let text = "teamroles_association($select=name;$filter=name eq 'a;b,c'),owner";
        let options = QueryOptions::parse([("$expand", text)]).unwrap();
        assert_eq!(options.expand.len(), 2);
        assert_eq!(options.expand[0].1.select, ["name"]);
        assert!(options.expand[0].1.filter.is_some());
        assert_eq!(options.expand[1].0, "owner");
    }

    #[test]
    fn the_default_order_is_ascending() {
        let options = QueryOptions::parse([("$orderby", "a desc, b")]).unwrap();
        assert_eq!(
            options.order_by,
            [("a".to_owned(), true), ("b".to_owned(), false)]
        );
    }

    #[test]
    fn options_that_dataverse_does_not_support_are_refused() {
        for (name, value) in [
            ("$skip", "5"),
            ("$top", "x"),
            ("$orderby", "a up"),
            ("$foo", "1"),
        ] {
            assert_eq!(
                QueryOptions::parse([(name, value)]).unwrap_err().status,
                400
            );
        }
        assert!(QueryOptions::parse([("@p1", "x")]).is_ok());
    }
}
