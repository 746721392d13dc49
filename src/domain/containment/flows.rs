//! Cloud flows that name the source or a fixed address.
//!
//! A flow arrives off (Microsoft Learn, *Copy an environment*) and acts once it is on. Step 4 leaves
//! it off unless the runbook replaces what it names, or allows it.

use async_trait::async_trait;
use uuid::Uuid;

use super::kind::SurfaceKind;
use super::scope::Scope;
use super::sealed_state::IN_DEFINITION;
use super::surface::{Closing, Surface, SurfaceState};
use crate::base::text::list_first;
use crate::domain::flows::reach::FlowReach;
use crate::domain::flows::rules::{DesiredState, NAMES_PRODUCTION, Rules};
use crate::domain::flows::{self, cloud_flows, is_on};
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
    let reach = if is_on {
        rules.reach_now(id, row)
    } else {
        rules.reach(id, row)
    };
    if !matches!(reach, FlowReach::Held(_) | FlowReach::Allowed(..))
        && (is_on || is_forecast && rules.desired_state(id, row) == DesiredState::On)
        && let Some(surface) = sending(&rules.sends_to_data(id, row), id, row)
    {
        return Some(surface);
    }
    let (named, state) = match reach {
        FlowReach::Nothing => return None,
        FlowReach::Allowed(by, named) => (named, SurfaceState::Allowed(by)),
        FlowReach::Replaced(named) => (named, SurfaceState::Replaced(IN_DEFINITION.to_owned())),
        FlowReach::Held(named) if is_on => (named, SurfaceState::Open),
        FlowReach::Held(named) => {
            let is_wanted = rules.desired_state(id, row) == DesiredState::Off(NAMES_PRODUCTION);
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

/// The surface of a flow with no fixed address whose recipients, or the addresses that it calls, are
/// taken from data, by the actions that send.
fn sending(actions: &[String], id: Uuid, row: &Fields) -> Option<Surface> {
    if actions.is_empty() {
        return None;
    }
    let reach = format!(
        "sends to recipients or addresses in the data, in '{}'",
        actions.join("', '")
    );
    let state = SurfaceState::Unclear("the copied data may hold production's addresses".to_owned());
    let closing = Closing::Finding(
        "except it under `except` of activate-flows, make the addresses harmless in a step of your \
         own before it, or allow it by its name under `containment.allow`"
            .to_owned(),
    );
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
