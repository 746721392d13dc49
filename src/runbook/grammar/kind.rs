//! Kinds of value: how a value is read and how the schema describes it, in one definition.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::keys::{Keys, Section};
use super::scalars::text;
use super::{Binder, Field};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

type Read<T> = dyn Fn(&mut Binder, Field<'_>) -> Option<T>;

/// A kind of value. Cloning it is cheap.
pub(in crate::runbook) struct Kind<T> {
    read: Rc<Read<T>>,
    pub(super) form: Form,
}

/// The form of a value, as the schema and messages describe it.
#[derive(Clone)]
pub(super) struct Form {
    schema: Rc<dyn Fn() -> Value>,
    /// The value in a message that shows how to write the key.
    example: &'static str,
    /// What the allowed keywords mean, if the value is a keyword.
    keywords: Option<fn() -> String>,
}

impl Form {
    /// The schema, its documentation first.
    pub(super) fn described(&self, documentation: &str) -> Value {
        let description = match self.keywords {
            Some(explain) => format!("{}: {}.", documentation.trim_end_matches('.'), explain()),
            None => documentation.to_owned(),
        };
        let mut all = Map::from_iter([("description".to_owned(), json!(description))]);
        if let Value::Object(members) = (self.schema)() {
            all.extend(members);
        }
        Value::Object(all)
    }
}

impl<T: 'static> Kind<T> {
    /// A kind from how it is read and how it is described. `read` reports an invalid value.
    pub(in crate::runbook) fn new(
        read: impl Fn(&mut Binder, Field<'_>) -> Option<T> + 'static,
        schema: impl Fn() -> Value + 'static,
    ) -> Self {
        Self {
            read: Rc::new(read),
            form: Form {
                schema: Rc::new(schema),
                example: "VALUE",
                keywords: None,
            },
        }
    }

    /// The same with an example.
    pub(in crate::runbook) fn with_example(mut self, example: &'static str) -> Self {
        self.form.example = example;
        self
    }

    /// The same with a list of its keywords for the documentation.
    pub(in crate::runbook) fn with_keywords(mut self, explain: fn() -> String) -> Self {
        self.form.keywords = Some(explain);
        self
    }

    /// The same with another schema.
    pub(in crate::runbook) fn described_by(mut self, schema: impl Fn() -> Value + 'static) -> Self {
        self.form.schema = Rc::new(schema);
        self
    }

    /// The same, described by its name under the schema's `definitions`.
    pub(in crate::runbook) fn defined_as(self, name: impl Into<String>) -> Self {
        let reference = format!("#/definitions/{}", name.into());
        self.described_by(move || json!({ "allOf": [{ "$ref": reference }] }))
    }

    /// The same schema, read in another way.
    pub(in crate::runbook) fn read_by<U: 'static>(
        self,
        read: impl Fn(&mut Binder, Field<'_>) -> Option<U> + 'static,
    ) -> Kind<U> {
        Kind {
            read: Rc::new(read),
            form: self.form,
        }
    }

    /// The same value in another form; nothing if it is invalid.
    pub(in crate::runbook) fn and_then<U: 'static>(
        self,
        change: impl Fn(&mut Binder, Field<'_>, T) -> Option<U> + 'static,
    ) -> Kind<U> {
        let read = Rc::clone(&self.read);
        self.read_by(move |binder, field| {
            let value = read(binder, field)?;
            change(binder, field, value)
        })
    }

    /// The same value in another form.
    pub(in crate::runbook) fn map<U: 'static>(self, change: fn(T) -> U) -> Kind<U> {
        self.and_then(move |_, _, value| Some(change(value)))
    }

    /// The same value, located at its key.
    pub(in crate::runbook) fn at_key(self) -> Kind<Located<T>> {
        self.and_then(|_, field, value| Some(Located::new(value, field.key)))
    }

    pub(in crate::runbook) fn read(&self, binder: &mut Binder, field: Field<'_>) -> Option<T> {
        (self.read)(binder, field)
    }

    pub(in crate::runbook) fn schema(&self) -> Value {
        (self.form.schema)()
    }

    pub(in crate::runbook) fn example(&self) -> &'static str {
        self.form.example
    }
}

impl<T: 'static> Kind<Located<T>> {
    /// The same without its place.
    pub(in crate::runbook) fn value(self) -> Kind<T> {
        self.map(|located| located.value)
    }
}

impl<T> Clone for Kind<T> {
    fn clone(&self) -> Self {
        Self {
            read: Rc::clone(&self.read),
            form: self.form.clone(),
        }
    }
}

/// A map whose keys a [`Section`] declares.
pub(in crate::runbook) fn section<T: Section>(example: &'static str) -> Kind<T> {
    map_of(example, T::visit)
}

