//! Writes: create, update, upsert, delete, associate, with their conditions (Microsoft Learn,
//! perform conditional operations using the Web API).

use serde_json::{Value, json};

use super::WebApiRequest;
use super::rows::etag;
use crate::rehearsal::behaviour::organization::{Row, text};
use crate::rehearsal::behaviour::{users, writes};
use crate::rehearsal::listeners::message::Response;
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::path::{self, Arguments, Segment};
use crate::rehearsal::odata::query::QueryOptions;
use crate::rehearsal::schema::navigation::Navigation;
use crate::rehearsal::schema::table::Table;
use crate::rehearsal::world::names;

impl<'context> WebApiRequest<'context, '_> {
    /// Creates a row; the request may give its id.
    pub(super) fn create(&mut self, table: &Table) -> Result<Response, ODataError> {
        users::check_write_privilege(&self.organization, &table.logical_name)?;
        let columns = self.columns(table)?;
        let id = self.create_row(table, columns)?;
        self.write_response(table, &id, 201)
    }

    /// Creates a row with the id that its columns give, or a new one; returns the id.
    pub(super) fn create_row(
        &mut self,
        table: &Table,
        mut columns: Row,
    ) -> Result<String, ODataError> {
        let id = columns
            .remove(&table.primary_id)
            .and_then(|id| path::guid(id.as_str()?))
            .unwrap_or_else(names::unique);
        writes::create(&mut self.organization, table, &id, &columns)?;
        Ok(id)
    }

    /// Updates a row, or creates it if it does not exist and no condition prevents that.
    pub(super) fn update(&mut self, table: &Table, id: &str) -> Result<Response, ODataError> {
        users::check_write_privilege(&self.organization, &table.logical_name)?;
        let row = self.organization.row(&table.logical_name, id);
        let mut columns = self.columns(table)?;
        columns.remove(&table.primary_id);
        let only_creates = self.request.header("If-None-Match").map(str::trim) == Some("*");
        match row {
            Some(_) if only_creates => Err(ODataError::already_exists()),
            Some(row) => {
                self.check_version(&row)?;
                writes::update(&mut self.organization, table, id, &columns)?;
                self.write_response(table, id, 200)
            }
            None if self.request.header("If-Match").is_some() => {
                Err(ODataError::row_not_found(&table.logical_name, id))
            }
            None => {
                writes::create(&mut self.organization, table, id, &columns)?;
                self.write_response(table, id, 201)
            }
        }
    }

    /// Creates the row that an alternate key names, because none has that key.
    pub(super) fn create_with_key(
        &mut self,
        table: &Table,
        key: &Segment,
        mut columns: Row,
    ) -> Result<String, ODataError> {
        if let Some(Arguments::Named(arguments)) = &key.arguments {
            for (name, value) in arguments {
                columns.insert(name.clone(), json!(path::unquoted(value)));
            }
        }
        self.create_row(table, columns)
    }

    /// Creates or updates the row that an alternate key names.
    pub(super) fn upsert_with_key(
        &mut self,
        table: &Table,
        key: &Segment,
    ) -> Result<Response, ODataError> {
        match self.row_id(table, key) {
            Ok(id) => self.update(table, &id),
            Err(error) if error.status == 404 && self.request.header("If-Match").is_none() => {
                users::check_write_privilege(&self.organization, &table.logical_name)?;
                let columns = self.columns(table)?;
                let id = self.create_with_key(table, key, columns)?;
                self.write_response(table, &id, 201)
            }
            Err(error) => Err(error),
        }
    }

    /// Sets one property of a row, or clears it.
    pub(super) fn set_property(
        &mut self,
        table: &Table,
        id: &str,
        property: &str,
    ) -> Result<Response, ODataError> {
        users::check_write_privilege(&self.organization, &table.logical_name)?;
        let row = self.organization.existing(&table.logical_name, id)?;
        self.check_version(&row)?;
        let value = match self.request.method.as_str() {
            "DELETE" => Value::Null,
            _ => self.json_body()?["value"].clone(),
        };
        let body = json!({property: value});
        let columns = self.columns_of(table, &body)?;
        writes::update(&mut self.organization, table, id, &columns)?;
        Ok(Response::empty(204))
    }

    /// Deletes a row.
    pub(super) fn delete(&mut self, table: &Table, id: &str) -> Result<Response, ODataError> {
        users::check_write_privilege(&self.organization, &table.logical_name)?;
        let row = self.organization.existing(&table.logical_name, id)?;
        self.check_version(&row)?;
        writes::delete(&mut self.organization, table, id)?;
        Ok(Response::empty(204))
    }

    fn check_version(&self, row: &Row) -> Result<(), ODataError> {
        let expected = self.request.header("If-Match").map(str::trim);
        match expected {
            None | Some("*") => Ok(()),
            Some(expected) if expected == etag(row) => Ok(()),
            Some(_) => Err(ODataError::new(
                412,
                "0x80060882",
                "The version of the existing record doesn't match the RowVersion property provided.",
            )),
        }
    }

    /// The response to a write: the row if the client prefers it, otherwise its address.
    fn write_response(&self, table: &Table, id: &str, status: u16) -> Result<Response, ODataError> {
        let address = format!("{}{}({id})", self.root, table.set);
        if self.preferences.representation {
            let row = self.organization.existing(&table.logical_name, id)?;
            let options = self.options().unwrap_or_else(|_| QueryOptions::default());
            return Ok(self
                .row_response(table, &row, &options, status)?
                .with("OData-EntityId", address));
        }
        let response = Response::empty(204).with("OData-EntityId", address.clone());
        Ok(if status == 201 {
            response.with("Location", address)
        } else {
            response
        })
    }

    /// Adds a pair of a many-to-many relationship.
    pub(super) fn associate(
        &mut self,
        table: &'context Table,
        id: &str,
        navigation: &str,
    ) -> Result<Response, ODataError> {
        users::check_write_privilege(&self.organization, &table.logical_name)?;
        self.organization.existing(&table.logical_name, id)?;
        let body = self.request.json().unwrap_or(Value::Null);
        let address = body["@odata.id"]
            .as_str()
            .ok_or_else(|| ODataError::bad_payload("The body has no '@odata.id'."))?;
        let (other, other_id) = self.resolve_address(address)?;
        let other = other.logical_name.clone();
        self.organization.existing(&other, &other_id)?;
        let (pairs, here, there) = self.intersect(table, navigation)?;
        users::associate(
            &mut self.organization,
            &pairs,
            (&here, id),
            (&there, &other_id),
        )?;
        Ok(Response::empty(204))
    }

    /// Removes a pair of a many-to-many relationship.
    pub(super) fn disassociate(
        &mut self,
        table: &'context Table,
        id: &str,
        navigation: &str,
        other: Option<String>,
    ) -> Result<Response, ODataError> {
        users::check_write_privilege(&self.organization, &table.logical_name)?;
        let other = match (other, self.request.option("$id")) {
            (Some(other), _) => other,
            (None, Some(address)) => self.resolve_address(address)?.1,
            (None, None) => return Err(ODataError::bad_request("The other row is not named.")),
        };
        let (pairs, here, there) = self.intersect(table, navigation)?;
        let pair = users::find_pair(&self.organization, &pairs, (&here, id), (&there, &other));
        let pair = pair.ok_or_else(|| ODataError::row_not_found(&pairs, &other))?;
        self.organization.remove_row(&pairs, &pair);
        Ok(Response::empty(204))
    }

    fn intersect(
        &self,
        table: &'context Table,
        navigation: &str,
    ) -> Result<(String, String, String), ODataError> {
        match self.organization.schema.navigation(table, navigation) {
            Some(Navigation::Pairs {
                pairs, here, there, ..
            }) => Ok((
                pairs.logical_name.clone(),
                here.to_owned(),
                there.to_owned(),
            )),
            _ => Err(ODataError::unknown_segment(navigation)),
        }
    }

    /// A GUID in the body of an action.
    pub(super) fn guid_parameter(&self, name: &str) -> Result<String, ODataError> {
        let body = self.json_body()?;
        let row = Row::from_iter([(name.to_owned(), body[name].clone())]);
        text(&row, name).and_then(path::guid).ok_or_else(|| {
            ODataError::bad_payload(format!(
                "The parameter '{name}' is not a GUID: {}",
                json!(body[name])
            ))
        })
    }
}
