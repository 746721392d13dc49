//! Phase `activate-system`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::try_join;
use uuid::Uuid;

use crate::base::text::count;
use crate::domain::connections::find_acting_user;
use crate::domain::flows::{CLOUD_FLOWS, cloud_flows};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, is_labelled, text};
use crate::domain::tenant_set::Reader;
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
        });
        let before = async {
            Ok::<_, Failure>(match view {
                View::Target(_) => reader.read().await?.value,
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
                "IOM app > Core settings > Admin home > Connection references".to_owned(),
                "press 'Activate system'; if it times out, press it again".to_owned(),
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
}

#[async_trait]
impl Reader for SystemReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let refresh = &self.refresh;
        let names = &refresh.names;
        let view = View::Target(&refresh.target.dataverse);
        let (references, members, platform) = try_join!(
            view.rows(names.table(IomTable::PlatformConnectionReference)),
            self.members.get_or_try_init(|| members(view)),
            flow_states(view),
        )?;
        let incomplete = references
            .iter()
            .filter(|row| !is_labelled(&row.value, "statuscode", "Active"))
            .count();
        let off: Vec<String> = platform
            .iter()
            .filter(|(id, row)| is_platform_flow(members, *id, row) && !flows::is_on(row))
            .filter_map(|(_, row)| text(row, "name"))
            .collect();
        let active = incomplete == 0 && off.is_empty();
        Ok(Reading {
            value: json!({ "system": if active { "active" } else { "not active" } }),
            etag: None,
            basis: Value::String(describe_remaining(incomplete, &off)),
        })
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
    let (members, all) = try_join!(members(view), cloud_flows(view))?;
    let all = all.into_iter();
    Ok(all
        .filter(|(id, row)| is_platform_flow(&members, *id, row))
        .map(|(_, row)| row)
        .collect())
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
