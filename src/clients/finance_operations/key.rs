//! One row of an entity set, by its key.

use std::fmt;

use crate::base::encoding::{NON_ALPHANUMERIC, percent_encode};
use crate::clients::odata::literal;

/// One row of an entity set, by its key: `SystemUsers(UserID='Admin')`. All key fields must be
/// given; for rows of a company `dataAreaId` is one of them (Microsoft Learn, *Open Data Protocol
/// (OData)*).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntityKey {
    set: String,
    fields: Vec<(String, String)>,
}

impl EntityKey {
    /// The row of this set whose key field has this text.
    pub fn new(set: &str, field: &str, value: &str) -> Self {
        Self {
            set: set.to_owned(),
            fields: vec![(field.to_owned(), value.to_owned())],
        }
    }

    /// The same with one more key field.
    #[must_use]
    pub fn and(mut self, field: &str, value: &str) -> Self {
        self.fields.push((field.to_owned(), value.to_owned()));
        self
    }

    /// The entity set.
    pub fn set(&self) -> &str {
        &self.set
    }

    /// The row's path below `/data/`, percent-encoded.
    pub(super) fn path(&self) -> String {
        let fields: Vec<String> = self
            .fields
            .iter()
            .map(|(field, value)| {
                format!(
                    "{field}={}",
                    percent_encode(&literal(value), NON_ALPHANUMERIC)
                )
            })
            .collect();
        format!("{}({})", self.set, fields.join(","))
    }

    /// The same as a filter on the set.
    pub(crate) fn filter(&self) -> String {
        let fields: Vec<String> = self
            .fields
            .iter()
            .map(|(field, value)| format!("{field} eq {}", literal(value)))
            .collect();
        fields.join(" and ")
    }
}

impl fmt::Display for EntityKey {
    /// For people: `SystemUsers 'Admin'`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> = self
            .fields
            .iter()
            .map(|(_, value)| format!("'{value}'"))
            .collect();
        write!(f, "{} {}", self.set, values.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_break_out_of_a_key() {
        let key = EntityKey::new("CustomersV3", "dataAreaId", "usmf").and("Account", "O'N/1 &)");
        assert_eq!(
            key.path(),
            "CustomersV3(dataAreaId=%27usmf%27,Account=%27O%27%27N%2F1%20%26%29%27)"
        );
        assert_eq!(
            key.filter(),
            "dataAreaId eq 'usmf' and Account eq 'O''N/1 &)'"
        );
        assert_eq!(key.to_string(), "CustomersV3 'usmf', 'O'N/1 &)'");
    }
}
