//! The lines of the table, by exact text.

use super::*;
use crate::engine::{EventKind, StepLine, StepTotal};
use crate::journal::{ChangeKind, StepOutcome};

const COPY: &str = "copy-environments";
const REINSTALL: &str = "reinstall-providers";

fn run_began(resumed: bool, steps: Vec<StepLine>) -> EventKind {
    EventKind::RunBegan {
        run: "01a2".to_owned(),
        resumed,
        target: "Contoso UAT".to_owned(),
        arguments: "w.yaml".to_owned(),
        steps,
    }
}

fn line(name: &str, changes: Option<usize>, minutes: Option<u64>) -> StepLine {
    StepLine {
        name: name.to_owned(),
        changes,
        expected_seconds: minutes.map(|minutes| minutes * 60),
        ..StepLine::default()
    }
}

/// A run in which the copy is done, and the step after it is as far as these events.
fn run(events: Vec<(u64, EventKind)>) -> LiveRun {
    let mut run = LiveRun::default();
    let steps = vec![
        line(COPY, Some(1), Some(95)),
        line(REINSTALL, Some(105), Some(111)),
        line("restore-provider-actions", Some(11), Some(23)),
        StepLine {
            skip: Some("the target does not use it".to_owned()),
            ..line("reconfigure-dual-write", None, None)
        },
    ];
    let began = run_began(false, steps);
    let copied = change_done(COPY, "copy 'Contoso Prod' onto 'Contoso UAT'");
    let first = [
        (0, began),
        (0, step_began(COPY)),
        (6000, copied),
        (6000, ended(COPY, StepOutcome::Done, 1, 6000.0)),
    ];
    for (at, event) in first.into_iter().chain(events) {
        run.update(&event, Duration::from_secs(at));
    }
    run
}

fn step_began(step: &str) -> EventKind {
    EventKind::StepBegan {
        step: step.to_owned(),
    }
}

fn phase(step: &str, name: &str, changes: usize) -> [(u64, EventKind); 2] {
    phase_with_done(step, name, changes, (0, 0))
}

/// Takes how many changes are done, of the step and of the phase.
fn phase_with_done(
    step: &str,
    phase: &str,
    changes: usize,
    (done, done_in_phase): (usize, usize),
) -> [(u64, EventKind); 2] {
    let (step, phase) = (step.to_owned(), phase.to_owned());
    let began = EventKind::PhaseBegan {
        step: step.clone(),
        phase: phase.clone(),
    };
    let surveyed = EventKind::Surveyed {
        step,
        phase,
        changes,
        pass: 1,
        done,
        done_in_phase,
    };
    [(6000, began), (6000, surveyed)]
}

fn change_began(name: &str) -> EventKind {
    EventKind::ChangeBegan {
        step: REINSTALL.to_owned(),
        phase: "settings".to_owned(),
        key: name.to_owned(),
        name: name.to_owned(),
        kind: ChangeKind::Set,
    }
}

fn change_done(step: &str, name: &str) -> EventKind {
    EventKind::ChangeDone {
        step: step.to_owned(),
        phase: "settings".to_owned(),
        key: name.to_owned(),
        name: name.to_owned(),
        kind: ChangeKind::Set,
        elapsed: Some(1.0),
        unread_since: None,
    }
}

fn ended(step: &str, outcome: StepOutcome, changes: usize, seconds: f64) -> EventKind {
    EventKind::StepEnded {
        step: step.to_owned(),
        outcome,
        note: None,
        changes,
        elapsed: seconds,
        total: StepTotal {
            changes_begun: changes,
            changes_done: changes,
            seconds,
            ..StepTotal::default()
        },
    }
}

fn lines(run: &LiveRun, at: u64, size: (usize, usize)) -> String {
    let moment = Moment {
        now: Duration::from_secs(at),
        time: "2026-11-29T01:00:00Z".parse().unwrap(),
        speed: 1.0,
        is_stopping: false,
    };
    table(run, "Contoso UAT", &moment, size, Palette::plain()).join("\n")
}

/// The step that reinstalls has set 36 parameters and sets one with a long name.
fn reinstalling() -> LiveRun {
    let name = "set parameter 'msdyn_storehash' of the new provider 'msdyn_bigcommerce' \
                in Contoso UAT, a long name";
    let mut events = vec![(6000, step_began(REINSTALL))];
    events.extend(phase(REINSTALL, "settings", 105));
    events.extend((0..36).map(|_| (9000, change_done(REINSTALL, "x"))));
    events.push((9000, change_began("another")));
    events.push((9000, change_began(name)));
    let failed = EventKind::ChangeFailed {
        step: REINSTALL.to_owned(),
        phase: "settings".to_owned(),
        key: "y".to_owned(),
        name: "y".to_owned(),
        message: "no".to_owned(),
        help: None,
        again: true,
    };
    events.push((9000, failed));
    let waiting = EventKind::Waiting {
        service: "Dataverse".to_owned(),
        reason: "throttled".to_owned(),
        seconds: 60.0,
        attempt: 2,
    };
    events.push((9700, waiting));
    run(events)
}

