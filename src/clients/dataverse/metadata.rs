//! What the organization calls its things. Names are looked up, never guessed: entity sets are not
//! always the logical name and an `s`.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::client::{Dataverse, by_key};
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::Response;

/// A table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Table {
    /// `msdyn_iomprovider`.
    pub logical_name: String,
    /// The name in URLs: `msdyn_iomproviders`.
    pub entity_set: String,
    /// The column of the primary key.
    pub primary_id: String,
    /// The column of the name for people, where the table has one.
    pub primary_name: Option<String>,
    /// What people call it.
    pub display_name: Option<String>,
    /// Do its rows have versions that `If-Match` can name?
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
    /// What people call it.
    pub display_name: Option<String>,
    /// May it be written?
    pub writable: bool,
}

/// A lookup of a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Relationship {
    /// The lookup's column.
    pub column: String,
    /// The table it leads to.
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
    /// Of a status reason: the state it belongs to.
    pub state: Option<i64>,
}

impl Table {
    /// Has it a column of this logical name?
    pub fn has_column(&self, logical_name: &str) -> bool {
        self.column(logical_name).is_some()
    }

    /// The column of this logical name.
    pub fn column(&self, logical_name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.logical_name == logical_name)
    }

    /// The lookups of a column: several where it may lead to several tables, such as `ownerid`.
    pub fn lookups_of<'a>(&'a self, column: &'a str) -> impl Iterator<Item = &'a Relationship> {
        self.lookups
            .iter()
            .filter(move |lookup| lookup.column == column)
    }
}

/// What is known of an organization's metadata so far.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    tables: Mutex<Cells<String, Table>>,
    options: Mutex<Cells<(String, String), Vec<OptionLabel>>>,
}

/// What was learned, by name. A cell is filled by whoever comes first; the others wait for it.
type Cells<K, V> = HashMap<K, Cell<V>>;
type Cell<V> = Arc<OnceCell<Arc<V>>>;

fn cell<K: Hash + Eq, V>(cells: &Mutex<Cells<K, V>>, key: K) -> Cell<V> {
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(cells.entry(key).or_default())
}

