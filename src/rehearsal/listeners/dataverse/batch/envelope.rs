//! The body of a batch: its parts and change sets, with CRLF or LF at the ends of lines.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::rehearsal::listeners::dataverse::method_not_allowed;
use crate::rehearsal::listeners::message::Request;
use crate::rehearsal::odata::error::ODataError;

/// The maximum number of requests in a batch.
const MAXIMUM: usize = 1000;

/// A part of a batch.
#[derive(Debug)]
pub(super) enum Item {
    Single(Part),
    ChangeSet(Vec<Part>),
}

/// One request within a batch.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) content_id: Option<String>,
    pub(super) method: String,
    /// The address as it was sent: absolute, from the host, or from the root of the Web API.
    pub(super) address: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// Parses a batch.
pub(super) fn parse(request: &Request) -> Result<Vec<Item>, ODataError> {
    if request.method != "POST" {
        return Err(method_not_allowed(&request.method));
    }
    let content_type = request.header("Content-Type").unwrap_or_default();
    let boundary = boundary(content_type).ok_or_else(|| {
        ODataError::bad_request(format!(
            "The content type '{content_type}' is not multipart/mixed with a boundary."
        ))
    })?;
    let body = String::from_utf8_lossy(&request.body);
    let items: Result<Vec<Item>, ODataError> = split(&body, &boundary)?
        .into_iter()
        .map(parse_item)
        .collect();
    let items = items?;
    let count: usize = items
        .iter()
        .map(|item| match item {
            Item::Single(_) => 1,
            Item::ChangeSet(parts) => parts.len(),
        })
        .sum();
    if count > MAXIMUM {
        let text = format!("The number of requests, {count}, exceeds the maximum of {MAXIMUM}.");
        return Err(ODataError::bad_request(text));
    }
    Ok(items)
}

/// The boundary in a content type, with or without quotes.
fn boundary(content_type: &str) -> Option<String> {
    let mut pieces = content_type.split(';').map(str::trim);
    if !pieces.next()?.eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let value = pieces.find_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then_some(value)
    })?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

/// The texts between the boundary's lines. What comes before the first and after the last counts
/// for nothing.
fn split<'body>(body: &'body str, boundary: &str) -> Result<Vec<&'body str>, ODataError> {
    let (delimiter, end) = (format!("--{boundary}"), format!("--{boundary}--"));
    let mut parts = Vec::new();
    let mut start = None;
    let mut offset = 0;
    for line in body.split_inclusive('\n') {
        let text = line.trim_end();
        if text == delimiter || text == end {
            if let Some(start) = start {
                parts.push(&body[start..offset]);
            }
            if text == end {
                return Ok(parts);
            }
            start = Some(offset + line.len());
        }
        offset += line.len();
    }
    let text = format!("The batch does not end with the boundary '{boundary}'.");
    Err(ODataError::bad_request(text))
}

fn parse_item(part: &str) -> Result<Item, ODataError> {
    let (headers, body) = split_headers(part);
    let content_type = header(&headers, "Content-Type").unwrap_or_default();
    let Some(boundary) = boundary(content_type) else {
        return parse_part(part).map(Item::Single);
    };
    let parts: Result<Vec<Part>, ODataError> = split(body, &boundary)?
        .into_iter()
        .map(parse_part)
        .collect();
    let parts = parts?;
    if parts.iter().any(|part| part.method == "GET") {
        let text = "A change set cannot contain a GET request.";
        return Err(ODataError::bad_request(text));
    }
    Ok(Item::ChangeSet(parts))
}

/// A part: its own headers, then a request line, headers and a body.
fn parse_part(part: &str) -> Result<Part, ODataError> {
    let (outer, request) = split_headers(part);
    let content_type = header(&outer, "Content-Type").unwrap_or_default();
    if !content_type
        .trim()
        .to_ascii_lowercase()
        .starts_with("application/http")
    {
        let text = format!("A part has the content type '{content_type}', not application/http.");
        return Err(ODataError::bad_request(text));
    }
    let request = request.trim_start();
    let (line, rest) = request.split_once('\n').unwrap_or((request, ""));
    let line = line.trim_end();
    let parsed = line.split_once(' ').and_then(|(method, rest)| {
        let (address, version) = rest.rsplit_once(' ')?;
        version
            .starts_with("HTTP/")
            .then(|| (method, address.trim()))
    });
    let Some((method, address)) = parsed else {
        let text = format!("'{line}' is not a request line.");
        return Err(ODataError::bad_request(text));
    };
    let (inner, body) = split_headers(rest);
    let mut headers = HeaderMap::new();
    for (name, value) in inner {
        let name = name.parse::<HeaderName>();
        if let (Ok(name), Ok(value)) = (name, value.parse::<HeaderValue>()) {
            headers.append(name, value);
        }
    }
    Ok(Part {
        content_id: header(&outer, "Content-ID").map(str::to_owned),
        method: method.to_ascii_uppercase(),
        address: address.to_owned(),
        headers,
        body: body.trim().to_owned(),
    })
}

/// The headers at the beginning of a text, and what follows the empty line after them.
fn split_headers(text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut headers = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        offset += line.len();
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim(), value.trim()));
        }
    }
    (headers, &text[offset..])
}

fn header<'text>(headers: &[(&'text str, &'text str)], name: &str) -> Option<&'text str> {
    let found = headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: &str = "\r\n--batch_1\r\nContent-Type: multipart/mixed;boundary=set_1\r\n\r\n\
        --set_1\r\nContent-Type: application/http\r\nContent-ID: 100001\r\n\r\n\
        PATCH /api/data/v9.2/workflows(1)?$select=name HTTP/1.1\r\nIf-Match: *\r\n\
        Content-Type: application/json; type=entry\r\n\r\n{\"name\":\"a\"}\r\n--set_1--\r\n\
        --batch_1\r\nContent-Type: application/http\r\n\r\nGET workflows HTTP/1.1\r\n\r\n\r\n\
        --batch_1--\r\n";

    fn request(body: &str) -> Request {
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("multipart/mixed; boundary=\"batch_1\"");
        headers.insert("Content-Type", kind);
        Request::new("POST", "/api/data/v9.2/$batch", None, headers, body.into())
    }

    #[test]
    fn parts_are_parsed_with_either_end_of_line() {
        for body in [BATCH.to_owned(), BATCH.replace("\r\n", "\n")] {
            let items = parse(&request(&body)).unwrap();
            let [Item::ChangeSet(parts), Item::Single(read)] = items.as_slice() else {
                panic!("{items:?}");
            };
            assert_eq!(parts.len(), 1);
            assert_eq!(parts[0].method, "PATCH");
            assert_eq!(parts[0].address, "/api/data/v9.2/workflows(1)?$select=name");
            assert_eq!(parts[0].content_id.as_deref(), Some("100001"));
            assert_eq!(parts[0].headers["If-Match"], "*");
            assert_eq!(parts[0].body, "{\"name\":\"a\"}");
            assert_eq!(
                (read.method.as_str(), read.address.as_str()),
                ("GET", "workflows")
            );
        }
    }

    #[test]
    fn a_wrong_envelope_is_refused() {
        let unclosed = BATCH.replace("--batch_1--", "");
        let read_in_set = BATCH.replace("PATCH", "GET");
        let no_line = BATCH.replace(" HTTP/1.1", "");
        for body in ["", unclosed.as_str(), &read_in_set, &no_line] {
            assert_eq!(parse(&request(body)).unwrap_err().status, 400, "{body}");
        }
    }
}
