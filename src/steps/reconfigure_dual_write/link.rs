//! Phase `link`: the link is reset. That ends whatever the gateway, Dataverse and Finance and
//! Operations still hold of the world before the copy, so what it ends is in the first seal.
//!
//! Through the gateway it is a launch, behind the guard of [`super::guard`]; maps that run are
//! stopped first, and force is never used. In doubt the link is looked at: with no maps left it was
//! reset; with maps left after five minutes, the bound of a reset, it was not. By hand, a reset
//! shows only once maps run again, so a person attests it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::base::text::count;
use crate::clients::EntityMap;
use crate::domain::Refresh;
use crate::domain::dual_write::evidence::{Answer, Evidence};
use crate::domain::dual_write::gateway::{Linked, acknowledged, stop};
use crate::domain::dual_write::people::root_team;
use crate::domain::dual_write::record::Recorded;
use crate::domain::dual_write::{guard, is_left_out, reset_key};
use crate::domain::failure::launch_error;
use crate::domain::view::View;
use crate::engine::{
    Action, Ask, Change, Failure, Found, Known, Launch, Progress, Repeat, Started, Survey, Trace,
    Verdict, WriteError,
};

/// How long a reset may take until the gateway shows it (*Dual-write-automations* waits so long for
/// its answer).
const RESET: Duration = Duration::from_mins(5);

/// Finds whether the link must be reset.
pub(super) struct Link(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Link {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = Recorded::of(known);
        if !recorded.in_use() || is_left_out(refresh) || known.launch_proved(&reset_key(refresh)) {
            return Ok(Vec::new());
        }
        if refresh.dual_write.is_none() {
            return by_hand(refresh, known, &recorded).await;
        }
        let companies = recorded.legal_entities.clone().ok_or_else(|| {
            Failure::refused("the legal entities of the link are not recorded, so it is not reset")
                .with_help(
                    "the gateway was acknowledged after the first seal was made; take \
                     `gateway` out of the runbook and go on by hand",
                )
        })?;
        // Before the copy there is nothing to stop here: step 1 has stopped it.
        let mut changes = match refresh.view(known) {
            View::AfterCopy(_) => Vec::new(),
            View::Target(_) => {
                let linked = Linked::read(refresh).await?;
                let lively = linked.maps.iter().filter(|map| !map.state.is_stopped());
                lively
                    .map(|map| stop(refresh, &linked, &map.name, "stop-again"))
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
            before: json!({ "link": "of before the copy" }),
            after: json!({ "link": "reset", "legal-entities": companies }),
            follows,
            action: Action::Launch(Arc::new(Reset {
                refresh: Arc::clone(refresh),
                companies,
            })),
        });
        Ok(changes)
    }
}

