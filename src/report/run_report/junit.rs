//! A report as `JUnit` XML: a suite for each step, a case for each change, and also for each phase
//! without changes, each manual task and each step that was not reached.
//!
//! The form is the one that Jenkins checks:
//! <https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd>.
//! There, only a suite has properties and a timestamp, and the document does not count what was
//! skipped.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::content::{ChangeReport, ChangeResult, RunReport, StepReport};
use super::figures::ContainmentFigures;
use super::manual_tasks::{TaskReport, TaskState};
use super::{break_commands, lines};
use crate::base::text::{count, escape};
use crate::report::documents::StepCondition;
use crate::report::worksheet_text;

/// The report as XML.
pub(super) fn render(report: &RunReport) -> String {
    let target = report.run.as_ref().map(|run| run.target.name.as_str());
    let name = format!("iomcopy: {}", target.unwrap_or(&report.runbook));
    let mut document = Report::new(valid_xml(&name));
    if let Some(run) = &report.run {
        document.set_time(Duration::from_secs(run.seconds));
    }
    for step in &report.steps {
        document.add_test_suite(suite(report, step));
    }
    let containment = report.containment();
    if let Some(figures) = containment.filter(|figures| !figures.surfaces.is_empty()) {
        let has_finished = report
            .run
            .as_ref()
            .is_some_and(|run| run.finished.is_some());
        document.add_test_suite(containment_suite(figures, has_finished));
    }
    let written = document.to_string();
    // Writing to memory fails only if a text is not valid in XML, and every text was made safe.
    let written = written.map(|xml| without_skipped_in_all(&xml));
    let xml = written.unwrap_or_else(|error| {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites errors=\"1\"><!-- {} --></testsuites>", valid_xml(&error.to_string()).replace("--", "- -"))
    });
    break_commands(xml.trim_end())
}

/// The document without the number of skipped cases in its first element.
fn without_skipped_in_all(xml: &str) -> String {
    let Some((head, rest)) = xml.split_once("<testsuites") else {
        return xml.to_owned();
    };
    let (element, rest) = rest.split_once('>').unwrap_or((rest, ""));
    let attribute = element.split_once(" skipped=\"");
    let element = attribute.map_or(element.to_owned(), |(before, after)| {
        let after = after.split_once('"').map_or("", |(_, after)| after);
        format!("{before}{after}")
    });
    format!("{head}<testsuites{element}>{rest}")
}

/// A case for each thing that could act on the outside world: it fails where the run has finished,
/// it still can, and nobody allowed it.
fn containment_suite(figures: &ContainmentFigures, has_finished: bool) -> TestSuite {
    let mut suite = TestSuite::new("containment");
    suite.add_property(("summary", valid_xml(&figures.line()).as_str()));
    suite.add_test_cases(figures.surfaces.iter().map(|surface| {
        let status = match surface.state.as_str() {
            "open" if has_finished => failed(&format!("it can act: {}", surface.reach), None),
            "open" => skipped("the run has not come to it yet"),
            "acted" => failed(&surface.outcome(), None),
            "unclear" => skipped(&surface.outcome()),
            _ => TestCaseStatus::success(),
        };
        let mut case = TestCase::new(
            valid_xml(&format!("{}: {}", surface.name, surface.reach)),
            status,
        );
        case.set_classname(valid_xml(&format!("containment.{}", surface.kind)));
        case
    }));
    suite
}