#[test]
fn a_run_at_80_columns() {
    assert_eq!(
        lines(&reinstalling(), 9720, (24, 80)),
        "
Contoso UAT: step 2 of 4, 2 h 42 min, should end about 02:12 UTC
  1 copy-environments         done       1 change, 1 h 40 min
  2 reinstall-providers       running    1 h 2 min of 1 h 51 min, to 01:49 UTC
  3 restore-provider-actions  not begun  11 changes, about 23 min
  4 reconfigure-dual-write    not begun  skipped: the target does not use it
set parameter 'msdyn_storehash' of the new provider 'msdyn_bigcommerce' in
  Contoso UAT, a long name, and 1 more
[========>                 ] 36 of 105, 1 retried, Dataverse: 1 wait
waiting for Dataverse (throttled): attempt 2 in 40 s"
    );
}

#[test]
fn a_run_that_stops_names_no_hour() {
    let moment = Moment {
        now: Duration::from_mins(162),
        time: "2026-11-29T01:00:00Z".parse().unwrap(),
        speed: 1.0,
        is_stopping: true,
    };
    let size = (24, 80);
    let lines = table(
        &reinstalling(),
        "Contoso UAT",
        &moment,
        size,
        Palette::plain(),
    );
    let head = "Contoso UAT: step 2 of 4, 2 h 42 min, stopping: no new change begins";
    assert_eq!(lines[1], head);
    let row = lines.iter().find(|line| line.contains("  running    "));
    assert!(row.is_some_and(|row| !row.contains("UTC")), "{lines:?}");
}

#[test]
fn a_rehearsal_says_that_its_durations_are_simulated() {
    let moment = Moment {
        now: Duration::from_mins(162),
        time: "2026-11-29T01:00:00Z".parse().unwrap(),
        speed: 1000.0,
        is_stopping: false,
    };
    let lines = table(
        &reinstalling(),
        "Contoso UAT",
        &moment,
        (24, 80),
        Palette::plain(),
    );
    assert_eq!(
        lines[1],
        "Contoso UAT: step 2 of 4, 2 h 42 min simulated, should end about 01:00 UTC"
    );
}

#[test]
fn a_long_name_of_a_target_does_not_hide_when_the_run_ends() {
    let moment = Moment {
        now: Duration::from_mins(162),
        time: "2026-11-29T01:00:00Z".parse().unwrap(),
        speed: 1.0,
        is_stopping: false,
    };
    let target = "Contoso Intelligent Order Management UAT";
    let lines = table(&reinstalling(), target, &moment, (24, 80), Palette::plain());
    assert_eq!(
        lines[1..3],
        [
            "Contoso Intelligent Order Management UAT: step 2 of 4, 2 h 42 min, should end",
            "  about 02:12 UTC"
        ]
    );
}

#[test]
fn a_run_at_120_columns() {
    let text = lines(&reinstalling(), 13_000, (40, 120));
    assert_eq!(
        text,
        "
Contoso UAT: step 2 of 4, 3 h 36 min, should end about 01:23 UTC
  1 copy-environments         done       1 change, 1 h 40 min
  2 reinstall-providers       running    1 h 56 min, longer than expected (usually 1 h 51 min)
  3 restore-provider-actions  not begun  11 changes, about 23 min
  4 reconfigure-dual-write    not begun  skipped: the target does not use it
set parameter 'msdyn_storehash' of the new provider 'msdyn_bigcommerce' in Contoso UAT, a long name, and 1 more
[==========>                   ] 36 of 105, 1 retried, Dataverse: 1 wait"
    );
}

#[test]
fn a_narrow_terminal_shows_when_the_step_should_end() {
    let text = lines(&reinstalling(), 9720, (40, 60));
    for row in [
        "copy-environments         done       1 h 40 min\n",
        "reinstall-providers       running    until 01:49 UTC\n",
        "restore-provider-actions  not begun  about 23 min\n",
    ] {
        assert!(text.contains(row), "{text}");
    }
    let text = lines(&reinstalling(), 13_000, (40, 60));
    let row = "running    longer than usual\n";
    assert!(text.contains(row), "{text}");
}

