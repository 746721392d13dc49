//! A last scan: rows of the customer's own tables, and of order management, that hold something of
//! production and that no kind of surface knows. The program cannot know which of them act, so a
//! person looks at them.
//!
//! The scan is bounded: an environment may have thousands of tables and millions of rows. It
//! reports what it did not read.

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::scope::Scope;
use crate::base::text::count;
use crate::clients::{Error, Table};
use crate::engine::Failure;

/// How many tables are read.
const TABLES: usize = 60;

/// How many rows of each.
const ROWS: usize = 200;

/// How many tables are read at the same time.
const CONCURRENT_TABLES: usize = 4;

/// Prefixes of Microsoft's own tables; those of order management are read all the same.
const MICROSOFT: [&str; 8] = [
    "msdyn_",
    "msdynce_",
    "msdynmkt_",
    "msfp_",
    "mspp_",
    "adx_",
    "mspcat_",
    "msdyusd_",
];

/// What order management's tables begin with.
const ORDER_MANAGEMENT: &str = "msdyn_iom";

/// Tables that kinds of surface read.
const KNOWN: [&str; 4] = ["bot", "powerpagesite", "connector", "synapselinkprofile"];

/// What the scan found, and what it did not read.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Rows that name production: table, row, column, and what they name.
    pub(crate) found: Vec<String>,
    tables: usize,
    rows: usize,
    /// Tables with more rows than were read.
    cut: Vec<String>,
    /// How many tables were not read at all.
    left_out: usize,
    /// Tables that could not be read.
    unread: Vec<String>,
    /// Why the first of them could not be read.
    why_unread: Option<String>,
}

/// Reads the customer's own tables, and those of order management if `with_order_management`: before
/// a refresh these name the source, which is why there are steps 3 to 6.
pub(crate) async fn scan(scope: &Scope<'_>, with_order_management: bool) -> Result<Scan, Failure> {
    let all = scope.view.dataverse().tables().await?;
    let mut names: Vec<&Table> = all
        .iter()
        .filter(|table| is_scanned(&table.logical_name, with_order_management))
        .filter(|table| !table.entity_set.is_empty())
        .collect();
    names.sort_by_key(|table| {
        let is_own = !table.logical_name.starts_with(ORDER_MANAGEMENT);
        (!is_own, table.logical_name.clone())
    });
    let mut scan = Scan {
        left_out: all.len() - names.len().min(TABLES),
        ..Scan::default()
    };
    names.truncate(TABLES);
    let reads = names.into_iter().map(|table| read(scope, table));
    let mut reads = stream::iter(reads).buffered(CONCURRENT_TABLES);
    while let Some((table, rows)) = reads.next().await {
        match rows {
            Ok(rows) => scan.add(scope, table, &rows),
            Err(failure) if failure.kind == crate::engine::FailureKind::Interrupted => {
                return Err(failure);
            }
            Err(failure) => scan.add_unread(table, failure),
        }
    }
    Ok(scan)
}

fn is_scanned(table: &str, with_order_management: bool) -> bool {
    if table.starts_with(ORDER_MANAGEMENT) {
        return with_order_management;
    }
    !KNOWN.contains(&table) && !MICROSOFT.iter().any(|prefix| table.starts_with(prefix))
}

/// The first rows of a table, and one more if there are more. All readable columns: a column that
/// can only be written must not be named.
async fn read<'t>(scope: &Scope<'_>, table: &'t Table) -> (&'t Table, Result<Vec<Value>, Failure>) {
    let path = format!("{}?$top={}", table.entity_set, ROWS + 1);
    let page = scope.view.dataverse().get_path(&path).await;
    (table, rows_of(page))
}

/// The rows of a page. A table that the service does not find, and a page without a list of rows, are
/// errors: nothing shows that the table is empty.
fn rows_of(page: Result<Option<Value>, Error>) -> Result<Vec<Value>, Failure> {
    let Some(mut page) = page? else {
        return Err(Failure::failed("the service does not find it"));
    };
    match page.get_mut("value").map(Value::take) {
        Some(Value::Array(rows)) => Ok(rows),
        _ => Err(Failure::failed("the response has no list of rows")),
    }
}

