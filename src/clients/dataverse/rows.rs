//! Rows with their exact text: a capture is the service's bytes, not our reading of them.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clients::error::Error;
use crate::clients::http::{Pages, Response};

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its version: a weak `ETag`, opaque, compared for equality only.
    pub etag: Option<String>,
    /// Its exact bytes in the answer.
    pub text: String,
    /// The same, read. Numbers that need more than 64 bits are rounded here, not in the text.
    pub value: Map<String, Value>,
}

/// A page of a list: rows as they are written, and the link to the next page.
#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// Adds the rows of a page, and returns the link to the next one. The page is counted before
/// anything is made of it, and the rows before any of them is read.
pub(in crate::clients) fn page(
    answer: &Response,
    pages: &mut Pages,
    rows: &mut Vec<Row>,
) -> Result<Option<String>, Error> {
    pages.came(answer)?;
    let page: RawPage<'_> = serde_json::from_slice(answer.body())
        .map_err(|error| answer.malformed(&format!("not a page of rows: {error}")))?;
    pages.room_for(answer, rows.len() + page.value.len())?;
    for raw in page.value {
        rows.push(Row::from_text(raw.get(), answer)?);
    }
    Ok(page.next)
}

impl Row {
    /// Reads the text of one row, as it stands in an answer.
    pub(super) fn from_text(text: &str, answer: &Response) -> Result<Self, Error> {
        let value: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| answer.malformed(&format!("not a row: {error}")))?;
        let etag = value
            .get("@odata.etag")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Ok(Self {
            etag,
            text: text.to_owned(),
            value,
        })
    }

    /// A row that is the whole answer.
    pub(super) fn from_answer(answer: &Response) -> Result<Self, Error> {
        answer.measured()?;
        let text = std::str::from_utf8(answer.body())
            .map_err(|error| answer.malformed(&error.to_string()))?;
        Self::from_text(text.trim_start_matches('\u{feff}').trim(), answer)
    }

    /// An id in a column of its own, such as the primary key.
    pub fn id(&self, column: &str) -> Option<Uuid> {
        Uuid::try_parse(self.string(column)?).ok()
    }

    /// A text; none where it is null or something else.
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

    /// The table that a lookup leads to, where annotations were asked for.
    pub fn lookup_table(&self, column: &str) -> Option<&str> {
        self.string(&format!(
            "_{column}_value@Microsoft.Dynamics.CRM.lookuplogicalname"
        ))
    }

    /// The text that people see for a value, such as an option's label, where annotations were asked
    /// for.
    pub fn formatted(&self, column: &str) -> Option<&str> {
        self.string(&format!(
            "{column}@OData.Community.Display.V1.FormattedValue"
        ))
    }
}
