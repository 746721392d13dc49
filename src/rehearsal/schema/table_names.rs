//! Other names for the tables of Intelligent Order Management in Dataverse.
//!
//! Microsoft has published some of the logical names, but not most, and a tenant may differ. With
//! `renamed`, each of its tables, columns and entity sets has an alias; display names stay the same.
//! The tenant itself uses the usual names, callers use the aliases.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::Schema;
use super::table::Table;

/// The names that callers use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableNames {
    /// Microsoft's names, and likely ones if Microsoft has not published any.
    #[default]
    Usual,
    /// Aliases, with another prefix and other words.
    Renamed,
}

impl TableNames {
    /// Its word on the command line and in the world's file.
    pub(crate) const fn keyword(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Renamed => "renamed",
        }
    }
}

/// A word that names no set of table names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid skin; write usual or renamed")]
pub struct TableNamesError(String);

impl FromStr for TableNames {
    type Err = TableNamesError;

    /// Reads `usual` or `renamed`.
    fn from_str(word: &str) -> Result<Self, TableNamesError> {
        [Self::Usual, Self::Renamed]
            .into_iter()
            .find(|names| names.keyword() == word)
            .ok_or_else(|| TableNamesError(word.to_owned()))
    }
}

/// The prefix of the tables' names.
const TABLES: &str = "msdyn_iom";

/// The prefix of custom names, and the prefix of their aliases.
const PREFIXES: (&str, &str) = ("msdyn_", "new_");

/// The prefix that makes a usual name unknown to the tenant.
const UNKNOWN: &str = "unknown__";

/// The words that aliases replace; longer ones come first.
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

/// The table that a text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A table of Intelligent Order Management: its columns have aliases too.
    Own,
    /// Another table: its columns have no aliases.
    Others,
}

/// Names and their aliases.
#[derive(Debug, Default)]
struct Aliases {
    alias_by_name: BTreeMap<String, String>,
    name_by_alias: BTreeMap<String, String>,
}

/// The aliases of all tables and columns.
#[derive(Debug)]
pub(crate) struct Dictionary {
    tables: Aliases,
    columns: Aliases,
    /// The logical names and entity sets of the tables.
    own: BTreeSet<String>,
}

impl Aliases {
    fn add(&mut self, name: &str) {
        if let Some(rest) = name.strip_prefix(PREFIXES.0) {
            self.add_as(name.to_owned(), alias_of(rest));
        }
    }

    fn add_as(&mut self, name: String, alias: String) {
        self.name_by_alias.insert(alias.clone(), name.clone());
        self.alias_by_name.insert(name, alias);
    }
}

/// The alias of a name, given without its prefix. The alias of a schema name has a capital.
fn alias_of(rest: &str) -> String {
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
    /// The aliases of a schema's tables.
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut dictionary = Self {
            tables: Aliases::default(),
            columns: Aliases::default(),
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
                let aliases = if column.logical_name == table.primary_id {
                    &mut dictionary.tables
                } else {
                    &mut dictionary.columns
                };
                aliases.add(&column.logical_name);
                aliases.add(&column.schema_name);
                if let Some(rest) = column.logical_name.strip_prefix(PREFIXES.0) {
                    let property = format!("_{}_value", column.logical_name);
                    aliases.add_as(property, format!("_{}_value", alias_of(rest)));
                }
            }
        }
        dictionary.add_relationships(schema);
        dictionary
    }

    /// Adds the names of relationships, which are composed of other names.
    fn add_relationships(&mut self, schema: &Schema) {
        for table in schema.tables() {
            for relationship in schema.relationships_to(table) {
                let parts = [
                    &relationship.referenced.logical_name,
                    &relationship.referencing.logical_name,
                    &relationship.column.logical_name,
                ];
                let scope = self.scope(parts[1]);
                let alias = parts
                    .map(|part| self.replace_usual_names(part, scope))
                    .join("_");
                let name = relationship.name();
                if alias != name {
                    self.tables.add_as(name, alias);
                }
            }
        }
    }

    /// The scope of a table, by its logical name or its entity set.
    pub(crate) fn scope(&self, table: &str) -> Scope {
        if self.own.contains(table) {
            Scope::Own
        } else {
            Scope::Others
        }
    }

    /// Replaces the names in a text by their aliases. Names that callers must not know are returned
    /// as the caller wrote them.
    pub(crate) fn replace_usual_names(&self, text: &str, scope: Scope) -> String {
        replace_words(text, |word| {
            let column = || {
                self.columns
                    .alias_by_name
                    .get(word)
                    .filter(|_| scope == Scope::Own)
            };
            let unknown = || word.strip_prefix(UNKNOWN).map(str::to_owned);
            let alias = self.tables.alias_by_name.get(word).or_else(column).cloned();
            alias.or_else(unknown)
        })
    }

    /// Replaces the aliases in a text by the usual names. Callers do not know the usual names in
    /// this case: each becomes a word that no object has.
    pub(crate) fn replace_aliases(&self, text: &str, scope: Scope) -> String {
        let find = |map: fn(&Aliases) -> &BTreeMap<String, String>, word: &str| {
            let column = || map(&self.columns).get(word).filter(|_| scope == Scope::Own);
            map(&self.tables).get(word).or_else(column).cloned()
        };
        replace_words(text, |word| {
            let usual = || find(|map| &map.alias_by_name, word).map(|_| format!("{UNKNOWN}{word}"));
            find(|map| &map.name_by_alias, word).or_else(usual)
        })
    }
}

