//! All rows of a query, page after page.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::row::Row;
use crate::clients::error::Error;
use crate::clients::http::{Pages, Request, Response, Service};

/// All rows of a list, of every page, or an error: never a part of the list. Takes the path of the
/// first page, and a function that adds the same headers to the request for each page.
pub(in crate::clients) async fn list_rows(
    service: &Service,
    path: String,
    prepare: impl Fn(Request) -> Request,
) -> Result<Vec<Row>, Error> {
    let mut pages = Pages::new(service);
    let mut rows = Vec::new();
    let mut request = prepare(Request::get(path));
    loop {
        let response = service.send(&request).await?;
        let Some(link) = add_page(&response, &mut pages, &mut rows)? else {
            return Ok(rows);
        };
        let url = pages.next_url(service, &response, &link)?;
        request = prepare(Request::get_link(url));
    }
}

/// A page: rows as they are written, and the link to the next page.
#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// Adds the rows of a page and returns the link to the next one. The page is counted before it is
/// parsed, and its rows before any of them is parsed.
fn add_page(
    response: &Response,
    pages: &mut Pages,
    rows: &mut Vec<Row>,
) -> Result<Option<String>, Error> {
    pages.count_page(response)?;
    let page: RawPage<'_> = serde_json::from_slice(response.body()).map_err(|error| {
        let why = format!("it is not a page of rows: {error}");
        response.malformed(&why).with_source(error)
    })?;
    pages.check_rows(response, rows.len() + page.value.len())?;
    for raw in page.value {
        rows.push(Row::parse(raw.get(), response)?);
    }
    Ok(page.next)
}
