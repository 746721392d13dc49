//! Phase `link`: resets the link. A reset deletes the maps and configuration that the gateway,
//! Dataverse and Finance and Operations still have from before the copy; the first seal holds them.
//!
//! Through the gateway it is a launch, after the checks of [`guard`]; maps that run are stopped
//! first, and force is never used. If the outcome is unknown, the link shows it: without maps it
//! was reset; with maps after five minutes, the longest time of a reset, it was not. A reset by
//! hand can be proved only once maps run again, so a person confirms it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::recorded_to_restore;
use crate::base::text::count;
use crate::domain::RefreshContext;
use crate::domain::dual_write::evidence::Evidence;
use crate::domain::dual_write::gateway::{GatewayState, acknowledged_gateway, stop_map};
use crate::domain::dual_write::recorded::RecordedDualWrite;
use crate::domain::dual_write::root_team::read_root_team;
use crate::domain::dual_write::{guard, reset_key};
use crate::domain::failure::launch_error;
use crate::domain::keys::MapChange;
use crate::domain::manual_change::ManualChange;
use crate::domain::verdict::Answer;
use crate::domain::view::View;
use crate::engine::{
    Action, Change, Failure, Found, JournalView, Launch, Proof, Repeat, Started, Survey,
    TargetComparison, WriteError,
};

/// How long the gateway may take to show a reset (*Dual-write-automations* waits this long for the
/// response).
const RESET_TIME: Duration = Duration::from_mins(5);

/// Finds whether the link must be reset.
pub(super) struct Link(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Link {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = recorded_to_restore(refresh, journal);
        let Some(recorded) = recorded.filter(|_| !journal.is_launch_proved(&reset_key(refresh)))
        else {
            return Ok(Vec::new());
        };
        if refresh.services.dual_write.is_none() {
            return manual_reset(refresh, journal, &recorded).await;
        }
        let companies = recorded.legal_entities.clone().ok_or_else(|| {
            Failure::refused("the link cannot be reset: its legal entities are not recorded")
                .with_help(
                    "the runbook acknowledged the gateway only after the seal `before-copy` was \
                     made; remove `gateway` from the runbook and continue by hand",
                )
        })?;
        // Step 1 has stopped every map before the copy.
        let mut changes = match refresh.view(journal) {
            View::AfterCopy(_) => Vec::new(),
            View::AsIs(_) => {
                let linked = GatewayState::read(refresh).await?;
                let running = linked.maps.iter().filter(|map| !map.state.is_stopped());
                running
                    .map(|map| stop_map(refresh, &linked, &map.name, MapChange::StopAgain))
                    .collect()
            }
        };
        let follows = changes.iter().map(|change| change.key.clone()).collect();
        changes.push(Change {
            key: reset_key(refresh),
            name: format!(
                "reset the dual-write link of '{}'",
                refresh.runbook.target.name
            ),
            before: json!({ "link": "of before the copy" }).into(),
            after: json!({ "link": "reset", "legal-entities": companies }).into(),
            follows,
            action: Action::Launch(Arc::new(ResetLink {
                refresh: Arc::clone(refresh),
                companies,
            })),
        });
        Ok(changes)
    }
}

