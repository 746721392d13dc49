//! Other names for what Intelligent Order Management has in Dataverse.
//!
//! Some of its logical names are published, most are not, and a tenant may differ. In the skin
//! `renamed` every table, column and entity set of it has another name, and only what people see
//! is as it was. The tenant itself knows one name for each; callers see the other.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::Schema;
use super::table::Table;

/// Which names callers see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Skin {
    /// Microsoft's, and likely ones where Microsoft has not published any.
    #[default]
    Usual,
    /// Others, with another prefix and other words.
    Renamed,
}

impl Skin {
    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Renamed => "renamed",
        }
    }
}

/// A word that names no skin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no skin; write usual or renamed")]
pub struct SkinError(String);

impl FromStr for Skin {
    type Err = SkinError;

    /// Reads `usual` or `renamed`.
    fn from_str(word: &str) -> Result<Self, SkinError> {
        [Self::Usual, Self::Renamed]
            .into_iter()
            .find(|skin| skin.word() == word)
            .ok_or_else(|| SkinError(word.to_owned()))
    }
}

/// What the names of the tables begin with.
const TABLES: &str = "msdyn_iom";

/// What custom names begin with, and what they begin with in the other skin.
const PREFIXES: (&str, &str) = ("msdyn_", "new_");

/// What a usual name begins with where it is not known.
const UNKNOWN: &str = "unknown__";

/// The words that are other ones in the other skin; longer ones come first.
const WORDS: [(&str, &str); 17] = [
    ("connectionreference", "wiring"),
    ("connectionref", "wire"),
    ("transformation", "recipe"),
    ("definition", "blueprint"),
    ("orchestration", "journey"),
    ("parameter", "setting"),
    ("warehouse", "depot"),
    ("policies", "guidelines"),
    ("provider", "vendor"),
    ("designer", "canvas"),
    ("activation", "start"),
    ("policy", "guideline"),
    ("action", "deed"),
    ("graph", "drawing"),
    ("iom", "om"),
    ("step", "stage"),
    ("name", "title"),
];

/// Whose names a text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A table of Intelligent Order Management: its columns are meant too.
    Own,
    /// Another table, whose columns have names of their own.
    Others,
}

/// Words of one skin by those of the other.
#[derive(Debug, Default)]
struct Words {
    dressed: BTreeMap<String, String>,
    plain: BTreeMap<String, String>,
}

/// The names of both skins.
#[derive(Debug)]
pub(crate) struct Dictionary {
    tables: Words,
    columns: Words,
    /// The logical names and entity sets of the tables, in the tenant's own words.
    own: BTreeSet<String>,
}

impl Words {
    fn add(&mut self, word: &str) {
        if let Some(rest) = word.strip_prefix(PREFIXES.0) {
            self.add_as(word.to_owned(), renamed(rest));
        }
    }

    fn add_as(&mut self, plain: String, dressed: String) {
        self.plain.insert(dressed.clone(), plain.clone());
        self.dressed.insert(plain, dressed);
    }
}

/// A name without its prefix, as it is in the other skin. Schema names keep a capital.
fn renamed(rest: &str) -> String {
    let mut name = rest.to_lowercase();
    let is_schema_name = name != rest;
    for (word, other) in WORDS {
        name = name.replace(word, other);
    }
    if is_schema_name {
        let first = name.get(..1).unwrap_or_default().to_uppercase();
        name = format!("{first}{}", name.get(1..).unwrap_or_default());
    }
    format!("{}{name}", PREFIXES.1)
}

