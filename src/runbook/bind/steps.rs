//! `steps`: a list of single-key maps in which all eight steps stand, in order, once.

use super::fields::{Fields, unknown_key};
use super::scalar::{duration, text, whole_number};
use super::{Binder, Field, connections, nearest, options};
use crate::runbook::model::steps::{Common, Step, StepName, Steps};
use crate::runbook::model::words::{Word as _, find};
use crate::runbook::source::{Located, Span};
use crate::runbook::tree::{Content, Node};

/// Passes of a phase where nothing else is written.
pub(in crate::runbook) const ATTEMPTS: u32 = 3;
/// More passes than this only put off the answer.
pub(in crate::runbook) const MOST_ATTEMPTS: u64 = 100;
/// Changes at once where nothing else is written.
pub(in crate::runbook) const CONCURRENCY: usize = 4;
/// More at once would only be throttled.
pub(in crate::runbook) const MOST_CONCURRENT: u64 = 32;

pub(super) fn steps(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Steps> {
    let items = binder.items(field, "write each step as `- activate-flows: { }`")?;
    let mut named = Vec::new();
    let mut meant = Vec::new();
    for item in items {
        match step_item(binder, item) {
            Some(Item::Step(name, options)) => named.push((name, options)),
            Some(Item::Meant(name)) => meant.push(name),
            None => {}
        }
    }
    check_order(binder, field, &named, &meant);

    let named = named.as_slice();
    let copy_environments = step(
        binder,
        named,
        StepName::CopyEnvironments,
        options::copy_environments,
    );
    let exit_administration_mode = step(
        binder,
        named,
        StepName::ExitAdministrationMode,
        options::exit_administration_mode,
    );
    let reconfigure_connections = step(
        binder,
        named,
        StepName::ReconfigureConnections,
        connections::reconfigure_connections,
    );
    let activate_flows = step(
        binder,
        named,
        StepName::ActivateFlows,
        options::activate_flows,
    );
    let detach_provider_actions = step(
        binder,
        named,
        StepName::DetachProviderActions,
        options::detach_provider_actions,
    );
    let reinstall_providers = step(
        binder,
        named,
        StepName::ReinstallProviders,
        options::reinstall_providers,
    );
    let restore_provider_actions = step(
        binder,
        named,
        StepName::RestoreProviderActions,
        options::restore_provider_actions,
    );
    let reconfigure_dual_write = step(
        binder,
        named,
        StepName::ReconfigureDualWrite,
        options::reconfigure_dual_write,
    );
    Some(Steps {
        copy_environments: copy_environments?,
        exit_administration_mode: exit_administration_mode?,
        reconfigure_connections: reconfigure_connections?,
        activate_flows: activate_flows?,
        detach_provider_actions: detach_provider_actions?,
        reinstall_providers: reinstall_providers?,
        restore_provider_actions: restore_provider_actions?,
        reconfigure_dual_write: reconfigure_dual_write?,
    })
}

/// One item of the list.
enum Item<'a> {
    /// A step and its options.
    Step(StepName, Field<'a>),
    /// Not a step as it stands, and reported; but it was meant to be this one, which is therefore
    /// not reported as missing.
    Meant(StepName),
}

fn step_item<'a>(binder: &mut Binder<'_>, item: &'a Node) -> Option<Item<'a>> {
    let entries = match &item.content {
        Content::Map(entries) => entries.as_slice(),
        Content::Broken => return None,
        Content::Text { text, .. } => {
            let quoted = binder.quoted(item.span, text);
            let message = format!("{quoted} is a text where a step belongs");
            let meant = meant(text);
            let example = meant.unwrap_or(StepName::ActivateFlows);
            binder.error(
                item.span,
                message,
                format!("write it as `- {example}: {{ }}`"),
            );
            return meant.map(Item::Meant);
        }
        Content::Empty | Content::List(_) => &[],
    };
    let Some(first) = entries.first() else {
        let help = "write it as `- activate-flows: { }`, or remove the item";
        binder.error(item.span, "this item of `steps` names no step", help);
        return None;
    };
    if let Some(second) = entries.get(1) {
        let help = "indent what belongs to the step deeper than its name; each step is an item of \
                    its own";
        let message = "a second key stands beside the name of a step";
        binder.error(second.key.span, message, help);
    }
    let Some(name) = find::<StepName>(&first.key) else {
        let known: Vec<&str> = StepName::ALL.iter().map(|name| name.word()).collect();
        unknown_key(binder, first, "`steps`", &known);
        return meant(&first.key).map(Item::Meant);
    };
    Some(Item::Step(name, Field::of(first)))
}

fn meant(given: &str) -> Option<StepName> {
    nearest(given, StepName::ALL.iter().map(|name| name.word())).and_then(find)
}

/// Says which steps are missing, stand twice, or stand in the wrong place.
fn check_order(
    binder: &mut Binder<'_>,
    steps: Field<'_>,
    named: &[(StepName, Field<'_>)],
    meant: &[StepName],
) {
    if named.is_empty() && meant.is_empty() {
        let help = "write all eight, in order; one that is not wanted says `skip:` with the reason";
        binder.error(steps.key, "`steps` holds none of the eight steps", help);
        return;
    }
    let mut first_ones: Vec<(StepName, Span)> = Vec::new();
    for (name, field) in named {
        if first_ones.iter().any(|(known, _)| known == name) {
            let help = "each of the eight runs once: remove one of the two";
            binder.error(field.key, format!("the step `{name}` stands twice"), help);
        } else {
            first_ones.push((*name, field.key));
        }
    }
    let in_order = longest_in_order(&first_ones);
    for (name, span) in &first_ones {
        if in_order.contains(name) {
            continue;
        }
        let help = match in_order.iter().rev().find(|other| *other < name) {
            Some(before) => format!("it runs after `{before}`: move it there"),
            None => "it runs first: move it to the top".to_owned(),
        };
        binder.error(
            *span,
            format!("the step `{name}` stands in the wrong place"),
            help,
        );
    }
    for name in StepName::ALL {
        let stands = first_ones.iter().any(|(known, _)| known == name);
        if stands || meant.contains(name) {
            continue;
        }
        binder.error(
            steps.key,
            format!("the step `{name}` is missing"),
            format!("write `- {name}: {{ }}`, or `- {name}: {{ skip: \"the reason\" }}`"),
        );
    }
}

/// The longest choice of steps that stand in their right order; the fewest others are to blame.
fn longest_in_order(steps: &[(StepName, Span)]) -> Vec<StepName> {
    let mut best_ending_at: Vec<Vec<StepName>> = Vec::new();
    for (name, _) in steps {
        let longest_before = best_ending_at
            .iter()
            .filter(|chain| chain.last().is_some_and(|last| last < name))
            .max_by_key(|chain| chain.len());
        let mut chain = longest_before.cloned().unwrap_or_default();
        chain.push(*name);
        best_ending_at.push(chain);
    }
    best_ending_at
        .into_iter()
        .rev()
        .max_by_key(Vec::len)
        .unwrap_or_default()
}

/// A step's common keys and its own. A step that is not written was reported already.
fn step<T>(
    binder: &mut Binder<'_>,
    named: &[(StepName, Field<'_>)],
    name: StepName,
    options: impl FnOnce(&mut Binder<'_>, &mut Fields<'_>) -> Option<T>,
) -> Option<Step<T>> {
    let (_, field) = *named.iter().find(|(known, _)| *known == name)?;
    let concurrency = if name.is_one_by_one() { 1 } else { CONCURRENCY };
    let help = format!("write `- {}: {{ }}`", field.name);
    let mut fields = Fields::open(binder, field, &help)?;
    let skip = fields.optional(binder, "skip", skip);
    let timeout = fields.optional(binder, "timeout", duration);
    let attempts = fields.or(binder, "attempts", ATTEMPTS, |binder, field| {
        let number = whole_number(binder, field, 1..=MOST_ATTEMPTS)?;
        u32::try_from(number.value).ok()
    });
    let concurrency = fields.or(binder, "concurrency", concurrency, |binder, field| {
        let number = whole_number(binder, field, 1..=MOST_CONCURRENT)?;
        if concurrency == 1 && number.value != 1 {
            let help = "remove it: here one change follows the other";
            let message = format!("the concurrency of `{name}` is always 1");
            binder.error(number.span, message, help);
            return None;
        }
        usize::try_from(number.value).ok()
    });
    let options = options(binder, &mut fields);
    fields.close(binder);
    Some(Step {
        span: field.key,
        skip: skip?,
        common: Common {
            timeout: timeout?,
            attempts: attempts?,
            concurrency: concurrency?,
        },
        options: options?,
    })
}

/// Why a step is skipped: a reason in words, for whoever reads the report.
fn skip(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<String>> {
    if let Content::Text { text, .. } = &field.node.content
        && matches!(text.as_str(), "true" | "false" | "yes" | "no")
    {
        let help = match text.as_str() {
            "true" | "yes" => "write why: `skip: \"dual-write is not used here\"`",
            _ => "remove the key: a step without it is not skipped",
        };
        binder.error(field.node.span, "`skip` says no reason", help);
        return None;
    }
    text(binder, field)
}
