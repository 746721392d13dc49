//! The keys of a map. One function visits every key of its map, in one of two passes: while reading
//! it takes the values, while describing it makes the schema.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::kind::{Form, Kind, how_to_write};
use super::{Binder, Field};
use crate::base::suggestions::misspelled;
use crate::runbook::model::keywords::Keyword;
use crate::runbook::source::{Located, Span};
use crate::runbook::tree::Entry;

/// A struct whose fields are the keys of a map; [`section!`] declares one.
pub(in crate::runbook) trait Section: Sized + 'static {
    /// Visits every key. Nothing if one is invalid, and always while describing.
    fn visit(keys: &mut Keys<'_>) -> Option<Self>;
}

/// Declares a section of the runbook: the struct, and for each field its key, its documentation
/// (the doc comment), its kind of value, and whether it is required, optional or has a default.
/// A field after `with` is not a key.
///
/// ```text
/// /// The LCS project's number.
/// "project" project: Located<u64> = required(whole_number(1..=HIGHEST_PROJECT));
/// ```
///
/// The word before the kind is a method of [`Keys`]: `required`, `optional`, `with_default`,
/// `or_empty` or `or_default`.
macro_rules! section {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $key:literal $field:ident: $type:ty = $presence:ident($kind:expr $(, $default:expr)?);
            )*
        }
        $(with $extra:ident: $extra_type:ty = $extra_value:expr;)*
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, serde::Serialize)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $key)]
                pub $field: $type,
            )*
            $(
                #[serde(skip)]
                pub(in $crate::runbook) $extra: $extra_type,
            )*
        }

        impl $crate::runbook::grammar::keys::Section for $name {
            fn visit(keys: &mut $crate::runbook::grammar::keys::Keys<'_>) -> Option<Self> {
                $(
                    let $field = keys.$presence(
                        $key,
                        concat!($($doc),+).trim_ascii(),
                        &$kind
                        $(, $default)?
                    );
                )*
                Some(Self {
                    $($field: $field?,)*
                    $($extra: $extra_value,)*
                })
            }
        }
    };
}

pub(in crate::runbook) use section;

/// The value of a key that may be absent: nothing if it is invalid, nothing inside if it is absent.
pub(in crate::runbook) type Optional<T> = Option<Option<T>>;

/// The keys of one map while they are visited.
pub(in crate::runbook) struct Keys<'k> {
    /// What the map is, for messages: `the runbook`, `` `target` ``.
    of: String,
    /// Where to point when a key is missing.
    span: Span,
    /// What is read; nothing while describing.
    reading: Option<Reading<'k>>,
    known: Vec<&'static str>,
    /// Required keys that are not there, each with how to write it.
    missing: Vec<(&'static str, String)>,
    properties: Map<String, Value>,
    required: Vec<&'static str>,
}

struct Reading<'k> {
    binder: &'k mut Binder,
    entries: &'k [Entry],
}

impl<'k> Keys<'k> {
    fn new(of: String, span: Span, reading: Option<Reading<'k>>) -> Self {
        Self {
            of,
            span,
            reading,
            known: Vec::new(),
            missing: Vec::new(),
            properties: Map::new(),
            required: Vec::new(),
        }
    }

    fn of_field(binder: &'k mut Binder, field: Field<'k>, help: &str) -> Option<Self> {
        let entries = binder.entries(field, help)?;
        let (of, span) = if field.is_item {
            (format!("an item of {}", field.title()), field.node.span)
        } else {
            (field.title(), field.key)
        };
        Some(Keys::new(of, span, Some(Reading { binder, entries })))
    }

