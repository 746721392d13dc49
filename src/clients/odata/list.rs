//! All rows of a query, page after page.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::row::Row;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Backoff, Pages, Request, Response, Service, Wait, WaitReason};

/// All rows of a list, of every page, or an error: never a part of the list. Takes the path of the
/// first page, and a function that adds the same headers to the request for each page.
pub(in crate::clients) async fn list_rows(
    service: &Service,
    path: String,
    prepare: impl Fn(Request) -> Request,
) -> Result<Vec<Row>, Error> {
    list_mapped(service, path, prepare, Some).await
}

/// As [`list_rows`], with what `map` keeps of each row. In addition to that, at most one page of the
/// table is in memory.
pub(in crate::clients) async fn list_mapped<T>(
    service: &Service,
    path: String,
    prepare: impl Fn(Request) -> Request,
    map: impl Fn(Row) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let mut pages = Pages::new(service);
    let mut rows = Vec::new();
    let mut count = 0;
    let mut request = prepare(Request::get(path));
    let mut backoff = Backoff::new(service.http().limits().tries);
    loop {
        let response = service.send(&request).await?;
        let whole = (rows.len(), count);
        let link = match add_page(&response, &mut pages, (&mut rows, &mut count), &map) {
            Ok(Some(link)) => link,
            Ok(None) => return Ok(rows),
            Err(error) if error.is_garbled_read() => {
                // JSON, but no page: the same page once more.
                rows.truncate(whole.0);
                count = whole.1;
                read_again(service, &mut backoff, error).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let url = pages.next_url(service, &response, &link)?;
        request = prepare(Request::get_link(url));
    }
}

/// Waits before a page that was garbled is read again. Once the attempts are used up, the service is
/// unavailable: nothing says that the list is wrong.
async fn read_again(service: &Service, backoff: &mut Backoff, error: Error) -> Result<(), Error> {
    let what = error.what.clone();
    let wait = Wait {
        service: service.name().to_owned(),
        reason: WaitReason::Unavailable,
        message: error.message.clone(),
        attempt: 1,
        duration: backoff.next_delay(None, error.of_kind(ErrorKind::Unavailable))?,
    };
    service.http().pause(wait, &what).await
}

/// A page: rows as they are written, and the link to the next page.
#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// Adds the rows of a page and returns the link to the next one.
fn add_page<T>(
    response: &Response,
    pages: &mut Pages,
    (rows, count): (&mut Vec<T>, &mut usize),
    map: impl Fn(Row) -> Option<T>,
) -> Result<Option<String>, Error> {
    let page = read_page(response, pages, count)?;
    for raw in page.value {
        rows.extend(map(Row::parse(raw.get(), response)?));
    }
    Ok(page.next)
}

/// The rows of a page, still as texts. The page is counted before it is parsed, and its rows before
/// any of them is parsed.
fn read_page<'a>(
    response: &'a Response,
    pages: &mut Pages,
    count: &mut usize,
) -> Result<RawPage<'a>, Error> {
    pages.count_page(response)?;
    let page: RawPage<'_> = serde_json::from_slice(response.body()).map_err(|error| {
        let why = format!("it is not a page of rows: {error}");
        response.malformed(&why).garbled(true).with_source(error)
    })?;
    *count += page.value.len();
    pages.check_rows(response, *count)?;
    Ok(page)
}