/// A map whose keys a function visits.
pub(in crate::runbook) fn map_of<T: 'static>(
    example: &'static str,
    visit: impl Fn(&mut Keys<'_>) -> Option<T> + Clone + 'static,
) -> Kind<T> {
    let visit_again = visit.clone();
    let read = move |binder: &mut Binder, field: Field<'_>| {
        Keys::read(binder, field, &map_help(field, example), &visit)
    };
    let schema = move || Keys::describe(&|keys| drop(visit_again(keys)));
    Kind::new(read, schema).with_example(example)
}

fn map_help(field: Field<'_>, example: &str) -> String {
    if field.is_item {
        format!("write `{example}`")
    } else {
        how_to_write(field.name, example)
    }
}

/// Help for a key that is missing or has a wrong value.
pub(super) fn how_to_write(name: &str, example: &str) -> String {
    format!("write `{name}: {example}`")
}

/// A list. One invalid item makes the list invalid; the others are read anyway.
pub(in crate::runbook) fn list<T: 'static>(items: Kind<T>, help: &'static str) -> Kind<Vec<T>> {
    let item = items.clone();
    let read = move |binder: &mut Binder, field: Field<'_>| {
        let nodes = binder.items(field, help)?.iter();
        let values: Vec<Option<T>> = nodes
            .map(|node| item.read(binder, field.item(node)))
            .collect();
        values.into_iter().collect::<Option<Vec<T>>>()
    };
    Kind::new(
        read,
        move || json!({ "type": "array", "items": items.schema() }),
    )
}

/// A list of texts that are not empty.
pub(in crate::runbook) fn texts() -> Kind<Vec<Located<String>>> {
    list(text(), "write it as `[one, another]`")
}

/// A list of at least one text.
pub(in crate::runbook) fn one_or_more_texts(help: &'static str) -> Kind<Vec<Located<String>>> {
    list(text(), help)
        .and_then(move |binder, field, texts| {
            if texts.is_empty() {
                let message = format!("{} is an empty list", field.title());
                return binder.refuse(field.node.span, message, help);
            }
            Some(texts)
        })
        .described_by(some_texts)
}

/// The schema of a list of at least one text. (`texts` is a kind, and its list may be empty.)
pub(in crate::runbook) fn some_texts() -> Value {
    json!({ "type": "array", "items": text().schema(), "minItems": 1 })
}

/// A map whose keys are names of the tenant. One invalid value makes the map invalid; the others
/// are read anyway.
pub(in crate::runbook) fn by_name<T: 'static>(
    values: Kind<T>,
    help: &'static str,
) -> Kind<BTreeMap<String, T>> {
    let value = values.clone();
    let read = move |binder: &mut Binder, field: Field<'_>| {
        let entries = binder.entries(field, help)?.iter().map(Field::from_entry);
        let values: Vec<Option<(String, T)>> = entries
            .map(|entry| Some((entry.name.to_owned(), value.read(binder, entry)?)))
            .collect();
        values.into_iter().collect::<Option<BTreeMap<String, T>>>()
    };
    let schema =
        move || json!({ "type": ["object", "null"], "additionalProperties": values.schema() });
    Kind::new(read, schema)
}

/// One of a few keywords, or a list of texts that is not empty.
pub(in crate::runbook) fn keyword_or_list<T: Clone + 'static>(
    choices: Vec<(&'static str, T)>,
    from_list: fn(Vec<Located<String>>) -> T,
    help: &'static str,
) -> Kind<Located<T>> {
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let allowed = words.clone();
    let read = move |binder: &mut Binder, field: Field<'_>| {
        let value = match &field.node.content {
            Content::Text { text: given, .. } => {
                match choices.iter().find(|(word, _)| word == given) {
                    Some((_, value)) => value.clone(),
                    None => return binder.unknown_keyword(field, given, &words, help),
                }
            }
            Content::List(items) if items.is_empty() => {
                let message = format!("{} is an empty list", field.title());
                let help = format!("{help}; to skip the step, write `skip:` with the reason");
                return binder.refuse(field.node.span, message, help);
            }
            Content::List(_) => from_list(texts().read(binder, field)?),
            _ => return binder.wrong_type(field, "a word or a list", help),
        };
        Some(Located::new(value, field.node.span))
    };
    Kind::new(
        read,
        move || json!({ "anyOf": [{ "enum": allowed }, some_texts()] }),
    )
}

/// One keyword with what it means, or a map.
pub(in crate::runbook) fn keyword_or_map<T: Clone + 'static>(
    (word, meaning): (&'static str, T),
    map: Kind<T>,
    expected: &'static str,
    help: &'static str,
) -> Kind<Located<T>> {
    let described = map.clone();
    let read = move |binder: &mut Binder, field: Field<'_>| match &field.node.content {
        Content::Text { text, .. } if text == word => {
            Some(Located::new(meaning.clone(), field.node.span))
        }
        Content::Map(_) => Some(Located::new(map.read(binder, field)?, field.key)),
        Content::Text { text, .. } => binder.unknown_keyword(field, text, &[word], help),
        _ => binder.wrong_type(field, expected, help),
    };
    Kind::new(
        read,
        move || json!({ "anyOf": [{ "const": word }, described.schema()] }),
    )
}
