//! Many runs at once, each from its state file alone: a table, a JSON document or a page. Nothing
//! here starts or repairs a run.

use std::cmp::Reverse;

use jiff::Timestamp;
use maud::{Markup, html};

use super::current_work::{self, Estimates};
use super::documents::{FleetDocument, FleetRun, RunState, Target, Version, Waits, Whom};
use super::page::{Page, Section, breakable, cell, table, time};
use super::shorten::shortened;
use super::status::condition;
use super::wrap::wrapped;
use super::{Palette, TaskCommands, document};
use crate::base::redaction::redacted_line;
use crate::base::text::{count, escape};
use crate::journal::{Occupancy, State, StateFileContents};

/// The widest cell of the table, in characters; a longer text ends with `…`.
const WIDEST: usize = 48;

/// The condition of a folder that has no state file.
const NO_STATE_FILE: &str = "no state file";

/// The columns of the table and of the page.
const COLUMNS: [&str; 7] = [
    "Target",
    "State",
    "Step",
    "Waits for",
    "Since",
    "Expected end",
    "To do",
];

/// A run whose state file was read. Takes the file's path or address as it was found, the arguments
/// that name the runbook and its state file in a command, the names of the steps that are known, and what is expected of the run.
pub fn fleet_run(
    file: &str,
    arguments: &str,
    contents: &StateFileContents,
    steps: &[&str],
    estimates: &Estimates,
) -> FleetRun {
    let state = &contents.state;
    let (text, condition) = condition(contents);
    let waits = waits_for(contents, condition);
    let end = current_work::expected_end(contents, steps, estimates);
    let ended = state.steps.iter().filter(|step| step.outcome.is_some());
    let newer = contents.newer_format.then(|| {
        let format = state.began.format;
        format!("a newer program wrote it (format {format}), so it may be read incompletely")
    });
    let lost = contents.lost.as_ref();
    let reason = lost.map(|lost| redacted_line(&format!("warning: {}", lost.message())));
    let reason = reason.or(newer);
    FleetRun {
        state_file: file.to_owned(),
        runbook: Some(redacted_line(&state.began.runbook)),
        run: Some(state.run.to_string()),
        target: Some(Target::from(state.began.pinned.target.clone())),
        state: Some(condition),
        condition: text,
        step: current_step(state),
        steps_done: ended.count(),
        since: since(contents, condition).map(|time| format!("{time:.0}")),
        expected_end: end.map(|end| format!("{end:.0}")),
        to_do: to_do(arguments, contents, condition),
        waits_for: waits,
        reason,
    }
}

/// A state file that cannot be read. Takes why, and what to do.
pub fn unreadable_run(file: &str, why: &str, help: Option<&str>) -> FleetRun {
    FleetRun {
        state_file: file.to_owned(),
        condition: "unreadable".to_owned(),
        reason: Some(redacted_line(why)),
        to_do: help.map(redacted_line),
        ..FleetRun::default()
    }
}

/// The row of a folder without a state file: it is not a run.
pub fn folder_without_runs(folder: &str, why: &str) -> FleetRun {
    FleetRun {
        condition: NO_STATE_FILE.to_owned(),
        ..unreadable_run(folder, why, None)
    }
}

/// The document of these runs, those that need somebody first. Takes the time of day.
pub fn fleet(mut runs: Vec<FleetRun>, now: Timestamp) -> FleetDocument {
    runs.sort_by_cached_key(|run| (Reverse(urgency(run)), target_name(run).to_owned()));
    FleetDocument {
        v: Version,
        time: format!("{now:.0}"),
        runs,
    }
}

/// How much a run needs somebody.
fn urgency(run: &FleetRun) -> u8 {
    match shown_state(run) {
        Some(RunState::Failed) => 6,
        None => 5,
        Some(RunState::Waiting) => 4,
        Some(RunState::Stopped) => 3,
        Some(RunState::Running) => 2,
        Some(RunState::NotBegun) => 1,
        Some(RunState::Finished) => 0,
    }
}

/// The state of a run as the table counts it: a process that works on the run may wait for a person.
fn shown_state(run: &FleetRun) -> Option<RunState> {
    let is_person = |waits: &Waits| waits.whom == Whom::Person;
    match run.state {
        Some(RunState::Running) if run.waits_for.as_ref().is_some_and(is_person) => {
            Some(RunState::Waiting)
        }
        state => state,
    }
}

fn target_name(run: &FleetRun) -> &str {
    match &run.target {
        Some(target) => &target.name,
        None => &run.state_file,
    }
}

