//! The figures of a run, from its journal and its seals alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use super::containment::figures::ContainmentFigures;
use super::containment::{self, Policy};
use super::dual_write::MapCount;
use super::flows::rules::{COMPILED_ANEW, DEPLOYED_ANEW, DesiredState, NAMES_PRODUCTION, Rules};
use super::graph::{Dangling, Slot, count_places};
use super::lost_providers::{lost_line, why_lost};
use super::names::{Names, text};
use super::providers::Catalogue;
use super::sealed_orchestrations::{old_catalogue, recorded_orchestrations};
use super::seals::{self, Part};
use super::{RefreshContext, dual_write, flows, keys};
use crate::base::text::{REQUEST_ID, count, list_first};
use crate::engine::{Failure, JournalView, Maker};
use crate::runbook::{Keyword as _, Publish, Runbook, StepName};

/// The figures that a run ends with.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Summary {
    /// Slots whose new provider action was restored.
    pub slots_restored: usize,
    /// Slots that were recorded.
    pub slots_recorded: usize,
    /// What the steps found as it should be, so that it needed no change of this run.
    pub unchanged: Unchanged,
    /// Slots that held no known provider action before, and were not touched.
    pub dangling: Vec<String>,
    /// Orchestrations published again, by name.
    pub published: Vec<String>,
    /// Orchestrations left as the drafts they were, by name.
    pub drafts: Vec<String>,
    /// Providers that were reinstalled and are active.
    pub providers: usize,
    /// Providers that were deleted and are not reinstalled: name and reason.
    pub providers_not_reinstalled: Vec<(String, String)>,
    /// Cloud flows that this run turned on.
    pub flows_on: usize,
    /// Cloud flows left off: name and reason.
    pub flows_off: Vec<(String, String)>,
    /// The target's dual-write maps.
    pub dual_write: MapCount,
    /// How much of this a person did.
    pub by_hand: ByHand,
    /// The outcome for every surface; `None` before the surfaces are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containment: Option<ContainmentFigures>,
}

/// What was as it should be before this run changed it: a state file was cut or is older than the
/// target, or a person was faster.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Unchanged {
    /// Slots that were not empty when step 7 read them.
    pub slots: usize,
    /// Orchestrations that were published and compiled when step 7 read them.
    pub published: usize,
    /// Providers of whose definition a new instance was active when step 6 read them.
    pub providers: usize,
}

/// How much of what the figures count a person did, as the tenant showed afterwards.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ByHand {
    /// Slots whose new provider action a person restored.
    pub slots_restored: usize,
    /// Orchestrations that a person published again.
    pub published: usize,
    /// Providers that a person reinstalled.
    pub providers: usize,
    /// Cloud flows that a person turned on.
    pub flows_on: usize,
}

/// Counts what the run did so far.
pub(crate) fn summary(refresh: &RefreshContext, journal: &JournalView) -> Result<Summary, Failure> {
    let mut summary = Summary {
        dual_write: dual_write::count_maps(refresh, journal),
        containment: containment::figures::figures(
            journal,
            &Policy::from_runbook(&refresh.runbook),
        ),
        ..Summary::default()
    };
    count_orchestrations(&mut summary, refresh, journal)?;
    count_providers(&mut summary, journal);
    summary.unchanged.providers = unchanged_providers(refresh, journal)?;
    summary.providers_not_reinstalled = not_reinstalled(refresh, journal)?;
    // Before the step has begun, no flow was left off: it is not decided yet.
    if journal.has_step(StepName::ActivateFlows.keyword()) {
        count_flows(&mut summary, refresh, journal);
    }
    Ok(summary)
}

/// Counts the providers that are active again. While the phase works that activates them, those are
/// active whose activation was made.
fn count_providers(summary: &mut Summary, journal: &JournalView) {
    let step = StepName::ReinstallProviders.keyword();
    let are_active = journal.has_phase_ended(step, keys::ACTIVATE_PROVIDERS);
    for (name, maker) in journal.made_changes(keys::NEW_PROVIDERS) {
        // A provider's own name has no slash; what follows one is a part of it.
        let is_provider = !name.contains('/');
        let is_active =
            || are_active || journal.maker(&keys::new_provider_activate(name)).is_some();
        if is_provider && is_active() {
            count_made(
                Some(maker),
                1,
                &mut summary.providers,
                &mut summary.by_hand.providers,
            );
        }
    }
}

