//! Lists of the admin APIs. The two families have different pages.

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::http::{Pages, Request, Response, Service};
use super::json_text::text_at;
use crate::base::encoding::{NON_ALPHANUMERIC, percent_encode};

/// The names of the link to the next page, as the services spell them.
const NEXT_LINKS: [&str; 3] = ["/@odata.nextLink", "/@odata.nextlink", "/nextLink"];

/// A list with pages of the form `{"value":[…]}` and a link to the next page.
pub(super) async fn list_values<T>(
    service: &Service,
    path: &str,
    parse: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let mut pages = Pages::new(service);
    let mut items = Vec::new();
    let mut request = Request::get(path);
    loop {
        let response = service.send(&request).await?;
        pages.count_page(&response)?;
        let body = response.value()?;
        add_items(&response, &body, "value", &parse, &mut items)?;
        pages.check_rows(&response, items.len())?;
        let Some(link) = NEXT_LINKS.iter().find_map(|name| text_at(&body, name)) else {
            return Ok(items);
        };
        request = Request::get_link(pages.next_url(service, &response, &link)?);
    }
}

/// A list with pages of the form `{"collection":[…],"continuationToken":…}`.
pub(super) async fn list_collection<T>(
    service: &Service,
    path: &str,
    parse: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let mut pages = Pages::new(service);
    let mut items = Vec::new();
    let mut next = path.to_owned();
    loop {
        let response = service.send(&Request::get(next)).await?;
        pages.count_page(&response)?;
        let body = response.value()?;
        add_items(&response, &body, "collection", &parse, &mut items)?;
        pages.check_rows(&response, items.len())?;
        let Some(token) = text_at(&body, "/continuationToken") else {
            return Ok(items);
        };
        pages.visit(&response, &token)?;
        let token = percent_encode(&token, NON_ALPHANUMERIC);
        next = format!("{path}&continuationToken={token}");
    }
}

/// Adds a page's items. An item that cannot be parsed fails the list: an incomplete list would be
/// taken for the whole.
fn add_items<T>(
    response: &Response,
    body: &Value,
    member: &str,
    parse: impl Fn(&Value) -> Option<T>,
    items: &mut Vec<T>,
) -> Result<(), Error> {
    let malformed = |why: &str| response.error(ErrorKind::Malformed, why);
    let page = body
        .get(member)
        .and_then(Value::as_array)
        .ok_or_else(|| malformed(&format!("the list has no member '{member}'")))?;
    for item in page {
        let parsed = parse(item).ok_or_else(|| {
            malformed(&format!(
                "an item of the list has an unexpected shape: {item}"
            ))
        })?;
        items.push(parsed);
    }
    Ok(())
}
