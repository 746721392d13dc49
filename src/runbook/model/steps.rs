//! `steps`: a list of maps with one key each, which holds all eight steps once and in order, and
//! between them any number of custom steps.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::custom_steps::{
    CustomStep, CustomStepItem, CustomStepKind, read_custom_steps, serialize_by_name,
};
use super::keywords::{Keyword as _, find_keyword, keywords};
use super::options::{
    ActivateFlows, CopyEnvironments, DetachProviderActions, ExitAdministrationMode, ProviderChoice,
    ReconfigureConnections, ReconfigureDualWrite, ReinstallProviders, RestoreProviderActions,
};
use crate::base::suggestions::misspelled;
use crate::runbook::grammar::keys::{Keys, Section};
use crate::runbook::grammar::kind::{Kind, map_of};
use crate::runbook::grammar::scalars::{duration, text, whole_number};
use crate::runbook::grammar::{Binder, Field};
use crate::runbook::source::{Located, Span};
use crate::runbook::tree::{Content, Node};

/// The default number of passes of a phase.
const ATTEMPTS: u64 = 3;
/// More passes than this only delay the result.
const MOST_ATTEMPTS: u64 = 100;
/// The default number of concurrent changes: low, for the people who work at the service meanwhile.
const CONCURRENCY: u64 = 4;
/// No service takes more requests at once from one user. How many are really in flight, each client
/// finds out for its service.
const MOST_CONCURRENT: u64 = 52;

keywords! {
    /// A step by its name in the runbook, in the order in which steps run.
    pub enum StepName {
        /// Step 1: captures what the copy will destroy, then copies Finance and Operations and
        /// Dataverse onto the target.
        CopyEnvironments = "copy-environments",
        /// Step 2: removes what must not run, then turns administration mode off and background
        /// operations on.
        ExitAdministrationMode = "exit-administration-mode",
        /// Step 3: connects every connection reference to a connection of the target, sets its
        /// owner, then runs *Activate system*.
        ReconfigureConnections = "reconfigure-connections",
        /// Step 4: turns on the cloud flows that should be on, children first.
        ActivateFlows = "activate-flows",
        /// Step 5: records every provider action of every orchestration durably, then removes it.
        DetachProviderActions = "detach-provider-actions",
        /// Step 6: deletes the installed providers and reinstalls them from the library.
        ReinstallProviders = "reinstall-providers",
        /// Step 7: puts the new actions where the old ones were, and publishes again what was
        /// published.
        RestoreProviderActions = "restore-provider-actions",
        /// Step 8: if dual-write was in use, links it again and starts its maps again.
        ReconfigureDualWrite = "reconfigure-dual-write",
    }
}

impl StepName {
    /// Whether changes always run one after another, as for reinstalling providers and publishing
    /// orchestrations.
    fn is_sequential(self) -> bool {
        matches!(
            self,
            Self::ReinstallProviders | Self::RestoreProviderActions
        )
    }
}