/// How many providers were to be reinstalled and needed no change.
fn unchanged_providers(refresh: &RefreshContext, journal: &JournalView) -> Result<usize, Failure> {
    let step = StepName::ReinstallProviders.keyword();
    if !journal.has_phase_ended(step, keys::ACTIVATE_PROVIDERS) {
        return Ok(0);
    }
    let whole = journal.clone().before_reopening();
    let old = Catalogue::sealed_whole(&refresh.names, &whole, Part::Providers)?;
    let choice = refresh.runbook.steps.provider_choice();
    let wanted = old.providers.values().filter_map(|provider| {
        let definition = old.definition_of(provider)?;
        let is_wanted = why_lost(choice, provider, Some(definition)).is_none();
        is_wanted.then_some(definition.logical_name.as_str())
    });
    let unmade = |definition: &&str| {
        let (install, activate) = (
            keys::new_provider(definition),
            keys::new_provider_activate(definition),
        );
        [install, activate]
            .iter()
            .all(|key| is_unchanged(journal, key))
    };
    Ok(wanted
        .collect::<BTreeSet<&str>>()
        .iter()
        .filter(|name| unmade(name))
        .count())
}

/// Did nobody make the change of this key, and waive none? If its phase has ended, it was not needed.
fn is_unchanged(journal: &JournalView, key: &str) -> bool {
    journal.maker(key).is_none() && journal.waived_task_of(key).is_none()
}

