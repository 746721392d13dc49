//! Which cloud flows should be on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::try_join;
use uuid::Uuid;

use super::reach::{FlowReach, ReachRules, production_references};
use super::{CLOUD_FLOWS, COMPILED, FlowDefinition, Unclear, cloud_flows};
use crate::domain::names::{Fields, Names, text};
use crate::domain::publication::is_published;
use crate::domain::seals::{self, Part};
use crate::domain::source_references::SourceReference;
use crate::domain::view::View;
use crate::domain::{RefreshContext, failure_at, flows};
use crate::engine::{DerivedFromSeal, Failure, FailureKind, JournalView};
use crate::runbook::{IomTable, Keyword as _, TurnOn};

/// Why a flow that the runbook would turn on is left off: its definition names the source or has a
/// fixed address that is not allowed, so it would act on production.
pub(crate) const NAMES_PRODUCTION: &str = "names production";

/// Why a flow is left off that publishing an orchestration or a policy compiles again. True before the
/// publishing and after it.
pub(crate) const COMPILED_ANEW: &str =
    "compiled from an orchestration: publishing the orchestration replaces it";

/// Why a flow is left off that an old provider deployed. True before the reinstallation and after it.
pub(crate) const DEPLOYED_ANEW: &str =
    "deployed by an old provider: reinstalling the provider replaces it";

/// Should a flow be on, and if not, why not?
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum DesiredState {
    On,
    Off(&'static str),
}

/// What decides which flows should be on.
pub(crate) struct Rules<'a> {
    refresh: &'a RefreshContext,
    source: Arc<SourceState>,
    reach: ReachRules<'a>,
}

/// What the rules need of the source.
struct SourceState {
    flows: SourceFlows,
    old_providers: BTreeSet<Uuid>,
    /// The names of the published policies.
    policies: BTreeSet<String>,
}

/// What the rules need from the source's flows.
#[derive(Default)]
pub(crate) struct SourceFlows {
    /// Every cloud flow; with a copy they come by the same ids.
    in_source: BTreeSet<Uuid>,
    /// Those that are on.
    on_in_source: BTreeSet<Uuid>,
}

impl SourceFlows {
    /// Takes rows of the table `workflow`.
    pub(crate) fn from_rows(rows: impl Iterator<Item = (Uuid, Fields)>) -> Self {
        let mut flows = Self::default();
        for (id, row) in rows {
            flows.add(id, &row);
        }
        flows
    }

    fn add(&mut self, id: Uuid, row: &Fields) {
        if flows::is_cloud_flow(row) {
            self.in_source.insert(id);
            if flows::is_on(row) {
                self.on_in_source.insert(id);
            }
        }
    }
}

impl DerivedFromSeal for SourceState {
    const SEAL: &'static str = seals::BEFORE_COPY;
    type Given<'a> = &'a Names;

    /// The source's rows in the first seal.
    fn derive(journal: &JournalView, names: &Names) -> Self {
        let mut flows = SourceFlows::default();
        // One after the other: a flow's definition can be large, and the rules need none.
        seals::each_row(journal, Part::Source, "workflow", |id, row| {
            flows.add(id, &row);
        });
        let source = |table: IomTable| seals::rows(journal, Part::Source, table.keyword());
        let providers = source(IomTable::Provider).into_iter();
        let policies = source(IomTable::Policy);
        Self {
            flows,
            old_providers: providers.map(|(id, _)| id).collect(),
            policies: published_policies(names, policies.iter().map(|(id, row)| (id, &**row))),
        }
    }
}

impl<'a> Rules<'a> {
    /// The rules of this run, from the runbook and the source's rows in the first seal.
    pub(crate) fn from_journal(refresh: &'a RefreshContext, journal: &JournalView) -> Self {
        let source = journal.derived::<SourceState>(&refresh.names);
        Self::of(refresh, Some(journal), source)
    }

    /// Does the journal hold what the rules need from the source?
    pub(crate) fn is_recorded(journal: &JournalView) -> bool {
        seals::has_captures(journal, Part::Source, "workflow/")
    }

