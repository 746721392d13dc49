//! `CreateMultiple`, `UpdateMultiple` and `UpsertMultiple`: all rows or none (Microsoft Learn, use
//! bulk operation messages). A table supports a message if a row of `sdkmessagefilter` says so.

use serde_json::{Value, json};

use super::{NAMESPACE, WebApiRequest};
use crate::rehearsal::behaviour::organization::{lookup, text};
use crate::rehearsal::behaviour::{users, writes};
use crate::rehearsal::listeners::message::Response;
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::path::{self, Segment};
use crate::rehearsal::schema::table::Table;

impl WebApiRequest<'_, '_> {
    /// Runs an action that writes many rows of a table.
    pub(super) fn write_many(
        &mut self,
        table: &Table,
        action: &Segment,
    ) -> Result<Response, ODataError> {
        let message = action.name.trim_start_matches(NAMESPACE);
        let write: fn(&mut Self, &Table, &Value) -> Result<String, ODataError> = match message {
            "CreateMultiple" => Self::create_target,
            "UpdateMultiple" => Self::update_target,
            "UpsertMultiple" => Self::upsert_target,
            _ => return Err(ODataError::unknown_segment(&action.name)),
        };
        if !self.supports(table, message) {
            return Err(ODataError::unknown_segment(&action.name));
        }
        users::check_write_privilege(&self.organization, &table.logical_name)?;
        let body = self.json_body()?;
        let targets = body["Targets"].as_array().ok_or_else(|| {
            ODataError::bad_payload("The parameter 'Targets' is missing or not a list.")
        })?;
        let kind = format!("{NAMESPACE}{}", table.logical_name);
        let mut ids = Vec::new();
        for target in targets {
            let stated = target["@odata.type"].as_str().unwrap_or_default();
            if stated.trim_start_matches('#') != kind {
                let text = format!("A target has the type '{stated}', not '{kind}'.");
                return Err(ODataError::bad_payload(text));
            }
            ids.push(write(self, table, target)?);
        }
        if message == "CreateMultiple" {
            return Ok(self.function_response("CreateMultipleResponse", json!({"Ids": ids})));
        }
        Ok(Response::empty(204))
    }

    /// Whether a table supports a message of the platform.
    fn supports(&self, table: &Table, message: &str) -> bool {
        let organization = &self.organization;
        let filters = organization.rows_where("sdkmessagefilter", |row| {
            let of = lookup(row, "sdkmessageid").unwrap_or_default();
            text(row, "primaryobjecttypecode") == Some(&table.logical_name)
                && organization
                    .borrowed_row("sdkmessage", of)
                    .is_some_and(|found| text(found, "name") == Some(message))
        });
        !filters.is_empty()
    }

    fn create_target(&mut self, table: &Table, target: &Value) -> Result<String, ODataError> {
        let columns = self.columns_of(table, target)?;
        self.create_row(table, columns)
    }

    fn update_target(&mut self, table: &Table, target: &Value) -> Result<String, ODataError> {
        let id = target[&table.primary_id].as_str().and_then(path::guid);
        let id = id.ok_or_else(|| {
            ODataError::bad_payload(format!("A target has no '{}'.", table.primary_id))
        })?;
        self.organization.existing(&table.logical_name, &id)?;
        let mut columns = self.columns_of(table, target)?;
        columns.remove(&table.primary_id);
        writes::update(&mut self.organization, table, &id, &columns)?;
        Ok(id)
    }

    /// Creates or updates a row that an id or an alternate key names.
    fn upsert_target(&mut self, table: &Table, target: &Value) -> Result<String, ODataError> {
        let Some(address) = target["@odata.id"].as_str() else {
            let id = target[&table.primary_id].as_str().and_then(path::guid);
            let exists = id.is_some_and(|id| {
                let row = self.organization.borrowed_row(&table.logical_name, &id);
                row.is_some()
            });
            return if exists {
                self.update_target(table, target)
            } else {
                self.create_target(table, target)
            };
        };
        let segments = path::segments(address)?;
        let [key] = segments.as_slice() else {
            let text = format!("Invalid resource address '{address}'.");
            return Err(ODataError::bad_request(text));
        };
        let columns = self.columns_of(table, target)?;
        match self.row_id(table, key) {
            Ok(id) => {
                writes::update(&mut self.organization, table, &id, &columns)?;
                Ok(id)
            }
            Err(error) if error.status == 404 => self.create_with_key(table, key, columns),
            Err(error) => Err(error),
        }
    }
}