/// The running step; else the first that has begun and has not ended; else the one that failed.
fn current_step(state: &State) -> Option<String> {
    if let Some((step, _)) = &state.running {
        return Some(step.clone());
    }
    let mut tasks = state.waiting();
    let task = tasks.next().map(|task| task.waiting.task.as_str());
    let of_task = task.and_then(|task| task.split('/').next());
    let open = || state.steps.iter().find(|step| step.outcome.is_none());
    let of_failure = || state.failures.first().map(|failure| failure.step.as_str());
    let step = of_task
        .or_else(|| open().map(|step| step.step.as_str()))
        .or_else(of_failure)?;
    Some(step.to_owned())
}

/// Who must act before a run continues, and what it waits for.
fn waits_for(contents: &StateFileContents, condition: RunState) -> Option<Waits> {
    let state = &contents.state;
    let tasks: Vec<&str> = state
        .waiting()
        .map(|task| task.waiting.task.as_str())
        .collect();
    if contents.lost.is_some() {
        return Some(Waits {
            whom: Whom::Operator,
            what: "the newest state file".to_owned(),
        });
    }
    if condition == RunState::Finished {
        return None;
    }
    if !tasks.is_empty() {
        return Some(Waits {
            whom: Whom::Person,
            what: redacted_line(&tasks.join(", ")),
        });
    }
    let operations: Vec<&str> = state
        .launches_in_doubt()
        .map(|launch| &*launch.intent.name)
        .collect();
    if condition == RunState::Running {
        return (!operations.is_empty()).then(|| Waits {
            whom: Whom::Service,
            what: redacted_line(&operations.join(", ")),
        });
    }
    let what = match (state.failures.first(), &state.closed) {
        (Some(failure), _) => failure.message.lines().next().unwrap_or_default(),
        (None, Some(closed)) => {
            let message = closed.message.as_deref().and_then(|it| it.lines().next());
            // A person's part is done, and no process has continued the run since.
            let reason = match closed.reason.as_str() {
                "completed" => "a manual task is completed",
                reason => reason,
            };
            message.unwrap_or(reason)
        }
        (None, None) => "its process was killed, crashed or could not write",
    };
    Some(Waits {
        whom: Whom::Operator,
        what: redacted_line(what),
    })
}

/// Since when a run has been in this state.
fn since(contents: &StateFileContents, condition: RunState) -> Option<Timestamp> {
    let state = &contents.state;
    let task = state.waiting().map(|task| task.waiting.time).min();
    let closed = state.closed.as_ref().map(|closed| closed.time);
    match condition {
        RunState::NotBegun => None,
        RunState::Finished => state.finished,
        RunState::Waiting => task,
        RunState::Running => {
            let operation = state.launches_in_doubt().map(|it| it.intent.time).min();
            let opened = state.opened.as_ref().map(|opened| opened.time);
            task.or(operation).or(opened)
        }
        RunState::Failed => {
            let failed = state.failures.iter().map(|failure| failure.time).min();
            failed.or(closed)
        }
        RunState::Stopped => closed.or(Some(state.last_time)),
    }
}

/// What somebody should do now. Takes the arguments that name the runbook and its state file.
fn to_do(arguments: &str, contents: &StateFileContents, condition: RunState) -> Option<String> {
    let state = &contents.state;
    if let Some(lost) = &contents.lost {
        return Some(redacted_line(lost.check()));
    }
    let again = format!("iomcopy run {arguments}");
    let task = TaskCommands::of_waiting(arguments, state);
    let exit = state.closed.as_ref().map_or(0, |closed| closed.exit);
    if condition == RunState::Running {
        return task.map(|task| format!("do the task; {}", task.while_waiting()));
    }
    Some(match condition {
        RunState::Finished if exit != 0 => {
            let message = state.closed.as_ref().and_then(|it| it.message.as_deref());
            let first = message.and_then(|message| message.lines().next());
            redacted_line(first.unwrap_or("it finished with findings"))
        }
        RunState::NotBegun | RunState::Running | RunState::Finished => return None,
        RunState::Waiting => {
            let next = task.as_ref().map_or(again.as_str(), TaskCommands::next);
            format!("do the task, then {next}")
        }
        RunState::Failed => {
            let help = state.failures.iter().find_map(|it| it.help.as_deref());
            match help {
                Some(help) => format!("{}; then {again}", redacted_line(help)),
                None => again,
            }
        }
        RunState::Stopped if contents.occupancy != Occupancy::Free => return None,
        RunState::Stopped => again,
    })
}