impl Dictionary {
    /// The names of a schema's tables.
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut dictionary = Self {
            tables: Words::default(),
            columns: Words::default(),
            own: BTreeSet::new(),
        };
        let own = |table: &&Table| table.logical_name.starts_with(TABLES);
        for table in schema.tables().iter().filter(own) {
            for name in [&table.logical_name, &table.schema_name, &table.set] {
                dictionary.tables.add(name);
            }
            dictionary.own.insert(table.logical_name.clone());
            dictionary.own.insert(table.set.clone());
            for column in &table.columns {
                let words = if column.logical_name == table.primary_id {
                    &mut dictionary.tables
                } else {
                    &mut dictionary.columns
                };
                words.add(&column.logical_name);
                words.add(&column.schema_name);
                if let Some(rest) = column.logical_name.strip_prefix(PREFIXES.0) {
                    let plain = format!("_{}_value", column.logical_name);
                    words.add_as(plain, format!("_{}_value", renamed(rest)));
                }
            }
        }
        dictionary.relationships(schema);
        dictionary
    }

    /// The names of relationships are put together from others.
    fn relationships(&mut self, schema: &Schema) {
        for table in schema.tables() {
            for relationship in schema.led_from(table) {
                let parts = [
                    &relationship.referenced.logical_name,
                    &relationship.referencing.logical_name,
                    &relationship.column.logical_name,
                ];
                let scope = self.scope(parts[1]);
                let dressed = parts.map(|part| self.dress(part, scope)).join("_");
                let plain = relationship.name();
                if dressed != plain {
                    self.tables.add_as(plain, dressed);
                }
            }
        }
    }

    /// Whose table it is, by its logical name or its entity set in the tenant's own words.
    pub(crate) fn scope(&self, table: &str) -> Scope {
        if self.own.contains(table) {
            Scope::Own
        } else {
            Scope::Others
        }
    }

    /// A text in the words that callers see. Names that they do not know come back as they were.
    pub(crate) fn dress(&self, text: &str, scope: Scope) -> String {
        translated(text, |word| {
            let column = || {
                self.columns
                    .dressed
                    .get(word)
                    .filter(|_| scope == Scope::Own)
            };
            let asked = || word.strip_prefix(UNKNOWN).map(str::to_owned);
            let known = self.tables.dressed.get(word).or_else(column).cloned();
            known.or_else(asked)
        })
    }

    /// A text in the tenant's own words. The usual names are not known in this skin: each becomes a
    /// word that nothing has.
    pub(crate) fn undress(&self, text: &str, scope: Scope) -> String {
        let known = |words: fn(&Words) -> &BTreeMap<String, String>, word: &str| {
            let column = || {
                words(&self.columns)
                    .get(word)
                    .filter(|_| scope == Scope::Own)
            };
            words(&self.tables).get(word).or_else(column).cloned()
        };
        translated(text, |word| {
            let usual = || known(|words| &words.dressed, word).map(|_| format!("{UNKNOWN}{word}"));
            known(|words| &words.plain, word).or_else(usual)
        })
    }
}

/// A text with some of its words replaced.
fn translated(text: &str, replacement: impl Fn(&str) -> Option<String>) -> String {
    let mut translated = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|letter| !is_of_word(letter))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match replacement(word) {
            Some(other) => translated.push_str(&other),
            None => translated.push_str(word),
        }
        let next = after.find(is_of_word).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        translated.push_str(between);
        rest = after;
    }
    translated
}

fn is_of_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_order_management_is_another_one_and_comes_back() {
        let schema = Schema::standard();
        let dictionary = Dictionary::new(&schema);
        for words in [&dictionary.tables, &dictionary.columns] {
            assert_eq!(words.dressed.len(), words.plain.len());
            for (plain, dressed) in &words.dressed {
                assert_ne!(plain, dressed);
                assert!(!dressed.contains("msdyn_iom"), "{dressed}");
            }
        }
        for table in schema.tables() {
            let scope = dictionary.scope(&table.logical_name);
            let dressed = dictionary.dress(&table.logical_name, scope);
            assert_eq!(
                scope == Scope::Own,
                dressed != table.logical_name,
                "{dressed}"
            );
            assert_eq!(dictionary.undress(&dressed, scope), table.logical_name);
            for column in &table.columns {
                let dressed = dictionary.dress(&column.logical_name, scope);
                let custom = column.logical_name.starts_with("msdyn_") && scope == Scope::Own;
                assert_eq!(custom, dressed != column.logical_name, "{dressed}");
                assert_eq!(dictionary.undress(&dressed, scope), column.logical_name);
                let schema_name = dictionary.dress(&column.schema_name, scope);
                assert_eq!(schema_name.to_lowercase(), dressed);
            }
        }
    }

    #[test]
    fn words_are_replaced_and_nothing_else() {
        let dictionary = Dictionary::new(&Schema::standard());
        let query =
            "new_omvendors?$filter=_new_vendorblueprintid_value eq 1 and new_title eq 'iom_x'";
        let plain = "msdyn_iomproviders?$filter=_msdyn_providerdefinitionid_value eq 1 and msdyn_name eq 'iom_x'";
        assert_eq!(dictionary.undress(query, Scope::Own), plain);
        assert_eq!(dictionary.dress(plain, Scope::Own), query);
        // The usual names mean nothing, but to tables that have columns of that name.
        let unknown = dictionary.undress("msdyn_iomproviders?$select=msdyn_name", Scope::Own);
        assert_eq!(
            unknown,
            "unknown__msdyn_iomproviders?$select=unknown__msdyn_name"
        );
        let asked = "msdyn_iomproviders?$select=msdyn_name";
        assert_eq!(dictionary.dress(&unknown, Scope::Own), asked);
        let other = "msdyn_dualwriteentitymaps?$select=msdyn_name";
        assert_eq!(dictionary.undress(other, Scope::Others), other);
    }

    #[test]
    fn skins_have_words() {
        assert_eq!("renamed".parse(), Ok(Skin::Renamed));
        assert_eq!("usual".parse(), Ok(Skin::Usual));
        assert!("other".parse::<Skin>().is_err());
    }
}
