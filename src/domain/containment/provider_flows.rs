//! Flows that providers deploy and that name the source or a fixed address.
//!
//! A definition of the library carries its flows as text (Microsoft Learn, *Create a new provider*:
//! *Client Data* of a logic definition), and an activation deploys them turned on. The program does
//! not change the library, so it reports them.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::flows::describe_references;
use super::kind::SurfaceKind;
use super::scope::Scope;
use super::surface::{Closing, Surface, SurfaceState};
use crate::domain::flows::reach::{FIXED_ADDRESS, FlowReach, ReachRules, production_references};
use crate::domain::names::Fields;
use crate::domain::providers::Catalogue;
use crate::domain::source_references::SourceReference;
use crate::engine::Failure;
use crate::runbook::{IomColumn, IomTable};

/// The kind.
pub(crate) struct ProviderFlows;

#[async_trait]
impl SurfaceKind for ProviderFlows {
    fn key(&self) -> &'static str {
        "provider-flow"
    }

    fn title(&self) -> &'static str {
        "flows of providers that name production or a fixed address"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let names = &scope.refresh.names;
        for table in [
            IomTable::Provider,
            IomTable::ProviderDefinition,
            IomTable::LogicDefinition,
        ] {
            if scope
                .view
                .optional_table(names.table(table))
                .await?
                .is_none()
            {
                return Ok(Vec::new());
            }
        }
        // Without these columns it is unknown which flows a provider has; step 6 needs them too.
        let columns = [
            IomColumn::ProviderDefinition,
            IomColumn::LogicDefinitionDefinition,
        ];
        if columns
            .into_iter()
            .any(|column| names.column(column).is_err())
        {
            return Ok(Vec::new());
        }
        let catalogue = Catalogue::read(scope.refresh, scope.view).await?;
        let rows = scope
            .view
            .by_id(names.table(IomTable::LogicDefinition))
            .await?;
        let references = production_references(scope.refresh, scope.journal);
        let rules = ReachRules::new(scope.refresh, references);
        let judged = rows
            .iter()
            .filter_map(|(id, row)| self.judge(&rules, &catalogue, *id, row));
        Ok(judged.collect())
    }
}

impl ProviderFlows {
    /// The surface of one logic definition whose provider is active.
    fn judge(
        &self,
        rules: &ReachRules<'_>,
        catalogue: &Catalogue,
        id: Uuid,
        row: &Fields,
    ) -> Option<Surface> {
        let logic = catalogue.logic.get(&id)?;
        let definition = catalogue.definitions.get(&logic.definition?)?;
        let mut providers = catalogue.providers.values();
        providers.find(|provider| provider.active && provider.definition == Some(definition.id))?;
        let name = format!("{}/{}", definition.logical_name, logic.logical_name);
        let (named, state) = match reach(rules, id, &name, row) {
            FlowReach::Allowed(by, named) => (named, SurfaceState::Allowed(by)),
            FlowReach::Held(named) => {
                let state = state(&named);
                (named, state)
            }
            FlowReach::Nothing | FlowReach::Replaced(_) => return None,
        };
        let closing = match &state {
            SurfaceState::Allowed(_) => Closing::Nothing,
            _ => Closing::Finding(format!(
                "correct the logic definition in the solution that contains it, or leave the \
                 provider out of `providers` of reinstall-providers; or write '{name}' or the host \
                 under `containment.allow`"
            )),
        };
        Some(self.surface(&id, name, describe_references(&named), (state, closing)))
    }
}

/// How far the flow reaches that a logic definition carries: the column is not published, so every
/// text that is a JSON object is judged.
fn reach(rules: &ReachRules<'_>, id: Uuid, name: &str, row: &Fields) -> FlowReach {
    let texts: BTreeMap<&String, &str> = row
        .iter()
        .filter_map(|(column, value)| Some((column, value.as_str()?)))
        .filter(|(_, text)| text.starts_with('{'))
        .filter(|(_, text)| serde_json::from_str::<Value>(text).is_ok())
        .collect();
    let mut reaches = texts.values().map(|text| rules.as_it_is(id, name, text));
    let reaches: Vec<FlowReach> = reaches
        .by_ref()
        .filter(|reach| *reach != FlowReach::Nothing)
        .collect();
    let held = reaches
        .iter()
        .find(|reach| matches!(reach, FlowReach::Held(_)));
    let first = held.or_else(|| reaches.first());
    first.cloned().unwrap_or(FlowReach::Nothing)
}

/// A flow that names production acts on it. Only a person knows whether a fixed address is
/// production's: the provider's publisher may have written it.
fn state(named: &[SourceReference]) -> SurfaceState {
    let of_production: BTreeSet<&str> = named
        .iter()
        .map(|reference| reference.what.as_str())
        .filter(|what| !what.starts_with(FIXED_ADDRESS))
        .collect();
    if of_production.is_empty() {
        let why = "its publisher may have written the address";
        SurfaceState::Unclear(why.to_owned())
    } else {
        SurfaceState::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_that_names_production_is_open_and_a_fixed_address_is_unclear() {
        let reference = |what: &str| SourceReference {
            what: what.to_owned(),
            replacement: None,
        };
        let address = reference(&format!("{FIXED_ADDRESS} api.partner.example in 'Call'"));
        assert!(matches!(
            state(std::slice::from_ref(&address)),
            SurfaceState::Unclear(_)
        ));
        let production = reference("the source's environment id");
        assert_eq!(state(&[address, production]), SurfaceState::Open);
    }
}
