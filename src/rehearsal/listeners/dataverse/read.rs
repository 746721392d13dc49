//! Reads: sets with filter, order and pages; single rows; their relatives.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::rows::etag;
use super::{Visit, odata};
use crate::rehearsal::behaviour::organization::{Row, lookup_of};
use crate::rehearsal::listeners::message::Answer;
use crate::rehearsal::odata::error::Refusal;
use crate::rehearsal::odata::query::QueryOptions;
use crate::rehearsal::schema::navigation::Navigation;
use crate::rehearsal::schema::table::Table;

/// Rows a page where the request asks for no other number, and at most.
const PAGE: usize = 5000;

impl<'turn> Visit<'turn, '_> {
    pub(super) fn options(&self) -> Result<QueryOptions, Refusal> {
        QueryOptions::read(self.request.options())
    }

    /// A page of a set.
    pub(super) fn list(&self, table: &Table) -> Result<Answer, Refusal> {
        let options = self.options()?;
        let rows = self.organization.rows(&table.logical_name);
        self.page(table, rows, &options, &table.set)
    }

    /// How many rows there are, as text.
    pub(super) fn count(&self, table: &Table) -> Result<Answer, Refusal> {
        let options = self.options()?;
        let rows = self.organization.rows(&table.logical_name);
        let count = self.filtered(table, rows, &options)?.len().min(PAGE);
        let mut answer = Answer::empty(200).with("Content-Type", "text/plain");
        // The service's text begins with a byte order mark.
        answer.body = Some(format!("\u{feff}{count}"));
        Ok(answer)
    }

    fn page(
        &self,
        table: &Table,
        rows: Vec<Row>,
        options: &QueryOptions,
        address: &str,
    ) -> Result<Answer, Refusal> {
        let rows = self.filtered(table, rows, options)?;
        let from = options.skip_token.as_deref().map_or(Ok(0), start)?;
        let size = match (self.preferences.page_size, options.top) {
            // Where both are given, $top is ignored.
            (Some(size), _) => size.clamp(1, PAGE),
            (None, Some(top)) => top.min(PAGE),
            (None, None) => PAGE,
        };
        let shown: Result<Vec<Value>, Refusal> = rows
            .iter()
            .skip(from)
            .take(size)
            .map(|row| self.represent(table, row, options).map(Value::Object))
            .collect();
        let mut body = Map::new();
        body.insert(
            "@odata.context".to_owned(),
            json!(self.context(address, options)),
        );
        let count = rows.len().min(PAGE);
        if options.count {
            body.insert("@odata.count".to_owned(), json!(count));
        }
        let annotation = "Microsoft.Dynamics.CRM.totalrecordcount";
        if self.preferences.wants(annotation) {
            let exceeded = options.count && rows.len() > PAGE;
            let count = if options.count {
                json!(count)
            } else {
                json!(-1)
            };
            body.insert(format!("@{annotation}"), count);
            body.insert(format!("@{annotation}limitexceeded"), json!(exceeded));
        }
        body.insert("value".to_owned(), Value::Array(shown?));
        let more = from + size < rows.len();
        let stops_at_top = options.top.is_some() && self.preferences.page_size.is_none();
        if more && !stops_at_top {
            let link = self.next_link(address, from + size);
            body.insert("@odata.nextLink".to_owned(), json!(link));
        }
        Ok(odata(200, &Value::Object(body)))
    }

    /// The address of the next page: absolute, with everything this one was asked, and a cookie
    /// that nobody should read.
    fn next_link(&self, address: &str, from: usize) -> String {
        let cookie = format!("<cookie pagenumber=\"2\" start=\"{from}\" istracking=\"False\" />");
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut query: Vec<String> = self
            .request
            .options()
            .filter(|(name, _)| *name != "$skiptoken")
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        query.push(format!("$skiptoken={}", encode(&cookie)));
        format!("{}{address}?{}", self.root, query.join("&"))
    }

    fn context(&self, address: &str, options: &QueryOptions) -> String {
        let select = options.select.join(",");
        let select = if select.is_empty() {
            select
        } else {
            format!("({select})")
        };
        format!("{}$metadata#{address}{select}", self.root)
    }

    /// One row.
    pub(super) fn get(&self, table: &Table, id: &str) -> Result<Answer, Refusal> {
        let options = self.options()?;
        let row = self.organization.existing(&table.logical_name, id)?;
        let tag = etag(&row);
        // Only an ETag makes a read conditional; clients send the word null to stop caches.
        let known = self.request.header("If-None-Match");
        if known == Some(tag.as_str()) && options.expand.is_empty() {
            return Ok(Answer::empty(304));
        }
        self.one(table, &row, &options, 200)
    }

    /// An answer with one row.
    pub(super) fn one(
        &self,
        table: &Table,
        row: &Row,
        options: &QueryOptions,
        status: u16,
    ) -> Result<Answer, Refusal> {
        let mut body = Map::new();
        let context = format!("{}/$entity", self.context(&table.set, options));
        body.insert("@odata.context".to_owned(), json!(context));
        body.extend(self.represent(table, row, options)?);
        Ok(odata(status, &Value::Object(body)).with("ETag", etag(row)))
    }

    /// The relatives of a row: one, or a page of them.
    pub(super) fn relatives(
        &self,
        table: &'turn Table,
        id: &str,
        navigation: &str,
    ) -> Result<Answer, Refusal> {
        let options = self.options()?;
        let schema = self.organization.schema;
        let row = self.organization.existing(&table.logical_name, id)?;
        let found = schema
            .navigation(table, navigation)
            .ok_or_else(|| Refusal::no_segment(navigation))?;
        if let Navigation::One(column) = found {
            let led = row.get(&column.logical_name).and_then(lookup_of);
            let Some((other, id)) = led else {
                return Ok(Answer::empty(204));
            };
            let other = schema
                .table(other)
                .ok_or_else(|| Refusal::no_segment(other))?;
            let row = self.organization.existing(&other.logical_name, id)?;
            return self.one(other, &row, &options, 200);
        }
        let (other, rows) = self.related(table, &row, &found);
        let address = format!("{}({id})/{navigation}", table.set);
        self.page(other, rows, &options, &address)
    }
}

/// Where a page begins, by its cookie.
fn start(cookie: &str) -> Result<usize, Refusal> {
    cookie
        .split("start=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .and_then(|start| start.parse().ok())
        .ok_or_else(|| Refusal::bad_request("The paging cookie is malformed."))
}
