//! A recorded write as a template: the ids and values of the recorded row become placeholders,
//! if they can be recognised. Numbers and ids stay as they were recorded, with a note; any other
//! text may be a secret and is left out.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::texts::{guids, is_type, members, owner_of, row_address, values};
use super::{Recorded, guess};
use crate::base::text::fingerprint_of;
use crate::runbook::grammar::scalars::parse_guid;
use crate::runbook::model::request::{IomRequest, Method, Placeholder};
use crate::runbook::model::template::json_pieces;

/// A recorded write.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(rename = "ImportedRequest")]
pub struct Draft {
    /// Which request it is, if that is known or clear from its table and its method.
    #[schemars(with = "Option<String>")]
    pub request: Option<IomRequest>,
    /// The requests that it may be, if several are possible.
    #[schemars(with = "Vec<String>")]
    pub candidates: Vec<IomRequest>,
    /// The HTTP method.
    #[schemars(with = "String")]
    pub method: Method,
    /// The path after the Web API root, with placeholders.
    pub path: String,
    /// The body, as JSON text with placeholders.
    pub body: Option<String>,
    /// The status of the response.
    pub status: Option<u16>,
    /// What the placeholders replace.
    pub replaced: Vec<Replaced>,
    /// What a person must check.
    pub notes: Vec<String>,
}

/// A placeholder, and the recorded value that it replaces.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(rename = "Replacement")]
pub struct Replaced {
    /// The placeholder.
    #[schemars(with = "String")]
    pub placeholder: Placeholder,
    /// The recorded id. For a value, which may be secret, its fingerprint.
    pub was: String,
}

impl Draft {
    /// The draft of a recorded write. `request` is the request of the recorded click, if it is
    /// known, else the one that the write looks like: it decides which placeholders there may be.
    pub fn from_recorded(recorded: &Recorded, request: Option<IomRequest>) -> Self {
        let mut candidates = guess::candidates(recorded);
        let request = request.or(match candidates.as_slice() {
            [only] => Some(*only),
            _ => None,
        });
        if request.is_some() {
            candidates.clear();
        }
        let body = recorded.body.as_deref();
        let mut notes = Vec::new();
        let body = body.filter(|body| {
            let is_json = serde_json::from_str::<Value>(body).is_ok();
            if !is_json {
                notes.push("the recorded body is not JSON and was left out".to_owned());
            }
            is_json
        });
        let mut drafting = Drafting {
            request,
            id: None,
            created: recorded.created.clone(),
            replaced: Vec::new(),
            notes,
        };
        drafting.find_row(&recorded.path, body);
        let path = drafting.path(&recorded.path);
        let body = body.map(|body| drafting.body(body));
        Self {
            request,
            candidates,
            method: recorded.method,
            path,
            body,
            status: recorded.status,
            replaced: drafting.replaced,
            notes: drafting.notes,
        }
    }
}

/// Replaces a text that was left out. It is not a valid placeholder, so a runbook that
/// contains it is refused.
const FILL_IN: &str = "<fill-in>";

/// The state while a draft is made.
struct Drafting {
    request: Option<IomRequest>,
    /// The id of the row that the request changes.
    id: Option<String>,
    /// The id of the created row.
    created: Option<String>,
    replaced: Vec<Replaced>,
    notes: Vec<String>,
}

impl Drafting {
    /// Whether the request may use a placeholder. Without a request only ids are recognised.
    fn may_use(&self, placeholder: Placeholder) -> bool {
        match self.request {
            Some(request) => request.placeholders().contains(&placeholder),
            None => matches!(placeholder, Placeholder::Id | Placeholder::NewId),
        }
    }

