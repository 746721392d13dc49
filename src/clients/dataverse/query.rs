//! What is asked of a table: OData query options, percent-encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in the value of a query option: what RFC 3986 leaves unreserved, and what
/// OData writes often and a query may hold. `&`, `+`, `#` and `=` are not among them.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'$')
    .remove(b',')
    .remove(b'(')
    .remove(b')')
    .remove(b'/')
    .remove(b':')
    .remove(b'*')
    .remove(b'@');

/// What is asked of a table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query {
    /// The columns; all where empty.
    pub select: Vec<String>,
    /// The condition. Values in it must have passed [`literal`].
    pub filter: Option<String>,
    /// The order.
    pub order_by: Option<String>,
    /// The related rows that come along.
    pub expand: Option<String>,
    /// How many rows a page holds; the service's own 5000 where none.
    pub page_size: Option<u32>,
    /// Are formatted values, and the tables of lookups, wanted too?
    pub annotations: bool,
}

impl Query {
    /// Every row, every column.
    pub fn new() -> Self {
        Self::default()
    }

    /// These columns only.
    #[must_use]
    pub fn select(mut self, columns: &[&str]) -> Self {
        self.select = columns.iter().map(|column| (*column).to_owned()).collect();
        self
    }

    /// Only the rows for which this holds.
    #[must_use]
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// In this order.
    #[must_use]
    pub fn order_by(mut self, columns: impl Into<String>) -> Self {
        self.order_by = Some(columns.into());
        self
    }

    /// With these related rows.
    #[must_use]
    pub fn expand(mut self, expand: impl Into<String>) -> Self {
        self.expand = Some(expand.into());
        self
    }

    /// In pages of this many rows: for tables with large columns.
    #[must_use]
    pub fn page_size(mut self, rows: u32) -> Self {
        self.page_size = Some(rows);
        self
    }

    /// With formatted values and the tables of lookups.
    #[must_use]
    pub fn annotated(mut self) -> Self {
        self.annotations = true;
        self
    }

    /// The query with its question mark, or nothing.
    pub(in crate::clients) fn text(&self) -> String {
        let select = (!self.select.is_empty()).then(|| self.select.join(","));
        let options = [
            ("$select", select.as_ref()),
            ("$filter", self.filter.as_ref()),
            ("$orderby", self.order_by.as_ref()),
            ("$expand", self.expand.as_ref()),
        ];
        let options: Vec<String> = options
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encoded(value?))))
            .collect();
        if options.is_empty() {
            return String::new();
        }
        format!("?{}", options.join("&"))
    }

    /// The `Prefer` header, which must be the same for every page.
    pub(super) fn preference(&self) -> Option<String> {
        let size = self
            .page_size
            .map(|rows| format!("odata.maxpagesize={rows}"));
        let annotations = self.annotations.then(|| ANNOTATIONS.to_owned());
        let wanted: Vec<String> = [size, annotations].into_iter().flatten().collect();
        (!wanted.is_empty()).then(|| wanted.join(","))
    }
}

/// The preference that adds formatted values to rows and the inner error to errors.
pub(super) const ANNOTATIONS: &str = "odata.include-annotations=\"*\"";

/// The value of a query option, percent-encoded.
pub(super) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, VALUE).to_string()
}

/// A text as an OData literal: in single quotes, with each single quote in it doubled.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_break_out_of_their_place() {
        let name = "O'Neil & Sons +1 #2 = 100%";
        let query = Query::new().filter(format!("name eq {}", literal(name)));
        assert_eq!(
            query.text(),
            "?$filter=name%20eq%20%27O%27%27Neil%20%26%20Sons%20%2B1%20%232%20%3D%20100%25%27"
        );
    }

    #[test]
    fn options_stand_in_one_order() {
        let query = Query::new()
            .select(&["name", "statecode"])
            .filter("category eq 5")
            .order_by("workflowid")
            .expand("roles($select=name)");
        assert_eq!(
            query.text(),
            "?$select=name,statecode&$filter=category%20eq%205&$orderby=workflowid\
             &$expand=roles($select%3Dname)"
        );
        assert_eq!(Query::new().text(), "");
    }

    #[test]
    fn preferences_share_one_header() {
        assert_eq!(Query::new().preference(), None);
        assert_eq!(
            Query::new()
                .page_size(50)
                .annotated()
                .preference()
                .as_deref(),
            Some("odata.maxpagesize=50,odata.include-annotations=\"*\"")
        );
    }
}
