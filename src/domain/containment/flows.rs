//! Cloud flows that name the source or a fixed address.
//!
//! A flow arrives off (Microsoft Learn, *Copy an environment*) and acts once it is on. Step 4 leaves
//! it off unless the runbook replaces what it names, or allows it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use uuid::Uuid;

use super::kind::SurfaceKind;
use super::scope::Scope;
use super::sealed_state::IN_DEFINITION;
use super::surface::{Closing, Surface, SurfaceState};
use crate::base::text::list_first;
use crate::domain::flows::reach::FlowReach;
use crate::domain::flows::rules::{DesiredState, NAMES_PRODUCTION, Rules};
use crate::domain::flows::{self, Unclear, cloud_flows, is_on};
use crate::domain::keys;
use crate::domain::names::Fields;
use crate::domain::source_references::SourceReference;
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::StepName;

/// The kind.
pub(crate) struct CloudFlows;

/// How many of the things that a flow names are listed.
const MAX_LISTED: usize = 4;

#[async_trait]
impl SurfaceKind for CloudFlows {
    fn key(&self) -> &'static str {
        "cloud-flow"
    }

    fn title(&self) -> &'static str {
        "cloud flows that name production or a fixed address"
    }

    fn phase(&self) -> Option<&'static str> {
        None
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        if scope.view.optional_table("workflow").await?.is_none() {
            return Ok(Vec::new());
        }
        let rules = match scope.journal {
            Some(journal) if Rules::is_recorded(journal) => {
                Rules::from_journal(scope.refresh, journal)
            }
            _ => Rules::read_source(scope.refresh).await?,
        };
        // Until administration mode ends, it is not decided yet which flows are on.
        let is_forecast = scope.is_before_opening || matches!(scope.view, View::AfterCopy(_));
        let found = cloud_flows(scope.view, |id, row| surface(&rules, is_forecast, id, &row));
        Ok(found.await?.into_values().collect())
    }
}

/// The surface of a flow; none if it is harmless.
fn surface(rules: &Rules<'_>, is_forecast: bool, id: Uuid, row: &Fields) -> Option<Surface> {
    let is_on = is_on(row) && !is_forecast;
    let (wanted, reach) = if is_on {
        (DesiredState::On, rules.reach_now(id, row))
    } else {
        rules.judge(id, row)
    };
    if !covers_unclear(&reach)
        && (is_on || is_forecast && wanted == DesiredState::On)
        && let Some(surface) = unclear(&rules.unclear(id, row), id, row)
    {
        return Some(surface);
    }
    let (named, state) = match reach {
        FlowReach::Nothing => return None,
        FlowReach::Allowed(by, named) => (named, SurfaceState::Allowed(by)),
        FlowReach::Replaced(named) => (named, SurfaceState::Replaced(IN_DEFINITION.to_owned())),
        FlowReach::Held(named) if is_on => (named, SurfaceState::Open),
        FlowReach::Held(named) => {
            let is_wanted = wanted == DesiredState::Off(NAMES_PRODUCTION);
            let how = if is_wanted { "left off" } else { "off" };
            let state = if is_wanted && is_forecast {
                SurfaceState::Open
            } else {
                SurfaceState::Closed(how.to_owned())
            };
            (named, state)
        }
    };
    let closing = closing(&state, is_on, keys::flow(id));
    let reach = describe_references(&named);
    Some(CloudFlows.surface(&id, flows::name(id, row), reach, (state, closing)))
}

/// Does it not matter where else a flow reaches? It stays off if it is held. An allowed host does not
/// allow what else the flow reaches.
fn covers_unclear(reach: &FlowReach) -> bool {
    matches!(reach, FlowReach::Held(_))
}

