//! Failures that a waived manual task may have caused.

use super::worksheet::{ThingState, things};
use super::{Change, Failure};
use crate::base::text::escape;
use crate::journal::{State, TaskState};

/// The same failure of this change. If a waived thing has the same name in quotation marks as the
/// change or its failure, the help names the task, who waived it and why, and what is not proved.
pub(super) fn with_waiver(failure: Failure, change: &Change, state: &State) -> Failure {
    let reopened = state.reopened.last().map_or(0, |again| again.number);
    let text = format!("{}: {}", change.name, failure.message);
    let mentions = state.tasks.values().filter_map(|task| {
        let waiver = task.completed.as_ref().filter(|it| it.number > reopened)?;
        let reason = waiver.waived.as_deref()?;
        let things = waived_things(state, task, &text);
        (!things.is_empty()).then(|| {
            format!(
                "the manual task {} was waived by {} ({}), and nothing shows that this is done: {}",
                escape(&task.waiting.task),
                escape(&waiver.who),
                escape(reason),
                escape(&things.join("; "))
            )
        })
    });
    let mut parts: Vec<String> = mentions.collect();
    if parts.is_empty() {
        return failure;
    }
    parts.extend(failure.help.clone());
    failure.with_help(parts.join(". "))
}

/// The waived things of a task that are about something this text names.
fn waived_things(state: &State, task: &TaskState, text: &str) -> Vec<String> {
    let waived = things(state, task).into_iter();
    let waived = waived.filter(|thing| thing.state == ThingState::Waived);
    waived
        .map(|thing| thing.name)
        .filter(|name| quoted(name).any(|quoted| text.contains(quoted)))
        .collect()
}

/// The names in quotation marks in the name of a thing.
fn quoted(name: &str) -> impl Iterator<Item = &str> {
    let parts = name.split('\'').skip(1).step_by(2);
    parts.filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::base::clock::Clock;
    use crate::engine::{Action, ManualTask};
    use crate::journal::testing::open;
    use crate::journal::{Completed, Waiting};

    fn change(name: &str) -> Change {
        Change {
            key: name.to_owned(),
            name: name.to_owned(),
            before: Value::Null.into(),
            after: Value::Null.into(),
            follows: Vec::new(),
            action: Action::ManualTask(ManualTask {
                instructions: Vec::new(),
                evidence: String::new(),
                ..ManualTask::default()
            }),
        }
    }

    #[tokio::test]
    async fn a_failure_about_what_was_waived_names_the_waiver() {
        let folder = tempfile::tempdir().unwrap();
        let opening = open(&folder.path().join("s.iomcopy.jsonl"), &Clock::new(1.0));
        let things = ["A", "B"].map(|name| {
            let name = format!("deactivate provider '{name} Orders'");
            json!({ "key": name, "name": name })
        });
        let waiting = Waiting {
            task: "s/deactivate".to_owned(),
            worksheet: json!({ "changes": things }),
        };
        opening.journal.append(waiting).await.unwrap();
        let waiver = Completed {
            task: "s/deactivate".to_owned(),
            evidence: json!("waived"),
            who: "ada".to_owned(),
            waived: Some("seen".to_owned()),
        };
        opening.journal.append(waiver).await.unwrap();
        let state = opening.journal.state();
        let help = |name: &str| {
            let failure = Failure::failed("it is active").with_help("correct it");
            with_waiver(failure, &change(name), &state).help.unwrap()
        };
        assert_eq!(
            help("delete provider 'A Orders'"),
            "the manual task s/deactivate was waived by ada (seen), and nothing shows that this is \
             done: deactivate provider 'A Orders'. correct it"
        );
        assert_eq!(help("delete provider 'C Orders'"), "correct it");
    }
}