    /// Reads the map under a key, and reports unknown and missing keys. No value is an empty map.
    pub(in crate::runbook) fn read<T>(
        binder: &'k mut Binder,
        field: Field<'k>,
        help: &str,
        visit: impl Fn(&mut Keys<'_>) -> Option<T>,
    ) -> Option<T> {
        Keys::of_field(binder, field, help)?.finish(visit)
    }

    /// Reads the map at the top of the document.
    pub(in crate::runbook) fn read_document<T>(
        binder: &'k mut Binder,
        entries: &'k [Entry],
        visit: impl Fn(&mut Keys<'_>) -> Option<T>,
    ) -> Option<T> {
        let span = entries.first().map_or(Span::default(), |it| it.key.span);
        let of = "the runbook".to_owned();
        Keys::new(of, span, Some(Reading { binder, entries })).finish(visit)
    }

    fn finish<T>(mut self, visit: impl Fn(&mut Keys<'_>) -> Option<T>) -> Option<T> {
        let value = visit(&mut self);
        self.report_unknown_and_missing();
        value
    }

    /// The schema of a map: these keys and no others. A map without a required key may be left
    /// empty.
    pub(in crate::runbook) fn describe(visit: &dyn Fn(&mut Keys<'_>)) -> Value {
        let mut keys = Keys::new(String::new(), Span::default(), None);
        visit(&mut keys);
        let mut schema = json!({ "type": "object" });
        if keys.required.is_empty() {
            schema["type"] = json!(["object", "null"]);
        }
        schema["properties"] = Value::Object(keys.properties);
        if !keys.required.is_empty() {
            schema["required"] = json!(keys.required);
        }
        schema["additionalProperties"] = json!(false);
        schema
    }

    /// The schema of a map that holds exactly one of its keys.
    pub(in crate::runbook) fn describe_one(visit: &dyn Fn(&mut Keys<'_>)) -> Value {
        let mut schema = Keys::describe(visit);
        schema["type"] = json!("object");
        schema["minProperties"] = json!(1);
        schema["maxProperties"] = json!(1);
        schema
    }

    /// A key that may be there.
    pub(in crate::runbook) fn optional<T: 'static>(
        &mut self,
        name: &'static str,
        documentation: &str,
        kind: &Kind<T>,
    ) -> Optional<T> {
        let (binder, field) = self.find(name, documentation, &kind.form)?;
        match field {
            Some(field) => kind.read(binder, field).map(Some),
            None => Some(None),
        }
    }

    /// Finds the field of a key, and where its problems are reported. While describing, describes
    /// the key and finds nothing.
    fn find(
        &mut self,
        name: &'static str,
        documentation: &str,
        form: &Form,
    ) -> Option<(&mut Binder, Option<Field<'k>>)> {
        self.known.push(name);
        let Some(reading) = &mut self.reading else {
            let described = form.described(documentation);
            self.properties.insert(name.to_owned(), described);
            return None;
        };
        // A key that appears twice was reported already; its first value is read.
        let found = reading.entries.iter().find(|it| it.key.value == name);
        Some((reading.binder, found.map(Field::from_entry)))
    }

    /// A key that must be there.
    pub(in crate::runbook) fn required<T: 'static>(
        &mut self,
        name: &'static str,
        documentation: &str,
        kind: &Kind<T>,
    ) -> Option<T> {
        self.required.push(name);
        let found = self.optional(name, documentation, kind)?;
        if found.is_none() {
            self.report_missing(name, how_to_write(name, kind.example()));
        }
        found
    }

    /// A key with a default. A default is located at the map's own key.
    pub(in crate::runbook) fn with_default<T: Serialize + 'static>(
        &mut self,
        name: &'static str,
        documentation: &str,
        kind: &Kind<Located<T>>,
        default: T,
    ) -> Option<Located<T>> {
        let found = self.optional(name, documentation, kind);
        self.describe_default(name, json!(default));
        Some(found?.unwrap_or_else(|| Located::new(default, self.span)))
    }

    /// A list or a map that is empty by default.
    pub(in crate::runbook) fn or_empty<T: Default + Serialize + 'static>(
        &mut self,
        name: &'static str,
        documentation: &str,
        kind: &Kind<T>,
    ) -> Option<T> {
        let found = self.or_default(name, documentation, kind);
        self.describe_default(name, json!(T::default()));
        found
    }

    /// A section whose keys all have defaults.
    pub(in crate::runbook) fn or_default<T: Default + 'static>(
        &mut self,
        name: &'static str,
        documentation: &str,
        kind: &Kind<T>,
    ) -> Option<T> {
        let found = self.optional(name, documentation, kind)?;
        Some(found.unwrap_or_default())
    }

