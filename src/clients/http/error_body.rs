//! What a service says when it refuses. Each family has its own form; all become a code, perhaps a
//! code inside it, and a text.
//!
//! | Who | Form |
//! |---|---|
//! | BAP, Power Apps, Dataverse, dynamics | `{"error":{"code","message"}}` |
//! | Dataverse with annotations | the same and `@Microsoft.PowerApps.CDS.ErrorDetails.Error` |
//! | environment management | `{"errorDetail":{"code","fieldErrors":{field:{"errorMessages":[]}}}}` |
//! | application management | `{"errorName","errorCode","message"}`, alone or inside `error` |
//! | environment settings | `{"errors":{…},"responseMessage"}` |
//! | sign-in | `{"error":"invalid_client","error_description":"AADSTS…"}` |
//! | some others | RFC 7807: `{"title","status","detail"}` |
//! | gateways | HTML, plain text, or nothing |

use std::fmt::Write as _;

use serde_json::Value;

use super::remedies::remedy;
use super::response::Response;
use crate::clients::error::{Detail, Error, ErrorKind, presentable};

/// What a refusal says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Told {
    /// The service's code.
    pub(crate) code: Option<String>,
    /// The code of the error inside.
    pub(crate) inner_code: Option<String>,
    /// The text; with an inner code, that code and its text.
    pub(crate) message: String,
}

/// The error of an answer that is not 2xx. Takes the kind that its status means; a body that says
/// more changes a conflict to busy.
pub(super) fn refusal(response: &Response, kind: ErrorKind) -> Error {
    let body = response.maybe_value();
    let mut told = Told::read(body.as_ref(), response.body());
    if let Some(challenge) = response.header("www-authenticate") {
        if response.body().is_empty() {
            challenge.clone_into(&mut told.message);
        } else if challenge.contains("insufficient_claims") {
            // Continuous access evaluation: the header says what is missing, whatever the body says.
            told.message = format!("{} ({challenge})", told.message);
        }
    }
    let is_busy = told.code.as_deref() == Some("OperationNotStartable");
    let kind = match kind {
        ErrorKind::Conflict if is_busy => ErrorKind::Busy,
        kind => kind,
    };
    let about = Detail {
        service: response.service.clone(),
        what: response.what.clone(),
        status: Some(response.status),
        request_id: Some(response.request_id()),
        body,
        ..Detail::default()
    };
    told.into_error(kind, about)
}

impl Told {
    /// Reads a body: its JSON where it is JSON, and its bytes.
    pub(crate) fn read(json: Option<&Value>, bytes: &[u8]) -> Self {
        json.and_then(from_json).unwrap_or_else(|| Self {
            message: from_text(&String::from_utf8_lossy(bytes)),
            ..Self::default()
        })
    }

    /// What a program complained of. The sign-in service's number in it, where there is one, is the
    /// code that people look up.
    pub(crate) fn of_text(text: &str) -> Self {
        Self {
            code: sign_in_number(text).map(str::to_owned),
            inner_code: None,
            message: text.to_owned(),
        }
    }

    /// The error that says this about a request, with its remedy if there is one.
    pub(crate) fn into_error(self, kind: ErrorKind, about: Detail) -> Error {
        let help = remedy(kind, &self).map(str::to_owned);
        let detail = Detail {
            code: self.code.as_deref().map(presentable),
            inner_code: self.inner_code.as_deref().map(presentable),
            message: presentable(&self.message),
            ..about
        };
        Error::from_detail(kind, detail, help)
    }
}

fn from_json(body: &Value) -> Option<Told> {
    if let Some(detail) = body.get("errorDetail").filter(|detail| detail.is_object()) {
        return Some(from_error_detail(detail));
    }
    if let (Some(name), Some(text)) = (text(body, "error"), text(body, "error_description")) {
        return Some(from_sign_in(&name, &text));
    }
    if let Some(error) = body.get("error").filter(|error| error.is_object()) {
        return Some(from_error(error));
    }
    let told = Told {
        code: text(body, "errorName")
            .or_else(|| code(body, "code"))
            .or_else(|| code(body, "errorCode")),
        inner_code: None,
        message: first_text(
            body,
            &[
                "message",
                "Message",
                "detail",
                "title",
                "responseMessage",
                "ExceptionMessage",
                "error",
            ],
        )
        .or_else(|| {
            body.get("errors")
                .filter(|errors| !errors.is_null())
                .map(Value::to_string)
        })
        .unwrap_or_default(),
    };
    (told.code.is_some() || !told.message.is_empty()).then_some(told)
}

