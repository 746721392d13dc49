//! Cloud flows: who deployed them, which should be on, and their definitions.
//!
//! - this file: a flow's row: its name, its state, and who deployed it.
//! - `definition`: [`FlowDefinition`], its `clientdata`: what calls it, what it calls, what it is
//!   connected to.
//! - `addresses`: where its actions reach: fixed addresses, and what nobody can tell.
//! - `places`: the parameters of connectors that say where an action reaches.
//! - `expression`, `origins`: its expressions, and where they take their texts from.
//! - `walk`: every object and every text in it.
//! - [`reach`]: what of production it names, or which fixed addresses it reaches.
//! - [`rules`]: which flows should be on.
//! - [`switch`]: switching a flow on or off.
//! - `replacement`: replacing text in a definition, and showing what is replaced.

mod addresses;
mod definition;
mod expression;
mod origins;
mod places;
pub(crate) mod reach;
mod replacement;
pub(crate) mod rules;
mod switch;
mod walk;

use super::RefreshContext;
use super::view::{SourceRows, View, source_rows};
use crate::engine::Failure;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;
use wildmatch::WildMatch;

use super::names::{Fields, text as text_of};

pub(crate) use addresses::Unclear;
pub(crate) use definition::{FlowDefinition, missing_connectors, moved_connectors, stem};
pub(crate) use origins::ForeignDefaults;
pub(crate) use places::{domains, resource};
pub(crate) use replacement::{for_message, replaced};
pub(crate) use switch::{
    SurveyedFlow, SwitchColumns, switch, switch_value, switched, turn_on_owned,
};

/// What a compiled flow's name begins with: one for each tile and each policy of a published
/// orchestration (seen in Microsoft's lab on orchestrations).
pub(crate) const COMPILED: &str = "(DO NOT DELETE OR MODIFY) ";

/// The word for a flow that a policy keeps from running.
const SUSPENDED: &str = "suspended";

/// Is it a cloud flow's definition, and not a classic workflow or an activation record?
pub(crate) fn is_cloud_flow(row: &Fields) -> bool {
    row.get("category").and_then(Value::as_i64) == Some(5)
        && row.get("type").and_then(Value::as_i64).unwrap_or(1) == 1
}

/// A flow's name, or its id if it has none.
pub(crate) fn name(id: Uuid, row: &Fields) -> String {
    text_of(row, "name").unwrap_or_else(|| id.to_string())
}

/// Does a pattern of the runbook (a glob over names, or a workflow id) name this flow?
pub(crate) fn is_named(pattern: &str, id: Uuid, name: &str) -> bool {
    Uuid::try_parse(pattern).is_ok_and(|wanted| wanted == id)
        || WildMatch::new_case_insensitive(pattern).matches(name)
}

/// Is it on?
pub(crate) fn is_on(row: &Fields) -> bool {
    row.get("statecode").and_then(Value::as_i64) == Some(1)
}

/// `on`, `off` or `suspended`, or the number of a state that is not known.
pub(crate) fn state(row: &Fields) -> String {
    match row.get("statecode").and_then(Value::as_i64) {
        Some(0) => "off".to_owned(),
        Some(1) => "on".to_owned(),
        Some(2) => SUSPENDED.to_owned(),
        other => format!("state {other:?}"),
    }
}

/// Was this flow deployed by one of these providers? Deployed flows carry the provider's id in
/// their names: `iom_<id>_<logic definition>` or `<name> (<id>)`.
pub(crate) fn is_deployed_by(name: &str, providers: &BTreeSet<Uuid>) -> bool {
    let name = name.to_ascii_lowercase();
    providers
        .iter()
        .any(|id| name.starts_with(&format!("iom_{id}_")) || name.ends_with(&format!("({id})")))
}

/// The provider whose id is in a deployed flow's name: certain in `iom_<id>_<logic definition>`,
/// possible in `<name> (<id>)`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Deployer {
    /// The prefix is IOM's own.
    Surely(Uuid),
    /// A customer may end a name like this.
    Perhaps(Uuid),
}

/// Reads the deploying provider's id out of a flow's name.
pub(crate) fn deployer(name: &str) -> Option<Deployer> {
    let lower = name.to_ascii_lowercase();
    if let Some(id) = lower.strip_prefix("iom_").and_then(|rest| rest.get(..36)) {
        return Uuid::try_parse(id).ok().map(Deployer::Surely);
    }
    let (_, id) = lower.strip_suffix(')')?.rsplit_once(" (")?;
    let is_plain = id.len() == 36;
    Uuid::try_parse(id)
        .ok()
        .filter(|_| is_plain)
        .map(Deployer::Perhaps)
}

/// The condition that selects the definitions of cloud flows.
pub(crate) const CLOUD_FLOWS: &str = "category eq 5 and type eq 1";