/// A text with some of its words replaced.
fn replace_words(text: &str, replacement: impl Fn(&str) -> Option<String>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|letter| !is_word_character(letter))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match replacement(word) {
            Some(other) => replaced.push_str(&other),
            None => replaced.push_str(word),
        }
        let next = after.find(is_word_character).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        replaced.push_str(between);
        rest = after;
    }
    replaced
}

fn is_word_character(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_order_management_has_an_alias_and_back() {
        let schema = Schema::standard();
        let dictionary = Dictionary::new(&schema);
        for aliases in [&dictionary.tables, &dictionary.columns] {
            assert_eq!(aliases.alias_by_name.len(), aliases.name_by_alias.len());
            for (name, alias) in &aliases.alias_by_name {
                assert_ne!(name, alias);
                assert!(!alias.contains("msdyn_iom"), "{alias}");
            }
        }
        for table in schema.tables() {
            let scope = dictionary.scope(&table.logical_name);
            let alias = dictionary.replace_usual_names(&table.logical_name, scope);
            assert_eq!(scope == Scope::Own, alias != table.logical_name, "{alias}");
            assert_eq!(
                dictionary.replace_aliases(&alias, scope),
                table.logical_name
            );
            for column in &table.columns {
                let alias = dictionary.replace_usual_names(&column.logical_name, scope);
                let custom = column.logical_name.starts_with("msdyn_") && scope == Scope::Own;
                assert_eq!(custom, alias != column.logical_name, "{alias}");
                assert_eq!(
                    dictionary.replace_aliases(&alias, scope),
                    column.logical_name
                );
                let schema_name = dictionary.replace_usual_names(&column.schema_name, scope);
                assert_eq!(schema_name.to_lowercase(), alias);
            }
        }
    }

    #[test]
    fn only_whole_words_are_replaced() {
        let dictionary = Dictionary::new(&Schema::standard());
        let query =
            "new_omvendors?$filter=_new_vendorblueprintid_value eq 1 and new_title eq 'iom_x'";
        let plain = "msdyn_iomproviders?$filter=_msdyn_providerdefinitionid_value eq 1 and msdyn_name eq 'iom_x'";
        assert_eq!(dictionary.replace_aliases(query, Scope::Own), plain);
        assert_eq!(dictionary.replace_usual_names(plain, Scope::Own), query);
        // The usual names are unknown, except for tables that have columns of that name.
        let unknown =
            dictionary.replace_aliases("msdyn_iomproviders?$select=msdyn_name", Scope::Own);
        assert_eq!(
            unknown,
            "unknown__msdyn_iomproviders?$select=unknown__msdyn_name"
        );
        let asked = "msdyn_iomproviders?$select=msdyn_name";
        assert_eq!(dictionary.replace_usual_names(&unknown, Scope::Own), asked);
        let other = "msdyn_dualwriteentitymaps?$select=msdyn_name";
        assert_eq!(dictionary.replace_aliases(other, Scope::Others), other);
    }

    #[test]
    fn both_table_names_have_a_word() {
        assert_eq!("renamed".parse(), Ok(TableNames::Renamed));
        assert_eq!("usual".parse(), Ok(TableNames::Usual));
        assert!("other".parse::<TableNames>().is_err());
    }
}
