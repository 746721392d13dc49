//! Lists of the admin APIs. The two families have different pages.

use serde_json::Value;

use super::error::Error;
use super::http::{Pages, Request, Response, Service};
use super::json::text_at;
use crate::base::encoding::{NON_ALPHANUMERIC, percent_encode};

/// The names of the link to the next page, as the services spell them.
const NEXT_LINKS: [&str; 3] = ["/@odata.nextLink", "/@odata.nextlink", "/nextLink"];

/// A list with pages of the form `{"value":[…]}` and a link to the next page.
pub(super) async fn list_values<T>(
    service: &Service,
    path: &str,
    parse: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let next = |pages: &mut Pages, page: &Response, body: &Value| {
        let link = NEXT_LINKS.iter().find_map(|name| text_at(body, name));
        let url = link.map(|link| pages.next_url(service, page, &link));
        Ok(url.transpose()?.map(Request::get_link))
    };
    list_pages(service, path, "value", parse, next).await
}

/// A list with pages of the form `{"collection":[…],"continuationToken":…}`.
pub(super) async fn list_collection<T>(
    service: &Service,
    path: &str,
    parse: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let next = |pages: &mut Pages, page: &Response, body: &Value| {
        let Some(token) = text_at(body, "/continuationToken") else {
            return Ok(None);
        };
        pages.visit(page, &token)?;
        let token = percent_encode(&token, NON_ALPHANUMERIC);
        let next = format!("{path}&continuationToken={token}");
        Ok(Some(Request::get(next)))
    };
    list_pages(service, path, "collection", parse, next).await
}

/// Every page. `next` is the request for the page after this one.
async fn list_pages<T>(
    service: &Service,
    path: &str,
    member: &str,
    parse: impl Fn(&Value) -> Option<T>,
    next: impl Fn(&mut Pages, &Response, &Value) -> Result<Option<Request>, Error>,
) -> Result<Vec<T>, Error> {
    let mut pages = Pages::new(service);
    let mut items = Vec::new();
    let mut request = Request::get(path);
    loop {
        let response = service.send(&request).await?;
        pages.count_page(&response)?;
        let body = response.value()?;
        items.extend(response.parse_items(body.get(member), &format!("'{member}'"), &parse)?);
        pages.check_rows(&response, items.len())?;
        match next(&mut pages, &response, &body)? {
            Some(following) => request = following,
            None => return Ok(items),
        }
    }
}