/// Declares the steps: a field of [`Steps`], its options, which are called as the step is.
macro_rules! steps {
    ($($(#[$attribute:meta])* $field:ident: $name:ident,)+) => {
        /// The standard steps, and the custom steps between them.
        #[derive(Debug, Clone, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct Steps {
            $($(#[$attribute])* pub $field: Step<$name>,)+
            /// The custom steps, in order.
            #[serde(serialize_with = "serialize_by_name", skip_serializing_if = "Vec::is_empty")]
            pub own: Vec<CustomStep>,
        }

        impl Steps {
            /// The eight in their order, without their options.
            pub fn each(&self) -> [StepView<'_>; 8] {
                [$(self.$field.view(StepName::$name),)+]
            }

            /// Reads each of the eight that is written; a missing one is reported already. Takes
            /// the custom steps, if they are valid.
            fn read_each(
                binder: &mut Binder,
                named: &[(StepName, Field<'_>)],
                own: Option<Vec<CustomStep>>,
            ) -> Option<Self> {
                $(let $field = read_step::<$name>(binder, named, StepName::$name);)+
                Some(Self { $($field: $field?,)+ own: own? })
            }

            /// Visits the key of one of the eight in its item, for the schema.
            fn describe(keys: &mut Keys<'_>, name: StepName) {
                match name {
                    $(StepName::$name => describe_step::<$name>(keys, name),)+
                }
            }
        }
    };
}

steps! {
    /// Step 1.
    copy_environments: CopyEnvironments,
    /// Step 2.
    exit_administration_mode: ExitAdministrationMode,
    /// Step 3.
    reconfigure_connections: ReconfigureConnections,
    /// Step 4.
    activate_flows: ActivateFlows,
    /// Step 5.
    detach_provider_actions: DetachProviderActions,
    /// Step 6.
    reinstall_providers: ReinstallProviders,
    /// Step 7.
    restore_provider_actions: RestoreProviderActions,
    /// Step 8.
    reconfigure_dual_write: ReconfigureDualWrite,
}

/// What every step has, independent of its options.
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    /// Which step.
    pub name: StepName,
    /// Where its name is.
    pub span: Span,
    /// Why it is skipped, if it is.
    pub skip: Option<&'a Located<String>>,
    /// What is common to all steps.
    pub common: &'a Common,
}

/// One item of the list of steps.
#[derive(Debug, Clone, Copy)]
pub enum ListedStep<'a> {
    /// One of the eight.
    Standard(StepView<'a>),
    /// A custom step.
    Custom(&'a CustomStep),
}

impl<'a> ListedStep<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Standard(step) => step.name.keyword(),
            Self::Custom(step) => &step.name.value,
        }
    }

    /// Where its name is in the runbook.
    pub fn span(&self) -> Span {
        match self {
            Self::Standard(step) => step.span,
            Self::Custom(step) => step.span,
        }
    }

    /// Why it is skipped, if it is.
    pub fn skip(&self) -> Option<&'a Located<String>> {
        match self {
            Self::Standard(step) => step.skip,
            Self::Custom(step) => step.skip.as_ref(),
        }
    }
}

impl Steps {
    /// All steps in the order in which they run.
    pub fn in_order(&self) -> Vec<ListedStep<'_>> {
        let mut listed = Vec::new();
        for step in self.each() {
            listed.push(ListedStep::Standard(step));
            let own = self.own.iter().filter(|own| own.follows == step.name);
            listed.extend(own.map(ListedStep::Custom));
        }
        listed
    }

    /// Which providers are reinstalled.
    pub fn provider_choice(&self) -> &ProviderChoice {
        &self.reinstall_providers.options.providers.value
    }
}

/// A step with its options.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step<T> {
    /// Where its name is; the place of its defaults.
    #[serde(skip)]
    pub span: Span,
    /// Why it is skipped, if it is.
    pub skip: Option<Located<String>>,
    /// What is common to all steps.
    pub common: Common,
    /// What only this step has.
    pub options: T,
}

impl<T> Step<T> {
    /// Does the runbook skip the step?
    pub fn is_skipped(&self) -> bool {
        self.skip.is_some()
    }

    fn view(&self, name: StepName) -> StepView<'_> {
        StepView {
            name,
            span: self.span,
            skip: self.skip.as_ref(),
            common: &self.common,
        }
    }
}

/// What is common to all steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Common {
    /// How long an operation at the service may last, in the program's time; by default the step's
    /// own limit.
    #[serde(serialize_with = "in_seconds")]
    pub timeout: Option<Duration>,
    /// How many passes a phase gets.
    pub attempts: u32,
    /// How many changes run at once; in steps 6 and 7 always 1.
    pub concurrency: usize,
}

#[expect(clippy::ref_option, reason = "serde gives the field by reference")]
fn in_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration
        .map(|duration| duration.as_secs_f64())
        .serialize(serializer)
}

/// All standard steps, and the custom steps.
pub(super) fn steps() -> Kind<Steps> {
    Kind::new(read_steps, describe_steps).with_example("[ … ]")
}

