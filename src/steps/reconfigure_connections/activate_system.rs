//! Phase `activate-system`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::try_join;
use uuid::Uuid;

use crate::base::sync::lock;
use crate::base::text::count;
use crate::domain::connections::find_acting_user;
use crate::domain::flows::{CLOUD_FLOWS, cloud_flows};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, is_labelled, text};
use crate::domain::row_changes::Reader;
use crate::domain::view::View;
use crate::domain::{RefreshContext, flows, keys};
use crate::engine::{Change, Failure, JournalView, Reading, Survey};
use crate::runbook::{IomRequest, IomTable};

/// Finds whether the system must be activated.
pub(super) struct ActivateSystem(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for ActivateSystem {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(journal);
        let reader = Arc::new(SystemReader {
            refresh: Arc::clone(refresh),
            members: OnceCell::new(),
            missing: Mutex::default(),
        });
        let before = async {
            Ok::<_, Failure>(match view {
                View::AsIs(_) => reader.read().await?.value,
                View::AfterCopy(_) => json!({ "system": "not active" }),
            })
        };
        let (before, acting_as) = try_join!(before, find_acting_user(refresh, view))?;
        let after = json!({ "system": "active" });
        if before == after {
            return Ok(Vec::new());
        }
        let change = IomChange {
            key: keys::ACTIVATE_SYSTEM.to_owned(),
            name: "activate the Intelligent Order Management system".to_owned(),
            before,
            after,
            request: IomRequest::ActivateSystem,
            by_hand: vec![
                "IOM app > Core settings > Admin home > Connection references: press 'Activate \
                 system'; if it times out, press it again"
                    .to_owned(),
            ],
            evidence: "every system connection reference is active and every platform flow is on"
                .to_owned(),
            settle_timeout: Duration::from_mins(15),
        };
        let fill = Fill::default().acting_as(acting_as);
        Ok(vec![change.filled(refresh, reader, fill)])
    }
}

/// Reads whether the system is active. No flag for it is published, so it reads every reference and
/// every platform flow.
struct SystemReader {
    refresh: Arc<RefreshContext>,
    /// The platform flows, which an activation does not change: read once.
    members: OnceCell<BTreeSet<Uuid>>,
    /// What the last reading missed: the next one begins with it, and reads the rest only if nothing
    /// is missing there.
    missing: Mutex<Option<Part>>,
}

/// A part of the system that an activation turns on.
#[derive(Clone, Copy)]
enum Part {
    References,
    Flows,
}

#[async_trait]
impl Reader for SystemReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let missing = *lock(&self.missing);
        let (mut incomplete, mut off) = (0, Vec::new());
        match missing {
            Some(Part::References) => {
                incomplete = self.incomplete().await?;
                if incomplete == 0 {
                    off = self.flows_off().await?;
                }
            }
            Some(Part::Flows) => {
                off = self.flows_off().await?;
                if off.is_empty() {
                    incomplete = self.incomplete().await?;
                }
            }
            None => (incomplete, off) = try_join!(self.incomplete(), self.flows_off())?,
        }
        *lock(&self.missing) = match (incomplete, off.is_empty()) {
            (0, true) => None,
            (0, false) => Some(Part::Flows),
            _ => Some(Part::References),
        };
        let active = incomplete == 0 && off.is_empty();
        Ok(Reading {
            value: json!({ "system": if active { "active" } else { "not active" } }),
            etag: None,
            basis: Value::String(describe_remaining(incomplete, &off)),
        })
    }
}

impl SystemReader {
    /// How many references are not active.
    async fn incomplete(&self) -> Result<usize, Failure> {
        let refresh = &self.refresh;
        let table = refresh.names.table(IomTable::PlatformConnectionReference);
        let references = View::AsIs(&refresh.target.dataverse).rows(table).await?;
        let incomplete = references
            .iter()
            .filter(|row| !is_labelled(&row.value, "statuscode", "Active"));
        Ok(incomplete.count())
    }

    /// The names of the platform flows that are off.
    async fn flows_off(&self) -> Result<Vec<String>, Failure> {
        let view = View::AsIs(&self.refresh.target.dataverse);
        let members = self.members.get_or_try_init(|| members(view));
        let (members, platform) = try_join!(members, flow_states(view))?;
        Ok(platform
            .iter()
            .filter(|(id, row)| is_platform_flow(members, *id, row) && !flows::is_on(row))
            .filter_map(|(_, row)| text(row, "name"))
            .collect())
    }
}

/// The references and flows that an activation still has to bring about, in words.
fn describe_remaining(incomplete: usize, off: &[String]) -> String {
    let references = (incomplete > 0).then(|| {
        format!(
            "not active yet: {}",
            count(incomplete, "system connection reference")
        )
    });
    let flows = (!off.is_empty()).then(|| {
        format!(
            "off: {} ({})",
            count(off.len(), "platform flow"),
            off.join(", ")
        )
    });
    let open: Vec<String> = references.into_iter().chain(flows).collect();
    open.join("; ")
}

/// The cloud flows of the target with what their state needs: a definition is large.
async fn flow_states(view: View<'_>) -> Result<Vec<(Uuid, Fields)>, Failure> {
    let table = view.table("workflow").await?;
    let columns = ["name", "category", "type", "statecode", "ismanaged"];
    let rows = view.selected(&table, &columns, Some(CLOUD_FLOWS)).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((row.id(&table.primary_id)?, row.value)))
        .collect())
}

/// The platform flows: managed cloud flows that belong to one of IOM's solutions.
pub(crate) async fn platform_flows(view: View<'_>) -> Result<Vec<Fields>, Failure> {
    let members = members(view).await?;
    let flows = cloud_flows(view, |id, row| {
        is_platform_flow(&members, id, &row).then_some(row)
    });
    Ok(flows.await?.into_values().collect())
}

fn is_platform_flow(members: &BTreeSet<Uuid>, id: Uuid, row: &Fields) -> bool {
    members.contains(&id) && row.get("ismanaged").and_then(Value::as_bool) == Some(true)
}

/// The flows and workflows that belong to IOM's solutions.
async fn members(view: View<'_>) -> Result<BTreeSet<Uuid>, Failure> {
    let solutions = view.rows("solution").await?;
    let iom: Vec<Uuid> = solutions
        .iter()
        .filter(|row| is_iom_solution(&row.value))
        .filter_map(|row| row.id("solutionid"))
        .collect();
    let components = iom.into_iter().map(|solution| {
        // Component type 29 is a workflow (Dataverse, solutioncomponent).
        let filter = format!("_solutionid_value eq {solution} and componenttype eq 29");
        view.rows_where("solutioncomponent", Some(filter))
    });
    let components = try_join_all(components).await?.into_iter().flatten();
    Ok(components.filter_map(|row| row.id("objectid")).collect())
}

/// Is it one of IOM's solutions? Unique names are not published. So the display name decides, or
/// the publisher's prefix together with the product's.
pub(crate) fn is_iom_solution(row: &Fields) -> bool {
    let unique = text(row, "uniquename")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let friendly = text(row, "friendlyname")
        .unwrap_or_default()
        .to_ascii_lowercase();
    friendly.contains("intelligent order management")
        || unique.starts_with("msdyn_intelligentordermanagement")
        || unique.starts_with("msdyn_iom")
}