/// A service takes the connection of a write and does not answer.
#[test]
fn a_write_without_an_answer_is_named_while_it_waits() {
    let (address, request) = ("api.powerplatform.com:443", "POST /environments/2/copy");
    let mut events = vec![(6000, step_began(REINSTALL))];
    events.extend(phase(REINSTALL, "settings", 1));
    let slow = EventKind::SlowWrite {
        service: "Power Platform".to_owned(),
        address: address.to_owned(),
        request: request.to_owned(),
        elapsed: 60.0,
    };
    events.push((6060, slow));
    let text = lines(&run(events.clone()), 6720, (24, 100));
    let line = "\nPower Platform at api.powerplatform.com:443 has not answered \
                POST /environments/2/copy for 12 min";
    assert!(text.ends_with(line), "{text}");
    let ended = EventKind::SlowWriteEnded {
        address: address.to_owned(),
        request: request.to_owned(),
    };
    events.push((6800, ended));
    let text = lines(&run(events), 6810, (24, 100));
    assert!(!text.contains("has not answered"), "{text}");
}

/// An hour that moves with the clock tells nothing.
#[test]
fn a_step_that_makes_the_run_late_is_named_in_place_of_the_hour() {
    let text = lines(&reinstalling(), 15_000, (40, 120));
    let head = "\nContoso UAT: step 2 of 4, 4 h 10 min, step 2 takes longer than expected\n";
    assert!(text.starts_with(head), "{text}");
    let row = "running    2 h 30 min, longer than expected (usually 1 h 51 min)\n";
    assert!(text.contains(row), "{text}");
}

#[test]
fn an_operation_comes_with_what_its_service_reports() {
    let name = "deactivate provider 'BigCommerce'";
    let mut events = vec![(6000, step_began(REINSTALL))];
    events.extend(phase(REINSTALL, "deactivate", 2));
    events.push((6000, change_began(name)));
    let progress = EventKind::Progress {
        step: REINSTALL.to_owned(),
        name: name.to_owned(),
        note: "Deactivating".to_owned(),
        elapsed: 60.0,
    };
    events.push((6100, progress));
    let text = lines(&run(events), 6160, (24, 80));
    assert!(
        text.ends_with(
            "\ndeactivate provider 'BigCommerce': Deactivating (2 min so far)\n\
             [>                         ] 0 of 105"
        ),
        "{text}"
    );
}

#[test]
fn a_manual_task_names_its_worksheet_and_counts_what_a_person_did() {
    let task = "reinstall-providers/vanished";
    let mut events = vec![(6000, step_began(REINSTALL))];
    events.extend(phase(REINSTALL, "vanished", 3));
    let asked = EventKind::ManualTask {
        task: task.to_owned(),
        things: 3,
        instructions: Vec::new(),
        advice: Vec::new(),
        to_do: Vec::new(),
        evidence: Vec::new(),
        needs_waiver: false,
    };
    events.push((6000, asked));
    let progress = |left: usize| EventKind::Progress {
        step: REINSTALL.to_owned(),
        name: task.to_owned(),
        note: format!("{left} things left for you to do"),
        elapsed: 0.0,
    };
    events.push((6000, progress(3)));
    let [_, surveyed] = phase_with_done(REINSTALL, "vanished", 2, (1, 1));
    events.push(surveyed);
    events.push((6500, progress(2)));
    let text = lines(&run(events), 6600, (24, 80));
    let head = "\nContoso UAT: step 2 of 4, 1 h 50 min, waits for a person\n";
    assert!(text.starts_with(head), "{text}");
    let row = "reinstall-providers       running    waits for you, 10 min so far\n";
    assert!(text.contains(row), "{text}");
    assert!(
        text.ends_with(
            "\nreinstall-providers/vanished: 2 things left for you to do (10 min so far)\n\
             the worksheet is above; when it is done, the run continues by itself\n\
             [>                         ] 1 of 105"
        ),
        "{text}"
    );
}

#[test]
fn the_time_of_the_run_has_what_steps_took_before_they_were_opened_again() {
    let again = |name: &str, worked| StepLine {
        worked_seconds: Some(worked),
        seconds_before: Some(46_260),
        ..line(name, Some(14), Some(60))
    };
    let steps = vec![
        StepLine {
            ended: Some(StepOutcome::Done),
            worked_seconds: Some(6000),
            ..line(COPY, Some(1), Some(95))
        },
        again(REINSTALL, 0),
    ];
    let mut run = LiveRun::default();
    let began = run_began(true, steps);
    run.update(&began, Duration::ZERO);
    run.update(&step_began(REINSTALL), Duration::ZERO);
    let text = lines(&run, 600, (24, 100));
    assert!(
        text.contains("Contoso UAT: step 2 of 2, 14 h 41 min"),
        "{text}"
    );
    assert!(text.contains("; 12 h 51 min before\n"), "{text}");
}

