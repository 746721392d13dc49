//! The query options of a list, percent-encoded.

use crate::base::encoding::{ODATA_OPTION, percent_encode};

/// The query options of a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query {
    /// The columns; all if empty.
    pub select: Vec<String>,
    /// The condition. Write values in it with [`literal`].
    pub filter: Option<String>,
    /// The order.
    pub order_by: Option<String>,
    /// The related rows to include.
    pub expand: Option<String>,
    /// The number of rows at most, from the first.
    pub top: Option<u32>,
    /// The number of rows per page; the service's default is 5000.
    pub page_size: Option<u32>,
    /// Whether to include formatted values and the tables of lookups.
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

    /// Only the rows that match this condition.
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

    /// At most this number of rows, from the first.
    #[must_use]
    pub fn top(mut self, rows: u32) -> Self {
        self.top = Some(rows);
        self
    }

    /// With this number of rows per page: for tables with large columns.
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

    /// The query string with its question mark, or an empty text.
    pub(in crate::clients) fn to_query_string(&self) -> String {
        let select = (!self.select.is_empty()).then(|| self.select.join(","));
        let top = self.top.map(|rows| rows.to_string());
        let options = [
            ("$select", select.as_ref()),
            ("$filter", self.filter.as_ref()),
            ("$orderby", self.order_by.as_ref()),
            ("$expand", self.expand.as_ref()),
            ("$top", top.as_ref()),
        ];
        let options: Vec<String> = options
            .into_iter()
            .filter_map(|(name, value)| {
                Some(format!("{name}={}", percent_encode(value?, ODATA_OPTION)))
            })
            .collect();
        if options.is_empty() {
            return String::new();
        }
        format!("?{}", options.join("&"))
    }

    /// The `Prefer` header, which must be the same for every page.
    pub(in crate::clients) fn preference(&self) -> Option<String> {
        let size = self
            .page_size
            .map(|rows| format!("odata.maxpagesize={rows}"));
        let annotations = self.annotations.then(|| ANNOTATIONS.to_owned());
        let preferences: Vec<String> = [size, annotations].into_iter().flatten().collect();
        (!preferences.is_empty()).then(|| preferences.join(","))
    }
}

/// The preference that adds formatted values to rows and the inner error to errors.
pub(in crate::clients) const ANNOTATIONS: &str = "odata.include-annotations=\"*\"";

/// A text as an OData literal: in single quotes, with each single quote in it doubled.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_break_out_of_its_option() {
        let name = "O'Neil & Sons +1 #2 = 100%";
        let query = Query::new().filter(format!("name eq {}", literal(name)));
        assert_eq!(
            query.to_query_string(),
            "?$filter=name%20eq%20%27O%27%27Neil%20%26%20Sons%20%2B1%20%232%20%3D%20100%25%27"
        );
    }

    #[test]
    fn options_have_a_fixed_order() {
        let query = Query::new()
            .select(&["name", "statecode"])
            .filter("category eq 5")
            .order_by("workflowid")
            .expand("roles($select=name)");
        assert_eq!(
            query.to_query_string(),
            "?$select=name,statecode&$filter=category%20eq%205&$orderby=workflowid\
             &$expand=roles($select%3Dname)"
        );
        assert_eq!(Query::new().to_query_string(), "");
        assert_eq!(Query::new().top(7).to_query_string(), "?$top=7");
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