/// The surface of a flow with no fixed address of which it is unclear where it reaches, by the actions
/// that tell nobody.
fn unclear(actions: &BTreeMap<String, Unclear>, id: Uuid, row: &Fields) -> Option<Surface> {
    let of = |why: Unclear| -> Vec<&str> {
        let meant = actions.iter().filter(|(_, found)| **found == why);
        meant.map(|(action, _)| action.as_str()).collect()
    };
    let (by_data, by_type) = (of(Unclear::Data), of(Unclear::Type));
    let mut reach = Vec::new();
    let mut why = Vec::new();
    if !by_data.is_empty() {
        let actions = by_data.join("', '");
        reach.push(format!(
            "sends to recipients or addresses in the data, in '{actions}'"
        ));
        why.push("the copied data may hold production's addresses");
    }
    if !by_type.is_empty() {
        let actions = by_type.join("', '");
        reach.push(format!("may reach the outside world, in '{actions}'"));
        why.push("its type of action is not known to stay in the flow");
    }
    if reach.is_empty() {
        return None;
    }
    let state = SurfaceState::Unclear(why.join("; "));
    let closing = Closing::Finding(
        "except it under `except` of activate-flows, make the addresses harmless in a step of your \
         own before it, or allow it by its name under `containment.allow`"
            .to_owned(),
    );
    let reach = reach.join("; ");
    Some(CloudFlows.surface(&id, flows::name(id, row), reach, (state, closing)))
}

fn closing(state: &SurfaceState, is_on: bool, turned_on: String) -> Closing {
    match state {
        SurfaceState::Open if is_on => Closing::Finding(
            "turn it off in the maker portal, or write what it names under `replace` of \
             activate-flows, `containment.replace` or `containment.allow`"
                .to_owned(),
        ),
        SurfaceState::Open => Closing::ByStep {
            step: StepName::ActivateFlows,
            opened_by: vec![turned_on],
        },
        _ => Closing::Nothing,
    }
}

/// What a flow names, in words; of many things the first, and how many more.
pub(super) fn describe_references(named: &[SourceReference]) -> String {
    let mut words: Vec<&str> = named
        .iter()
        .map(|reference| reference.what.as_str())
        .collect();
    words.dedup();
    format!("contains {}", list_first(&words, MAX_LISTED, ", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_lists_what_it_names_and_never_its_text() {
        let reference = |what: &str| SourceReference {
            what: what.to_owned(),
            replacement: None,
        };
        let one = describe_references(&[reference("the source's environment id")]);
        assert_eq!(one, "contains the source's environment id");
        let many: Vec<SourceReference> = (0..6)
            .map(|n| reference(&format!("reference {n}")))
            .collect();
        assert!(describe_references(&many).ends_with("reference 3, and 2 more"));
    }

    #[test]
    fn an_allowed_host_hides_no_action_that_is_unclear() {
        let allowed = FlowReach::Allowed("containment.allow: x".to_owned(), Vec::new());
        assert!(!covers_unclear(&allowed));
        assert!(covers_unclear(&FlowReach::Held(Vec::new())));
        let actions = BTreeMap::from([
            ("Mail".to_owned(), Unclear::Data),
            ("Bus".to_owned(), Unclear::Type),
        ]);
        let surface = unclear(&actions, Uuid::from_u128(1), &Fields::new()).expect("it is unclear");
        assert!(matches!(surface.state, SurfaceState::Unclear(_)));
        for action in ["'Mail'", "'Bus'"] {
            assert!(surface.reach.contains(action), "{}", surface.reach);
        }
        assert!(unclear(&BTreeMap::new(), Uuid::from_u128(1), &Fields::new()).is_none());
    }

    #[test]
    fn a_flow_that_is_on_is_a_finding_and_one_that_is_off_is_left_off_by_the_step() {
        let on = closing(&SurfaceState::Open, true, "flow/1".to_owned());
        assert!(matches!(on, Closing::Finding(_)));
        let off = closing(&SurfaceState::Open, false, "flow/1".to_owned());
        assert!(matches!(
            off,
            Closing::ByStep {
                step: StepName::ActivateFlows,
                ..
            }
        ));
        let closed = SurfaceState::Closed("off".to_owned());
        assert!(matches!(
            closing(&closed, false, String::new()),
            Closing::Nothing
        ));
    }
}