/// The columns of a flow that the program uses. The others, and the annotations of all, would be
/// most of what a list of flows takes.
const COLUMNS: [&str; 13] = [
    "name",
    "category",
    "type",
    "clientdata",
    "statecode",
    "statuscode",
    "suspensionreasondetails",
    "_ownerid_value",
    "createdon",
    "modifiedon",
    "uniquename",
    "ismanaged",
    "iscustomizable",
];

/// What `map` keeps of every cloud flow, by id. It takes the columns that the program uses; a
/// definition is large, so it should keep no row.
pub(crate) async fn cloud_flows<T>(
    view: View<'_>,
    map: impl Fn(Uuid, Fields) -> Option<T>,
) -> Result<BTreeMap<Uuid, T>, Failure> {
    let table = view.table("workflow").await?;
    let map = |id, row: Fields| is_cloud_flow(&row).then(|| map(id, row)).flatten();
    view.selected_by_id(&table, &COLUMNS, Some(CLOUD_FLOWS), map)
        .await
}

/// The same of the source, as they are now and for a forecast.
pub(crate) struct SourceCloudFlows(SourceRows);

impl SourceCloudFlows {
    /// Reads them, unless a forecast has.
    pub(crate) async fn read(refresh: &RefreshContext) -> Result<Self, Failure> {
        let rows = source_rows(refresh, "workflow", &COLUMNS, Some(CLOUD_FLOWS));
        Ok(Self(rows.await?))
    }

    /// One flow after the other: a definition can be large.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Uuid, Fields)> {
        self.0.iter().filter(|(_, row)| is_cloud_flow(row))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::Dataverse;
    use crate::clients::testing::{Listener, Reply, Setup};

    /// A whole row with its annotations is several times as long.
    #[tokio::test]
    async fn a_list_of_flows_has_only_the_columns_that_are_used() {
        let id = Uuid::from_u128(7);
        let row = json!({"workflowid": id, "name": "Nightly", "category": 5, "type": 1});
        let columns = ["name", "category", "type", "clientdata", "ownerid", "xaml"];
        let columns = columns.map(|column| json!({ "LogicalName": column }));
        let table = json!({"LogicalName": "workflow", "EntitySetName": "workflows",
            "PrimaryIdAttribute": "workflowid", "Attributes": columns,
            "ManyToOneRelationships": []});
        let page = json!({ "value": [row] });
        let listener = Listener::start(move |request, _| {
            let is_list = request.path.contains("/workflows?");
            Reply::json(200, if is_list { &page } else { &table })
        })
        .await;
        let setup = Setup::new(1_000.0);
        let target = Dataverse::new(setup.service(&listener.url));
        let names = cloud_flows(View::AsIs(&target), |id, row| Some(name(id, &row)));
        assert_eq!(names.await.unwrap()[&id], "Nightly");
        let list = listener.received().pop().unwrap();
        let select = "$select=name,category,type,clientdata,_ownerid_value,workflowid&";
        assert!(list.path.contains(select), "{}", list.path);
        // A page is in memory as a whole.
        assert_eq!(list.header("prefer"), Some("odata.maxpagesize=500"));
    }

    #[test]
    fn a_pattern_is_a_glob_over_names_or_a_workflow_id() {
        let id = Uuid::from_u128(7);
        assert!(is_named("legacy *", id, "Legacy order import"));
        assert!(!is_named("legacy", id, "Legacy order import"));
        assert!(is_named(&id.to_string().to_uppercase(), id, "anything"));
        assert!(!is_named(&Uuid::from_u128(8).to_string(), id, "anything"));
    }

    #[test]
    fn a_name_shows_which_provider_deployed_a_flow() {
        let id = Uuid::try_parse("ae892aa5-0000-4000-8000-000000000001").unwrap();
        assert_eq!(
            deployer(&format!("IOM_{}_msdyn_x", id.to_string().to_uppercase())),
            Some(Deployer::Surely(id))
        );
        assert_eq!(
            deployer(&format!("Send ({id})")),
            Some(Deployer::Perhaps(id))
        );
        for name in ["iom_short", "Send (all)", "iom_é", "Send", "(x)"] {
            assert_eq!(deployer(name), None, "{name}");
        }
    }

    #[test]
    fn deployed_flows_are_known_by_the_provider_id_in_their_names() {
        let id = Uuid::try_parse("ae892aa5-0000-4000-8000-000000000001").unwrap();
        let providers = BTreeSet::from([id]);
        assert!(is_deployed_by(
            "iom_AE892AA5-0000-4000-8000-000000000001_msdyn_x",
            &providers
        ));
        assert!(is_deployed_by(
            "IOM Lab Send (ae892aa5-0000-4000-8000-000000000001)",
            &providers
        ));
        assert!(!is_deployed_by("iom_other_msdyn_x", &providers));
    }
}
