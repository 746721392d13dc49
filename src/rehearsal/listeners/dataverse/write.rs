//! Writes: create, update, upsert, delete, associate, with their conditions (Microsoft Learn,
//! perform conditional operations using the Web API).

use serde_json::{Value, json};

use super::Visit;
use super::rows::etag;
use crate::rehearsal::behaviour::organization::{Row, text};
use crate::rehearsal::behaviour::{users, writes};
use crate::rehearsal::listeners::message::Answer;
use crate::rehearsal::odata::error::Refusal;
use crate::rehearsal::odata::path;
use crate::rehearsal::odata::query::QueryOptions;
use crate::rehearsal::schema::navigation::Navigation;
use crate::rehearsal::schema::table::Table;
use crate::rehearsal::world::names;

impl<'turn> Visit<'turn, '_> {
    /// Creates a row; its id may be given.
    pub(super) fn create(&mut self, table: &Table) -> Result<Answer, Refusal> {
        users::may_write(&self.organization, &table.logical_name)?;
        let mut columns = self.columns(table)?;
        let id = columns
            .remove(&table.primary_id)
            .and_then(|id| path::guid(id.as_str()?))
            .unwrap_or_else(names::unique);
        writes::create(&mut self.organization, table, &id, &columns)?;
        self.written(table, &id, 201)
    }

    /// Updates a row, or creates it where it is not there and no condition forbids that.
    pub(super) fn update(&mut self, table: &Table, id: &str) -> Result<Answer, Refusal> {
        users::may_write(&self.organization, &table.logical_name)?;
        let row = self.organization.row(&table.logical_name, id);
        let mut columns = self.columns(table)?;
        columns.remove(&table.primary_id);
        let only_creates = self.request.header("If-None-Match").map(str::trim) == Some("*");
        match row {
            Some(_) if only_creates => Err(Refusal::new(
                412,
                "0x80040237",
                "A record with matching key values already exists.",
            )),
            Some(row) => {
                self.check_version(&row)?;
                writes::update(&mut self.organization, table, id, &columns)?;
                self.written(table, id, 200)
            }
            None if self.request.header("If-Match").is_some() => {
                Err(Refusal::no_row(&table.logical_name, id))
            }
            None => {
                writes::create(&mut self.organization, table, id, &columns)?;
                self.written(table, id, 201)
            }
        }
    }

    /// Deletes a row.
    pub(super) fn delete(&mut self, table: &Table, id: &str) -> Result<Answer, Refusal> {
        users::may_write(&self.organization, &table.logical_name)?;
        let row = self.organization.existing(&table.logical_name, id)?;
        self.check_version(&row)?;
        writes::delete(&mut self.organization, table, id)?;
        Ok(Answer::empty(204))
    }

    fn check_version(&self, row: &Row) -> Result<(), Refusal> {
        let wanted = self.request.header("If-Match").map(str::trim);
        match wanted {
            None | Some("*") => Ok(()),
            Some(wanted) if wanted == etag(row) => Ok(()),
            Some(_) => Err(Refusal::new(
                412,
                "0x80060882",
                "The version of the existing record doesn't match the RowVersion property provided.",
            )),
        }
    }

    /// The answer to a write: the row where it is preferred, otherwise its address.
    fn written(&self, table: &Table, id: &str, status: u16) -> Result<Answer, Refusal> {
        let address = format!("{}{}({id})", self.root, table.set);
        if self.preferences.representation {
            let row = self.organization.existing(&table.logical_name, id)?;
            let options = self.options().unwrap_or_else(|_| QueryOptions::default());
            return Ok(self
                .one(table, &row, &options, status)?
                .with("OData-EntityId", address));
        }
        let answer = Answer::empty(204).with("OData-EntityId", address.clone());
        Ok(if status == 201 {
            answer.with("Location", address)
        } else {
            answer
        })
    }

    /// Adds a pair of a many-to-many relationship.
    pub(super) fn associate(
        &mut self,
        table: &'turn Table,
        id: &str,
        navigation: &str,
    ) -> Result<Answer, Refusal> {
        users::may_write(&self.organization, &table.logical_name)?;
        self.organization.existing(&table.logical_name, id)?;
        let body = self.request.json().unwrap_or(Value::Null);
        let address = body["@odata.id"]
            .as_str()
            .ok_or_else(|| Refusal::bad_payload("The body has no '@odata.id'."))?;
        let (other, other_id) = self.address(address)?;
        let other = other.logical_name.clone();
        self.organization.existing(&other, &other_id)?;
        let (pairs, here, there) = self.pairs(table, navigation)?;
        users::associate(
            &mut self.organization,
            &pairs,
            (&here, id),
            (&there, &other_id),
        )?;
        Ok(Answer::empty(204))
    }

    /// Removes a pair of a many-to-many relationship.
    pub(super) fn disassociate(
        &mut self,
        table: &'turn Table,
        id: &str,
        navigation: &str,
        other: Option<String>,
    ) -> Result<Answer, Refusal> {
        users::may_write(&self.organization, &table.logical_name)?;
        let other = match (other, self.request.option("$id")) {
            (Some(other), _) => other,
            (None, Some(address)) => self.address(address)?.1,
            (None, None) => return Err(Refusal::bad_request("The other row is not named.")),
        };
        let (pairs, here, there) = self.pairs(table, navigation)?;
        let pair = users::find_pair(&self.organization, &pairs, (&here, id), (&there, &other));
        let pair = pair.ok_or_else(|| Refusal::no_row(&pairs, &other))?;
        self.organization.take(&pairs, &pair);
        Ok(Answer::empty(204))
    }

    fn pairs(
        &self,
        table: &'turn Table,
        navigation: &str,
    ) -> Result<(String, String, String), Refusal> {
        match self.organization.schema.navigation(table, navigation) {
            Some(Navigation::Pairs {
                pairs, here, there, ..
            }) => Ok((
                pairs.logical_name.clone(),
                here.to_owned(),
                there.to_owned(),
            )),
            _ => Err(Refusal::no_segment(navigation)),
        }
    }

    /// A GUID in the body of an action.
    pub(super) fn parameter(&self, name: &str) -> Result<String, Refusal> {
        let body = self
            .request
            .json()
            .map_err(|error| Refusal::bad_payload(format!("The body is not JSON: {error}")))?;
        let row = Row::from_iter([(name.to_owned(), body[name].clone())]);
        text(&row, name).and_then(path::guid).ok_or_else(|| {
            Refusal::bad_payload(format!(
                "The parameter '{name}' is no GUID: {}",
                json!(body[name])
            ))
        })
    }
}