impl Scan {
    fn add_unread(&mut self, table: &Table, failure: Failure) {
        self.unread.push(table.logical_name.clone());
        self.why_unread.get_or_insert(failure.message);
    }

    /// Were all tables read that the scan wanted to read?
    pub(crate) fn is_whole(&self) -> bool {
        self.unread.is_empty()
    }

    fn add(&mut self, scope: &Scope<'_>, table: &Table, rows: &[Value]) {
        self.tables += 1;
        if rows.len() > ROWS {
            self.cut.push(table.logical_name.clone());
        }
        for row in rows.iter().take(ROWS).filter_map(Value::as_object) {
            self.rows += 1;
            let of = |column: &str| row.get(column).and_then(Value::as_str);
            let name = table.primary_name.as_deref().and_then(of);
            let name = name.or_else(|| of(&table.primary_id)).unwrap_or("?");
            for (column, value) in row.iter().filter(|(column, _)| !column.contains('@')) {
                let Some(text) = value.as_str() else {
                    continue;
                };
                let named = scope.names_production(text);
                if !named.is_empty() {
                    let table = &table.logical_name;
                    self.found.push(format!(
                        "'{name}' of {table} ({column}): {}",
                        named.join(", ")
                    ));
                }
            }
        }
    }

    /// What was read and what was not, in one line.
    pub(crate) fn extent(&self) -> String {
        let mut line = format!(
            "read: {} of {}",
            count(self.rows, "row"),
            count(self.tables, "table")
        );
        for (what, tables) in [
            (format!("; only the first {ROWS} rows of"), &self.cut),
            ("; could not be read:".to_owned(), &self.unread),
        ] {
            if !tables.is_empty() {
                line += &format!("{what} {}", tables.join(", "));
            }
        }
        if let Some(why) = &self.why_unread {
            line += &format!(" ({why})");
        }
        if self.left_out > 0 {
            line += &format!("; not read: {}", count(self.left_out, "other custom table"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::ErrorKind;

    #[test]
    fn the_customers_tables_are_read_and_those_of_order_management_after_a_refresh() {
        assert!(is_scanned("contoso_route", false));
        assert!(!is_scanned("msdyn_iomprovider", false));
        assert!(is_scanned("msdyn_iomprovider", true));
        assert!(!is_scanned("msdyn_workorder", true));
        assert!(!is_scanned("bot", true));
    }

    #[test]
    fn tables_that_were_not_read_are_reported() {
        let scan = Scan {
            tables: 2,
            rows: 210,
            cut: vec!["contoso_log".to_owned()],
            left_out: 40,
            ..Scan::default()
        };
        assert_eq!(
            scan.extent(),
            "read: 210 rows of 2 tables; only the first 200 rows of contoso_log; not read: 40 other \
             custom tables"
        );
        assert!(scan.is_whole());
    }

    #[test]
    fn a_table_is_empty_only_if_the_service_says_so() {
        let error = || Error::new(ErrorKind::Forbidden, "Dataverse", "GET /contoso_logs", "no");
        for (page, rows) in [
            (Ok(Some(json!({ "value": [] }))), Some(0)),
            (Ok(Some(json!({ "value": [{}] }))), Some(1)),
            (Ok(Some(json!({ "value": null }))), None),
            (Ok(Some(json!({ "error": {} }))), None),
            (Ok(Some(json!([]))), None),
            (Ok(None), None),
            (Err(error()), None),
        ] {
            let shown = format!("{page:?}");
            let read = rows_of(page).ok().map(|rows| rows.len());
            assert_eq!(read, rows, "{shown}");
        }
        let table = |name: &str| Table {
            logical_name: name.to_owned(),
            ..Table::default()
        };
        let mut scan = Scan::default();
        for (name, why) in [("contoso_log", "it is away"), ("contoso_route", "no")] {
            scan.add_unread(&table(name), Failure::failed(why));
        }
        assert!(!scan.is_whole());
        assert_eq!(
            scan.extent(),
            "read: 0 rows of 0 tables; could not be read: contoso_log, contoso_route (it is away)"
        );
    }
}
