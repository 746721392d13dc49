//! Recognises the texts of a recorded request: ids, addresses of rows, owners, types.

use crate::runbook::grammar::scalars::parse_guid;
use crate::runbook::model::template::json_pieces;

/// The address of one row, `/SET(GUID)`, also absolute: what is before the parentheses, without a
/// host, and the id.
pub(super) fn row_address(value: &str) -> Option<(&str, &str)> {
    let (before, id) = value.strip_suffix(')')?.rsplit_once('(')?;
    parse_guid(id)?;
    let set = before.rsplit('/').next()?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'_')
    };
    let is_absolute = before.contains("/api/data/v");
    let is_relative = before.strip_prefix('/').unwrap_or(before) == set;
    if !is_name(set) || !(is_absolute || is_relative) {
        return None;
    }
    let before = if is_absolute {
        &before[before.len() - set.len() - 1..]
    } else {
        before
    };
    Some((before, id))
}

/// The name of a type, as in `"@odata.type": "#Microsoft.Dynamics.CRM.account"`.
pub(super) fn is_type(key: &str, value: &str) -> bool {
    key.ends_with("@odata.type")
        && value
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"#._()".contains(&it))
}

/// `systemusers(GUID)` or `teams(GUID)`, with or without a slash before it.
pub(super) fn owner_of(value: &str) -> Option<&str> {
    let bare = value.trim_start_matches('/');
    let id = bare
        .strip_prefix("systemusers(")
        .or(bare.strip_prefix("teams("))?;
    parse_guid(id.strip_suffix(')')?).map(|_| bare)
}

/// Every string of a JSON text that is a value, not a key.
pub(super) fn values(body: &str) -> impl Iterator<Item = String> {
    members(body).map(|(_, value)| value)
}

/// The same, each with the last key before it.
pub(super) fn members(body: &str) -> impl Iterator<Item = (String, String)> {
    let pieces: Vec<_> = json_pieces(body).collect();
    let mut found = Vec::new();
    let mut key = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        let Some(string) = piece.string() else {
            continue;
        };
        let after = pieces.get(at + 1).map_or("", |next| next.raw());
        if after.trim_start().starts_with(':') {
            key = string;
        } else {
            found.push((key.clone(), string));
        }
    }
    found.into_iter()
}

/// Every GUID of a text, in the form with hyphens, each once.
pub(super) fn guids(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(part) = text.get(at..).filter(|rest| rest.len() >= 36) {
        match part.get(..36).filter(|part| parse_guid(part).is_some()) {
            Some(id) => {
                if !found.contains(&id) {
                    found.push(id);
                }
                at += 36;
            }
            None => at += part.chars().next().map_or(1, char::len_utf8),
        }
    }
    found
}