impl FleetDocument {
    /// The runs as a table for a terminal or a log, and the whole text of what does not fit below
    /// it, without a final line break. Takes the width of the terminal, if there is one: where the
    /// table is wider, each run has a line of its first cells, and the others below it.
    pub fn table(&self, palette: Palette, columns: Option<usize>) -> String {
        let mut rows: Vec<[String; 7]> = self.runs.iter().map(cells).collect();
        for (row, label) in rows.iter_mut().zip(self.labels()) {
            row[0] = label;
        }
        let wide = Self::wide_table(&rows, palette);
        let fits = |columns| wide.lines().all(|line| width(line) <= columns);
        let table = match columns.filter(|columns| !fits(*columns)) {
            Some(columns) => self.narrow_table(&rows, columns, palette),
            None => self
                .runs
                .iter()
                .fold(wide, |wide, run| wide + &details(run)),
        };
        format!("{table}\n\n{}", self.summary())
    }

    /// What tells each run from the others: its target, and where several have the same, also its
    /// state file.
    fn labels(&self) -> Vec<String> {
        let name_of = |run: &FleetRun| -> String {
            let name = run.state_file.rsplit(['/', '\\']).next();
            name.unwrap_or_default().to_owned()
        };
        let is_shared = |run: &FleetRun, file: &dyn Fn(&FleetRun) -> String| {
            let same = |other: &&FleetRun| {
                target_name(other) == target_name(run) && file(other) == file(run)
            };
            self.runs.iter().filter(same).count() > 1
        };
        let label = |run: &FleetRun| {
            let target = escape(target_name(run)).into_owned();
            if run.target.is_none() || !is_shared(run, &|_| String::new()) {
                target
            } else if is_shared(run, &name_of) {
                format!("{target}, {}", escape(&run.state_file))
            } else {
                format!("{target}, {}", escape(&name_of(run)))
            }
        };
        self.runs.iter().map(label).collect()
    }

    /// A line for each run with the target and the state, and below it each other cell.
    fn narrow_table(&self, rows: &[[String; 7]], columns: usize, palette: Palette) -> String {
        let widest = rows.iter().map(|row| width(&row[0])).max().unwrap_or(0);
        let states = rows.iter().map(|row| width(&row[1])).max().unwrap_or(0);
        let first = widest.clamp(6, columns.saturating_sub(states + 2).max(6));
        let line = |one: &str, other: &str| {
            let one = shortened(one, first);
            let space = " ".repeat(first.saturating_sub(width(&one)));
            format!("{one}{space}  {other}")
        };
        let mut text = palette.bold(&line(COLUMNS[0], COLUMNS[1]));
        for (run, row) in self.runs.iter().zip(rows) {
            text += &format!("\n{}", line(&row[0], &row[1]));
            let whole = (width(&row[0]) > first).then(|| row[0].clone());
            for more in whole.into_iter().chain(run.reason.clone()) {
                text += &format!("\n{}", wrapped(&format!("    {more}"), Some(columns)));
            }
            let others = COLUMNS.iter().zip(row).skip(2);
            for (column, cell) in others.filter(|(_, cell)| !cell.is_empty()) {
                let more = format!("    {}: {cell}", column.to_lowercase());
                text += &format!("\n{}", wrapped(&more, Some(columns)));
            }
        }
        text
    }