/// The copy is first; each of the others is there. A schema cannot say that each is there only
/// once, nor in which order.
fn describe_steps() -> Value {
    let (first, others) = StepName::ALL.split_at(1);
    let copy = Keys::describe_one(&|keys| {
        for name in first {
            Steps::describe(keys, *name);
        }
    });
    let any = Keys::describe_one(&|keys| {
        for name in others {
            Steps::describe(keys, *name);
        }
        for kind in CustomStepKind::ALL {
            kind.describe(keys);
        }
    });
    let each = others
        .iter()
        .map(|name| json!({ "contains": { "type": "object", "required": [name.keyword()] } }));
    json!({
        "type": "array",
        "minItems": StepName::ALL.len(),
        "items": [copy],
        "additionalItems": any,
        "allOf": each.collect::<Vec<_>>(),
    })
}

fn read_steps(binder: &mut Binder, field: Field<'_>) -> Option<Steps> {
    let items = binder.items(field, "write each step as `- activate-flows: { }`")?;
    let mut named = Vec::new();
    let mut meant = Vec::new();
    let mut own = Vec::new();
    let mut follows = None;
    for item in items {
        match read_item(binder, item) {
            Some(Item::Step(name, options)) => {
                named.push((name, options));
                follows = Some(name);
            }
            Some(Item::Meant(name)) => {
                meant.push(name);
                follows = Some(name);
            }
            Some(Item::Custom(kind, field)) => own.push(CustomStepItem {
                kind,
                field,
                follows,
            }),
            None => {}
        }
    }
    check_order(binder, field, &named, &meant);
    let own = read_custom_steps(binder, &own);
    Steps::read_each(binder, &named, own)
}

/// One item of the list.
enum Item<'a> {
    /// One of the eight and its options.
    Step(StepName, Field<'a>),
    /// A custom step and its options.
    Custom(CustomStepKind, Field<'a>),
    /// An invalid item, which is reported. It was meant to be this step, so that the step is not
    /// reported as missing.
    Meant(StepName),
}

fn read_item<'a>(binder: &mut Binder, item: &'a Node) -> Option<Item<'a>> {
    let entries = match &item.content {
        Content::Map(entries) => entries.as_slice(),
        Content::Broken => return None,
        Content::Text { text, .. } => {
            let message = format!("{} must be a map", binder.subject(item.span, text));
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
        return binder.refuse(item.span, "this item of `steps` has no step", help);
    };
    if let Some(second) = entries.get(1) {
        let help = "indent the keys of the step deeper than its name; each step is its own item";
        let message = "an item of `steps` must have only one key";
        binder.error(second.key.span, message, help);
    }
    if let Some(kind) = find_keyword::<CustomStepKind>(&first.key) {
        return Some(Item::Custom(kind, Field::from_entry(first)));
    }
    let Some(name) = find_keyword::<StepName>(&first.key) else {
        let eight = StepName::ALL.iter().map(|name| name.keyword());
        let own = CustomStepKind::ALL.iter().map(|kind| kind.keyword());
        let known: Vec<&str> = eight.chain(own).collect();
        binder.unknown_key(first, "`steps`", &known);
        return meant(&first.key).map(Item::Meant);
    };
    Some(Item::Step(name, Field::from_entry(first)))
}

fn meant(given: &str) -> Option<StepName> {
    misspelled(given, StepName::ALL.iter().map(|name| name.keyword())).and_then(find_keyword)
}