/// `{"code","message"}` and what may stand beside it.
fn from_error(error: &Value) -> Told {
    let outer = Told {
        code: code(error, "code")
            .or_else(|| text(error, "errorName"))
            .or_else(|| code(error, "errorCode")),
        inner_code: None,
        message: first_text(error, &["message", "Message"]).unwrap_or_default(),
    };
    let inner = inner_error(error, &outer.message);
    match inner {
        Some((inner_code, said)) => Told {
            message: format!("{inner_code}: {said}"),
            inner_code: Some(inner_code),
            ..outer
        },
        None => outer,
    }
}

/// The error of the Flow service inside Dataverse's 0x80060467. The annotation holds it as JSON;
/// without annotations it stands in the message, between plain quotes and not escaped, so it is what
/// lies between the first brace and the last (bodies as users have published them).
fn inner_error(error: &Value, message: &str) -> Option<(String, String)> {
    let annotated = text(error, "@Microsoft.PowerApps.CDS.ErrorDetails.Error");
    let in_message = message
        .find('{')
        .zip(message.rfind('}'))
        .and_then(|(start, end)| message.get(start..=end));
    [annotated.as_deref(), in_message]
        .into_iter()
        .flatten()
        .find_map(|json| {
            let value: Value = serde_json::from_str(json).ok()?;
            let inner = value.get("error").unwrap_or(&value);
            let code = text(inner, "code")?;
            Some((code, text(inner, "message").unwrap_or_default()))
        })
}

/// The Power Platform API's form, which has no message of its own: the texts stand at the fields.
fn from_error_detail(detail: &Value) -> Told {
    let fields = detail.get("fieldErrors").and_then(Value::as_object);
    let mut said: Vec<String> = text(detail, "message").into_iter().collect();
    for (field, error) in fields.into_iter().flatten() {
        let messages = error.get("errorMessages").and_then(Value::as_array);
        let messages: Vec<&str> = messages
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut line = format!("{field}: {}", messages.join(" "));
        if let Some(suggestion) = text(error, "suggestedValue") {
            // Writing to a String cannot fail.
            _ = write!(line, " (suggested: {suggestion})");
        }
        said.push(line);
    }
    Told {
        code: code(detail, "code"),
        inner_code: None,
        message: said.join("; "),
    }
}

/// The sign-in service's form. The code that people look up is the AADSTS number in the text.
fn from_sign_in(name: &str, description: &str) -> Told {
    let first_line = description.lines().next().unwrap_or_default();
    let number = sign_in_number(description);
    let message = match number {
        Some(number) => first_line
            .strip_prefix(number)
            .unwrap_or(first_line)
            .trim_start_matches([':', ' '])
            .to_owned(),
        None => first_line.to_owned(),
    };
    Told {
        code: Some(number.unwrap_or(name).to_owned()),
        inner_code: None,
        message,
    }
}

/// The sign-in service's number in a text: `AADSTS7000215`.
fn sign_in_number(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| {
            word.strip_prefix("AADSTS").is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            })
        })
}

/// A code: text, or a number. A code of Dataverse in decimal becomes the hexadecimal one that people
/// look up; an empty one is none.
fn code(value: &Value, member: &str) -> Option<String> {
    let code = match value.get(member)? {
        Value::String(code) => code.trim().to_owned(),
        Value::Number(code) => code.to_string(),
        _ => return None,
    };
    if code.is_empty() {
        return None;
    }
    let hexadecimal = code
        .strip_prefix("0x")
        .or_else(|| code.strip_prefix("0X"))
        .filter(|digits| digits.len() <= 8)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    // Dataverse's codes are negative 32-bit numbers when written in decimal.
    let negative = code.parse::<i32>().ok().filter(|number| *number < 0);
    match hexadecimal.or(negative.map(i32::cast_unsigned)) {
        Some(number) => Some(format!("0x{number:08x}")),
        None => Some(code),
    }
}