    /// The row is the first that the path names; without one in the path, the only id that is a
    /// whole string of the body, else the only one that a text of the body binds.
    fn find_row(&mut self, path: &str, body: Option<&str>) {
        if !self.may_use(Placeholder::Id) {
            return;
        }
        let plain = path.split('?').next().unwrap_or_default();
        let in_path = guids(plain).into_iter().next();
        let all: Vec<String> = body.into_iter().flat_map(values).collect();
        let mut in_body = self.row_ids(all.iter().map(String::as_str));
        if in_body.is_empty() {
            let bound = all.iter().filter(|value| owner_of(value).is_none());
            let bound = bound.filter_map(|value| row_address(value));
            in_body = self.row_ids(bound.map(|(_, id)| id));
        }
        self.id = match (in_path, in_body.as_slice()) {
            (Some(id), _) => Some(id.to_owned()),
            (None, [only]) => Some(only.clone()),
            (None, []) => None,
            (None, several) => {
                self.notes.push(format!(
                    "it is unknown which of these ids is the row's: {}",
                    several.join(", ")
                ));
                None
            }
        };
    }

    /// The ids among these texts, each once, without that of the created row.
    fn row_ids<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut ids: Vec<String> = texts
            .filter(|value| parse_guid(value).is_some() && !self.is_created(value))
            .map(str::to_ascii_lowercase)
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }

    fn is_created(&self, value: &str) -> bool {
        let created = self.created.as_deref();
        created.is_some_and(|created| created.eq_ignore_ascii_case(value))
    }

    fn is_row(&self, value: &str) -> bool {
        let id = self.id.as_deref();
        id.is_some_and(|id| id.eq_ignore_ascii_case(value))
    }

    fn replace(&mut self, placeholder: Placeholder, was: String) -> &'static str {
        use crate::runbook::model::keywords::Keyword as _;
        let replaced = Replaced { placeholder, was };
        if !self.replaced.contains(&replaced) {
            self.replaced.push(replaced);
        }
        placeholder.keyword()
    }

    fn path(&mut self, path: &str) -> String {
        let path = self.without_texts(path);
        let mut drafted = path.clone();
        for id in guids(&path) {
            let placeholder = if self.is_row(id) {
                Placeholder::Id
            } else if self.is_created(id) && self.may_use(Placeholder::NewId) {
                Placeholder::NewId
            } else {
                self.notes
                    .push(format!("the path still has the recorded id {id}"));
                continue;
            };
            let word = self.replace(placeholder, id.to_owned());
            drafted = drafted.replace(id, word);
        }
        drafted
    }

    /// A path without its quoted texts, and without the values of its query's parameters.
    fn without_texts(&mut self, path: &str) -> String {
        let plain = path.replace("%27", "'");
        let (plain, query) = match plain.split_once('?') {
            Some((plain, query)) => (plain, Some(query)),
            None => (plain.as_str(), None),
        };
        let mut clean = String::new();
        for (at, part) in plain.split('\'').enumerate() {
            if at > 0 {
                clean.push('\'');
            }
            if at % 2 == 1 && parse_guid(part).is_none() {
                clean += &self.text_of_path(part);
            } else {
                clean += part;
            }
        }
        let Some(query) = query else {
            return clean;
        };
        for (at, option) in query.split('&').enumerate() {
            clean.push(if at == 0 { '?' } else { '&' });
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let is_harmless = key == "$select"
                || value.parse::<f64>().is_ok()
                || matches!(value, "true" | "false")
                || parse_guid(value.trim_matches('\'')).is_some();
            clean += key;
            if !value.is_empty() {
                clean.push('=');
                let text = if is_harmless {
                    value.to_owned()
                } else {
                    self.text_of_path(value)
                };
                clean += &text;
            }
        }
        clean
    }

    fn text_of_path(&mut self, text: &str) -> String {
        self.left_out("the path", text);
        FILL_IN.to_owned()
    }

    /// Notes that a recorded text was left out.
    fn left_out(&mut self, place: &str, text: &str) {
        self.notes.push(format!(
            "{place} held a string ({}) that was left out, because it may be a secret: write a \
             placeholder or the text for `{FILL_IN}`",
            fingerprint_of(text)
        ));
    }

    /// The body in one line: its recorded bytes, except the strings that are replaced and line
    /// breaks between strings.
    fn body(&mut self, body: &str) -> String {
        let only_text = self.only_text(body);
        let pieces: Vec<_> = json_pieces(body).collect();
        let mut drafted = String::new();
        let mut key = String::new();
        for (at, piece) in pieces.iter().enumerate() {
            let Some(string) = piece.string() else {
                drafted += &piece.raw().replace(['\n', '\r', '\t'], " ");
                continue;
            };
            let after = pieces.get(at + 1).map_or("", |next| next.raw());
            if after.trim_start().starts_with(':') {
                key = string;
                drafted += piece.raw();
                continue;
            }
            let is_value = only_text.as_ref() == Some(&(key.clone(), string.clone()));
            let new = self.string(&key, &string, is_value);
            drafted += &Value::from(new).to_string();
        }
        drafted
    }

    /// The text that is set, with its key, if the request sets one: that of the value's usual
    /// column, else the only text of the body, without ids, owners, rows and types.
    fn only_text(&self, body: &str) -> Option<(String, String)> {
        let request = self.request?;
        if !self.may_use(Placeholder::Value) {
            return None;
        }
        let column = guess::value_column(request);
        let mut texts: Vec<(String, String)> = members(body)
            .filter(|(key, value)| {
                parse_guid(value).is_none() && owner_of(value).is_none() && !is_type(key, value)
            })
            .collect();
        texts.dedup();
        let is_column = |key: &str| {
            let key = key.split('@').next().unwrap_or_default();
            column.is_some_and(|column| column.eq_ignore_ascii_case(key))
        };
        if let Some(named) = texts.iter().find(|(key, _)| is_column(key)) {
            return Some(named.clone());
        }
        texts.retain(|(_, value)| {
            request == IomRequest::SetProviderMapping || row_address(value).is_none()
        });
        match texts.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// A string of the body: with placeholders, or without the recorded text.
    fn string(&mut self, key: &str, value: &str, is_value: bool) -> String {
        let owner = owner_of(value).filter(|_| key.starts_with("ownerid"));
        let is_graph = matches!(serde_json::from_str(value), Ok(Value::Object(_)));
        let found = if self.is_row(value) {
            Some((Placeholder::Id, value.to_owned()))
        } else if self.is_created(value) && self.may_use(Placeholder::NewId) {
            Some((Placeholder::NewId, value.to_owned()))
        } else if let Some(owner) = owner.filter(|_| self.may_use(Placeholder::Owner)) {
            Some((Placeholder::Owner, owner.to_owned()))
        } else if is_graph && self.may_use(Placeholder::Graph) {
            Some((Placeholder::Graph, fingerprint_of(value)))
        } else if is_value {
            Some((Placeholder::Value, fingerprint_of(value)))
        } else {
            None
        };
        if let Some((placeholder, was)) = found {
            return self.replace(placeholder, was).to_owned();
        }
        if let Some((before, id)) = row_address(value) {
            let placeholder = if self.is_row(id) {
                Some(Placeholder::Id)
            } else if self.is_created(id) && self.may_use(Placeholder::NewId) {
                Some(Placeholder::NewId)
            } else {
                None
            };
            if let Some(placeholder) = placeholder {
                return format!("{before}({})", self.replace(placeholder, id.to_owned()));
            }
            self.notes
                .push(format!("`{key}` still holds the recorded id {id}"));
            return format!("{before}({id})");
        }
        if parse_guid(value).is_some() {
            self.notes
                .push(format!("`{key}` still holds the recorded id {value}"));
            return value.to_owned();
        }
        if is_type(key, value) || matches!(value, "" | "true" | "false") {
            return value.to_owned();
        }
        self.left_out(&format!("`{key}`"), value);
        FILL_IN.to_owned()
    }
}