/// Reports those of the eight that are missing, that appear twice, or that are out of order.
fn check_order(
    binder: &mut Binder,
    steps: Field<'_>,
    named: &[(StepName, Field<'_>)],
    meant: &[StepName],
) {
    if named.is_empty() && meant.is_empty() {
        let help = "write all eight, in order, as `iomcopy init` writes them; to skip one, write `skip:` with the reason";
        binder.error(steps.key, "`steps` has none of the eight steps", help);
        return;
    }
    let mut first_ones: Vec<(StepName, Span)> = Vec::new();
    for (name, field) in named {
        if first_ones.iter().any(|(known, _)| known == name) {
            let help = "each step runs once: remove one of the two";
            binder.error(field.key, format!("the step `{name}` appears twice"), help);
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
        binder.error(*span, format!("the step `{name}` is out of order"), help);
    }
    for name in StepName::ALL {
        let is_there = first_ones.iter().any(|(known, _)| known == name);
        if is_there || meant.contains(name) {
            continue;
        }
        binder.error(
            steps.key,
            format!("the step `{name}` is missing"),
            format!("write `- {name}: {{ }}`, or `- {name}: {{ skip: \"the reason\" }}`"),
        );
    }
}

/// The longest selection of steps that are in order, so that the fewest others are reported.
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

fn read_step<T: Section>(
    binder: &mut Binder,
    named: &[(StepName, Field<'_>)],
    name: StepName,
) -> Option<Step<T>> {
    let (_, field) = *named.iter().find(|(known, _)| *known == name)?;
    let help = format!("write `- {name}: {{ }}`");
    Keys::read(binder, field, &help, |keys| visit_step(keys, name))
}

/// The schema of a step's own key in its item.
fn describe_step<T: Section>(keys: &mut Keys<'_>, name: StepName) {
    let step = map_of("{ }", move |keys| visit_step::<T>(keys, name));
    drop(keys.optional(name.keyword(), name.description(), &step));
}

/// A step's options and the keys that all steps have.
fn visit_step<T: Section>(keys: &mut Keys<'_>, name: StepName) -> Option<Step<T>> {
    let options = T::visit(keys);
    let common = visit_common(keys, Some(name));
    let (skip, common) = common?;
    Some(Step {
        span: keys.span(),
        skip,
        common,
        options: options?,
    })
}

/// The keys that all steps have: why it is skipped, and how it runs. Takes which of the eight it
/// is, if it is one.
pub(super) fn visit_common(
    keys: &mut Keys<'_>,
    name: Option<StepName>,
) -> Option<(Option<Located<String>>, Common)> {
    let sequential = name.filter(|name| name.is_sequential());
    let skip = keys.optional("skip", "Why the step is skipped, in words.", &skip());
    let timeout = keys.optional(
        "timeout",
        "How long the run waits for one operation at the service, such as `45m` or `24h`; by default \
         the step's own limit. Time in which no process ran does not count.",
        &duration(),
    );
    let attempts = keys.with_default(
        "attempts",
        "How many passes a phase gets before the remaining changes have failed.",
        &whole_number(1..=MOST_ATTEMPTS),
        ATTEMPTS,
    );
    let concurrency = keys.with_default(
        "concurrency",
        "How many changes run at once; not to be chosen where providers are reinstalled and \
         orchestrations published.",
        &concurrency(sequential),
        if sequential.is_some() { 1 } else { CONCURRENCY },
    );
    let common = Common {
        timeout: timeout?,
        attempts: u32::try_from(attempts?.value).ok()?,
        concurrency: usize::try_from(concurrency?.value).ok()?,
    };
    Some((skip?, common))
}

/// How many changes run at once. Takes the step, if its changes always run one after another.
fn concurrency(sequential: Option<StepName>) -> Kind<Located<u64>> {
    let number = whole_number(1..=MOST_CONCURRENT);
    let Some(name) = sequential else {
        return number;
    };
    whole_number(1..=1).read_by(move |binder, field| {
        let number = number.read(binder, field)?;
        if number.value != 1 {
            let help = "remove it: these changes always run one at a time";
            let message = format!("the concurrency of `{name}` cannot be chosen");
            return binder.refuse(number.span, message, help);
        }
        Some(number)
    })
}

/// Why a step is skipped: a reason in words, for the reader of the report.
fn skip() -> Kind<Located<String>> {
    const NOT_REASONS: [&str; 4] = ["true", "false", "yes", "no"];
    let read = |binder: &mut Binder, field: Field<'_>| {
        if let Some(given) = field.text()
            && NOT_REASONS.contains(&given)
        {
            let help = match given {
                "true" | "yes" => "write why: `skip: \"dual-write is not used here\"`",
                _ => "remove the key: a step without it is not skipped",
            };
            return binder.refuse(field.node.span, "`skip` needs a reason", help);
        }
        text().read(binder, field)
    };
    let schema = || {
        json!({
            "type": ["string", "number"],
            "pattern": "\\S",
            "not": { "enum": NOT_REASONS },
        })
    };
    Kind::new(read, schema)
}