fn text(value: &Value, member: &str) -> Option<String> {
    let text = value.get(member)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn first_text(value: &Value, members: &[&str]) -> Option<String> {
    members.iter().find_map(|member| text(value, member))
}

/// What is said of an answer that is a web page: not the service has answered, but what stands before
/// it.
pub(crate) const WEB_PAGE: &str = "a web page instead of an answer";

/// A body that is not JSON, as one line: an HTML page by its title, nothing as such.
fn from_text(body: &str) -> String {
    let body = body.trim_start_matches('\u{feff}').trim();
    if body.is_empty() {
        return "it said nothing".to_owned();
    }
    if !body.starts_with('<') {
        return body.to_owned();
    }
    let lower = body.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|tag| {
        let start = tag + lower[tag..].find('>')? + 1;
        let end = start + lower[start..].find("</title")?;
        Some(body[start..end].trim())
    });
    match title {
        Some(title) if !title.is_empty() => format!("{WEB_PAGE}: {title}"),
        _ => WEB_PAGE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Told {
        let json = serde_json::from_str(body).ok();
        Told::read(json.as_ref(), body.as_bytes())
    }

    fn told(code: &str, message: &str) -> Told {
        Told {
            code: (!code.is_empty()).then(|| code.to_owned()),
            inner_code: None,
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_admin_api_says_code_and_message() {
        let busy = r#"{"error":{"code":"OperationNotStartable","message":"TThis operation cannot be performed because there is an active lifecycle operation on the environment 00000000-0000-0000-0000-000000000000.","detailUrlType":"NotSpecified"}}"#;
        let read_busy = read(busy);
        assert_eq!(read_busy.code.as_deref(), Some("OperationNotStartable"));
        assert!(read_busy.message.starts_with("TThis operation"));
    }

    #[test]
    fn field_errors_become_one_text() {
        let body = r#"{"errorDetail":{"code":"ValidationFailed","fieldErrors":{
            "copyType":{"errorMessages":["Not allowed.","Choose."],"suggestedValue":"Full"},
            "name":{"errorMessages":["Taken."]}}}}"#;
        let wanted = told(
            "ValidationFailed",
            "copyType: Not allowed. Choose. (suggested: Full); name: Taken.",
        );
        assert_eq!(read(body), wanted);
    }

    #[test]
    fn dataverse_codes_are_hexadecimal_however_they_are_written() {
        for code in ["0x80072322", "-2147015902", "0X80072322"] {
            let body = format!(r#"{{"error":{{"code":"{code}","message":"Too many."}}}}"#);
            assert_eq!(read(&body), told("0x80072322", "Too many."));
        }
        assert_eq!(
            read(r#"{"error":{"code":"0x8004A113","message":"x"}}"#)
                .code
                .unwrap(),
            "0x8004a113"
        );
        assert_eq!(
            read(r#"{"error":{"code":"","message":"no code"}}"#),
            told("", "no code")
        );
    }

    #[test]
    fn the_flow_services_error_is_found_in_the_message_and_in_the_annotation() {
        let inner = r#"{"error":{"code":"FlowMissingConnection","message":"The flow is missing a connection for the API \"shared_sharepointonline\"."}}"#;
        let message = format!(
            "Flow client error returned with status code \"BadRequest\" and details \"{inner}\"."
        );
        let plain = serde_json::json!({"error": {"code": "0x80060467", "message": message}});
        let annotated = serde_json::json!({"error": {
            "code": "0x80060467",
            "message": "Flow client error returned.",
            "@Microsoft.PowerApps.CDS.ErrorDetails.Error": inner,
        }});
        for body in [plain, annotated] {
            let told = read(&body.to_string());
            assert_eq!(told.code.as_deref(), Some("0x80060467"));
            assert_eq!(told.inner_code.as_deref(), Some("FlowMissingConnection"));
            assert_eq!(
                told.message,
                "FlowMissingConnection: The flow is missing a connection for the API \"shared_sharepointonline\"."
            );
        }
    }

    #[test]
    fn braces_in_a_message_that_are_no_json_are_left_alone() {
        let body = r#"{"error":{"code":"0x1","message":"the {name} of } and { is wrong"}}"#;
        assert_eq!(
            read(body),
            told("0x00000001", "the {name} of } and { is wrong")
        );
    }

    #[test]
    fn sign_in_errors_are_known_by_their_number() {
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Ensure the secret is the value.\r\nTrace ID: 1\r\nCorrelation ID: 2","error_codes":[7000215]}"#;
        let wanted = told(
            "AADSTS7000215",
            "Invalid client secret provided. Ensure the secret is the value.",
        );
        assert_eq!(read(body), wanted);
    }

    #[test]
    fn the_other_forms_are_read_too() {
        let application = r#"{"error":{"errorCode":1001,"errorName":"PackageNotFound","message":"No such package.","statusCode":404}}"#;
        assert_eq!(
            read(application),
            told("PackageNotFound", "No such package.")
        );
        assert_eq!(
            read(r#"{"title":"Not found","status":404,"detail":"No group."}"#),
            told("", "No group.")
        );
        assert_eq!(
            read(r#"{"Message":"An error has occurred."}"#),
            told("", "An error has occurred.")
        );
        assert_eq!(
            read(r#"{"errors":["a"],"objectResult":null}"#),
            told("", r#"["a"]"#)
        );
    }

    #[test]
    fn gateways_say_html_text_or_nothing() {
        assert_eq!(read(""), told("", "it said nothing"));
        assert_eq!(
            read("\u{feff} upstream failed "),
            told("", "upstream failed")
        );
        assert_eq!(
            read("<!DOCTYPE html><HTML><head><TITLE>503 Service Unavailable</TITLE>"),
            told(
                "",
                "a web page instead of an answer: 503 Service Unavailable"
            )
        );
        assert_eq!(read("<html>"), told("", "a web page instead of an answer"));
        assert_eq!(read("[1]"), told("", "[1]"));
    }
}
