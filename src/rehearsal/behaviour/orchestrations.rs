//! Orchestrations: read-only while published; publishing validates, takes time, and compiles.

use std::time::Duration;

use serde_json::json;

use super::graph::Graph;
use super::organization::{
    Organization, Row, lookup, lookup_value, number, row_of, set_state, text,
};
use super::timers::{self, Place, Timer};
use super::update::Update;
use super::{deletion, flows, policies};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::world::names;

const DESIGNER: &str = "msdyn_iomdesigner";
const STEP: &str = "msdyn_iomstep";

/// The duration of publishing.
const DURATION: Duration = Duration::from_mins(1);

/// The status of a published orchestration. Its state depends on the tenant: there may be a state for
/// what is published, or all are *Active*.
const PUBLISHED: i64 = 2;

fn is_published(orchestration: &Row) -> bool {
    number(orchestration, "statuscode") == Some(PUBLISHED)
}

/// The rules for updates of an orchestration.
pub(super) fn before_update(
    organization: &mut Organization,
    update: &Update<'_>,
) -> Result<(), ODataError> {
    let edits = update.changes_value("msdyn_graph") || update.changes_value("msdyn_name");
    let was_published = is_published(update.before);
    let stops = was_published && !is_published(update.after);
    if edits && (was_published || is_publishing(organization, update.id)) {
        return Err(ODataError::business_rule(
            "The orchestration is published and read-only. Stop it before you edit it.",
        ));
    }
    if stops {
        for flow in compiled_flows(organization, update.id) {
            flows::switch(organization, &flow, false);
        }
    }
    Ok(())
}

/// Starts publishing an orchestration.
pub(crate) fn publish(organization: &mut Organization, id: &str) -> Result<(), ODataError> {
    let orchestration = organization.existing(DESIGNER, id)?;
    let published = is_published(&orchestration);
    let compiled = !organization
        .rows_referencing(STEP, "msdyn_designerid", id)
        .is_empty();
    if (published && compiled) || is_publishing(organization, id) {
        return Ok(());
    }
    let graph = read_graph(&orchestration)?;
    let actions = graph.actions.iter();
    let actions = actions.filter_map(|action| action_problem(organization, action));
    let policies = graph.policies.iter();
    let policies = policies.filter_map(|id| policies::policy_problem(organization, id));
    let mut problems: Vec<String> = actions.chain(policies).collect();
    problems.sort();
    problems.dedup();
    if !problems.is_empty() {
        let message = format!(
            "The orchestration cannot be published. {}",
            problems.join(" | ")
        );
        return Err(ODataError::business_rule(message));
    }
    let timer = Timer::PublishOrchestration {
        place: Place::of_request(organization),
        orchestration: id.to_owned(),
    };
    timers::set(organization.draft, DURATION, &timer);
    Ok(())
}

fn is_publishing(organization: &Organization, id: &str) -> bool {
    // A copied orchestration has the same id in each environment.
    timers::is_set(organization.draft, |timer| {
        matches!(
            timer,
            Timer::PublishOrchestration { place, orchestration }
                if place.organization == organization.id && orchestration == id
        )
    })
}

fn read_graph(orchestration: &Row) -> Result<Graph, ODataError> {
    let Some(text) = text(orchestration, "msdyn_graph") else {
        return Ok(Graph::default());
    };
    Graph::parse(text).map_err(|error| {
        ODataError::business_rule(format!("The orchestration's graph cannot be read: {error}"))
    })
}

fn action_problem(organization: &Organization, id: &str) -> Option<String> {
    let Some(action) = organization.row("msdyn_iomprovideraction", id) else {
        return Some(format!(
            "Provider action record could not be retrieved. Provider Action Id: {id}"
        ));
    };
    let provider = lookup(&action, "msdyn_providerid").unwrap_or_default();
    let active = organization
        .row("msdyn_iomprovider", provider)
        .is_some_and(|provider| number(&provider, "statecode") == Some(0));
    (!active).then(|| {
        let name = text(&action, "msdyn_name").unwrap_or_default();
        format!("The provider of the action is not active. Provider Action: {name}, Id: {id}")
    })
}

/// Ends publishing: deletes what was compiled before, and compiles each tile to a flow and a step.
pub(super) fn end_publishing(organization: &mut Organization, id: &str) {
    // The graph was valid when publishing started, and is read-only since then.
    if let Some(orchestration) = organization.row(DESIGNER, id)
        && let Ok(graph) = read_graph(&orchestration)
    {
        // Compiling fails only if the schema lacks one of its tables.
        let _compiled = compile(organization, orchestration, &graph, id);
    }
}

fn compile(
    organization: &mut Organization,
    mut orchestration: Row,
    graph: &Graph,
    id: &str,
) -> Result<(), ODataError> {
    let (workflows, steps) = (organization.table("workflow")?, organization.table(STEP)?);
    for flow in compiled_flows(organization, id) {
        deletion::delete(organization, workflows, &flow)?;
    }
    for step in organization.rows_referencing(STEP, "msdyn_designerid", id) {
        let step = text(&step, &steps.primary_id)
            .unwrap_or_default()
            .to_owned();
        deletion::delete(organization, steps, &step)?;
    }
    let now = organization.draft.now().milliseconds().to_string();
    for (tile, name) in &graph.tiles {
        let flow = names::identifier(&["tile-flow", id, tile, &now]);
        let data = flows::client_data(&[], &json!({}), &json!({}));
        flows::deploy(organization, &flow, &flows::compiled_name(name), &data)?;
        let row = row_of(json!({
            "msdyn_name": name,
            "msdyn_designerid": lookup_value(DESIGNER, id),
            "msdyn_workflowid": flows::lookup_to(&flow),
        }));
        organization.insert(steps, &names::identifier(&["step", id, tile, &now]), row);
    }
    let table = organization.table(DESIGNER)?;
    let mut statuses = table.statuses().iter();
    let state = statuses.find(|status| status.value == PUBLISHED);
    set_state(
        &mut orchestration,
        state.map_or(0, |status| status.state),
        PUBLISHED,
    );
    organization.save(table, orchestration);
    Ok(())
}

/// The compiled flows of an orchestration's tiles.
fn compiled_flows(organization: &Organization, id: &str) -> Vec<String> {
    organization
        .rows_referencing(STEP, "msdyn_designerid", id)
        .iter()
        .filter_map(|step| lookup(step, "msdyn_workflowid").map(str::to_owned))
        .collect()
}
