//! The target's rows as they are, or as the copy will leave them.
//!
//! A forecast is not a survey of the source: it is a survey of `after_copy(source)`. So every
//! survey of steps 2 to 8 reads through a [`View`] and does not know which of the two it reads.
//!
//! A forecast reads each list of the source once ([`ForecastCache`]), however many surveys need it.
//! Every survey reads the target again, because steps change it. A check of the source itself can
//! share such a list, as it is ([`source_rows`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::connections::custom_connectors::CustomConnectors;
use super::{RefreshContext, after_copy};
use crate::base::packed_texts::PackedTexts;
use crate::base::sync::lock;
use crate::clients::{Connection, Dataverse, Query, Row, Table};
use crate::engine::Failure;

/// How many bytes a list may take that is kept after the plan.
const SMALL_LIST: usize = 64 * 1024;

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

/// One list: the first caller reads it, the others wait for it. The rows are kept as the source's
/// texts, and compressed if they are many: parsed, they would take several times the memory.
type Rows = Arc<OnceCell<PackedTexts>>;

/// Reads a list, and packs each row as it arrives.
async fn read_packed(
    dataverse: &Dataverse,
    set: &str,
    query: &Query,
) -> Result<PackedTexts, Failure> {
    let packed = Mutex::new(PackedTexts::default());
    let pack = |row: Row| {
        lock(&packed).push(&row.text);
        None::<()>
    };
    dataverse.list_mapped(set, query, pack).await?;
    Ok(packed.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// What the copy makes of a row of a table.
type RowAfterCopy = fn(&str, Row) -> Row;

/// What `map` keeps of each row of a list.
fn unpack<T>(packed: &PackedTexts, map: impl Fn(Row) -> Option<T>) -> Vec<T> {
    let mut rows = Vec::with_capacity(packed.len());
    packed.each(|text| rows.extend(Row::from_text(text).and_then(&map)));
    rows
}

/// The rows of a list of the source as they are, which forecasts use too. They are parsed one after
/// the other, each time: a list can be as large as the tenant.
pub(crate) struct SourceRows {
    list: Rows,
    primary_id: String,
}

impl SourceRows {
    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.list.get().map_or(0, PackedTexts::len)
    }

    /// The rows with their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Uuid, Map<String, Value>)> {
        let texts = self.list.get().cloned().unwrap_or_default();
        texts.into_iter().filter_map(|text| {
            let row = Row::from_text(&text)?;
            Some((row.id(&self.primary_id)?, row.value))
        })
    }
}

/// The rows of a table of the source that a filter selects, with these columns of those that the
/// table has.
pub(crate) async fn source_rows(
    refresh: &RefreshContext,
    logical_name: &str,
    columns: &[&str],
    filter: Option<&str>,
) -> Result<SourceRows, Failure> {
    let table = View::AfterCopy(refresh).table(logical_name).await?;
    let list = selected_list(refresh, &table, columns, filter).await?;
    Ok(SourceRows {
        list,
        primary_id: table.primary_id.clone(),
    })
}

/// The cached list of the same rows.
async fn selected_list(
    refresh: &RefreshContext,
    table: &Table,
    columns: &[&str],
    filter: Option<&str>,
) -> Result<Rows, Failure> {
    let columns = selected_columns(table, columns);
    let name = format!("{}?{}", table.logical_name, columns.join(","));
    let list = refresh.forecast.list(&name, filter);
    let query = selecting(table, &columns, filter);
    let source = &refresh.source.dataverse;
    list.get_or_try_init(|| read_packed(source, &table.entity_set, &query))
        .await?;
    Ok(list)
}