/// The providers that the run deleted and does not reinstall, by name, each with the reason.
fn not_reinstalled(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<(String, String)>, Failure> {
    let whole = journal.clone().before_reopening();
    let old = Catalogue::sealed_whole(&refresh.names, &whole, Part::Providers)?;
    let choice = refresh.runbook.steps.provider_choice();
    let deleted = old
        .providers
        .values()
        .filter(|provider| journal.maker(&keys::provider_delete(provider.id)).is_some());
    let lost = deleted.filter_map(|provider| {
        let why = why_lost(choice, provider, old.definition_of(provider))?;
        Some((provider.name.clone(), why))
    });
    Ok(lost.collect())
}

/// Counts the slots and names the orchestrations of the whole run. What was opened again for one
/// provider is a part of it: its slots count as restored once they are restored again.
fn count_orchestrations(
    summary: &mut Summary,
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<(), Failure> {
    let names = &refresh.names;
    let whole = journal.clone().before_reopening();
    let step = &refresh.runbook.steps.restore_provider_actions;
    let publishes = step.options.publish.value == Publish::PreviouslyPublished;
    let has_ended =
        |phase| journal.has_phase_ended(StepName::RestoreProviderActions.keyword(), phase);
    let (is_restored, is_published) = (
        has_ended(keys::RESTORE_ACTIONS),
        has_ended(keys::PUBLISH_ORCHESTRATIONS),
    );
    let old = old_catalogue(names, &whole)?;
    let opened_again = slots_opened_again(names, journal)?;
    for orchestration in recorded_orchestrations(names, &whole, &old)? {
        let slots = count_places(orchestration.slots.iter().map(Slot::place));
        summary.slots_recorded +=
            slots + count_places(orchestration.dangling.iter().map(Dangling::place));
        for dangling in &orchestration.dangling {
            let dangling = describe_dangling(&orchestration.name, dangling);
            // A draft and its published copy have it twice.
            if !summary.dangling.contains(&dangling) {
                summary.dangling.push(dangling);
            }
        }
        let again = opened_again.get(&orchestration.id).copied();
        let restore = keys::orchestration_restore(orchestration.id);
        let missing = again.filter(|_| !journal.has_begun_since(seals::ORCHESTRATIONS, &restore));
        count_made(
            journal.maker(&restore),
            slots.saturating_sub(missing.unwrap_or_default()),
            &mut summary.slots_restored,
            &mut summary.by_hand.slots_restored,
        );
        let publish = keys::orchestration_publish(orchestration.id);
        let bring_back = keys::orchestration_bring_back(orchestration.id);
        let is_gone = journal.was_asked_for(&bring_back) && journal.maker(&bring_back).is_none();
        if is_restored && !is_gone && is_unchanged(journal, &restore) {
            summary.unchanged.slots += slots;
        }
        let is_to_publish = publishes && orchestration.published;
        if is_published && is_to_publish && !is_gone && is_unchanged(journal, &publish) {
            summary.unchanged.published += 1;
        }
        if let Some(maker) = journal.maker(&publish) {
            summary.by_hand.published += usize::from(maker == Maker::Person);
            summary.published.push(orchestration.name);
        } else if !orchestration.published {
            summary.drafts.push(orchestration.name);
        }
    }
    Ok(())
}

/// A slot that held no known provider action before the refresh, as text.
fn describe_dangling(orchestration: &str, dangling: &Dangling) -> String {
    format!(
        "orchestration '{orchestration}', tile '{}' holds {} ('{}')",
        dangling.tile,
        dangling.id,
        dangling.name.as_deref().unwrap_or("no name")
    )
}

/// A note for each slot that held no known provider action when the run recorded the orchestrations:
/// no step touches it.
pub(crate) fn dangling_notes(names: &Names, journal: &JournalView) -> Result<Vec<String>, Failure> {
    let whole = journal.clone().before_reopening();
    let old = old_catalogue(names, &whole)?;
    let mut notes = Vec::new();
    for orchestration in recorded_orchestrations(names, &whole, &old)? {
        for dangling in &orchestration.dangling {
            let slot = describe_dangling(&orchestration.name, dangling);
            let note = format!("dangling before the refresh, left unchanged: {slot}");
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    Ok(notes)
}

/// How many slots of each orchestration were opened again for one provider, if any were.
fn slots_opened_again(
    names: &Names,
    journal: &JournalView,
) -> Result<BTreeMap<Uuid, usize>, Failure> {
    if journal.reinstalled_definition().is_none() || !journal.has_seal(seals::ORCHESTRATIONS) {
        return Ok(BTreeMap::new());
    }
    let old = old_catalogue(names, journal)?;
    let again = recorded_orchestrations(names, journal, &old)?.into_iter();
    let slots = again.map(|orchestration| {
        let places = orchestration.slots.iter().map(Slot::place);
        (orchestration.id, count_places(places))
    });
    Ok(slots.filter(|(_, slots)| *slots > 0).collect())
}

/// Counts the cloud flows that are on, and names those that are left off.
fn count_flows(summary: &mut Summary, refresh: &RefreshContext, journal: &JournalView) {
    if !Rules::is_recorded(journal) {
        count_flows_without_source(summary, journal);
        return;
    }
    let rules = Rules::from_journal(refresh, journal);
    // Once its phase has ended, every flow that should be on is on: a program or a person turned it
    // on.
    let is_open = !journal.has_phase_ended(StepName::ActivateFlows.keyword(), keys::TURN_ON);
    seals::each_row(journal, Part::Source, "workflow", |id, row| {
        if !flows::is_cloud_flow(&row) {
            return;
        }
        let name = text(&row, "name").unwrap_or_else(|| id.to_string());
        match rules.desired_state(id, &row) {
            DesiredState::On => {
                let maker = journal.maker(&keys::flow(id));
                let refused = refusal(journal, id).filter(|_| is_open && maker.is_none());
                if let Some(message) = refused {
                    let reason = refusal_reason(id, message);
                    summary.flows_off.push((name, reason));
                }
                count_made(
                    maker,
                    1,
                    &mut summary.flows_on,
                    &mut summary.by_hand.flows_on,
                );
            }
            DesiredState::Off(reason) => {
                let now = reason_now(reason, &refresh.runbook, journal);
                summary.flows_off.push((name, now.to_owned()));
            }
        }
    });
}

/// The reason of a flow that is left off in a run that has not captured the source.
const OFF_BEFORE: &str = "off when the step began, and the state in the source was not captured";

/// The same where the runbook skips the copy: nothing was captured of the source, so only what the step
/// did shows which flows should be on.
fn count_flows_without_source(summary: &mut Summary, journal: &JournalView) {
    for (flow, maker) in journal.made_changes(keys::FLOWS) {
        // What follows a slash is another change of the flow.
        if !flow.contains('/') {
            count_made(
                Some(maker),
                1,
                &mut summary.flows_on,
                &mut summary.by_hand.flows_on,
            );
        }
    }
    let is_open = !journal.has_phase_ended(StepName::ActivateFlows.keyword(), keys::TURN_ON);
    seals::each_row(journal, Part::FlowDefinitions, "workflow", |id, row| {
        let is_left_off = flows::is_cloud_flow(&row) && !flows::is_on(&row);
        if !is_left_off || journal.maker(&keys::flow(id)).is_some() {
            return;
        }
        let name = text(&row, "name").unwrap_or_else(|| id.to_string());
        let refused = refusal(journal, id).filter(|_| is_open);
        let reason = refused.map_or_else(
            || OFF_BEFORE.to_owned(),
            |message| refusal_reason(id, message),
        );
        summary.flows_off.push((name, reason));
    });
}

/// Why a flow is off, as it is now: whether the step has replaced it that should, and what a person
/// can do.
fn reason_now(reason: &'static str, runbook: &Runbook, journal: &JournalView) -> &'static str {
    let (publishing, reinstalling) = (
        &runbook.steps.restore_provider_actions,
        &runbook.steps.reinstall_providers,
    );
    let is_done = |step: StepName| journal.is_step_done(step.keyword());
    match reason {
        COMPILED_ANEW
            if publishing.is_skipped() || publishing.options.publish.value == Publish::None =>
        {
            "compiled from an orchestration, which this run does not publish: publish it in the IOM app"
        }
        COMPILED_ANEW if is_done(StepName::RestoreProviderActions) => {
            "generated by publishing in the source; publishing in the target generated new ones: \
             nothing to do"
        }
        COMPILED_ANEW => {
            "generated by publishing in the source; publishing in the target has not replaced them yet"
        }
        DEPLOYED_ANEW if reinstalling.is_skipped() => {
            "deployed by a provider, which this run does not reinstall: reinstall it in the IOM app"
        }
        DEPLOYED_ANEW if is_done(StepName::ReinstallProviders) => {
            "deployed by an old provider; the reinstalled one has its own: nothing to do"
        }
        DEPLOYED_ANEW => "deployed by an old provider, which is not reinstalled yet",
        other => other,
    }
}

/// What begins the reason of a flow that the service refused.
const REFUSED: &str = "refused by the service";

/// What the service said when it refused for good to turn this flow on, or what must be done before
/// that.
fn refusal(journal: &JournalView, flow: Uuid) -> Option<&str> {
    let keys = [
        keys::flow(flow),
        keys::flow_owner(flow),
        keys::flow_connectors(flow),
    ];
    keys.iter().find_map(|key| journal.permanent_failure(key))
}

/// The first line of a refusal, without the change, the request and its id: flows that were refused
/// for the same reason are listed together.
fn refusal_reason(flow: Uuid, message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let why = first
        .split_once(&format!("({flow}): "))
        .map_or(first, |(_, why)| why);
    let why = why.split_once(REQUEST_ID).map_or(why, |(before, _)| before);
    format!("{REFUSED} ({why})")
}

/// Adds `things` to the changes made by this maker: to `all`, and for a person also to `by_hand`.
fn count_made(maker: Option<Maker>, things: usize, all: &mut usize, by_hand: &mut usize) {
    match maker {
        None => {}
        Some(Maker::Program) => *all += things,
        Some(Maker::Person) => {
            *all += things;
            *by_hand += things;
        }
    }
}

impl Summary {
    /// The figures as lines for a person.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{} of {} restored to new provider actions{}{}{}",
                self.slots_restored,
                count(self.slots_recorded, "slot"),
                hand(self.by_hand.slots_restored),
                unchanged(self.unchanged.slots),
                dangling(&self.dangling)
            ),
            format!(
                "{} reinstalled{}{}",
                count(self.providers, "provider"),
                hand(self.by_hand.providers),
                unchanged(self.unchanged.providers)
            ),
        ];
        let lost = self.providers_not_reinstalled.iter();
        let lost: Vec<String> = lost
            .map(|(name, why)| format!("'{name}' ({why})"))
            .collect();
        lines.extend(lost_line(&lost));
        lines.extend([
            format!(
                "{} published{}{}{}",
                count(self.published.len(), "orchestration"),
                hand(self.by_hand.published),
                unchanged(self.unchanged.published),
                names(&self.published)
            ),
            match self.drafts.as_slice() {
                [one] => format!("1 draft left unchanged: {one}"),
                drafts => format!(
                    "{} left unchanged{}",
                    count(drafts.len(), "draft"),
                    names(drafts)
                ),
            },
            format!(
                "{} turned on{}, {} left off",
                count(self.flows_on, "cloud flow"),
                hand(self.by_hand.flows_on),
                self.flows_off.len()
            ),
        ]);
        lines.extend(self.flows_off_lines(|_| true));
        lines.push(self.dual_write.line());
        lines.extend(self.containment.iter().flat_map(ContainmentFigures::lines));
        lines
    }

    /// The lines for a run that has not finished: the flows that the service refused stay off until
    /// a person acts, whether or not the rest of the run succeeds.
    pub(crate) fn refused_lines(&self) -> Vec<String> {
        let mut lines = self.flows_off_lines(|why| why.starts_with(REFUSED));
        if !lines.is_empty() {
            lines.insert(
                0,
                "cloud flows left off, although they should be on".to_owned(),
            );
        }
        lines
    }

    /// The flows that are left off, a line for each of these reasons.
    fn flows_off_lines(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, why) in self.flows_off.iter().filter(|(_, why)| is_meant(why)) {
            reasons.entry(why).or_default().push(name);
        }
        let lines = reasons.into_iter().map(|(why, names)| {
            // A few are named; many are only counted, except those that a person must correct.
            let is_to_correct = why == NAMES_PRODUCTION || why.starts_with(REFUSED);
            let listed = if names.len() > 4 && !is_to_correct {
                String::new()
            } else {
                format!(": {}", names.join(", "))
            };
            format!("  off: {} {why}{listed}", names.len())
        });
        lines.collect()
    }
}

/// How many of the counted things a person did, in parentheses; empty for none.
fn hand(things: usize) -> String {
    match things {
        0 => String::new(),
        things => format!(" ({things} by hand)"),
    }
}

/// The slots that no step restores, because they held no known provider action before; empty for none.
fn dangling(slots: &[String]) -> String {
    match slots {
        [] => String::new(),
        slots => format!(
            "; {} dangling before, and left unchanged: {}",
            slots.len(),
            list_first(slots, 4, "; ")
        ),
    }
}

/// How many of the counted things needed no change; empty for none.
fn unchanged(things: usize) -> String {
    match things {
        0 => String::new(),
        things => format!(", {things} needed no change"),
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!(": {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::engine::records::testing::{
        done, intent, open, phase_began, phase_ended, step_began, step_ended,
    };
    use crate::engine::records::{ChangeKind, StepOutcome};

    #[tokio::test]
    async fn a_provider_is_reinstalled_once_it_is_active() {
        let step = StepName::ReinstallProviders.keyword();
        let folder = tempfile::tempdir().unwrap();
        let opening = open(&folder.path().join("s.iomcopy.jsonl"), &Clock::new(1.0));
        let providers = || {
            let mut summary = Summary::default();
            let journal = JournalView::from_journal(opening.journal.state());
            count_providers(&mut summary, &journal);
            summary.providers
        };
        let mut installed = vec![step_began(step), phase_began(step, "install")];
        for name in ["a", "b"] {
            let key = keys::new_provider(name);
            installed.push(intent(step, "install", &key, ChangeKind::Set));
            installed.push(done(&key));
        }
        installed.push(phase_ended(step, "install"));
        opening.journal.append_all(installed).await.unwrap();
        assert_eq!(providers(), 0);

        let (phase, key) = (keys::ACTIVATE_PROVIDERS, keys::new_provider_activate("a"));
        let one_is_active = vec![
            phase_began(step, phase),
            intent(step, phase, &key, ChangeKind::Set),
            done(&key),
        ];
        opening.journal.append_all(one_is_active).await.unwrap();
        assert_eq!(providers(), 1);
        // The other one was active at once, without a request.
        opening
            .journal
            .append_all(vec![phase_ended(step, phase)])
            .await
            .unwrap();
        assert_eq!(providers(), 2);
    }

    #[tokio::test]
    async fn the_reason_of_a_flow_left_off_fits_the_moment() {
        let runbook = |more: &str| {
            let text = format!(
                "runbook: 1\nname: uat\ncloud: public\nidentity:\n  tenant: contoso.onmicrosoft.com\n  default: \
                 {{ azure-cli: {{}} }}\nsource: {{ environment: \
                 11111111-1111-1111-1111-111111111111 }}\ntarget: {{ environment: \
                 22222222-2222-2222-2222-222222222222, name: UAT }}\nsteps:\n  - \
                 copy-environments: {{}}\n  - exit-administration-mode: {{}}\n  - \
                 reconfigure-connections: {{}}\n  - activate-flows: {{}}\n  - \
                 detach-provider-actions: {{}}\n  - reinstall-providers: {{}}\n  - \
                 restore-provider-actions: {{ {more} }}\n  - reconfigure-dual-write: {{}}\n"
            );
            crate::runbook::parse("uat.yaml", &text).unwrap_or_else(|invalid| panic!("{invalid}"))
        };
        let folder = tempfile::tempdir().unwrap();
        let opening = open(&folder.path().join("s.iomcopy.jsonl"), &Clock::new(1.0));
        let reason = |reason, more: &str| {
            let journal = JournalView::from_journal(opening.journal.state());
            reason_now(reason, &runbook(more), &journal)
        };
        for kind in [COMPILED_ANEW, DEPLOYED_ANEW] {
            let now = reason(kind, "");
            assert!(now.contains("yet"), "{now}");
        }
        let not_published = reason(COMPILED_ANEW, "publish: none");
        assert!(not_published.contains("publish it"), "{not_published}");
        for step in [
            StepName::ReinstallProviders,
            StepName::RestoreProviderActions,
        ] {
            let step = step.keyword();
            let records = vec![step_began(step), step_ended(step, StepOutcome::Done)];
            opening.journal.append_all(records).await.unwrap();
        }
        for kind in [COMPILED_ANEW, DEPLOYED_ANEW] {
            let now = reason(kind, "");
            assert!(now.ends_with("nothing to do"), "{now}");
        }
        assert_eq!(reason(NAMES_PRODUCTION, ""), NAMES_PRODUCTION);
    }

    /// After `state cut`, or with an older state file, the target is as it should be already.
    #[test]
    fn what_needed_no_change_is_not_reported_as_missing() {
        let summary = Summary {
            slots_recorded: 25,
            unchanged: Unchanged {
                slots: 25,
                published: 4,
                providers: 5,
            },
            ..Summary::default()
        };
        let lines = summary.lines();
        for line in [
            "0 of 25 slots restored to new provider actions, 25 needed no change",
            "0 providers reinstalled, 5 needed no change",
            "0 orchestrations published, 4 needed no change",
        ] {
            assert!(
                lines.iter().any(|found| found == line),
                "{line}: {lines:#?}"
            );
        }
        let dangling = Summary {
            slots_restored: 24,
            slots_recorded: 25,
            dangling: vec!["orchestration 'A', tile 'B'".to_owned()],
            ..Summary::default()
        };
        assert_eq!(
            dangling.lines()[0],
            "24 of 25 slots restored to new provider actions; 1 dangling before, and left unchanged: \
             orchestration 'A', tile 'B'"
        );
        let lines = Summary::default().lines();
        assert!(
            !lines.iter().any(|line| line.contains("no change")),
            "{lines:#?}"
        );
    }

    #[test]
    fn flows_that_were_refused_are_named_with_the_reason_however_many_they_are() {
        let flow = |number: u128| {
            let id = Uuid::from_u128(number);
            let message = format!(
                "turn on cloud flow 'F{number}': Dataverse does not allow PATCH /workflows({id}): \
                 0x80060467 DlpViolation: no. (request id {number})\nmore"
            );
            (format!("F{number}"), refusal_reason(id, &message))
        };
        let off = (1..=5).map(|number| (format!("G{number}"), "off in the source".to_owned()));
        let summary = Summary {
            flows_off: (1..=5).map(flow).chain(off).collect(),
            ..Summary::default()
        };
        let refused =
            "  off: 5 refused by the service (0x80060467 DlpViolation: no.): F1, F2, F3, F4, F5";
        let lines = summary.lines();
        for line in [
            "0 cloud flows turned on, 10 left off",
            "  off: 5 off in the source",
            refused,
        ] {
            assert!(
                lines.iter().any(|found| found == line),
                "{line}: {lines:#?}"
            );
        }
        // A run that failed says only that.
        assert_eq!(
            summary.refused_lines(),
            ["cloud flows left off, although they should be on", refused]
        );
        assert!(Summary::default().refused_lines().is_empty());
        let other = refusal_reason(Uuid::nil(), "the service is closed");
        assert_eq!(other, "refused by the service (the service is closed)");
    }
}
