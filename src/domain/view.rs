//! The target's rows as they are, or as the copy will leave them.
//!
//! A forecast is not a survey of the source: it is a survey of `after_copy(source)`. So every
//! survey of steps 2 to 8 reads through a [`View`] and does not know which of the two it reads.
//!
//! A forecast reads each list of the source once ([`ForecastCache`]), however many surveys need it.
//! Every survey reads the target again, because steps change it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::connections::custom_connectors::CustomConnectors;
use super::{RefreshContext, after_copy};
use crate::base::packed_texts::PackedTexts;
use crate::base::sync::lock;
use crate::clients::{Connection, Dataverse, Query, Row, Table};
use crate::engine::Failure;

/// The rows of a page of Dataverse.
const PAGE: u32 = 5000;

/// A cache of the lists that a forecast has read: the source's rows, by table and filter.
#[derive(Default)]
pub struct ForecastCache {
    lists: Mutex<HashMap<(String, Option<String>), Rows>>,
    /// The target's connections, which no copy touches.
    pub(crate) connections: OnceCell<Vec<Connection>>,
    /// The custom connectors of both environments.
    pub(crate) custom_connectors: OnceCell<CustomConnectors>,
}

/// One list: the first caller reads it, the others wait for it. The rows are kept as texts, and
/// compressed if they are many: parsed, they would take several times the memory.
type Rows = Arc<OnceCell<PackedTexts>>;

/// The text of a row as the copy will leave it.
fn text_after_copy(table: &str) -> impl Fn(Row) -> Option<String> {
    move |row| Some(after_copy::row(table, row).text)
}

fn pack(texts: Vec<String>) -> PackedTexts {
    let mut packed = PackedTexts::default();
    for text in texts {
        packed.push(&text);
    }
    packed
}

/// What `map` keeps of each row of a list.
fn unpack<T>(packed: &PackedTexts, map: impl Fn(Row) -> Option<T>) -> Vec<T> {
    let mut rows = Vec::with_capacity(packed.len());
    packed.each(|text| rows.extend(Row::from_text(text).and_then(&map)));
    rows
}

impl ForecastCache {
    fn list(&self, table: &str, filter: Option<&str>) -> Rows {
        let key = (table.to_owned(), filter.map(str::to_owned));
        let mut lists = lock(&self.lists);
        Arc::clone(lists.entry(key).or_default())
    }
}

