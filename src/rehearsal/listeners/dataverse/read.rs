//! Reads: sets with filter, order and pages; single rows; related rows.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::rows::etag;
use super::{WebApiRequest, odata};
use crate::rehearsal::behaviour::organization::{Row, lookup_of};
use crate::rehearsal::listeners::message::Response;
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::query::QueryOptions;
use crate::rehearsal::schema::navigation::Navigation;
use crate::rehearsal::schema::table::Table;

/// The default and maximum number of rows per page.
const PAGE_SIZE: usize = 5000;

impl<'context> WebApiRequest<'context, '_> {
    pub(super) fn options(&self) -> Result<QueryOptions, ODataError> {
        QueryOptions::parse(self.request.options())
    }

    /// A page of a set.
    pub(super) fn list(&self, table: &Table) -> Result<Response, ODataError> {
        let options = self.options()?;
        let rows = self.organization.borrowed_rows(&table.logical_name);
        self.page(table, rows, &options, &table.set)
    }

    /// The number of rows, as text.
    pub(super) fn count(&self, table: &Table) -> Result<Response, ODataError> {
        let options = self.options()?;
        let rows = self.organization.borrowed_rows(&table.logical_name);
        let count = self
            .filter_and_sort(table, rows, &options)?
            .len()
            .min(PAGE_SIZE);
        let mut response = Response::empty(200).with("Content-Type", "text/plain");
        // The service's text starts with a byte order mark.
        response.body = Some(format!("\u{feff}{count}"));
        Ok(response)
    }

    fn page(
        &self,
        table: &Table,
        rows: Vec<&Row>,
        options: &QueryOptions,
        address: &str,
    ) -> Result<Response, ODataError> {
        let rows = self.filter_and_sort(table, rows, options)?;
        let from = options.skip_token.as_deref().map_or(Ok(0), parse_cookie)?;
        let size = match (self.preferences.page_size, options.top) {
            // With a page size, $top is ignored.
            (Some(size), _) => size.clamp(1, PAGE_SIZE),
            (None, Some(top)) => top.min(PAGE_SIZE),
            (None, None) => PAGE_SIZE,
        };
        let shown = rows.iter().copied().skip(from).take(size);
        let shown = self.rows_json(table, shown, options)?;
        let mut body = Map::new();
        body.insert(
            "@odata.context".to_owned(),
            json!(self.context(address, options)),
        );
        let count = rows.len().min(PAGE_SIZE);
        if options.count {
            body.insert("@odata.count".to_owned(), json!(count));
        }
        let annotation = "Microsoft.Dynamics.CRM.totalrecordcount";
        if self.preferences.wants(annotation) {
            let exceeded = options.count && rows.len() > PAGE_SIZE;
            let count = if options.count {
                json!(count)
            } else {
                json!(-1)
            };
            body.insert(format!("@{annotation}"), count);
            body.insert(format!("@{annotation}limitexceeded"), json!(exceeded));
        }
        body.insert("value".to_owned(), Value::Array(shown));
        let more = from + size < rows.len();
        let stops_at_top = options.top.is_some() && self.preferences.page_size.is_none();
        if more && !stops_at_top {
            let link = self.next_link(address, from + size);
            body.insert("@odata.nextLink".to_owned(), json!(link));
        }
        Ok(odata(200, &Value::Object(body)))
    }

    /// The address of the next page: absolute, with the options of this request and an opaque
    /// cookie.
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
    pub(super) fn get(&self, table: &Table, id: &str) -> Result<Response, ODataError> {
        let options = self.options()?;
        let row = self.organization.existing(&table.logical_name, id)?;
        let tag = etag(&row);
        // Only an ETag makes a read conditional; clients send the word null to prevent caching.
        let cached = self.request.header("If-None-Match");
        if cached == Some(tag.as_str()) && options.expand.is_empty() {
            return Ok(Response::empty(304));
        }
        self.row_response(table, &row, &options, 200)
    }

    /// A response with one row.
    pub(super) fn row_response(
        &self,
        table: &Table,
        row: &Row,
        options: &QueryOptions,
        status: u16,
    ) -> Result<Response, ODataError> {
        let mut body = Map::new();
        let context = format!("{}/$entity", self.context(&table.set, options));
        body.insert("@odata.context".to_owned(), json!(context));
        body.extend(self.row_json(table, row, options)?);
        Ok(odata(status, &Value::Object(body)).with("ETag", etag(row)))
    }

    /// The related row or a page of related rows.
    pub(super) fn related_rows(
        &self,
        table: &'context Table,
        id: &str,
        navigation: &str,
    ) -> Result<Response, ODataError> {
        let options = self.options()?;
        let schema = self.organization.schema;
        let row = self.organization.existing(&table.logical_name, id)?;
        let found = schema
            .navigation(table, navigation)
            .ok_or_else(|| ODataError::unknown_segment(navigation))?;
        if let Navigation::One(column) = found {
            let lookup = row.get(&column.logical_name).and_then(lookup_of);
            let Some((other, id)) = lookup else {
                return Ok(Response::empty(204));
            };
            let other = schema
                .table(other)
                .ok_or_else(|| ODataError::unknown_segment(other))?;
            let row = self.organization.existing(&other.logical_name, id)?;
            return self.row_response(other, &row, &options, 200);
        }
        let (other, rows) = self.related(table, &row, &found);
        let address = format!("{}({id})/{navigation}", table.set);
        self.page(other, rows.iter().collect(), &options, &address)
    }
}

/// The start of a page, from its cookie.
fn parse_cookie(cookie: &str) -> Result<usize, ODataError> {
    cookie
        .split("start=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .and_then(|start| start.parse().ok())
        .ok_or_else(|| ODataError::bad_request("The paging cookie is malformed."))
}
