//! What needs a look in a run, and what the reader should know about its state file.

use serde::Deserialize as _;
use serde_json::Value;

use super::clean;
use super::figures::Figures;
use super::gather::at;
use super::notes::Notes;
use crate::base::text::count;
use crate::journal::{Closed, Record, StateFileContents};
use crate::report::current_work::operation_line;
use crate::report::documents::Findings;
use crate::report::status::{as_of_end, simulation_note, torn_note};

/// The last record of each process that closed the file, in order.
fn closed_records(contents: &StateFileContents) -> impl Iterator<Item = &Closed> {
    let records = contents.entries.iter().map(|entry| &entry.record);
    records.filter_map(|record| match record {
        Record::Closed(closed) => Some(closed),
        _ => None,
    })
}

/// The figures of the last process that recorded any, or why the report does without them: another
/// version of the program may count other things.
pub(super) fn figures(contents: &StateFileContents) -> Result<Option<Figures>, String> {
    let recorded = closed_records(contents).filter_map(|closed| closed.figures.as_ref());
    let Some(last) = recorded.last() else {
        return Ok(None);
    };
    let mut figures = Figures::deserialize(last).map_err(|error| {
        clean(&format!(
            "the report leaves out the run's figures, because this version of the program cannot read \
             them ({error}): use the version that made the run"
        ))
    })?;
    let lists = [
        &mut figures.dangling,
        &mut figures.published,
        &mut figures.drafts,
    ];
    for text in lists.into_iter().flatten() {
        *text = clean(text);
    }
    for (name, reason) in &mut figures.flows_off {
        (*name, *reason) = (clean(name), clean(reason));
    }
    let surfaces = figures.containment.iter_mut();
    for surface in surfaces.flat_map(|containment| &mut containment.surfaces) {
        for text in [
            &mut surface.kind,
            &mut surface.name,
            &mut surface.reach,
            &mut surface.state,
            &mut surface.detail,
        ] {
            *text = clean(text);
        }
    }
    Ok(Some(figures))
}

/// What needs a look in a run, as its report lists it: by its state file, so that every process and
/// every command count the same, whether or not a process works on the run. Takes which findings the
/// run has answered since.
pub fn recorded_findings(
    contents: &StateFileContents,
    is_answered: impl Fn(&str) -> bool,
) -> Findings {
    let mut findings = findings(contents, figures(contents).ok().flatten().as_ref());
    findings.texts.retain(|finding| !is_answered(finding));
    findings
}

/// What needs a look: the warnings of all processes that nothing has replaced since, and the dangling
/// slots of these figures. Only versions that did not record those as a warning need the figures; the
/// figures change whenever a process ends, so they count only when the run has finished.
pub(super) fn findings(contents: &StateFileContents, figures: Option<&Figures>) -> Findings {
    let mut notes = Notes::default();
    for entry in &contents.entries {
        notes.add(&entry.record);
    }
    let mut findings = Findings::default();
    for (text, remedy) in notes.with_remedies() {
        let text = clean(text);
        if let Some(remedy) = remedy {
            findings.remedies.insert(text.clone(), clean(remedy));
        }
        if !findings.texts.contains(&text) {
            findings.texts.push(text);
        }
    }
    let figures = figures.filter(|_| contents.state.finished.is_some());
    for slot in figures.into_iter().flat_map(|figures| &figures.dangling) {
        let finding = format!("dangling before the refresh, left unchanged: {slot}");
        if !findings.texts.iter().any(|text| text.ends_with(&finding)) {
            findings.texts.push(finding);
        }
    }
    findings
}

/// What the reader should know about the run or its state file. Takes why the figures cannot be read,
/// if they cannot, and the next command.
pub(super) fn warnings(
    contents: &StateFileContents,
    unread: Option<String>,
    next: &str,
) -> Vec<String> {
    let state = &contents.state;
    let mut warnings: Vec<String> = unread.into_iter().collect();
    // What follows a run that has finished is its verification, unless the file is damaged or in use.
    let verifies = next.starts_with("iomcopy verify ");
    let as_of = verifies.then(|| as_of_end(contents, next)).flatten();
    warnings.extend(as_of.map(|line| format!("the figures and what needs a look are {line}")));
    warnings.extend(contents.lost.as_ref().map(|lost| clean(&lost.message())));
    warnings.extend(state.work.speed().map(simulation_note));
    let in_doubt = state
        .launches_in_doubt()
        .map(|launch| operation_line(contents, &clean(&launch.intent.name)));
    warnings.extend(in_doubt);
    for entry in &contents.entries {
        let warning = record_warning(&entry.record);
        warnings.extend(warning.map(|text| format!("{}: {text}", at(entry.time))));
    }
    if let Some(torn) = &contents.torn {
        warnings.push(torn_note(torn.bytes));
    }
    if contents.newer_format {
        warnings
            .push("the state file has a newer format: this report may be incomplete".to_owned());
    }
    warnings
}

