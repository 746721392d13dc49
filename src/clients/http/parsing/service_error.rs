//! Error bodies. Each service family has its own form; all become a code, possibly an inner code,
//! and a message.
//!
//! | Service | Form |
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

/// The error that a service reports in a response body.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ServiceError {
    /// The service's code.
    pub(crate) code: Option<String>,
    /// The code of the error inside the error.
    pub(crate) inner_code: Option<String>,
    /// The message; with an inner code, that code and its message.
    pub(crate) message: String,
}

impl ServiceError {
    /// Parses a body, given as JSON if it is JSON, and as bytes.
    pub(crate) fn parse(json: Option<&Value>, bytes: &[u8]) -> Self {
        json.and_then(from_json).unwrap_or_else(|| Self {
            message: describe_text(&String::from_utf8_lossy(bytes)),
            ..Self::default()
        })
    }

    /// The error in the output of a program. Its code is the sign-in service's number in the text,
    /// if there is one.
    pub(crate) fn from_text(text: &str) -> Self {
        Self {
            code: sign_in_number(text).map(str::to_owned),
            inner_code: None,
            message: text.to_owned(),
        }
    }
}

fn from_json(body: &Value) -> Option<ServiceError> {
    if let Some(detail) = body.get("errorDetail").filter(|detail| detail.is_object()) {
        return Some(from_error_detail(detail));
    }
    if let (Some(name), Some(text)) = (
        text_member(body, "error"),
        text_member(body, "error_description"),
    ) {
        return Some(from_sign_in(&name, &text));
    }
    if let Some(error) = body.get("error").filter(|error| error.is_object()) {
        return Some(from_error(error));
    }
    let parsed = ServiceError {
        code: text_member(body, "errorName")
            .or_else(|| parse_code(body, "code"))
            .or_else(|| parse_code(body, "errorCode")),
        inner_code: None,
        message: first_text_member(
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
    (parsed.code.is_some() || !parsed.message.is_empty()).then_some(parsed)
}

/// `{"code","message"}` and possibly an inner error.
fn from_error(error: &Value) -> ServiceError {
    let outer = ServiceError {
        code: parse_code(error, "code")
            .or_else(|| text_member(error, "errorName"))
            .or_else(|| parse_code(error, "errorCode")),
        inner_code: None,
        message: first_text_member(error, &["message", "Message"]).unwrap_or_default(),
    };
    let inner = inner_error(error, &outer.message);
    match inner {
        Some((inner_code, inner_message)) => ServiceError {
            message: format!("{inner_code}: {inner_message}"),
            inner_code: Some(inner_code),
            ..outer
        },
        None => outer,
    }
}

/// The error of the Flow service inside Dataverse's 0x80060467. The annotation holds it as JSON;
/// without annotations it is in the message, between plain quotes and not escaped, so it is taken
/// from the first brace to the last (bodies as users have published them).
fn inner_error(error: &Value, message: &str) -> Option<(String, String)> {
    let annotated = text_member(error, "@Microsoft.PowerApps.CDS.ErrorDetails.Error");
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
            let code = text_member(inner, "code")?;
            Some((code, text_member(inner, "message").unwrap_or_default()))
        })
}

/// The Power Platform API's form, which has no overall message: each field has its own.
fn from_error_detail(detail: &Value) -> ServiceError {
    let fields = detail.get("fieldErrors").and_then(Value::as_object);
    let mut lines: Vec<String> = text_member(detail, "message").into_iter().collect();
    for (field, error) in fields.into_iter().flatten() {
        let messages = error.get("errorMessages").and_then(Value::as_array);
        let messages: Vec<&str> = messages
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut line = format!("{field}: {}", messages.join(" "));
        if let Some(suggestion) = text_member(error, "suggestedValue") {
            // Writing to a String cannot fail.
            _ = write!(line, " (suggested: {suggestion})");
        }
        lines.push(line);
    }
    ServiceError {
        code: parse_code(detail, "code"),
        inner_code: None,
        message: lines.join("; "),
    }
}

