//! `steps`: a list of maps with one key each, which holds all eight steps once and in order.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::options::{
    ActivateFlows, CopyEnvironments, DetachProviderActions, ExitAdministrationMode,
    ReconfigureConnections, ReconfigureDualWrite, ReinstallProviders, RestoreProviderActions,
};
use super::words::{Word as _, find_word, words};
use crate::runbook::grammar::keys::{Keys, Section};
use crate::runbook::grammar::kind::{Kind, map_of};
use crate::runbook::grammar::scalars::{duration, text, whole_number};
use crate::runbook::grammar::{Binder, Field, nearest};
use crate::runbook::source::{Located, Span};
use crate::runbook::tree::{Content, Node};

/// The default number of passes of a phase.
const ATTEMPTS: u64 = 3;
/// More passes than this only delay the result.
const MOST_ATTEMPTS: u64 = 100;
/// The default number of concurrent changes.
const CONCURRENCY: u64 = 4;
/// More concurrent changes would only be throttled.
const MOST_CONCURRENT: u64 = 32;

words! {
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
        /// Step 8: where dual-write was in use, links it again and starts its maps again.
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
        /// The eight steps.
        #[derive(Debug, Clone, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct Steps {
            $($(#[$attribute])* pub $field: Step<$name>,)+
        }

        impl Steps {
            /// The eight in their order, without their options.
            pub fn each(&self) -> [StepView<'_>; 8] {
                [$(self.$field.view(StepName::$name),)+]
            }

            /// Reads each step that is written; a missing one is reported already.
            fn read_each(binder: &mut Binder, named: &[(StepName, Field<'_>)]) -> Option<Self> {
                $(let $field = read_step::<$name>(binder, named, StepName::$name);)+
                Some(Self { $($field: $field?,)+ })
            }

            fn describe_each() -> Vec<Value> {
                vec![$(describe_step::<$name>(StepName::$name),)+]
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

/// What every step has, whatever its options are.
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

/// All eight steps.
pub(super) fn steps() -> Kind<Steps> {
    let schema = || {
        let steps = Steps::describe_each();
        json!({
            "type": "array",
            "minItems": steps.len(),
            "items": steps,
            "additionalItems": false,
        })
    };
    Kind::new(read_steps, schema).with_example("[ … ]")
}

fn read_steps(binder: &mut Binder, field: Field<'_>) -> Option<Steps> {
    let items = binder.items(field, "write each step as `- activate-flows: { }`")?;
    let mut named = Vec::new();
    let mut meant = Vec::new();
    for item in items {
        match read_item(binder, item) {
            Some(Item::Step(name, options)) => named.push((name, options)),
            Some(Item::Meant(name)) => meant.push(name),
            None => {}
        }
    }
    check_order(binder, field, &named, &meant);
    Steps::read_each(binder, &named)
}

/// One item of the list.
enum Item<'a> {
    /// A step and its options.
    Step(StepName, Field<'a>),
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
    let Some(name) = find_word::<StepName>(&first.key) else {
        let known: Vec<&str> = StepName::ALL.iter().map(|name| name.word()).collect();
        binder.unknown_key(first, "`steps`", &known);
        return meant(&first.key).map(Item::Meant);
    };
    Some(Item::Step(name, Field::of(first)))
}

fn meant(given: &str) -> Option<StepName> {
    nearest(given, StepName::ALL.iter().map(|name| name.word())).and_then(find_word)
}

/// Reports steps that are missing, that appear twice, or that are out of order.
fn check_order(
    binder: &mut Binder,
    steps: Field<'_>,
    named: &[(StepName, Field<'_>)],
    meant: &[StepName],
) {
    if named.is_empty() && meant.is_empty() {
        let help = "write all eight, in order; to skip one, write `skip:` with the reason";
        binder.error(
            steps.key,
            "`steps` does not have any of the eight steps",
            help,
        );
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

/// The schema of a step's item.
fn describe_step<T: Section>(name: StepName) -> Value {
    let step = map_of("{ }", move |keys| visit_step::<T>(keys, name));
    let mut item = Keys::describe(|keys| keys.required(name.word(), name.description(), &step));
    item["description"] = json!(name.description());
    item
}

/// A step's options and the keys that all steps have.
fn visit_step<T: Section>(keys: &mut Keys<'_>, name: StepName) -> Option<Step<T>> {
    let options = T::visit(keys);
    let skip = keys.optional("skip", "Why the step is skipped, in words.", &skip());
    let timeout = keys.optional(
        "timeout",
        "How long one operation at the service may last, such as `45m` or `24h`; by default the \
         step's own limit.",
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
        "How many changes run at once; always 1 where providers are reinstalled and orchestrations \
         published.",
        &concurrency(name),
        if name.is_sequential() { 1 } else { CONCURRENCY },
    );
    Some(Step {
        span: keys.span(),
        skip: skip?,
        common: Common {
            timeout: timeout?,
            attempts: u32::try_from(attempts?.value).ok()?,
            concurrency: usize::try_from(concurrency?.value).ok()?,
        },
        options: options?,
    })
}

fn concurrency(name: StepName) -> Kind<Located<u64>> {
    let number = whole_number(1..=MOST_CONCURRENT);
    if !name.is_sequential() {
        return number;
    }
    whole_number(1..=1).read_by(move |binder, field| {
        let number = number.read(binder, field)?;
        if number.value != 1 {
            let help = "remove it: its changes run one after another";
            let message = format!("the concurrency of `{name}` is always 1");
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
