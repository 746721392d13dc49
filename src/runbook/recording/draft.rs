//! A recorded write as a template: the ids and values of the recorded row become placeholders,
//! where they can be recognised. Everything else stays as it was recorded, with a note.

use serde_json::Value;

use super::Recorded;
use crate::base::text::{fingerprint_of, redact};
use crate::runbook::grammar::scalars::parse_guid;
use crate::runbook::model::request::{IomRequest, Method, Placeholder};
use crate::runbook::model::template::json_pieces;

/// A recorded write, ready to be checked by a person.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The method.
    pub method: Method,
    /// The path with its placeholders.
    pub path: String,
    /// The body with its placeholders, in one line.
    pub body: Option<String>,
    /// The response's status.
    pub status: Option<u16>,
    /// The values that placeholders replaced.
    pub replaced: Vec<Replaced>,
    /// What a person must check.
    pub notes: Vec<String>,
}

/// A placeholder, and the recorded value that it replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The placeholder.
    pub placeholder: Placeholder,
    /// The recorded id; of a value, which may be secret, its fingerprint.
    pub was: String,
}

impl Draft {
    /// The draft of a recorded write. `request` is the request of the recorded click, where it is
    /// known: it decides which placeholders there may be.
    pub fn of(recorded: &Recorded, request: Option<IomRequest>) -> Self {
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
            method: recorded.method,
            path,
            body,
            status: recorded.status,
            replaced: drafting.replaced,
            notes: drafting.notes,
        }
    }
}

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
    /// whole string of the body.
    fn find_row(&mut self, path: &str, body: Option<&str>) {
        if !self.may_use(Placeholder::Id) {
            return;
        }
        let plain = path.split('?').next().unwrap_or_default();
        let in_path = guids(plain).into_iter().next();
        let mut in_body: Vec<String> = body
            .into_iter()
            .flat_map(values)
            .filter(|value| parse_guid(value).is_some())
            .filter(|value| !self.is_created(value))
            .map(|value| value.to_ascii_lowercase())
            .collect();
        in_body.sort();
        in_body.dedup();
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

    fn is_created(&self, value: &str) -> bool {
        let created = self.created.as_deref();
        created.is_some_and(|created| created.eq_ignore_ascii_case(value))
    }

    fn is_row(&self, value: &str) -> bool {
        let id = self.id.as_deref();
        id.is_some_and(|id| id.eq_ignore_ascii_case(value))
    }

    fn replace(&mut self, placeholder: Placeholder, was: String) -> &'static str {
        use crate::runbook::model::words::Word as _;
        let replaced = Replaced { placeholder, was };
        if !self.replaced.contains(&replaced) {
            self.replaced.push(replaced);
        }
        placeholder.word()
    }

    fn path(&mut self, path: &str) -> String {
        let mut drafted = path.to_owned();
        for id in guids(path) {
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
            let new = self.string(&key, &string, only_text.as_deref());
            drafted += &Value::from(new).to_string();
        }
        drafted
    }

    /// The only text of the body that is neither an id nor an owner: the value that is set, where
    /// the request sets one.
    fn only_text(&self, body: &str) -> Option<String> {
        if !self.may_use(Placeholder::Value) {
            return None;
        }
        let mut texts = values(body)
            .filter(|value| parse_guid(value).is_none() && owner_of(value).is_none())
            .collect::<Vec<_>>();
        texts.dedup();
        match texts.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// A string of the body: a placeholder, or the recorded text.
    fn string(&mut self, key: &str, value: &str, only_text: Option<&str>) -> String {
        if self.is_row(value) {
            return self.replace(Placeholder::Id, value.to_owned()).to_owned();
        }
        if self.is_created(value) && self.may_use(Placeholder::NewId) {
            return self
                .replace(Placeholder::NewId, value.to_owned())
                .to_owned();
        }
        if let Some(owner) = owner_of(value)
            && key.starts_with("ownerid")
            && self.may_use(Placeholder::Owner)
        {
            return self
                .replace(Placeholder::Owner, owner.to_owned())
                .to_owned();
        }
        let is_graph = matches!(serde_json::from_str(value), Ok(Value::Object(_)));
        if is_graph && self.may_use(Placeholder::Graph) {
            return self
                .replace(Placeholder::Graph, fingerprint_of(value))
                .to_owned();
        }
        if only_text == Some(value) {
            return self
                .replace(Placeholder::Value, fingerprint_of(value))
                .to_owned();
        }
        let found = guids(value);
        if let Some(id) = found.first() {
            let note = if self.is_row(id) {
                format!(
                    "`{key}` holds the row's id inside a text, where a placeholder is not possible: \
                     record another form of this request"
                )
            } else {
                format!("`{key}` still holds the recorded id {id}")
            };
            self.notes.push(note);
        }
        let clean = redact(value);
        if clean != value {
            self.notes.push(format!(
                "`{key}` held what looks like a credential; it was removed"
            ));
        }
        clean.into_owned()
    }
}

/// `systemusers(GUID)` or `teams(GUID)`, with or without a slash before it.
fn owner_of(value: &str) -> Option<&str> {
    let bare = value.trim_start_matches('/');
    let id = bare
        .strip_prefix("systemusers(")
        .or(bare.strip_prefix("teams("))?;
    parse_guid(id.strip_suffix(')')?).map(|_| bare)
}

/// Every string of a JSON text that is a value, not a key.
fn values(body: &str) -> impl Iterator<Item = String> + '_ {
    let pieces: Vec<_> = json_pieces(body).collect();
    (0..pieces.len())
        .filter_map(|at| {
            let after = pieces.get(at + 1).map_or("", |next| next.raw());
            let is_key = after.trim_start().starts_with(':');
            pieces[at].string().filter(|_| !is_key)
        })
        .collect::<Vec<_>>()
        .into_iter()
}

/// Every GUID of a text, in the form with hyphens, each once.
fn guids(text: &str) -> Vec<&str> {
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