/// Where the surveys of steps 2 to 8 read.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    /// The target as it is.
    Target(&'a Dataverse),
    /// The source, changed by the rules of the copy.
    AfterCopy(&'a RefreshContext),
}

impl View<'_> {
    /// The organization that is read.
    pub(crate) fn dataverse(&self) -> &Dataverse {
        match self {
            Self::Target(target) => target,
            Self::AfterCopy(refresh) => &refresh.source.dataverse,
        }
    }

    /// The metadata of a table that must exist.
    pub(crate) async fn table(&self, logical_name: &str) -> Result<Table, Failure> {
        self.optional_table(logical_name).await?.ok_or_else(|| {
            Failure::failed(format!("the environment has no table '{logical_name}'"))
                .with_help("write the name that this tenant uses under `iom.tables` in the runbook")
                .permanent()
        })
    }

    /// The metadata of a table that may be missing.
    pub(crate) async fn optional_table(
        &self,
        logical_name: &str,
    ) -> Result<Option<Table>, Failure> {
        Ok(self
            .dataverse()
            .table(logical_name)
            .await?
            .map(|table| (*table).clone()))
    }

    /// Every row of a table, all columns, ordered by primary key.
    pub(crate) async fn rows(&self, logical_name: &str) -> Result<Vec<Row>, Failure> {
        self.rows_where(logical_name, None).await
    }

    /// The rows of a table that a filter selects, all columns, ordered by primary key.
    pub(crate) async fn rows_where(
        &self,
        logical_name: &str,
        filter: Option<String>,
    ) -> Result<Vec<Row>, Failure> {
        self.mapped(logical_name, filter, Some).await
    }

    /// The same rows by primary key, without their texts.
    pub(crate) async fn fields_where(
        &self,
        logical_name: &str,
        filter: Option<String>,
    ) -> Result<BTreeMap<Uuid, Map<String, Value>>, Failure> {
        let table = self.table(logical_name).await?;
        let fields = |row: Row| Some((row.id(&table.primary_id)?, row.value));
        let rows = self.mapped(logical_name, filter, fields).await?;
        Ok(rows.into_iter().collect())
    }

    /// What `map` keeps of each of the rows.
    async fn mapped<T>(
        &self,
        logical_name: &str,
        filter: Option<String>,
        map: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        match self {
            Self::Target(_) => self.read(logical_name, filter, map).await,
            Self::AfterCopy(refresh) => {
                let list = refresh.forecast.list(logical_name, filter.as_deref());
                let rows = list
                    .get_or_try_init(|| async {
                        let text = text_after_copy(logical_name);
                        Ok::<_, Failure>(pack(self.read(logical_name, filter, text).await?))
                    })
                    .await?;
                Ok(unpack(rows, map))
            }
        }
    }

    /// The first rows of a query, at most so many, with its columns only and without a cache: for
    /// tables of any size.
    pub(crate) async fn first_rows(
        &self,
        table: &Table,
        query: Query,
        most: u64,
    ) -> Result<Vec<Row>, Failure> {
        // Dataverse takes no higher `$top` than a page has rows (Microsoft Learn, *Page results*).
        let query = match u32::try_from(most) {
            Ok(most) if most <= PAGE => query.top(most),
            _ => query,
        };
        let rows = self.dataverse().list(&table.entity_set, &query).await?;
        Ok(match self {
            Self::Target(_) => rows,
            Self::AfterCopy(_) => after_copy::rows(&table.logical_name, rows),
        })
    }

    async fn read<T>(
        &self,
        logical_name: &str,
        filter: Option<String>,
        map: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        let table = self.table(logical_name).await?;
        let mut query = Query::new().order_by(&table.primary_id).annotated();
        if let Some(filter) = filter {
            query = query.filter(filter);
        }
        let rows = self.dataverse().list_mapped(&table.entity_set, &query, map);
        Ok(rows.await?)
    }

    /// The rows of a table that a filter selects, ordered by primary key, with these columns of
    /// those that the table has: for tables with many or secret columns.
    pub(crate) async fn selected(
        &self,
        table: &Table,
        columns: &[&str],
        filter: Option<&str>,
    ) -> Result<Vec<Row>, Failure> {
        self.selected_mapped(table, columns, filter, Some).await
    }

    /// The same rows by primary key, without their texts.
    pub(crate) async fn selected_fields(
        &self,
        table: &Table,
        columns: &[&str],
        filter: Option<&str>,
    ) -> Result<BTreeMap<Uuid, Map<String, Value>>, Failure> {
        let fields = |row: Row| Some((row.id(&table.primary_id)?, row.value));
        let rows = self.selected_mapped(table, columns, filter, fields).await?;
        Ok(rows.into_iter().collect())
    }

    /// What `map` keeps of each of them.
    async fn selected_mapped<T>(
        &self,
        table: &Table,
        columns: &[&str],
        filter: Option<&str>,
        map: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        let mut columns: Vec<&str> = columns
            .iter()
            .copied()
            .filter(|column| table.has_column(value_of(column)))
            .collect();
        columns.push(&table.primary_id);
        let query = Query::new().order_by(&table.primary_id).select(&columns);
        let query = match filter {
            Some(filter) => query.filter(filter),
            None => query,
        };
        let (dataverse, set) = (self.dataverse(), &table.entity_set);
        match self {
            Self::Target(_) => Ok(dataverse.list_mapped(set, &query, map).await?),
            Self::AfterCopy(refresh) => {
                let name = format!("{}?{}", table.logical_name, columns.join(","));
                let list = refresh.forecast.list(&name, filter);
                let copied = async || {
                    let text = text_after_copy(&table.logical_name);
                    let texts = dataverse.list_mapped(set, &query, text).await?;
                    Ok::<_, Failure>(pack(texts))
                };
                Ok(unpack(list.get_or_try_init(copied).await?, map))
            }
        }
    }

    /// The rows of a table by primary key.
    pub(crate) async fn by_id(
        &self,
        logical_name: &str,
    ) -> Result<BTreeMap<Uuid, Map<String, Value>>, Failure> {
        self.fields_where(logical_name, None).await
    }
}

/// The logical name of a column that a query names: a lookup's value is `_ownerid_value`.
fn value_of(column: &str) -> &str {
    let lookup = column.strip_prefix('_');
    lookup
        .and_then(|rest| rest.strip_suffix("_value"))
        .unwrap_or(column)
}
