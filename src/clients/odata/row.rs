//! Rows with their exact text: a capture is the service's bytes, not a parsed copy.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clients::error::Error;
use crate::clients::http::Response;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its version: a weak `ETag`, opaque, compared for equality only.
    pub etag: Option<String>,
    /// Its exact bytes in the response.
    pub text: String,
    /// The same, parsed. Numbers that need more than 64 bits are rounded here, but not in the text.
    pub value: Map<String, Value>,
}

impl Row {
    /// Parses the text of one row in a response.
    pub(super) fn parse(text: &str, response: &Response) -> Result<Self, Error> {
        let value: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            let why = format!("it is not a row: {error}");
            response.malformed(&why).with_source(error)
        })?;
        Ok(Self::of(value, text))
    }

    /// A row from its text; none if the text is not an object.
    pub fn from_text(text: &str) -> Option<Self> {
        let value = serde_json::from_str(text).ok()?;
        Some(Self::of(value, text))
    }

    fn of(value: Map<String, Value>, text: &str) -> Self {
        let etag = value
            .get("@odata.etag")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Self {
            etag,
            text: text.to_owned(),
            value,
        }
    }

    /// A row that is the whole response.
    pub(in crate::clients) fn from_response(response: &Response) -> Result<Self, Error> {
        response.count_values()?;
        let text = std::str::from_utf8(response.body())
            .map_err(|error| response.malformed(&error.to_string()).with_source(error))?;
        Self::parse(text.trim_start_matches('\u{feff}').trim(), response)
    }

    /// An id in a column that is not a lookup, such as the primary key.
    pub fn id(&self, column: &str) -> Option<Uuid> {
        Uuid::try_parse(self.string(column)?).ok()
    }

    /// A text; `None` if it is null or another type.
    pub fn string(&self, column: &str) -> Option<&str> {
        self.value.get(column)?.as_str()
    }

    /// A whole number, such as an option's value.
    pub fn integer(&self, column: &str) -> Option<i64> {
        self.value.get(column)?.as_i64()
    }

    /// A yes or no.
    pub fn boolean(&self, column: &str) -> Option<bool> {
        self.value.get(column)?.as_bool()
    }

    /// The id that a lookup holds, by the column's logical name: `lookup("ownerid")` reads
    /// `_ownerid_value`.
    pub fn lookup(&self, column: &str) -> Option<Uuid> {
        self.id(&format!("_{column}_value"))
    }

    /// The text that people see for a value, such as an option's label, if annotations were
    /// requested.
    pub fn formatted(&self, column: &str) -> Option<&str> {
        self.string(&format!(
            "{column}@OData.Community.Display.V1.FormattedValue"
        ))
    }
}