impl Dataverse {
    /// A table by its logical name; none where the organization has no such table. Asked once and
    /// remembered, until [`Self::forget_metadata`].
    pub async fn table(&self, logical_name: &str) -> Result<Option<Arc<Table>>, Error> {
        let cell = cell(&self.metadata.tables, logical_name.to_owned());
        let table = cell.get_or_try_init(|| self.read_table(logical_name)).await;
        match table {
            Ok(table) => Ok(Some(Arc::clone(table))),
            // The code of this 404 varies from release to release, so the status decides.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every custom table, with its names but without its columns: to find one by what people call
    /// it.
    pub async fn tables(&self) -> Result<Vec<Table>, Error> {
        let path = format!("EntityDefinitions?$select={TABLE}&$filter=IsCustomEntity%20eq%20true");
        let answer = self.read(&path).await?;
        members(&answer, &answer.value()?, "value", read_definition)
    }

    /// The values and labels of a choice column, by the logical names of table and column; none
    /// where it is not there or is no choice. Asked once and remembered.
    pub async fn options(
        &self,
        table: &str,
        column: &str,
    ) -> Result<Option<Arc<Vec<OptionLabel>>>, Error> {
        let Some(found) = self.table(table).await? else {
            return Ok(None);
        };
        let kind = found
            .column(column)
            .and_then(|column| column.kind.as_deref());
        let cast = match kind {
            Some("State") => "StateAttributeMetadata",
            Some("Status") => "StatusAttributeMetadata",
            Some("Picklist") => "PicklistAttributeMetadata",
            _ => return Ok(None),
        };
        let key = (table.to_owned(), column.to_owned());
        let cell = cell(&self.metadata.options, key);
        let options = cell.get_or_try_init(|| async {
            let definition = by_key("EntityDefinitions", "LogicalName", table);
            let attribute = by_key("Attributes", "LogicalName", column);
            let path = format!(
                "{definition}/{attribute}/Microsoft.Dynamics.CRM.{cast}?$select=LogicalName&$expand=OptionSet"
            );
            let answer = self.read(&path).await?;
            let body = answer.value()?;
            let options = body.pointer("/OptionSet/Options").and_then(Value::as_array);
            let options = options.ok_or_else(|| answer.malformed("the choice has no options"))?;
            let labels: Option<Vec<OptionLabel>> = options.iter().map(read_option).collect();
            let labels = labels.ok_or_else(|| answer.malformed("an option has no value"))?;
            Ok::<_, Error>(Arc::new(labels))
        });
        Ok(Some(Arc::clone(options.await?)))
    }

    /// Forgets what was learned of tables and options. A copy brings the source's.
    pub fn forget_metadata(&self) {
        let Metadata { tables, options } = self.metadata.as_ref();
        tables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        options
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    async fn read_table(&self, logical_name: &str) -> Result<Arc<Table>, Error> {
        let definition = by_key("EntityDefinitions", "LogicalName", logical_name);
        // One request for all of it (Microsoft Learn, *Query table definitions using the Web API*:
        // `$expand` of `Attributes` and of relationships).
        let path = format!(
            "{definition}?$select={TABLE}&$expand=Attributes($select={COLUMN}),\
             ManyToOneRelationships($select={LOOKUP})"
        );
        let answer = self.read(&path).await?;
        let body = answer.value()?;
        let table = read_definition(&body)
            .ok_or_else(|| answer.malformed("the answer defines no table"))?;
        Ok(Arc::new(Table {
            columns: members(&answer, &body, "Attributes", read_column)?,
            lookups: members(&answer, &body, "ManyToOneRelationships", read_lookup)?,
            ..table
        }))
    }
}

const TABLE: &str = "LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,\
                     IsOptimisticConcurrencyEnabled,DisplayName";
const COLUMN: &str = "LogicalName,AttributeType,IsValidForUpdate,DisplayName";
const LOOKUP: &str =
    "ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName";

/// The items of a metadata list, which is not paged. One that is not understood fails the list.
fn members<T>(
    answer: &Response,
    body: &Value,
    member: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let items = body.get(member).and_then(Value::as_array);
    let items =
        items.ok_or_else(|| answer.malformed(&format!("the metadata has no member '{member}'")))?;
    let members: Option<Vec<T>> = items.iter().map(read).collect();
    members.ok_or_else(|| answer.malformed("an item of the metadata is not understood"))
}

fn text(value: &Value, member: &str) -> Option<String> {
    value.get(member)?.as_str().map(str::to_owned)
}

fn read_definition(value: &Value) -> Option<Table> {
    let logical_name = text(value, "LogicalName")?;
    Some(Table {
        // Some tables are in no URL; they have no set.
        entity_set: text(value, "EntitySetName").unwrap_or_default(),
        primary_id: text(value, "PrimaryIdAttribute").unwrap_or_default(),
        primary_name: text(value, "PrimaryNameAttribute").filter(|name| !name.is_empty()),
        display_name: value.get("DisplayName").and_then(label),
        optimistic_concurrency: value["IsOptimisticConcurrencyEnabled"] == true,
        columns: Vec::new(),
        lookups: Vec::new(),
        logical_name,
    })
}

fn read_column(value: &Value) -> Option<Column> {
    Some(Column {
        logical_name: text(value, "LogicalName")?,
        kind: text(value, "AttributeType"),
        display_name: value.get("DisplayName").and_then(label),
        writable: value["IsValidForUpdate"] == true,
    })
}

fn read_lookup(value: &Value) -> Option<Relationship> {
    Some(Relationship {
        column: text(value, "ReferencingAttribute")?,
        table: text(value, "ReferencedEntity")?,
        navigation: text(value, "ReferencingEntityNavigationPropertyName")?,
    })
}

fn read_option(value: &Value) -> Option<OptionLabel> {
    let labels = labels(value.get("Label")?);
    let own = value.get("Label").and_then(label);
    Some(OptionLabel {
        value: value.get("Value")?.as_i64()?,
        label: own.unwrap_or_default(),
        labels,
        state: value.get("State").and_then(Value::as_i64),
    })
}

/// The text of a label: in the caller's language, else the first one.
fn label(value: &Value) -> Option<String> {
    let own = value
        .pointer("/UserLocalizedLabel/Label")
        .and_then(Value::as_str);
    own.map(str::to_owned)
        .or_else(|| labels(value).into_iter().next())
}

fn labels(value: &Value) -> Vec<String> {
    let localized = value.get("LocalizedLabels").and_then(Value::as_array);
    let texts = localized.into_iter().flatten();
    texts
        .filter_map(|localized| text(localized, "Label"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::testing::{Listener, Received, Reply, Setup};

    #[test]
    fn a_recorded_table_definition_is_read() {
        let recorded = json!({
            "MetadataId": "70816501-edb9-4740-a16c-6a5efbc05d84", "LogicalName": "account",
            "PrimaryNameAttribute": "name", "PrimaryIdAttribute": "accountid", "EntitySetName": "accounts",
            "IsOptimisticConcurrencyEnabled": true,
            "DisplayName": {"LocalizedLabels": [{"Label": "Account", "LanguageCode": 1033}],
                "UserLocalizedLabel": {"Label": "Firma", "LanguageCode": 1031}},
        });
        let table = read_definition(&recorded).unwrap();
        assert_eq!(
            (table.entity_set.as_str(), table.primary_id.as_str()),
            ("accounts", "accountid")
        );
        assert_eq!(table.display_name.as_deref(), Some("Firma"));
        assert!(table.optimistic_concurrency);
    }

    #[test]
    fn status_reasons_know_their_state_and_all_their_labels() {
        let option = json!({"Value": 192_350_000, "State": 0, "Label": {
            "LocalizedLabels": [{"Label": "Incomplete"}, {"Label": "Unvollständig"}], "UserLocalizedLabel": null}});
        assert_eq!(
            read_option(&option),
            Some(OptionLabel {
                value: 192_350_000,
                label: "Incomplete".to_owned(),
                labels: vec!["Incomplete".to_owned(), "Unvollständig".to_owned()],
                state: Some(0),
            })
        );
        assert_eq!(read_option(&json!({"Label": {}})), None);
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

    fn answer(request: &Received, _before: usize) -> Reply {
        let path = request.path.as_str();
        if path.contains("LogicalName=%27absent%27") {
            Reply::json(404, r#"{"error":{"code":"0x80060888","message":"x"}}"#)
        } else if path.contains("StatusAttributeMetadata") {
            Reply::json(
                200,
                r#"{"OptionSet":{"Options":[{"Value":1,"State":0,"Label":{"UserLocalizedLabel":{"Label":"Active"}}}]}}"#,
            )
        } else {
            Reply::json(
                200,
                r#"{"LogicalName":"t","EntitySetName":"ts","PrimaryIdAttribute":"tid","PrimaryNameAttribute":"name",
                "Attributes":[{"LogicalName":"statuscode","AttributeType":"Status","IsValidForUpdate":true},
                {"LogicalName":"name","AttributeType":"String","IsValidForUpdate":false}],
                "ManyToOneRelationships":[{"ReferencingAttribute":"ownerid","ReferencedEntity":"owner","ReferencingEntityNavigationPropertyName":"ownerid"}]}"#,
            )
        }
    }

    #[tokio::test]
    async fn a_table_is_asked_for_once_until_it_is_forgotten() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::start(answer).await;
        let dataverse = Dataverse::new(setup.service(&listener.url));
        for _ in 0..3 {
            let table = dataverse.table("t").await.unwrap().unwrap();
            assert!(table.has_column("name") && !table.has_column("other"));
            assert_eq!(
                table.lookups_of("ownerid").next().unwrap().navigation,
                "ownerid"
            );
        }
        assert_eq!(listener.count(), 1);
        for _ in 0..2 {
            let options = dataverse.options("t", "statuscode").await.unwrap().unwrap();
            assert_eq!(options[0].label, "Active");
        }
        assert_eq!(listener.count(), 2);
        assert_eq!(dataverse.options("t", "name").await.unwrap(), None);
        dataverse.forget_metadata();
        dataverse.table("t").await.unwrap();
        assert_eq!(listener.count(), 3);
    }

    #[tokio::test]
    async fn a_table_that_is_not_there_is_none_and_is_asked_for_again() {
        let setup = Setup::new(1_000.0);
        let listener = Listener::start(answer).await;
        let dataverse = Dataverse::new(setup.service(&listener.url));
        for _ in 0..2 {
            assert_eq!(dataverse.table("absent").await.unwrap(), None);
        }
        assert_eq!(dataverse.options("absent", "x").await.unwrap(), None);
        assert_eq!(listener.count(), 3);
    }
}