/// Those of these columns that a table has, and its primary key.
fn selected_columns<'a>(table: &'a Table, columns: &[&'a str]) -> Vec<&'a str> {
    let mut columns: Vec<&str> = columns
        .iter()
        .copied()
        .filter(|column| table.has_column(logical_name_of(column)))
        .collect();
    columns.push(&table.primary_id);
    columns
}

/// The most rows of a page, which is in memory as a whole.
#[derive(Clone, Copy)]
struct PageSize {
    /// Of cloud flows, whose definitions are long.
    flows: u32,
    /// Of any other table.
    others: u32,
}

/// For rows with the columns that a survey uses.
const SELECTED: PageSize = PageSize {
    flows: 500,
    others: PAGE,
};

/// For whole rows, which have some fifty columns and their annotations.
const WHOLE: PageSize = PageSize {
    flows: 250,
    others: 1000,
};

/// Every row of a table as it is, ordered by primary key.
pub(crate) fn every_whole_row(table: &Table) -> Query {
    every_row(table, WHOLE).annotated()
}

fn every_row(table: &Table, size: PageSize) -> Query {
    let rows = match table.logical_name.as_str() {
        "workflow" => size.flows,
        _ => size.others,
    };
    let query = Query::new().order_by(&table.primary_id);
    // A page has no more than these anyway.
    if rows < PAGE {
        query.page_size(rows)
    } else {
        query
    }
}

fn selecting(table: &Table, columns: &[&str], filter: Option<&str>) -> Query {
    filtered(every_row(table, SELECTED).select(columns), filter)
}

fn filtered(query: Query, filter: Option<impl Into<String>>) -> Query {
    match filter {
        Some(filter) => query.filter(filter),
        None => query,
    }
}

impl ForecastCache {
    /// Forgets the lists that take much memory. After the plan, only a note on custom connectors
    /// reads a list of the source, and that one is short; another one would be read again.
    pub fn forget_large_lists(&self) {
        let is_small = |list: &Rows| {
            let rows = list.get();
            rows.is_some_and(|rows| rows.bytes_in_memory() <= SMALL_LIST)
        };
        lock(&self.lists).retain(|_, list| is_small(list));
    }

    fn list(&self, table: &str, filter: Option<&str>) -> Rows {
        let key = (table.to_owned(), filter.map(str::to_owned));
        let mut lists = lock(&self.lists);
        Arc::clone(lists.entry(key).or_default())
    }
}

/// Where the surveys of steps 2 to 8 read.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    /// An environment as it is: the target, for a survey.
    AsIs(&'a Dataverse),
    /// The source, changed by the rules of the copy.
    AfterCopy(&'a RefreshContext),
}

impl View<'_> {
    /// The organization that is read.
    pub(crate) fn dataverse(&self) -> &Dataverse {
        match self {
            Self::AsIs(target) => target,
            Self::AfterCopy(refresh) => &refresh.source.dataverse,
        }
    }

    /// The metadata of a table that must exist.
    pub(crate) async fn table(&self, logical_name: &str) -> Result<Arc<Table>, Failure> {
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
    ) -> Result<Option<Arc<Table>>, Failure> {
        Ok(self.dataverse().table(logical_name).await?)
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
        self.rows_mapped(logical_name, filter, Some).await
    }

    /// What `map` keeps of each of them. The rows are not kept.
    pub(crate) async fn rows_mapped<T>(
        &self,
        logical_name: &str,
        filter: Option<String>,
        map: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        self.mapped(logical_name, filter, after_copy::row, map)
            .await
    }

    /// The same rows by primary key, without their texts.
    pub(crate) async fn fields_where(
        &self,
        logical_name: &str,
        filter: Option<String>,
    ) -> Result<BTreeMap<Uuid, Map<String, Value>>, Failure> {
        let table = self.table(logical_name).await?;
        let fields = |row: Row| Some((row.id(&table.primary_id)?, row.value));
        let rows = self.mapped(logical_name, filter, after_copy::row_keeping_text, fields);
        Ok(by_id(rows.await?))
    }

    /// What `map` keeps of each of the rows.
    async fn mapped<T>(
        &self,
        logical_name: &str,
        filter: Option<String>,
        copied: RowAfterCopy,
        map: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        match self {
            Self::AsIs(target) => {
                let (set, query) = self.whole_rows(logical_name, filter).await?;
                Ok(target.list_mapped(&set, &query, map).await?)
            }
            Self::AfterCopy(refresh) => {
                let list = refresh.forecast.list(logical_name, filter.as_deref());
                let read = async || {
                    let (set, query) = self.whole_rows(logical_name, filter).await?;
                    read_packed(self.dataverse(), &set, &query).await
                };
                let rows = list.get_or_try_init(read).await?;
                Ok(unpack(rows, |row| map(copied(logical_name, row))))
            }
        }
    }

    /// The entity set and the query of the rows that a filter selects, with all columns.
    async fn whole_rows(
        &self,
        logical_name: &str,
        filter: Option<String>,
    ) -> Result<(String, Query), Failure> {
        let table = self.table(logical_name).await?;
        let query = every_whole_row(&table);
        Ok((table.entity_set.clone(), filtered(query, filter)))
    }

    /// The first rows of a query, at most `limit`, with its columns only and without a cache: for
    /// tables of any size.
    pub(crate) async fn first_rows(
        &self,
        table: &Table,
        query: Query,
        limit: u64,
    ) -> Result<Vec<Row>, Failure> {
        // Dataverse takes no higher `$top` than a page has rows (Microsoft Learn, *Page results*).
        let query = match u32::try_from(limit) {
            Ok(limit) if limit <= PAGE => query.top(limit),
            _ => query,
        };
        let rows = self.dataverse().list(&table.entity_set, &query).await?;
        Ok(match self {
            Self::AsIs(_) => rows,
            Self::AfterCopy(_) => after_copy::rows(&table.logical_name, rows),
        })
    }

    /// The rows of a table that a filter selects, ordered by primary key, with these columns of
    /// those that the table has: for tables with many or secret columns.
    pub(crate) async fn selected(
        &self,
        table: &Table,
        columns: &[&str],
        filter: Option<&str>,
    ) -> Result<Vec<Row>, Failure> {
        self.selected_mapped(table, columns, filter, after_copy::row, Some)
            .await
    }

    /// The same rows by primary key, without their texts.
    pub(crate) async fn selected_fields(
        &self,
        table: &Table,
        columns: &[&str],
        filter: Option<&str>,
    ) -> Result<BTreeMap<Uuid, Map<String, Value>>, Failure> {
        self.selected_by_id(table, columns, filter, |_, row| Some(row))
            .await
    }

    /// What `map` keeps of each of them, by primary key. The rows are not kept.
    pub(crate) async fn selected_by_id<T>(
        &self,
        table: &Table,
        columns: &[&str],
        filter: Option<&str>,
        map: impl Fn(Uuid, Map<String, Value>) -> Option<T>,
    ) -> Result<BTreeMap<Uuid, T>, Failure> {
        let fields = |row: Row| {
            let id = row.id(&table.primary_id)?;
            Some((id, map(id, row.value)?))
        };
        let rows =
            self.selected_mapped(table, columns, filter, after_copy::row_keeping_text, fields);
        Ok(by_id(rows.await?))
    }

    /// What `map` keeps of each of them.
    async fn selected_mapped<T>(
        &self,
        table: &Table,
        columns: &[&str],
        filter: Option<&str>,
        copied: RowAfterCopy,
        map: impl Fn(Row) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        match self {
            Self::AsIs(target) => {
                let query = selecting(table, &selected_columns(table, columns), filter);
                Ok(target.list_mapped(&table.entity_set, &query, map).await?)
            }
            Self::AfterCopy(refresh) => {
                let list = selected_list(refresh, table, columns, filter).await?;
                let rows = list.get().into_iter();
                let copied = |row| map(copied(&table.logical_name, row));
                Ok(rows.flat_map(|rows| unpack(rows, copied)).collect())
            }
        }
    }

    /// The ids of a table's rows that a filter selects; none if the environment does not have the
    /// table.
    pub(crate) async fn ids(
        &self,
        logical_name: &str,
        filter: Option<&str>,
    ) -> Result<BTreeSet<Uuid>, Failure> {
        let Some(table) = self.optional_table(logical_name).await? else {
            return Ok(BTreeSet::new());
        };
        let rows = self.selected(&table, &[], filter).await?;
        let ids = rows.into_iter().filter_map(|row| row.id(&table.primary_id));
        Ok(ids.collect())
    }

    /// The rows of a table by primary key.
    pub(crate) async fn by_id(
        &self,
        logical_name: &str,
    ) -> Result<BTreeMap<Uuid, Map<String, Value>>, Failure> {
        self.fields_where(logical_name, None).await
    }
}

/// Rows by their ids. They are inserted one by one: `collect` sorts them first, and its code exists
/// once for each type.
fn by_id<T>(rows: Vec<(Uuid, T)>) -> BTreeMap<Uuid, T> {
    let mut by_id = BTreeMap::new();
    by_id.extend(rows);
    by_id
}

/// The logical name of a column that a query names: a lookup's value is `_ownerid_value`.
fn logical_name_of(column: &str) -> &str {
    let lookup = column.strip_prefix('_');
    lookup
        .and_then(|rest| rest.strip_suffix("_value"))
        .unwrap_or(column)
}
