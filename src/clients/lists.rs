//! Lists of the admin APIs, page after page. The two families page in two ways.

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::http::{Pages, Request, Response, Service};

/// The names of the link to the next page, as the services spell them.
const NEXT_LINKS: [&str; 3] = ["/@odata.nextLink", "/@odata.nextlink", "/nextLink"];

/// A list whose pages are `{"value":[…]}` with a link to the next one.
pub(super) async fn values<T>(
    service: &Service,
    path: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let mut pages = Pages::of(service);
    let mut items = Vec::new();
    let mut request = Request::get(path);
    loop {
        let answer = service.send(&request).await?;
        pages.came(&answer)?;
        let body = answer.value()?;
        read_items(&answer, &body, "value", &read, &mut items)?;
        pages.room_for(&answer, items.len())?;
        let Some(link) = NEXT_LINKS.iter().find_map(|name| text(&body, name)) else {
            return Ok(items);
        };
        request = Request::get_link(pages.next(service, &answer, &link)?);
    }
}

/// A list whose pages are `{"collection":[…],"continuationToken":…}`.
pub(super) async fn collection<T>(
    service: &Service,
    path: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let mut pages = Pages::of(service);
    let mut items = Vec::new();
    let mut next = path.to_owned();
    loop {
        let answer = service.send(&Request::get(next)).await?;
        pages.came(&answer)?;
        let body = answer.value()?;
        read_items(&answer, &body, "collection", &read, &mut items)?;
        pages.room_for(&answer, items.len())?;
        let Some(token) = text(&body, "/continuationToken") else {
            return Ok(items);
        };
        pages.seen(&answer, &token)?;
        next = format!("{path}&continuationToken={}", encoded(&token));
    }
}

/// Adds a page's items. An item that is not understood fails the list: a list with holes would be
/// taken for the whole.
fn read_items<T>(
    answer: &Response,
    body: &Value,
    member: &str,
    read: impl Fn(&Value) -> Option<T>,
    items: &mut Vec<T>,
) -> Result<(), Error> {
    let malformed = |why: &str| answer.error(ErrorKind::Malformed, why);
    let page = body
        .get(member)
        .and_then(Value::as_array)
        .ok_or_else(|| malformed(&format!("the list has no member '{member}'")))?;
    for item in page {
        let understood = read(item)
            .ok_or_else(|| malformed(&format!("an item of the list is not understood: {item}")))?;
        items.push(understood);
    }
    Ok(())
}

/// A text in JSON that is not empty.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// A value for a path or a query, percent-encoded whole.
pub(super) fn encoded(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}