    /// The table with a column for each cell.
    fn wide_table(rows: &[[String; 7]], palette: Palette) -> String {
        let widths: Vec<usize> = (0..COLUMNS.len())
            .map(|at| {
                let cells = rows.iter().map(|row| width(&shortened(&row[at], WIDEST)));
                cells.chain([width(COLUMNS[at])]).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: &[String]| {
            let padded = cells.iter().zip(&widths).map(|(cell, wide)| {
                let cell = shortened(cell, WIDEST);
                let space = wide.saturating_sub(width(&cell));
                format!("{cell}{}", " ".repeat(space))
            });
            let line: Vec<String> = padded.collect();
            line.join("  ").trim_end().to_owned()
        };
        let mut text = palette.bold(&line(&COLUMNS.map(str::to_owned)));
        for row in rows {
            text += &format!("\n{}", line(row));
        }
        text
    }

    /// How many runs are in each state, in words.
    fn summary(&self) -> String {
        let states = [
            ("failed", Some(RunState::Failed)),
            ("unreadable", None),
            ("waiting", Some(RunState::Waiting)),
            ("stopped", Some(RunState::Stopped)),
            ("running", Some(RunState::Running)),
            ("finished", Some(RunState::Finished)),
        ];
        let is_run = |run: &&FleetRun| run.condition != NO_STATE_FILE;
        let runs: Vec<&FleetRun> = self.runs.iter().filter(is_run).collect();
        let counts = states.iter().filter_map(|(word, state)| {
            let is_so = |run: &&&FleetRun| shown_state(run) == *state;
            let number = runs.iter().filter(is_so).count();
            (number > 0).then(|| format!("{number} {word}"))
        });
        let counts: Vec<String> = counts.collect();
        let colon = if counts.is_empty() { "" } else { ": " };
        let mut text = format!("{}{colon}{}", count(runs.len(), "run"), counts.join(", "));
        let empty = self.runs.len() - runs.len();
        if empty > 0 {
            text += &format!("; {} without a state file", count(empty, "folder"));
        }
        text
    }

    /// The runs as a page for a browser, without a final line break.
    pub fn page(&self) -> String {
        let rows = self.runs.iter().map(|run| {
            let [target, state, step, waits, since, end, to_do] = cells(run);
            let file = html! { br; span.faint { (breakable(&run.state_file)) } };
            vec![
                html! { (cell(&target)) (file) },
                html! { span class=(colour(run)) { (cell(&state)) } (reason(run)) },
                cell(&step),
                cell(&waits),
                time(&since),
                time(&end),
                cell(&to_do),
            ]
        });
        let page = Page {
            title: "Refreshes".to_owned(),
            head: html! { p { (self.summary()) } },
            sections: vec![Section::new("Runs", "runs", table(&COLUMNS, rows))],
            foot: html! { p.faint { "Read at " (time(&self.time)) } },
        };
        page.render()
    }

    /// The runs as one JSON document.
    pub fn json(&self) -> String {
        document(self)
    }
}

fn reason(run: &FleetRun) -> Markup {
    html! { @if let Some(reason) = &run.reason { br; (cell(reason)) } }
}

fn colour(run: &FleetRun) -> &'static str {
    match shown_state(run) {
        None | Some(RunState::Failed) => "bad",
        Some(RunState::Waiting | RunState::Stopped) => "notable",
        Some(RunState::Finished) => "good",
        Some(RunState::Running | RunState::NotBegun) => "faint",
    }
}

/// The cells of a run, in the order of the columns.
fn cells(run: &FleetRun) -> [String; 7] {
    let waits = run.waits_for.as_ref().map(|waits| {
        let (whom, what) = (waits.whom.as_text(), &waits.what);
        format!("{whom}: {what}")
    });
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        escape(target_name(run)).into_owned(),
        // What a stopped run waits for is in its own column.
        match run.state {
            Some(RunState::Stopped) => "stopped".to_owned(),
            _ => run.condition.clone(),
        },
        optional(&run.step),
        waits.unwrap_or_default(),
        optional(&run.since),
        optional(&run.expected_end),
        optional(&run.to_do),
    ]
}

