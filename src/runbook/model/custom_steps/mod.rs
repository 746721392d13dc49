//! Custom steps, between the eight: the keys that all kinds have, and the list of the
//! kinds.
//!
//! A new kind is a file here with its options and a line in [`custom_step_kinds!`], and a folder in
//! `steps` with its phases and a line in the list there. The kinds: `guided`, `dataverse_update`,
//! `command`.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::keywords::{Keyword as _, all_keywords, find_keyword, keywords};
use super::steps::{Common, StepName, visit_common};
use crate::runbook::grammar::keys::{Keys, Section};
use crate::runbook::grammar::kind::{Kind, map_of};
use crate::runbook::grammar::scalars::{keyword, text_matching};
use crate::runbook::grammar::{Binder, Field};
use crate::runbook::source::{Located, Span};
use crate::runbook::tree::Content;

mod command;
mod dataverse_update;
mod guided;

pub use command::{Command, TokenService, VariableValue};
pub use dataverse_update::{Captured, ColumnValue, DataverseUpdate, Literal};
pub use guided::{Evidence, EvidenceRows, ExpectedRows, Guided};

/// A name is a part of file names and of manual tasks.
const LONGEST_NAME: usize = 60;

/// Declares the kinds: each with its name in the runbook; its options are the struct of that name.
macro_rules! custom_step_kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $word:literal,)+) => {
        keywords! {
            /// A kind of custom step, by its name in the runbook.
            pub enum CustomStepKind {
                $($(#[doc = $doc])+ $kind = $word,)+
            }
        }

        /// The options of a custom step.
        #[derive(Debug, Clone, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum CustomStepOptions {
            $($(#[doc = $doc])+ $kind($kind),)+
        }

        impl CustomStepKind {
            fn read(self, binder: &mut Binder, item: &CustomStepItem<'_>) -> Option<CustomStep> {
                match self {
                    $(Self::$kind => read_custom_step(binder, item, CustomStepOptions::$kind),)+
                }
            }

            /// Visits the step's own key in its item, for the schema.
            pub(super) fn describe(self, keys: &mut Keys<'_>) {
                match self {
                    $(Self::$kind => describe_custom_step(keys, self, CustomStepOptions::$kind),)+
                }
            }
        }

        impl CustomStepOptions {
            /// Which kind of step has these options.
            pub fn kind(&self) -> CustomStepKind {
                match self {
                    $(Self::$kind(_) => CustomStepKind::$kind,)+
                }
            }
        }
    };
}

custom_step_kinds! {
    /// A step that a person does: a title, instructions, and what shows that it is done.
    Guided = "guided",
    /// A step that sets columns of the rows of a table in the target.
    DataverseUpdate = "dataverse-update",
    /// A step that runs a program if a check says that it is needed.
    Command = "command",
}

keywords! {
    /// What a failure of a custom step stops.
    pub enum OnFailure {
        /// Every step after it.
        Stop = "stop",
        /// The customer's own steps after it; the eight steps continue.
        Continue = "continue",
    }
}

/// A custom step.
#[derive(Debug, Clone)]
pub struct CustomStep {
    /// Its name in the plan, the state file and the reports.
    pub name: Located<String>,
    /// Where its kind is; the place of its defaults.
    pub span: Span,
    /// The last of the eight before it.
    pub follows: StepName,
    /// Why it is skipped, if it is.
    pub skip: Option<Located<String>>,
    /// What is common to all steps.
    pub common: Common,
    /// What its failure stops.
    pub on_failure: Located<OnFailure>,
    /// What only its kind has.
    pub options: CustomStepOptions,
}

/// An item of `steps` that is a custom step.
pub(super) struct CustomStepItem<'a> {
    pub(super) kind: CustomStepKind,
    pub(super) field: Field<'a>,
    /// The last of the eight before it; none at the top of the list.
    pub(super) follows: Option<StepName>,
}

/// Reads every custom step. One invalid step makes all invalid; the others are read
/// anyway.
pub(super) fn read_custom_steps(
    binder: &mut Binder,
    items: &[CustomStepItem<'_>],
) -> Option<Vec<CustomStep>> {
    let steps: Vec<Option<CustomStep>> = items
        .iter()
        .map(|item| item.kind.read(binder, item))
        .collect();
    report_shared_names(binder, items);
    steps.into_iter().collect()
}

fn read_custom_step<T: Section>(
    binder: &mut Binder,
    item: &CustomStepItem<'_>,
    wrap: fn(T) -> CustomStepOptions,
) -> Option<CustomStep> {
    let help = format!("write `- {}: {{ name: NAME, … }}`", item.kind);
    let step = Keys::read(binder, item.field, &help, |keys| {
        visit_custom_step(keys, item.follows, wrap)
    });
    if item.follows.is_none() {
        let message = format!("this `{}` comes before the copy", item.kind);
        let help = "move it below `copy-environments`: the copy overwrites everything that an earlier \
                    step changes in the target";
        return binder.refuse(item.field.key, message, help);
    }
    step
}

/// The keys of a step: its name, what only its kind has, and what every step has. While describing,
/// and for a step above the copy, the result is not used.
fn visit_custom_step<T: Section>(
    keys: &mut Keys<'_>,
    follows: Option<StepName>,
    wrap: fn(T) -> CustomStepOptions,
) -> Option<CustomStep> {
    let name = keys.required(
        "name",
        "The step's name in the plan, the state file and the reports: lower-case letters, digits \
         and hyphens. No other step has it.",
        &step_name(),
    );
    let options = T::visit(keys);
    let common = visit_common(keys, None);
    let on_failure = keys.with_default(
        "on-failure",
        "What a failure of this step stops.",
        &keyword::<OnFailure>(),
        OnFailure::Stop,
    );
    let (skip, common) = common?;
    Some(CustomStep {
        name: name?,
        span: keys.span(),
        follows: follows?,
        skip,
        common,
        on_failure: on_failure?,
        options: wrap(options?),
    })
}

fn describe_custom_step<T: Section>(
    keys: &mut Keys<'_>,
    kind: CustomStepKind,
    wrap: fn(T) -> CustomStepOptions,
) {
    let step = map_of("{ name: NAME, … }", move |keys| {
        visit_custom_step(keys, None, wrap)
    });
    drop(keys.optional(kind.keyword(), kind.description(), &step));
}

/// The name of a custom step.
fn step_name() -> Kind<Located<String>> {
    let is_name = |name: &str| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(allowed)
            && name.len() <= LONGEST_NAME
    };
    let schema = || {
        json!({
            "type": ["string", "boolean"],
            "pattern": format!("^[a-z][a-z0-9-]{{0,{}}}$", LONGEST_NAME - 1),
            "not": { "enum": all_keywords::<StepName>() },
        })
    };
    let help = "write lower-case letters, digits and hyphens, a letter first, 60 at most";
    text_matching(is_name, schema, "a valid name", help)
        .and_then(|binder, _, name| {
            if find_keyword::<StepName>(&name).is_some() {
                let message = format!("`{name}` is the name of one of the eight steps");
                let help = "give this step another name, such as what it does";
                return binder.refuse(name.span, message, help);
            }
            Some(name)
        })
        .with_example("scrub-addresses")
}

/// Reports each step whose name an earlier one has, also if the step is invalid otherwise.
fn report_shared_names(binder: &mut Binder, items: &[CustomStepItem<'_>]) {
    let mut taken: Vec<&str> = Vec::new();
    for item in items {
        let Content::Map(entries) = &item.field.node.content else {
            continue;
        };
        let name = entries.iter().find(|entry| entry.key.value == "name");
        let Some(field) = name.map(Field::from_entry) else {
            continue;
        };
        let Some(name) = field.text() else {
            continue;
        };
        if taken.contains(&name) {
            let subject = binder.subject(field.node.span, name);
            let message = format!("{subject} is already the name of an earlier step");
            let help = "give this step another name: the plan and the state file use it as a key";
            binder.error(field.node.span, message, help);
        } else {
            taken.push(name);
        }
    }
}

/// The condition of an `OData` query.
fn filter() -> Kind<Located<String>> {
    let is_condition = |filter: &str| !filter.trim_start().starts_with('$');
    let schema = || json!({ "type": ["string", "number", "boolean"], "pattern": "^\\s*[^\\s$]" });
    let help = "write only the condition, such as `emailaddress1 ne null`; to select every row, \
                compare its key: `contactid ne null`";
    text_matching(is_condition, schema, "a condition", help)
        .with_example("\"emailaddress1 ne null\"")
}

/// The steps under their names, each with the step before it: moving a step is a change too.
pub(super) fn serialize_by_name<S: Serializer>(
    steps: &[CustomStep],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut previous: Option<&CustomStep> = None;
    let entries = steps.iter().map(|step| {
        let after = previous
            .filter(|earlier| earlier.follows == step.follows)
            .map_or(step.follows.keyword(), |earlier| earlier.name.as_str());
        previous = Some(step);
        let meaning: Value = json!({
            "after": after,
            "skip": step.skip,
            "common": step.common,
            "on-failure": step.on_failure,
            "options": step.options,
        });
        (step.name.as_str(), meaning)
    });
    serializer.collect_map(entries)
}