/// The sign-in service's form. The code that people look up is the AADSTS number in the text.
fn from_sign_in(name: &str, description: &str) -> ServiceError {
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
    ServiceError {
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

/// A code: text, or a number. Dataverse's decimal codes become the hexadecimal ones that people
/// look up; an empty code is `None`.
fn parse_code(value: &Value, member: &str) -> Option<String> {
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

fn text_member(value: &Value, member: &str) -> Option<String> {
    let text = value.get(member)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn first_text_member(value: &Value, members: &[&str]) -> Option<String> {
    members.iter().find_map(|member| text_member(value, member))
}

/// The message for a response that is a web page: it comes from something in front of the service.
pub(crate) const WEB_PAGE: &str = "a web page instead of an API response";

/// A body that is not JSON, as one line; an HTML page by its title.
fn describe_text(body: &str) -> String {
    let body = body.trim_start_matches('\u{feff}').trim();
    if body.is_empty() {
        return "the response is empty".to_owned();
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

    fn parse(body: &str) -> ServiceError {
        let json = serde_json::from_str(body).ok();
        ServiceError::parse(json.as_ref(), body.as_bytes())
    }

    fn error(code: &str, message: &str) -> ServiceError {
        ServiceError {
            code: (!code.is_empty()).then(|| code.to_owned()),
            inner_code: None,
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_admin_api_sends_code_and_message() {
        let busy = r#"{"error":{"code":"OperationNotStartable","message":"TThis operation cannot be performed because there is an active lifecycle operation on the environment 00000000-0000-0000-0000-000000000000.","detailUrlType":"NotSpecified"}}"#;
        let busy = parse(busy);
        assert_eq!(busy.code.as_deref(), Some("OperationNotStartable"));
        assert!(busy.message.starts_with("TThis operation"));
    }

    #[test]
    fn field_errors_become_one_text() {
        let body = r#"{"errorDetail":{"code":"ValidationFailed","fieldErrors":{
            "copyType":{"errorMessages":["Not allowed.","Choose."],"suggestedValue":"Full"},
            "name":{"errorMessages":["Taken."]}}}}"#;
        let expected = error(
            "ValidationFailed",
            "copyType: Not allowed. Choose. (suggested: Full); name: Taken.",
        );
        assert_eq!(parse(body), expected);
    }

    #[test]
    fn dataverse_codes_are_hexadecimal_however_they_are_written() {
        for code in ["0x80072322", "-2147015902", "0X80072322"] {
            let body = format!(r#"{{"error":{{"code":"{code}","message":"Too many."}}}}"#);
            assert_eq!(parse(&body), error("0x80072322", "Too many."));
        }
        assert_eq!(
            parse(r#"{"error":{"code":"0x8004A113","message":"x"}}"#)
                .code
                .unwrap(),
            "0x8004a113"
        );
        assert_eq!(
            parse(r#"{"error":{"code":"","message":"no code"}}"#),
            error("", "no code")
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
            let error = parse(&body.to_string());
            assert_eq!(error.code.as_deref(), Some("0x80060467"));
            assert_eq!(error.inner_code.as_deref(), Some("FlowMissingConnection"));
            assert_eq!(
                error.message,
                "FlowMissingConnection: The flow is missing a connection for the API \"shared_sharepointonline\"."
            );
        }
    }

    #[test]
    fn braces_in_a_message_that_is_not_json_are_ignored() {
        let body = r#"{"error":{"code":"0x1","message":"the {name} of } and { is wrong"}}"#;
        assert_eq!(
            parse(body),
            error("0x00000001", "the {name} of } and { is wrong")
        );
    }

    #[test]
    fn sign_in_errors_are_identified_by_their_number() {
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Ensure the secret is the value.\r\nTrace ID: 1\r\nCorrelation ID: 2","error_codes":[7000215]}"#;
        let expected = error(
            "AADSTS7000215",
            "Invalid client secret provided. Ensure the secret is the value.",
        );
        assert_eq!(parse(body), expected);
    }

    #[test]
    fn the_other_forms_are_parsed_too() {
        let application = r#"{"error":{"errorCode":1001,"errorName":"PackageNotFound","message":"No such package.","statusCode":404}}"#;
        assert_eq!(
            parse(application),
            error("PackageNotFound", "No such package.")
        );
        assert_eq!(
            parse(r#"{"title":"Not found","status":404,"detail":"No group."}"#),
            error("", "No group.")
        );
        assert_eq!(
            parse(r#"{"Message":"An error has occurred."}"#),
            error("", "An error has occurred.")
        );
        assert_eq!(
            parse(r#"{"errors":["a"],"objectResult":null}"#),
            error("", r#"["a"]"#)
        );
    }

    #[test]
    fn gateways_send_html_text_or_nothing() {
        assert_eq!(parse(""), error("", "the response is empty"));
        assert_eq!(
            parse("\u{feff} upstream failed "),
            error("", "upstream failed")
        );
        assert_eq!(
            parse("<!DOCTYPE html><HTML><head><TITLE>503 Service Unavailable</TITLE>"),
            error(
                "",
                "a web page instead of an API response: 503 Service Unavailable"
            )
        );
        assert_eq!(
            parse("<html>"),
            error("", "a web page instead of an API response")
        );
        assert_eq!(parse("[1]"), error("", "[1]"));
    }
}