/// The texts for which the table has no room: the reason, and each text that was shortened.
fn details(run: &FleetRun) -> String {
    let cells = cells(run);
    let mut lines: Vec<String> = Vec::new();
    lines.extend(run.reason.clone());
    for (column, cell) in COLUMNS.iter().zip(&cells) {
        if width(cell) > WIDEST {
            lines.push(format!("{}: {cell}", column.to_lowercase()));
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("\n\n{} ({})", cells[0], escape(&run.state_file));
    for line in lines {
        text += &format!("\n  {line}");
    }
    text
}

fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::tests::assert_well_formed;

    fn run(name: &str, state: RunState) -> FleetRun {
        FleetRun {
            state_file: format!("{name}.iomcopy.jsonl"),
            runbook: Some(name.to_owned()),
            state: Some(state),
            condition: "waiting for a person".to_owned(),
            step: Some("reinstall-providers".to_owned()),
            waits_for: Some(Waits {
                whom: Whom::Person,
                what: "reinstall-providers/install".to_owned(),
            }),
            since: Some("2026-11-29T10:00:00Z".to_owned()),
            to_do: Some("do the task".to_owned()),
            ..FleetRun::default()
        }
    }

    fn three() -> FleetDocument {
        let now = "2026-11-29T12:00:00Z".parse().unwrap();
        let runs = vec![
            FleetRun {
                condition: "finished".to_owned(),
                waits_for: None,
                to_do: None,
                ..run("b", RunState::Finished)
            },
            unreadable_run(
                "c.iomcopy.jsonl",
                "line 3 is <b>damaged</b>",
                Some("cut it"),
            ),
            run("a", RunState::Waiting),
        ];
        fleet(runs, now)
    }

    #[test]
    fn what_needs_somebody_comes_first_and_a_damaged_file_is_one_row() {
        let expected = "\
Target           State                 Step                 Waits for                              Since                 Expected end  To do
c.iomcopy.jsonl  unreadable                                                                                                            cut it
a.iomcopy.jsonl  waiting for a person  reinstall-providers  a person: reinstall-providers/install  2026-11-29T10:00:00Z                do the task
b.iomcopy.jsonl  finished              reinstall-providers                                         2026-11-29T10:00:00Z

c.iomcopy.jsonl (c.iomcopy.jsonl)
  line 3 is <b>damaged</b>

3 runs: 1 unreadable, 1 waiting, 1 finished";
        assert_eq!(three().table(Palette::plain(), None), expected);
    }

    #[test]
    fn a_process_that_waits_for_a_person_is_counted_as_waiting() {
        let works = FleetRun {
            waits_for: None,
            ..run("b", RunState::Running)
        };
        let runs = fleet(
            vec![works, run("a", RunState::Running)],
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(runs.summary(), "2 runs: 1 waiting, 1 running");
        assert_eq!(runs.runs[0].state_file, "a.iomcopy.jsonl");
        assert_eq!(colour(&runs.runs[0]), "notable");
    }

    #[test]
    fn a_folder_without_a_state_file_is_not_counted_as_a_run() {
        let summary = |runs| fleet(runs, "2026-11-29T12:00:00Z".parse().unwrap()).summary();
        let folder = || folder_without_runs("states", "the folder has no file `*.iomcopy.jsonl`");
        assert_eq!(
            summary(vec![folder()]),
            "0 runs; 1 folder without a state file"
        );
        let mixed = vec![folder(), run("a", RunState::Stopped)];
        let shown = "1 run: 1 stopped; 1 folder without a state file";
        assert_eq!(summary(mixed), shown);
    }

    #[test]
    fn the_page_has_each_run_and_every_text_is_text() {
        let page = three().page();
        assert_well_formed(&page);
        assert!(
            page.contains("line 3 is &lt;b&gt;damaged&lt;/b&gt;"),
            "{page}"
        );
        assert!(page.contains("<p>3 runs: 1 unreadable, 1 waiting, 1 finished</p>"));
        assert_eq!(page.matches("data-label=\"Target\"").count(), 3);
    }

    #[test]
    fn in_a_narrow_terminal_each_cell_is_below_its_run() {
        let expected = "\
Target           State
c.iomcopy.jsonl  unreadable
    line 3 is <b>damaged</b>
    to do: cut it
a.iomcopy.jsonl  waiting for a person
    step: reinstall-providers
    waits for: a person: reinstall-providers/install
    since: 2026-11-29T10:00:00Z
    to do: do the task
b.iomcopy.jsonl  finished
    step: reinstall-providers
    since: 2026-11-29T10:00:00Z

3 runs: 1 unreadable, 1 waiting, 1 finished";
        assert_eq!(three().table(Palette::plain(), Some(80)), expected);
        for columns in 50..80 {
            let table = three().table(Palette::plain(), Some(columns));
            assert!(table.lines().all(|line| width(line) <= columns), "{table}");
        }
    }

    #[test]
    fn runs_with_the_same_target_are_told_apart_by_their_files() {
        let target = || {
            Some(Target {
                environment: "2222".to_owned(),
                name: "Contoso UAT".to_owned(),
                url: None,
                organization: None,
                unique_name: None,
            })
        };
        let of = |file: &str| FleetRun {
            state_file: file.to_owned(),
            target: target(),
            ..run("a", RunState::Finished)
        };
        let labels = |files: &[&str]| {
            let runs = files.iter().map(|file| of(file)).collect();
            fleet(runs, Timestamp::UNIX_EPOCH).labels()
        };
        assert_eq!(labels(&["x/a.jsonl"]), ["Contoso UAT"]);
        assert_eq!(
            labels(&["x/a.jsonl", "x/b.jsonl", "y/b.jsonl"]),
            [
                "Contoso UAT, a.jsonl",
                "Contoso UAT, x/b.jsonl",
                "Contoso UAT, y/b.jsonl"
            ]
        );
    }

    #[test]
    fn a_text_that_does_not_fit_is_below_the_table() {
        let mut long = run("a", RunState::Failed);
        long.to_do = Some("x".repeat(60));
        let fleet = fleet(vec![long], Timestamp::UNIX_EPOCH);
        let table = fleet.table(Palette::plain(), None);
        let line = format!("\n  to do: {}\n", "x".repeat(60));
        assert!(table.contains(&line), "{table}");
        assert!(table.contains(&format!("{}…", "x".repeat(47))), "{table}");
    }
}
