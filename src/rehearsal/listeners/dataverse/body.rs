//! The columns in the body of a write.

use serde_json::{Value, json};

use super::WebApiRequest;
use crate::rehearsal::behaviour::organization::{Row, lookup_value};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::path;
use crate::rehearsal::schema::column::{Column, Kind};
use crate::rehearsal::schema::table::Table;

impl WebApiRequest<'_, '_> {
    /// The request's body as JSON.
    pub(super) fn json_body(&self) -> Result<Value, ODataError> {
        self.request
            .json()
            .map_err(|error| ODataError::bad_payload(format!("The body is not JSON: {error}")))
    }

    /// The columns that the request's body sets.
    pub(super) fn columns(&self, table: &Table) -> Result<Row, ODataError> {
        self.columns_of(table, &self.json_body()?)
    }

    /// The columns that a row in a body sets; null clears one. Columns that cannot be set are
    /// ignored, unknown properties are refused.
    pub(super) fn columns_of(&self, table: &Table, body: &Value) -> Result<Row, ODataError> {
        let Value::Object(body) = body else {
            return Err(ODataError::bad_payload("The body is not an object."));
        };
        let mut columns = Row::new();
        for (property, value) in body {
            if let Some(navigation) = property.strip_suffix("@odata.bind") {
                let (column, value) = self.bind(table, navigation, value)?;
                columns.insert(column, value);
            } else if !property.contains('@') {
                let column = table.property(property).ok_or_else(|| {
                    ODataError::bad_payload(format!(
                        "Error identified in Payload provided by the user for Entity :'{}', An undeclared property '{property}' which only has property annotations in the payload but no property value was found in the payload.",
                        table.set
                    ))
                })?;
                let is_id = column.logical_name == table.primary_id;
                if column.writable && column.lookup().is_none() || is_id {
                    check_value(column, value)?;
                    columns.insert(column.logical_name.clone(), value.clone());
                }
            }
        }
        Ok(columns)
    }

    /// The lookup that a bind sets: `"ownerid@odata.bind": "systemusers(…)"`.
    fn bind(
        &self,
        table: &Table,
        navigation: &str,
        value: &Value,
    ) -> Result<(String, Value), ODataError> {
        let column = table
            .columns
            .iter()
            .find(|column| {
                column
                    .lookup()
                    .is_some_and(|lookup| lookup.navigation == navigation)
            })
            .filter(|column| column.writable)
            .ok_or_else(|| {
                ODataError::bad_payload(format!(
                    "An undeclared property '{navigation}' which only has property annotations in the payload but no property value was found in the payload."
                ))
            })?;
        if value.is_null() {
            return Ok((column.logical_name.clone(), Value::Null));
        }
        let address = value.as_str().ok_or_else(|| {
            ODataError::bad_payload(format!("'{navigation}' is bound to no text."))
        })?;
        let (other, id) = self.resolve_address(address)?;
        let is_target = column
            .lookup()
            .is_some_and(|lookup| lookup.targets.contains(&other.logical_name));
        if !is_target {
            let text = format!("'{navigation}' cannot lead to {}.", other.logical_name);
            return Err(ODataError::bad_payload(text));
        }
        self.organization.existing(&other.logical_name, &id)?;
        let value = lookup_value(&other.logical_name, &id);
        Ok((column.logical_name.clone(), value))
    }

    /// The row that an address names: `systemusers(…)`, with or without a leading slash or the
    /// root.
    pub(super) fn resolve_address(&self, address: &str) -> Result<(&Table, String), ODataError> {
        let invalid = || ODataError::bad_request(format!("Invalid resource address '{address}'."));
        let relative = address.strip_prefix(&self.root).unwrap_or(address);
        let segments = path::segments(relative)?;
        let [segment] = segments.as_slice() else {
            return Err(invalid());
        };
        let table = self
            .organization
            .schema
            .set(&segment.name)
            .ok_or_else(|| ODataError::unknown_segment(&segment.name))?;
        Ok((table, self.row_id(table, segment)?))
    }
}

/// Refuses a value of the wrong type for the column.
fn check_value(column: &Column, value: &Value) -> Result<(), ODataError> {
    let name = &column.logical_name;
    let is_valid = match (&column.kind, value) {
        (Kind::Text(length) | Kind::Memo(length), Value::String(text)) => {
            if text.chars().count() > *length {
                let text = format!(
                    "A validation error occurred.  The length of the '{name}' attribute exceeded the maximum allowed length of '{length}'."
                );
                return Err(ODataError::new(400, "0x80044331", text));
            }
            true
        }
        (Kind::Identifier, Value::String(text)) => path::guid(text).is_some(),
        (Kind::DateTime, Value::String(text)) => text.parse::<jiff::Timestamp>().is_ok(),
        (_, Value::Null) | (Kind::Boolean, Value::Bool(_)) | (Kind::Managed, Value::Object(_)) => {
            true
        }
        (Kind::Integer | Kind::BigInteger | Kind::State(_) | Kind::Status(_), value) => {
            value.is_i64()
        }
        (Kind::Choice(_), value) => {
            let known = value
                .as_i64()
                .is_some_and(|value| column.kind.label(value).is_some());
            if value.is_i64() && !known {
                let text = format!(
                    "A validation error occurred. The value {value} of '{name}' is outside the valid range."
                );
                return Err(ODataError::new(400, "0x8004431a", text));
            }
            known
        }
        _ => false,
    };
    if is_valid {
        return Ok(());
    }
    Err(ODataError::bad_payload(format!(
        "Cannot convert the literal '{}' to the expected type of '{name}'.",
        json!(value)
    )))
}