fn suite(report: &RunReport, step: &StepReport) -> TestSuite {
    let status = &step.status;
    let mut suite = TestSuite::new(valid_xml(&status.name));
    if let Some(seconds) = status.seconds {
        suite.set_time(Duration::from_secs(seconds));
    }
    if let Some(began) = &status.began {
        suite
            .extra
            .insert("timestamp".into(), began.as_str().into());
    }
    if let Some(run) = &report.run {
        suite.add_property(("run", valid_xml(&run.id).as_str()));
        suite.add_property(("target", valid_xml(&run.target.environment).as_str()));
    }
    let progress = step.describe_changes();
    if !progress.is_empty() {
        suite.add_property(("changes", progress.as_str()));
    }
    suite.add_test_cases(step.changes.iter().map(|change| change_case(step, change)));
    for phase in &step.phases {
        let has_changes = step.changes.iter().any(|change| change.phase == phase.name);
        if has_changes {
            continue;
        }
        let case_status = if phase.ended {
            TestCaseStatus::success()
        } else {
            skipped("begun, but not ended")
        };
        let mut case = case(step, &phase.name, &phase.name, case_status);
        if let Some(seconds) = phase.seconds {
            case.set_time(Duration::from_secs(seconds));
        }
        suite.add_test_case(case);
    }
    let own = |task: &&TaskReport| task.task.split('/').next() == Some(status.name.as_str());
    suite.add_test_cases(
        report
            .tasks
            .iter()
            .filter(own)
            .map(|task| task_case(step, task)),
    );
    let failures = report.failures.iter();
    for failure in failures.filter(|failure| failure.step == status.name) {
        let help = failure.help.as_deref();
        let failed = failed(
            &format!("{}\nwhen: {}", failure.message, failure.time),
            help,
        );
        suite.add_test_case(case(step, "step", &status.name, failed));
    }
    if suite.test_cases.is_empty() {
        let note = status.note.as_deref().unwrap_or(status.state.as_text());
        let case_status = match status.state {
            StepCondition::Done => TestCaseStatus::success(),
            StepCondition::Failed => failed(note, None),
            StepCondition::NotBegun | StepCondition::Begun | StepCondition::Skipped => {
                skipped(note)
            }
        };
        suite.add_test_case(case(step, "step", &status.name, case_status));
    }
    suite
}

fn change_case(step: &StepReport, change: &ChangeReport) -> TestCase {
    let status = match change.result {
        ChangeResult::Done => TestCaseStatus::success(),
        ChangeResult::Failed => failed(change.result.as_text(), None),
        ChangeResult::Begun | ChangeResult::Absent => skipped(&change.describe_result()),
    };
    let mut case = case(step, &change.phase, &change.name, status);
    if let Some(seconds) = change.seconds {
        case.set_time(Duration::from_secs(seconds));
    }
    case.set_system_out(valid_xml_lines(&[format!("key: {}", change.key)]));
    case
}

fn task_case(step: &StepReport, task: &TaskReport) -> TestCase {
    let phase = task.task.split_once('/').map_or("task", |(_, phase)| phase);
    let status = match task.state {
        TaskState::Proved | TaskState::Replaced => TestCaseStatus::success(),
        TaskState::Waiting => skipped(task.state.as_text()),
        TaskState::Waived => {
            let who = task.who.as_deref().unwrap_or("a user");
            let reason = task.waived.as_deref().unwrap_or_default();
            let things = count(task.waived_things(), "thing");
            skipped(&format!("{who} waived the evidence of {things}: {reason}"))
        }
    };
    let mut case = case(step, phase, &format!("manual task {}", task.task), status);
    let checklist = worksheet_text(&task.advice, &task.to_do);
    if task.state == TaskState::Waiting && !checklist.is_empty() {
        case.set_system_out(valid_xml_lines(&checklist));
    }
    case
}

fn case(step: &StepReport, phase: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(valid_xml(name), status);
    case.set_classname(valid_xml(&format!("{}.{phase}", step.status.name)));
    case
}

fn failed(message: &str, help: Option<&str>) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let first = message.lines().next().unwrap_or_default();
    status.set_message(valid_xml(first));
    let mut body: Vec<String> = lines(message).collect();
    body.extend(
        help.into_iter()
            .flat_map(lines)
            .map(|line| format!("help: {line}")),
    );
    status.set_description(valid_xml_lines(&body));
    status
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(valid_xml(why));
    status
}

/// Text in one line that is valid in XML 1.0: invalid characters are shown escaped.
fn valid_xml(text: &str) -> String {
    let escaped = escape(text);
    if !escaped.contains(['\u{fffe}', '\u{ffff}']) {
        return escaped.into_owned();
    }
    escaped
        .replace('\u{fffe}', "\\u{fffe}")
        .replace('\u{ffff}', "\\u{ffff}")
}

/// The same for several lines. A line that a pipeline's log would take for a command gets another
/// first character.
fn valid_xml_lines(lines: &[String]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| valid_xml(line))
        .map(|line| {
            if line.trim_start().starts_with("::") {
                format!("| {line}")
            } else {
                line
            }
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_xml_does_not_allow_are_shown_escaped() {
        assert_eq!(
            valid_xml("a\u{0}b\u{1b}[1m\u{ffff}\nc"),
            "a\\u{0}b\\u{1b}[1m\\u{ffff}\\nc"
        );
        assert_eq!(valid_xml("plain"), "plain");
    }

    #[test]
    fn no_line_of_a_failure_is_a_command() {
        let lines = ["one".to_owned(), "  ::error::x".to_owned()];
        assert_eq!(valid_xml_lines(&lines), "one\n|   ::error::x");
    }
}
