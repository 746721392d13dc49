//! Phase `stop-maps`: no dual-write map of the target runs while its halves are replaced.
//!
//! Stopped, not paused: a paused map keeps what changes meanwhile and replays it into a database that
//! is another one then. Evidence is what Finance and Operations itself keeps of maps: a row `Enabled`
//! runs, a row `Queueing` is paused.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::{begun, finance};
use crate::clients::{ErrorKind, FinanceOperations, Query, Row};
use crate::engine::{Action, Ask, Change, Failure, Known, Survey};
use crate::steps::Refresh;
use crate::text::count;

/// The entity set of the maps' projects (as a generated client of the service has it).
const PROJECTS: &str = "DualWriteProjectConfigurations";

/// Finds maps that are not stopped.
pub(super) struct StopMaps(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for StopMaps {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        // Once a half is being replaced, there is nothing left to stop.
        if begun(refresh, known) {
            return Ok(Vec::new());
        }
        let Some(finance) = &refresh.target_finance else {
            return Ok(Vec::new());
        };
        let maps = not_stopped(finance).await?;
        if maps.is_empty() {
            return Ok(Vec::new());
        }
        let target = &refresh.runbook.target.name;
        let list = maps.iter().map(|map| format!("stop the table map {map}"));
        let instructions = std::iter::once(
            "Finance and Operations of the target > Data management > Dual-write: select each of \
             these table maps and press Stop, not Pause"
                .to_owned(),
        )
        .chain(list)
        .collect();
        Ok(vec![Change {
            key: "dual-write/stop-maps".to_owned(),
            name: format!("stop {} of '{target}'", count(maps.len(), "dual-write map")),
            before: json!({ "not-stopped": maps }),
            after: json!({ "not-stopped": [] }),
            follows: Vec::new(),
            action: Action::Ask(Ask {
                instructions,
                evidence: format!(
                    "{PROJECTS} in Finance and Operations of '{target}' lists no map that is Enabled \
                     or Queueing"
                ),
            }),
        }])
    }
}

/// The maps that run or are paused, by name, each once.
async fn not_stopped(finance: &FinanceOperations) -> Result<Vec<String>, Failure> {
    let rows = match finance.list(PROJECTS, &Query::new()).await {
        Ok(rows) => rows,
        // Where dual-write is not installed there is no such set.
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut maps: Vec<String> = rows.iter().filter_map(open_map).collect();
    maps.sort_unstable();
    maps.dedup();
    Ok(maps)
}

/// The map of a project that runs or is paused.
fn open_map(row: &Row) -> Option<String> {
    let status = finance::text(row, "Status")?;
    if !["Enabled", "Queueing"].contains(&status) {
        return None;
    }
    let external = finance::text(row, "ExternalEntityName");
    let internal = finance::text(row, "InternalEntityName");
    let name = match (external, internal) {
        (Some(external), Some(internal)) => format!("'{external} - {internal}'"),
        _ => format!(
            "of project {}",
            finance::text(row, "ProjectName").unwrap_or("?")
        ),
    };
    Some(match status {
        "Queueing" => format!("{name} (it is paused)"),
        _ => name,
    })
}
