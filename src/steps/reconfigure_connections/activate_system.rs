//! Phase `activate-system`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::base::text::count;
use crate::domain::connections::find_acting_user;
use crate::domain::flows::cloud_flows;
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
        let before = match view {
            View::Target(_) => SystemReader(Arc::clone(refresh)).read().await?.value,
            View::AfterCopy(_) => json!({ "system": "not active" }),
        };
        let after = json!({ "system": "active" });
        if before == after {
            return Ok(Vec::new());
        }
        let acting_as = find_acting_user(refresh, view).await?;
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
        let reader = Arc::new(SystemReader(Arc::clone(refresh)));
        let fill = Fill::default().acting_as(acting_as);
        Ok(vec![change.filled(refresh, reader, fill)])
    }
}

/// Reads whether the system is active. No flag for it is published, so it reads every reference and
/// every platform flow.
struct SystemReader(Arc<RefreshContext>);

#[async_trait]
impl Reader for SystemReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let refresh = &self.0;
        let names = &refresh.names;
        let view = View::Target(&refresh.target.dataverse);
        let references = view
            .rows(names.table(IomTable::PlatformConnectionReference))
            .await?;
        let incomplete = references
            .iter()
            .filter(|row| !is_labelled(&row.value, "statuscode", "Active"))
            .count();
        let off: Vec<String> = platform_flows(view)
            .await?
            .iter()
            .filter(|row| !flows::is_on(row))
            .filter_map(|row| text(row, "name"))
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

/// The platform flows: managed cloud flows that belong to one of IOM's solutions.
pub(crate) async fn platform_flows(view: View<'_>) -> Result<Vec<Fields>, Failure> {
    let solutions = view.rows("solution").await?;
    let iom: Vec<Uuid> = solutions
        .iter()
        .filter(|row| is_iom_solution(&row.value))
        .filter_map(|row| row.id("solutionid"))
        .collect();
    let mut members = BTreeSet::new();
    for solution in iom {
        // Component type 29 is a workflow (Dataverse, solutioncomponent).
        let filter = format!("_solutionid_value eq {solution} and componenttype eq 29");
        for row in view.rows_where("solutioncomponent", Some(filter)).await? {
            members.extend(row.id("objectid"));
        }
    }
    Ok(cloud_flows(view)
        .await?
        .into_iter()
        .filter(|(id, row)| {
            members.contains(id) && row.get("ismanaged").and_then(Value::as_bool) == Some(true)
        })
        .map(|(_, row)| row)
        .collect())
}

/// Is it one of IOM's solutions? Unique names are not published. The display name tells, or the
/// publisher's prefix together with the product's.
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