    /// A key for each keyword of a list; the map holds those that are written. `default` is what a
    /// keyword means if it is not written, for the schema.
    pub(in crate::runbook) fn each_keyword<K: Keyword + Ord, T: 'static>(
        &mut self,
        kind: impl Fn(K) -> Kind<T>,
        default: impl Fn(K) -> Value,
    ) -> Option<BTreeMap<K, T>> {
        let mut values = Some(BTreeMap::new());
        for word in K::ALL {
            let name = word.keyword();
            let found = self.optional(name, word.description(), &kind(*word));
            self.describe_default(name, default(*word));
            values = with(values, *word, found);
        }
        values
    }

    fn describe_default(&mut self, name: &str, default: Value) {
        if let Some(described) = self.properties.get_mut(name) {
            described["default"] = default;
        }
    }

    /// Names the map in messages, if its key alone does not say enough.
    pub(in crate::runbook) fn set_title(&mut self, of: &str) {
        of.clone_into(&mut self.of);
    }

    /// Where the map's key is.
    pub(in crate::runbook) fn span(&self) -> Span {
        self.span
    }

    /// Where problems are reported; nothing while describing.
    pub(in crate::runbook) fn binder(&mut self) -> Option<&mut Binder> {
        self.reading.as_mut().map(|reading| &mut *reading.binder)
    }

    /// The keys that the map holds, a misspelled one as the one that it means.
    pub(in crate::runbook) fn mentioned(&self) -> HashSet<&'k str> {
        let meant = |entry: &'k Entry| match entry.key.value.as_str() {
            name if self.known.contains(&name) => Some(name),
            name => misspelled(name, self.known.iter().copied()),
        };
        self.written().iter().filter_map(meant).collect()
    }

    /// Whether the map holds a key that its section does not declare.
    pub(in crate::runbook) fn has_unknown(&self) -> bool {
        !self.unknown().is_empty()
    }

    /// The entries that are written; none while describing.
    pub(in crate::runbook) fn written(&self) -> &'k [Entry] {
        self.reading
            .as_ref()
            .map_or(&[] as &[Entry], |reading| reading.entries)
    }

    fn unknown(&self) -> Vec<&'k Entry> {
        self.written()
            .iter()
            .filter(|entry| !self.known.contains(&entry.key.value.as_str()))
            .collect()
    }

    /// Reports that a key is missing, if other keys decide whether it is required.
    pub(in crate::runbook) fn report_missing(&mut self, name: &'static str, help: String) {
        self.missing.push((name, help));
    }

    /// Reports unknown keys and missing keys. A misspelled required key is one mistake and is
    /// reported once.
    fn report_unknown_and_missing(self) {
        let unknown = self.unknown();
        let Some(Reading { binder, .. }) = self.reading else {
            return;
        };
        let mut meant = Vec::new();
        for entry in unknown {
            meant.extend(binder.unknown_key(entry, &self.of, &self.known));
        }
        for (name, help) in self.missing {
            if !meant.contains(&name) {
                let message = format!("{} is missing the key `{name}`", self.of);
                binder.error(self.span, message, help);
            }
        }
    }
}

/// A map with one more value. One invalid value makes the whole map invalid.
pub(in crate::runbook) fn with<K: Ord, T>(
    map: Option<BTreeMap<K, T>>,
    key: K,
    value: Optional<T>,
) -> Option<BTreeMap<K, T>> {
    let (mut map, value) = (map?, value?);
    map.extend(value.map(|value| (key, value)));
    Some(map)
}