/// The warning about a record, if the reader should know it.
fn record_warning(record: &Record) -> Option<String> {
    match record {
        Record::Takeover(takeover) => {
            let host = takeover.previous.get("host").and_then(Value::as_str);
            Some(format!(
                "taken over from a process on {} that had not closed the state file",
                clean(host.unwrap_or("another machine"))
            ))
        }
        Record::Cut(cut) => Some(format!(
            "{} were cut off the state file's end and are kept in {}",
            count(usize::try_from(cut.bytes).unwrap_or(usize::MAX), "byte"),
            cut.saved_to
        )),
        Record::RunbookChanged(changed) => Some(match changed.difference.as_slice() {
            [] => "the runbook was changed during the run".to_owned(),
            lines => format!(
                "the runbook was changed during the run: {}",
                clean(&lines.join("; "))
            ),
        }),
        Record::Abandoned(abandoned) => Some(format!(
            "captures were abandoned ({}): {}",
            abandoned.seals.join(", "),
            clean(&abandoned.reason)
        )),
        Record::Reopened(reopened) => Some(format!(
            "{} reopened the steps from detach-provider-actions to restore-provider-actions for the \
             provider {}",
            clean(&reopened.who),
            clean(&reopened.provider)
        )),
        Record::RepairBegan(repair) => Some(format!(
            "{} repaired the step {} after the run had finished",
            clean(&repair.who),
            clean(&repair.step)
        )),
        Record::Unknown { kind, .. } => Some(format!(
            "this program does not know the record kind '{kind}', so the report leaves it out"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::gather_report;
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::clock::Clock;
    use crate::journal::testing::{open, phase_began, step_began};
    use crate::journal::{Noted, PhaseEnded, read_state_file};
    use crate::report::run_report::ReportFormat;

    #[tokio::test]
    async fn the_warnings_of_all_processes_are_findings_once_also_those_of_a_killed_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        let opening = open(&path, &Clock::new(1.0));
        let ended = PhaseEnded {
            step: "s".to_owned(),
            phase: "p".to_owned(),
            passes: 1,
            changes: 0,
            notes: vec!["killed".to_owned()],
            remedies: BTreeMap::from([("killed".to_owned(), "look".to_owned())]),
        };
        let records = vec![step_began("s"), phase_began("s", "p"), ended.into()];
        opening.journal.append_all(records).await.unwrap();
        drop(opening);
        for notes in [["s: first", "s: both"], ["s: both", "s: last"]] {
            let opening = open(&path, &Clock::new(1.0));
            let closed = Closed {
                notes: notes.map(str::to_owned).to_vec(),
                ..Closed::new("interrupted", 130, None)
            };
            opening.journal.append(closed).await.unwrap();
        }
        let contents = read_state_file(&path).unwrap();
        let expected = ["s: killed", "s: first", "s: both", "s: last"];
        let found = recorded_findings(&contents, |_| false);
        assert_eq!(found.texts, expected);
        assert_eq!(
            found.remedies.get("s: killed").map(String::as_str),
            Some("look")
        );
        let report = gather_report(&contents, "s", &["s"], "iomcopy run");
        assert_eq!(report.findings.texts, expected);
    }

    #[tokio::test]
    async fn figures_that_cannot_be_read_are_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        let opening = open(&path, &Clock::new(1.0));
        let closed = Closed {
            figures: Some(serde_json::json!({"slots": 25})),
            ..Closed::new("finished", 0, None)
        };
        opening.journal.append(closed).await.unwrap();
        let contents = read_state_file(&path).unwrap();
        let report = gather_report(&contents, "s", &["s"], "iomcopy verify");
        for format in [
            ReportFormat::Markdown,
            ReportFormat::Html,
            ReportFormat::Json,
        ] {
            let text = report.render(format);
            assert!(text.contains("leaves out the run's figures"), "{text}");
        }
    }

    #[tokio::test]
    async fn the_end_of_a_process_changes_no_number_of_findings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.iomcopy.jsonl");
        let opening = open(&path, &Clock::new(1.0));
        let remedies = BTreeMap::from([("look".to_owned(), "turn it on".to_owned())]);
        let noted = Noted {
            notes: ["forecast", "look"].map(str::to_owned).to_vec(),
            remedies: remedies.clone(),
            ..Noted::default()
        };
        let failed = Noted {
            step: Some("s".to_owned()),
            notes: vec!["refused".to_owned()],
            ..Noted::default()
        };
        let records = vec![noted.into(), step_began("s"), failed.into()];
        opening.journal.append_all(records).await.unwrap();
        let found = || {
            let contents = read_state_file(&path).unwrap();
            let report = gather_report(&contents, "s", &["s"], "iomcopy run");
            let found = recorded_findings(&contents, |note| note == "forecast");
            let markdown = report.render(ReportFormat::Markdown);
            assert!(
                markdown.contains("- look\n  - fix: turn it on"),
                "{markdown}"
            );
            let page = report.render(ReportFormat::Html);
            assert!(page.contains("fix: turn it on"), "{page}");
            let json = report.render(ReportFormat::Json);
            assert!(json.contains("turn it on"), "{json}");
            (found.texts, found.remedies)
        };
        let expected = ["look", "s: refused"].map(str::to_owned).to_vec();
        assert_eq!(found(), (expected.clone(), remedies.clone()), "it works");
        let figures = serde_json::json!({
            "slots-restored": 0, "slots-recorded": 1, "dangling": ["a slot"], "published": [],
            "drafts": [], "providers": 0, "flows-on": 0, "flows-off": [],
            "dual-write": {"ran": 0, "run-again": 0, "left-stopped": 0},
        });
        let closed = Closed {
            figures: Some(figures),
            notes: expected.clone(),
            ..Closed::new("interrupted", 130, None)
        };
        opening.journal.append(closed).await.unwrap();
        assert_eq!(found(), (expected, remedies), "it was stopped");
    }
}