async fn manual_reset(
    refresh: &Arc<RefreshContext>,
    journal: &JournalView,
    recorded: &RecordedDualWrite,
) -> Result<Vec<Change>, Failure> {
    let answer = match refresh.view(journal) {
        View::AfterCopy(_) => Answer::Unknown("the copy is still to come".to_owned()),
        view @ View::AsIs(_) => {
            match Evidence::read(refresh, journal).await?.is_reset() {
                // Microsoft documents this as the sign that a reset is still needed.
                Answer::Unknown(_) if read_root_team(view).await?.is_renamed() => Answer::Fail(
                    "the root business unit's default team has another name".to_owned(),
                ),
                answer => answer,
            }
        }
    };
    if answer.is_pass() {
        return Ok(Vec::new());
    }
    let target = &refresh.runbook.target.name;
    let environment = &refresh.target.environment;
    let dataverse = environment.dataverse.as_ref();
    let address = |url: Option<&str>| url.unwrap_or("an unknown address").to_owned();
    let finance = environment.finance_operations.as_ref();
    let companies = match &recorded.legal_entities {
        Some(companies) => companies.join(", "),
        None => format!(
            "those that synchronized before, among {}",
            recorded
                .companies
                .iter()
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    Ok(vec![
        ManualChange {
            key: reset_key(refresh),
            name: format!("reset the dual-write link of '{target}'"),
            before: json!({ "link": answer.found() }),
            after: json!({ "link": "reset" }),
            instructions: vec![
            format!(
                "open {} and compare before you reset: this is Finance and Operations of \
                 '{target}', and it must be linked to {} of environment {}",
                address(finance.and_then(|f| f.url.as_deref())),
                address(dataverse.and_then(|d| d.url.as_deref())),
                environment.id
            ),
            "if it shows another Dataverse, stop here: a reset would affect the other environment"
                .to_owned(),
            "Data management > Dual-write: stop every map, then Reset link, tick Acknowledge Reset"
                .to_owned(),
            format!("select these legal entities (the wizard preselects none): {companies}"),
            "finish the wizard; every line of Health check must be green".to_owned(),
        ],
            evidence: format!(
                "runtime configuration, the projects' Dataverse and the default team's name; they \
             prove a reset only once maps run again, so confirm it with `iomcopy complete {} \
             reconfigure-dual-write/link --waive \"who, when\"`",
                refresh.runbook.as_argument()
            ),
        }
        .into_destructive_change(),
    ])
}

struct ResetLink {
    refresh: Arc<RefreshContext>,
    companies: Vec<String>,
}

impl ResetLink {
    /// Checks that this is the target's own link, then makes the request's body. Everything is read
    /// again.
    async fn checked_request(&self) -> Result<(GatewayState, Value), Failure> {
        let pair = guard::read_target_pair(&self.refresh).await?;
        let linked = GatewayState::read(&self.refresh).await?;
        guard::require_same_pair(&pair, &linked.link, &linked.set)?;
        if let Some(map) = linked.maps.iter().find(|map| !map.state.is_stopped()) {
            return Err(Failure::failed(format!(
                "the link was not reset: the map '{}' is {}",
                map.name, map.state
            )));
        }
        let body = guard::reset_body(&pair, &linked.set, &self.companies);
        Ok((linked, body))
    }
}

#[async_trait]
impl Launch for ResetLink {
    fn repeat(&self) -> Repeat {
        Repeat::WhenAbsent(RESET_TIME)
    }

    fn is_destructive(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<Value, Failure> {
        let (linked, _) = self.checked_request().await?;
        let names: Vec<&str> = linked.maps.iter().map(|map| map.name.as_str()).collect();
        Ok(json!({ "connection-set": linked.link.id, "maps": names }))
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let (linked, body) = self.checked_request().await.map_err(WriteError::Refused)?;
        let gateway = acknowledged_gateway(&self.refresh).map_err(WriteError::Refused)?;
        let sent = gateway.reset(&linked.link, &body).await;
        Ok(Started {
            handle: json!({ "connection-set": linked.link.id }),
            service_date: sent.map_err(launch_error)?,
        })
    }

    /// A reset leaves no maps. If there were none before, a reset cannot be recognised, and another
    /// one is harmless.
    async fn find(&self, probed: &Value) -> Result<Found, Failure> {
        let linked = GatewayState::read(&self.refresh).await?;
        let had = probed["maps"]
            .as_array()
            .is_some_and(|maps| !maps.is_empty());
        Ok(if had && linked.maps.is_empty() {
            Found::Operation(json!({ "connection-set": linked.link.id }))
        } else {
            Found::Absent
        })
    }

    async fn compare_target(&self, probed: &Value) -> Result<TargetComparison, Failure> {
        let had = probed["maps"].as_array().map_or(0, Vec::len);
        let linked = GatewayState::read(&self.refresh).await?;
        Ok(if had == 0 {
            TargetComparison::NothingRecorded
        } else if linked.maps.len() == had {
            TargetComparison::Same
        } else {
            TargetComparison::Changed(format!("{} of {had} maps are left", linked.maps.len()))
        })
    }

    fn has_operation(&self) -> bool {
        false
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        let pair = guard::read_target_pair(&self.refresh).await?;
        let linked = GatewayState::read(&self.refresh).await?;
        guard::require_same_pair(&pair, &linked.link, &linked.set)?;
        let mut left = Vec::new();
        if !linked.maps.is_empty() {
            left.push(count(linked.maps.len(), "map"));
        }
        let evidence = Evidence::read(&self.refresh, &JournalView::empty()).await?;
        let rows = evidence.configurations.len();
        if rows > 0 {
            left.push(format!("{} of runtime configuration", count(rows, "row")));
        }
        if !evidence.projects.is_empty() {
            let projects = count(evidence.projects.len(), "project");
            left.push(format!("{projects} of Finance and Operations"));
        }
        if left.is_empty() {
            let observed = json!({ "connection-set": linked.link.id, "maps": 0 });
            return Ok(Proof::Proved(observed));
        }
        Ok(Proof::NotYet(format!(
            "still present: {}",
            left.join(" and ")
        )))
    }

    fn timeout(&self) -> Duration {
        Duration::from_mins(30)
    }
}