#[test]
fn a_task_without_evidence_does_not_promise_that_the_run_continues() {
    let asked = EventKind::ManualTask {
        task: "call-finance/by-hand".to_owned(),
        things: 1,
        instructions: Vec::new(),
        advice: Vec::new(),
        to_do: Vec::new(),
        evidence: Vec::new(),
        needs_waiver: true,
    };
    let events = vec![(6000, step_began(REINSTALL)), (6000, asked)];
    let text = lines(&run(events), 6600, (24, 200));
    let after = "the worksheet is above; when it is done, stop the run (Ctrl-C), then iomcopy complete \
                 w.yaml call-finance/by-hand --waive \"who, when\"";
    assert!(text.contains(after), "{text}");
}

#[test]
fn the_bar_of_a_resumed_phase_counts_what_was_done_before() {
    let bar = |planned: Option<usize>| {
        let began = run_began(true, vec![line(REINSTALL, planned, None)]);
        let mut events = vec![(0, began), (0, step_began(REINSTALL))];
        events.extend(phase_with_done(REINSTALL, "vanished", 1, (14, 5)));
        let mut run = LiveRun::default();
        for (at, event) in events {
            run.update(&event, Duration::from_secs(at));
        }
        run.progress()
    };
    assert_eq!(bar(Some(20)), Some((14, 20)));
    assert_eq!(bar(None), Some((5, 6)), "of the phase");
    assert_eq!(bar(Some(14)), Some((5, 6)), "more than were planned");
}

#[test]
fn a_step_of_an_earlier_process_is_only_surveyed_again() {
    let mut run = LiveRun::default();
    let steps = vec![
        StepLine {
            ended: Some(StepOutcome::Done),
            worked_seconds: Some(6000),
            ..line(COPY, Some(1), Some(95))
        },
        line(REINSTALL, Some(105), Some(60)),
    ];
    let began = run_began(true, steps);
    run.update(&began, Duration::ZERO);
    let text = lines(&run, 0, (24, 80));
    assert_eq!(
        text,
        "
Contoso UAT: step 0 of 2, 1 h 40 min, should end about 02:00 UTC
  1 copy-environments    done       by an earlier process, 1 h 40 min
  2 reinstall-providers  not begun  105 changes, about 1 h"
    );
    run.update(&step_began(COPY), Duration::ZERO);
    let text = lines(&run, 20, (24, 80));
    assert!(
        text.contains("running    surveyed again for 20 s\n"),
        "{text}"
    );
}

#[test]
fn a_low_terminal_shows_the_running_step_alone() {
    let text = lines(&reinstalling(), 9720, (8, 80));
    assert_eq!(
        text,
        "\
reinstall-providers: 1 h 2 min of 1 h 51 min, until 01:49 UTC
set parameter 'msdyn_storehash' of the new provider 'msdyn_bigcommerce' in
  Contoso UAT, a long name, and 1 more
[========>                 ] 36 of 105, 1 retried, Dataverse: 1 wait
waiting for Dataverse (throttled): attempt 2 in 40 s"
    );
    assert_eq!(lines(&reinstalling(), 9720, (3, 80)).lines().count(), 2);
}

#[test]
fn no_line_is_wider_than_the_terminal_and_a_failed_step_blocks_the_next() {
    let mut events = vec![(6000, step_began(REINSTALL))];
    events.push((7000, ended(REINSTALL, StepOutcome::Failed, 0, 1000.0)));
    events.push((
        7000,
        EventKind::StepNotBegun {
            step: "restore-provider-actions".to_owned(),
            why: "it needs reinstall-providers, which failed".to_owned(),
        },
    ));
    let run = run(events);
    let text = lines(&run, 7000, (24, 80));
    // Nothing is left that could end.
    assert!(
        text.starts_with("\nContoso UAT: step 3 of 4, 1 h 56 min\n"),
        "{text}"
    );
    for row in [
        "reinstall-providers       failed     0 of 105 changes, 16 min 40 s",
        "restore-provider-actions  not begun  it needs reinstall-providers, which…",
    ] {
        assert!(text.contains(row), "{text}");
    }
    for columns in 40..80 {
        let text = lines(&run, 7000, (24, columns));
        let widest = text.lines().map(console::measure_text_width).max();
        assert!(widest <= Some(columns), "{columns}: {text}");
    }
}
