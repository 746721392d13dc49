//! What a copy leaves: the rules by which a forecast changes the source's rows, each with its
//! source.
//!
//! | Rule | Source |
//! |---|---|
//! | Rows and their ids are the source's | Microsoft Learn, *Copy an environment*: the target is replaced |
//! | Solution cloud flows arrive off | the same, *Flows*; Dataverse `workflow`: statecode 0, statuscode 1 |
//! | Connection references keep the source's connection ids, which are of no use in the target | the same, *connection references will require new connections*; that the stale id stays is inferred |
//! | Connection URLs of IOM's references still name the source's environment | inferred from the form of the URL, which holds the environment id |
//! | Rows of dual-write's runtime configuration are the source's, and name its organization | Microsoft Learn, *Troubleshoot live synchronization issues* |
//! | The root business unit's default team has another name | *Copy environments that use Intelligent Order Management*, troubleshooting; read again after the copy, not forecast |
//! | Finance and Operations holds no projects of dual-write, and its users are disabled | Microsoft Learn, *Database refresh*; read again after the copy, not forecast |
//! | Administration mode on, background operations off | Microsoft Learn, *Copy an environment*; *Copy environments that use Intelligent Order Management*, step 1 |

use serde_json::json;

use crate::clients::{Environment, Row};

/// A row of the source as the copy will leave it in the target.
pub(crate) fn row(table: &str, row: Row) -> Row {
    let (mut row, is_changed) = change(table, row);
    if is_changed {
        row.text = serde_json::Value::Object(row.value.clone()).to_string();
    }
    row
}

/// The same, without rewriting `text`: for callers that read only columns.
pub(crate) fn row_keeping_text(table: &str, row: Row) -> Row {
    change(table, row).0
}

/// Changes the columns. Returns whether it did.
fn change(table: &str, mut row: Row) -> (Row, bool) {
    let is_flow = table == "workflow" && row.integer("category") == Some(5);
    if is_flow {
        row.value.insert("statecode".to_owned(), json!(0));
        row.value.insert("statuscode".to_owned(), json!(1));
        for column in ["statecode", "statuscode"] {
            row.value.remove(&format!(
                "{column}@OData.Community.Display.V1.FormattedValue"
            ));
        }
    }
    (row, is_flow)
}

/// The same for several rows.
pub(crate) fn rows(table: &str, rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|one| row(table, one)).collect()
}

/// The target environment as the copy will leave it.
pub(crate) fn environment(target: &Environment) -> Environment {
    Environment {
        runtime_state: Some("AdminMode".to_owned()),
        background_operations: Some("Disabled".to_owned()),
        ..target.clone()
    }
}
