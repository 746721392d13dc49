//! Tables, columns, relationships and option labels, as the organization's metadata defines them.

use serde_json::Value;

/// A table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Table {
    /// `msdyn_iomprovider`.
    pub logical_name: String,
    /// The name in URLs: `msdyn_iomproviders`. Empty for a table that no URL can name.
    pub entity_set: String,
    /// The column of the primary key.
    pub primary_id: String,
    /// The column with the name for people, if the table has one.
    pub primary_name: Option<String>,
    /// The display name.
    pub display_name: Option<String>,
    /// Whether its rows have versions for `If-Match`.
    pub optimistic_concurrency: bool,
    /// Its columns. Empty in the list of all tables.
    pub columns: Vec<Column>,
    /// Its lookups. Empty in the list of all tables.
    pub lookups: Vec<Relationship>,
}

/// A column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// `msdyn_graph`.
    pub logical_name: String,
    /// `Memo`, `String`, `Lookup`, `Picklist`, `State`, `Status`, ….
    pub kind: Option<String>,
    /// The display name.
    pub display_name: Option<String>,
    /// Whether it can be written.
    pub writable: bool,
}

/// A lookup of a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Relationship {
    /// The lookup's column.
    pub column: String,
    /// The table that it refers to.
    pub table: String,
    /// The name to bind it by, in its exact case: `<navigation>@odata.bind`.
    pub navigation: String,
}

/// A value of a choice column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OptionLabel {
    /// The number that rows hold.
    pub value: i64,
    /// The label in the caller's language, else the first one.
    pub label: String,
    /// The labels in every language.
    pub labels: Vec<String>,
    /// For a status reason: its state.
    pub state: Option<i64>,
}

impl Table {
    /// Whether it has a column with this logical name.
    pub fn has_column(&self, logical_name: &str) -> bool {
        self.column(logical_name).is_some()
    }

    /// The column with this logical name.
    pub fn column(&self, logical_name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.logical_name == logical_name)
    }

    /// The lookups of a column: several if it may refer to several tables, such as `ownerid`.
    pub fn lookups_of<'a>(&'a self, column: &'a str) -> impl Iterator<Item = &'a Relationship> {
        self.lookups
            .iter()
            .filter(move |lookup| lookup.column == column)
    }
}

fn text_member(value: &Value, member: &str) -> Option<String> {
    value.get(member)?.as_str().map(str::to_owned)
}

pub(super) fn parse_definition(value: &Value) -> Option<Table> {
    let logical_name = text_member(value, "LogicalName")?;
    Some(Table {
        entity_set: text_member(value, "EntitySetName").unwrap_or_default(),
        primary_id: text_member(value, "PrimaryIdAttribute").unwrap_or_default(),
        primary_name: text_member(value, "PrimaryNameAttribute").filter(|name| !name.is_empty()),
        display_name: value.get("DisplayName").and_then(parse_label),
        optimistic_concurrency: value["IsOptimisticConcurrencyEnabled"] == true,
        columns: Vec::new(),
        lookups: Vec::new(),
        logical_name,
    })
}

pub(super) fn parse_column(value: &Value) -> Option<Column> {
    Some(Column {
        logical_name: text_member(value, "LogicalName")?,
        kind: text_member(value, "AttributeType"),
        display_name: value.get("DisplayName").and_then(parse_label),
        writable: value["IsValidForUpdate"] == true,
    })
}

pub(super) fn parse_lookup(value: &Value) -> Option<Relationship> {
    Some(Relationship {
        column: text_member(value, "ReferencingAttribute")?,
        table: text_member(value, "ReferencedEntity")?,
        navigation: text_member(value, "ReferencingEntityNavigationPropertyName")?,
    })
}

pub(super) fn parse_option(value: &Value) -> Option<OptionLabel> {
    let labels = parse_labels(value.get("Label")?);
    let own = value.get("Label").and_then(parse_label);
    Some(OptionLabel {
        value: value.get("Value")?.as_i64()?,
        label: own.unwrap_or_default(),
        labels,
        state: value.get("State").and_then(Value::as_i64),
    })
}

/// The text of a label: in the caller's language, else the first one.
fn parse_label(value: &Value) -> Option<String> {
    let own = value
        .pointer("/UserLocalizedLabel/Label")
        .and_then(Value::as_str);
    own.map(str::to_owned)
        .or_else(|| parse_labels(value).into_iter().next())
}

fn parse_labels(value: &Value) -> Vec<String> {
    let localized = value.get("LocalizedLabels").and_then(Value::as_array);
    let texts = localized.into_iter().flatten();
    texts
        .filter_map(|localized| text_member(localized, "Label"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_recorded_table_definition_is_parsed() {
        let recorded = json!({
            "MetadataId": "70816501-edb9-4740-a16c-6a5efbc05d84", "LogicalName": "account",
            "PrimaryNameAttribute": "name", "PrimaryIdAttribute": "accountid", "EntitySetName": "accounts",
            "IsOptimisticConcurrencyEnabled": true,
            "DisplayName": {"LocalizedLabels": [{"Label": "Account", "LanguageCode": 1033}],
                "UserLocalizedLabel": {"Label": "Firma", "LanguageCode": 1031}},
        });
        let table = parse_definition(&recorded).unwrap();
        assert_eq!(
            (table.entity_set.as_str(), table.primary_id.as_str()),
            ("accounts", "accountid")
        );
        assert_eq!(table.display_name.as_deref(), Some("Firma"));
        assert!(table.optimistic_concurrency);
    }

    #[test]
    fn status_reasons_have_a_state_and_all_labels() {
        let option = json!({"Value": 192_350_000, "State": 0, "Label": {
            "LocalizedLabels": [{"Label": "Incomplete"}, {"Label": "Unvollständig"}], "UserLocalizedLabel": null}});
        assert_eq!(
            parse_option(&option),
            Some(OptionLabel {
                value: 192_350_000,
                label: "Incomplete".to_owned(),
                labels: vec!["Incomplete".to_owned(), "Unvollständig".to_owned()],
                state: Some(0),
            })
        );
        assert_eq!(parse_option(&json!({"Label": {}})), None);
    }

    #[test]
    fn a_lookup_to_several_tables_has_several_navigations() {
        let lookup = |table: &str, navigation: &str| Relationship {
            column: "regarding".to_owned(),
            table: table.to_owned(),
            navigation: navigation.to_owned(),
        };
        let table = Table {
            lookups: vec![
                lookup("account", "regarding_account"),
                lookup("contact", "regarding_contact"),
            ],
            ..Table::default()
        };
        assert_eq!(table.lookups_of("regarding").count(), 2);
        assert_eq!(table.lookups_of("other").count(), 0);
    }
}
