//! The forms in which a service may repeat a value.

use std::collections::HashSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::base::encoding::{ALL_BUT_UNRESERVED, percent_encode};
use crate::base::text::escape;

/// A value as it is, and in each encoding that a service uses.
pub(super) fn encoded_forms(value: &str) -> HashSet<String> {
    let in_json = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let once = in_json(value);
    let percent = percent_encode(value, ALL_BUT_UNRESERVED);
    let html = value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let mut forms = HashSet::from([
        value.to_owned(),
        in_json(&once),
        escape(value).into_owned(),
        percent.replace("%20", "+"),
        lower_hex(&percent),
        percent,
        html,
        once,
    ]);
    if value.len() >= 8 {
        for offset in 0..3 {
            let bytes = [&[0; 3][..offset], value.as_bytes()].concat();
            // Only the digits that depend on this value alone.
            let (start, end) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
            for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
                forms.insert(engine.encode(&bytes)[start..end].to_owned());
            }
        }
    }
    forms
}

/// A percent-encoded text with lower-case digits in its escapes.
fn lower_hex(percent: &str) -> String {
    let mut text = String::with_capacity(percent.len());
    let mut rest = percent;
    while let Some(at) = rest.find('%') {
        let end = (at + 3).min(rest.len());
        // Writing to a String cannot fail.
        _ = write!(
            text,
            "{}{}",
            &rest[..at],
            rest[at..end].to_ascii_lowercase()
        );
        rest = &rest[end..];
    }
    text.push_str(rest);
    text
}