async fn by_hand(
    refresh: &Arc<Refresh>,
    known: &Known,
    recorded: &Recorded,
) -> Result<Vec<Change>, Failure> {
    let shown = match refresh.view(known) {
        View::AfterCopy(_) => Answer::Unknown("the copy is still to come".to_owned()),
        view @ View::Target(_) => {
            match Evidence::read(refresh, known).await?.is_reset() {
                // Microsoft's own sign that a reset is still to do.
                Answer::Unknown(_) if root_team(view).await?.is_renamed() => {
                    Answer::No("the root business unit's default team has another name".to_owned())
                }
                answer => answer,
            }
        }
    };
    if shown.is_yes() {
        return Ok(Vec::new());
    }
    let target = &refresh.runbook.target.name;
    let environment = &refresh.target_environment;
    let dataverse = environment.dataverse.as_ref();
    let address = |url: Option<&str>| url.unwrap_or("not told").to_owned();
    let finance = environment.finance_operations.as_ref();
    let companies = match &recorded.legal_entities {
        Some(companies) => companies.join(", "),
        None => format!(
            "those that synchronized before, of {}",
            recorded
                .companies
                .iter()
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    Ok(vec![Change {
        key: reset_key(refresh),
        name: format!("reset the dual-write link of '{target}'"),
        before: json!({ "link": shown.read() }),
        after: json!({ "link": "reset" }),
        follows: Vec::new(),
        action: Action::Ask(Ask {
            instructions: vec![
                format!(
                    "open {} and compare before you reset: this is Finance and Operations of \
                     '{target}', and it must be linked to {} of environment {}",
                    address(finance.and_then(|f| f.url.as_deref())),
                    address(dataverse.and_then(|d| d.url.as_deref())),
                    environment.id
                ),
                "with any other Dataverse shown, stop here: a reset would reach the other environment"
                    .to_owned(),
                "Data management > Dual-write: stop every map, then Reset link, tick Acknowledge Reset"
                    .to_owned(),
                format!("select the legal entities, none is selected by itself: {companies}"),
                "finish the wizard; every line of Health check must be green".to_owned(),
            ],
            evidence: format!(
                "runtime configuration, the projects' Dataverse and the default team's name; before \
                 maps run again they cannot prove a reset, so say who did it: `iomcopy complete \
                 {} reconfigure-dual-write/link --waive \"who, when\"`",
                refresh.runbook.file().display()
            ),
        }),
    }])
}

struct Reset {
    refresh: Arc<Refresh>,
    companies: Vec<String>,
}

impl Reset {
    /// The guard; then link and body of what is to be sent. Everything is read anew.
    async fn guarded(&self) -> Result<(Linked, Value), Failure> {
        let pair = guard::target(&self.refresh).await?;
        let linked = Linked::read(&self.refresh).await?;
        guard::check(&pair, &linked.link, &linked.set)?;
        if let Some(map) = linked.maps.iter().find(|map| !map.state.is_stopped()) {
            let message = format!("the map '{}' is {}: not reset", map.name, map.state);
            return Err(Failure::failed(message));
        }
        let body = guard::reset_body(&pair, &linked.set, &self.companies);
        Ok((linked, body))
    }
}

#[async_trait]
impl Launch for Reset {
    fn repeat(&self) -> Repeat {
        Repeat::WhenAbsent(RESET)
    }

    fn is_destructive(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<Value, Failure> {
        let (linked, _) = self.guarded().await?;
        let names: Vec<&EntityMap> = linked.maps.iter().collect();
        let names: Vec<&str> = names.iter().map(|map| map.name.as_str()).collect();
        Ok(json!({ "connection-set": linked.link.id, "maps": names }))
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let (linked, body) = self.guarded().await.map_err(WriteError::Refused)?;
        let gateway = acknowledged(&self.refresh).map_err(WriteError::Refused)?;
        let sent = gateway.reset(&linked.link, &body).await;
        Ok(Started {
            handle: json!({ "connection-set": linked.link.id }),
            service_date: sent.map_err(launch_error)?,
        })
    }

    /// A reset leaves no maps. Where there were none before, it cannot be told from none, and asking
    /// again is harmless.
    async fn find(&self, probed: &Value) -> Result<Found, Failure> {
        let linked = Linked::read(&self.refresh).await?;
        let had = probed["maps"]
            .as_array()
            .is_some_and(|maps| !maps.is_empty());
        Ok(if had && linked.maps.is_empty() {
            Found::Operation(json!({ "connection-set": linked.link.id }))
        } else {
            Found::Absent
        })
    }

    async fn trace(&self, probed: &Value) -> Result<Trace, Failure> {
        let had = probed["maps"].as_array().map_or(0, Vec::len);
        let linked = Linked::read(&self.refresh).await?;
        Ok(if had == 0 {
            Trace::NothingKept
        } else if linked.maps.len() == had {
            Trace::Same
        } else {
            Trace::Changed(format!("{} of {had} maps are left", linked.maps.len()))
        })
    }

    fn has_operation(&self) -> bool {
        false
    }

    async fn poll(&self, _handle: &Value) -> Result<Progress, Failure> {
        // The answer came when it was done; the proof below reads what is left.
        Ok(Progress::Succeeded(Value::Null))
    }

    async fn verify(&self, _handle: &Value) -> Result<Verdict, Failure> {
        let pair = guard::target(&self.refresh).await?;
        let linked = Linked::read(&self.refresh).await?;
        guard::check(&pair, &linked.link, &linked.set)?;
        let mut left = Vec::new();
        if !linked.maps.is_empty() {
            left.push(format!("{} of before", count(linked.maps.len(), "map")));
        }
        let evidence = Evidence::read(&self.refresh, &Known::nothing()).await?;
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
            return Ok(Verdict::Proved(observed));
        }
        Ok(Verdict::NotYet(format!(
            "there are still {}",
            left.join(" and ")
        )))
    }

    fn timeout(&self) -> Duration {
        Duration::from_mins(30)
    }
}