    /// The same; if the runbook skips the copy and nothing is sealed, from what the source holds
    /// now.
    pub(crate) async fn read(
        refresh: &'a RefreshContext,
        journal: &JournalView,
    ) -> Result<Self, Failure> {
        if Self::is_recorded(journal) || !refresh.runbook.steps.copy_environments.is_skipped() {
            return Ok(Self::from_journal(refresh, journal));
        }
        Self::read_source(refresh).await
    }

    /// The same, from what the source holds now.
    pub(crate) async fn read_source(refresh: &'a RefreshContext) -> Result<Self, Failure> {
        let names = &refresh.names;
        let (workflows, providers, policies) = try_join!(
            live_flows(refresh),
            live(refresh, names.table(IomTable::Provider)),
            live(refresh, names.table(IomTable::Policy)),
        )?;
        Ok(Self::new(
            refresh,
            None,
            workflows,
            providers.into_keys().collect(),
            policies.iter(),
        ))
    }

    /// The rules over what the source holds: its flows, the ids of its providers, its policies.
    /// Takes the journal whose first seal adds to what names production, if there is one.
    pub(crate) fn new<'r>(
        refresh: &'a RefreshContext,
        journal: Option<&JournalView>,
        workflows: SourceFlows,
        old_providers: BTreeSet<Uuid>,
        policies: impl Iterator<Item = (&'r Uuid, &'r Fields)>,
    ) -> Self {
        let source = SourceState {
            flows: workflows,
            old_providers,
            policies: published_policies(&refresh.names, policies),
        };
        Self::of(refresh, journal, Arc::new(source))
    }

    fn of(
        refresh: &'a RefreshContext,
        journal: Option<&JournalView>,
        source: Arc<SourceState>,
    ) -> Self {
        Self {
            refresh,
            source,
            reach: ReachRules::new(refresh, production_references(refresh, journal)),
        }
    }

    /// Did an old provider deploy this flow?
    pub(crate) fn is_deployed(&self, name: &str) -> bool {
        flows::is_deployed_by(name, &self.source.old_providers)
    }

    /// Does this flow belong to a provider: an old one, which step 6 recreates, or one that was
    /// installed here? A name that ends like a provider's says nothing of a flow that the copy
    /// brought: anybody may give a flow such a name, or the provider is gone.
    pub(crate) fn belongs_to_provider(&self, id: Uuid, name: &str) -> bool {
        self.is_deployed(name) || self.is_deployed_here(id, name)
    }

    fn is_deployed_here(&self, id: Uuid, name: &str) -> bool {
        is_deployed_here(id, name, &self.source.flows.in_source)
    }

    /// Why this step skips a flow: another step recreates it.
    pub(crate) fn recreated_because(&self, name: &str) -> Option<&'static str> {
        if self.is_deployed(name) {
            return Some(DEPLOYED_ANEW);
        }
        let part = name.strip_prefix(COMPILED)?;
        (!self.source.policies.contains(part)).then_some(COMPILED_ANEW)
    }

    /// How far the flow reaches once the runbook's replacements are made; nothing of a flow that
    /// another step recreates.
    pub(crate) fn reach(&self, id: Uuid, row: &Fields) -> FlowReach {
        self.reach_by(id, row, ReachRules::after_replacement)
    }

    /// How far the flow reaches as it is now.
    pub(crate) fn reach_now(&self, id: Uuid, row: &Fields) -> FlowReach {
        self.reach_by(id, row, ReachRules::as_it_is)
    }

    fn reach_by(
        &self,
        id: Uuid,
        row: &Fields,
        judge: impl Fn(&ReachRules<'a>, Uuid, &str, &str) -> FlowReach,
    ) -> FlowReach {
        match self.name_and_definition(id, row) {
            Some((name, data)) => judge(&self.reach, id, &name, &data),
            None => FlowReach::Nothing,
        }
    }

    /// The name and the definition of a flow; `None` if another step recreates the flow.
    fn name_and_definition(&self, id: Uuid, row: &Fields) -> Option<(String, String)> {
        let name = flows::name(id, row);
        if self.recreated_because(&name).is_some() || self.is_deployed_here(id, &name) {
            return None;
        }
        Some((name, text(row, "clientdata").unwrap_or_default()))
    }

    /// The actions of a flow of which it is unclear where they reach; none if the runbook allows the
    /// flow, or another step recreates it.
    pub(crate) fn unclear(&self, id: Uuid, row: &Fields) -> BTreeMap<String, Unclear> {
        match self.name_and_definition(id, row) {
            Some((name, data)) => self.reach.unclear(&name, &data),
            None => BTreeMap::new(),
        }
    }

    /// What the flow would act on without being allowed, once the runbook's replacements are made.
    pub(crate) fn named_by(&self, id: Uuid, row: &Fields) -> Vec<SourceReference> {
        self.reach(id, row).into_held()
    }

    /// The same, of the definition as it is now.
    pub(crate) fn named_now(&self, id: Uuid, row: &Fields) -> Vec<SourceReference> {
        self.reach_now(id, row).into_held()
    }

    /// Should this flow be on? Never if it would act on production.
    pub(crate) fn desired_state(&self, id: Uuid, row: &Fields) -> DesiredState {
        match self.asked_for(id, &flows::name(id, row)) {
            DesiredState::On => Self::held_off(&self.reach(id, row)),
            off @ DesiredState::Off(_) => off,
        }
    }

    /// The same, and how far the flow reaches once the runbook's replacements are made.
    pub(crate) fn judge(&self, id: Uuid, row: &Fields) -> (DesiredState, FlowReach) {
        let reach = self.reach(id, row);
        let wanted = match self.asked_for(id, &flows::name(id, row)) {
            DesiredState::On => Self::held_off(&reach),
            off @ DesiredState::Off(_) => off,
        };
        (wanted, reach)
    }

    /// The state of a flow that the runbook wants on.
    fn held_off(reach: &FlowReach) -> DesiredState {
        match reach {
            FlowReach::Held(named) if !named.is_empty() => DesiredState::Off(NAMES_PRODUCTION),
            _ => DesiredState::On,
        }
    }

    /// A flow that is off although the runbook wants it on, because it would act on production, in
    /// words; none for any other.
    pub(crate) fn held_back(&self, id: Uuid, row: &Fields) -> Option<String> {
        let name = flows::name(id, row);
        if flows::is_on(row) || self.asked_for(id, &name) != DesiredState::On {
            return None;
        }
        let named = self.named_by(id, row);
        let named: Vec<String> = named.into_iter().map(|mark| mark.what).collect();
        (!named.is_empty()).then(|| format!("'{name}': {}", named.join(", ")))
    }

    /// Does the runbook want this flow on?
    fn asked_for(&self, id: Uuid, name: &str) -> DesiredState {
        if let Some(reason) = self.recreated_because(name) {
            return DesiredState::Off(reason);
        }
        let options = &self.refresh.runbook.steps.activate_flows.options;
        if options
            .except
            .iter()
            .any(|pattern| flows::is_named(&pattern.value, id, name))
        {
            return DesiredState::Off("excepted by the runbook");
        }
        match &options.turn_on.value {
            TurnOn::All => DesiredState::On,
            TurnOn::AsInSource if self.source.flows.on_in_source.contains(&id) => DesiredState::On,
            TurnOn::AsInSource => DesiredState::Off("off in the source"),
            TurnOn::Flows(patterns)
                if patterns.iter().any(|p| flows::is_named(&p.value, id, name)) =>
            {
                DesiredState::On
            }
            TurnOn::Flows(_) => DesiredState::Off("not named by the runbook"),
        }
    }

    /// A pattern that matches nothing is a mistake in the runbook: say where.
    pub(crate) fn check<'f>(
        &self,
        all: &(impl Iterator<Item = (Uuid, &'f str)> + Clone),
    ) -> Result<(), Failure> {
        let options = &self.refresh.runbook.steps.activate_flows.options;
        let turned_on = match &options.turn_on.value {
            TurnOn::Flows(patterns) => patterns.as_slice(),
            TurnOn::All | TurnOn::AsInSource => &[],
        };
        for pattern in turned_on.iter().chain(&options.except) {
            let matches = all
                .clone()
                .any(|(id, name)| flows::is_named(&pattern.value, id, name));
            if !matches {
                let diagnostic = self.refresh.runbook.diagnostic(
                    pattern.span,
                    &format!("no cloud flow matches '{}'", pattern.value),
                    Some("correct the pattern, or leave it out; `*` matches any run of characters"),
                );
                return Err(failure_at(FailureKind::InvalidInput, &diagnostic));
            }
        }
        Ok(())
    }
}

/// The flows of the target that are off although the runbook wants them on, because they would act
/// on production; nothing if step 4 is skipped.
pub(crate) async fn held_flows(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<String>, Failure> {
    if refresh.runbook.steps.activate_flows.is_skipped() {
        return Ok(Vec::new());
    }
    let rules = Rules::read(refresh, journal).await?;
    let held = cloud_flows(refresh.view(journal), |id, row| rules.held_back(id, &row));
    Ok(held.await?.into_values().collect())
}

/// What `map` keeps of the definition of each cloud flow that should be on. It takes the flow's id
/// and its row too, and should keep neither the row nor the definition, which can be large.
pub(crate) async fn wanted_definitions<T>(
    refresh: &RefreshContext,
    journal: &JournalView,
    map: impl Fn(Uuid, &Fields, &FlowDefinition) -> T,
) -> Result<Vec<T>, Failure> {
    let rules = Rules::read(refresh, journal).await?;
    let wanted = |id, row: Fields| {
        let is_wanted = rules.desired_state(id, &row) == DesiredState::On;
        let definition = is_wanted
            .then(|| FlowDefinition::from_row(&row))
            .flatten()?;
        Some(map(id, &row, &definition))
    };
    let flows = cloud_flows(refresh.view(journal), wanted).await?;
    Ok(flows.into_values().collect())
}

/// Did a provider of the target deploy this flow? Its name says so, and the source has no flow with
/// this id.
fn is_deployed_here(id: Uuid, name: &str, in_source: &BTreeSet<Uuid>) -> bool {
    !in_source.contains(&id) && flows::deployer(name).is_some()
}

/// The names of the policies that are published.
fn published_policies<'r>(
    names: &Names,
    policies: impl Iterator<Item = (&'r Uuid, &'r Fields)>,
) -> BTreeSet<String> {
    policies
        .filter(|(_, row)| is_published(row))
        .map(|(id, row)| names.title(IomTable::Policy, row, *id))
        .collect()
}

/// What the rules need of the source's flows as they are now.
async fn live_flows(refresh: &RefreshContext) -> Result<SourceFlows, Failure> {
    let view = View::AsIs(&refresh.source.dataverse);
    let Some(table) = view.optional_table("workflow").await? else {
        return Ok(SourceFlows::default());
    };
    let columns = ["category", "type", "statecode"];
    let rows = view
        .selected_fields(&table, &columns, Some(CLOUD_FLOWS))
        .await?;
    Ok(SourceFlows::from_rows(rows.into_iter()))
}

/// The rows of a table of the source as they are now.
async fn live(refresh: &RefreshContext, table: &str) -> Result<BTreeMap<Uuid, Fields>, Failure> {
    let view = View::AsIs(&refresh.source.dataverse);
    match view.optional_table(table).await? {
        Some(_) => view.by_id(table).await,
        None => Ok(BTreeMap::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::publication::labelled;

    #[test]
    fn a_name_like_a_providers_says_nothing_of_a_flow_that_the_source_has() {
        let (copied, new) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let in_source = BTreeSet::from([copied]);
        let provider = "99999999-0000-4000-8000-000000000001";
        for name in [
            format!("Contoso - Book the carrier ({provider})"),
            format!("iom_{provider}_msdyn_x"),
        ] {
            assert!(!is_deployed_here(copied, &name, &in_source), "{name}");
            assert!(is_deployed_here(new, &name, &in_source), "{name}");
        }
        assert!(!is_deployed_here(new, "Contoso - Book", &in_source));
    }

    #[test]
    fn a_policy_that_is_published_by_its_status_alone_is_published() {
        let (published, draft) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let rows = [
            (published, labelled("Active", "Published")),
            (draft, labelled("Active", "Draft")),
        ];
        let policies = rows.iter().map(|(id, row)| (id, row));
        let found = published_policies(&Names::default(), policies);
        assert_eq!(found, BTreeSet::from([published.to_string()]));
    }
}
