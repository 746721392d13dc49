//! Sets and removals: edits of a person, values that the service changes, and refusals.

use super::*;
use crate::engine::{CaptureSource, FailureScope, ListedRow, Listing};
use crate::journal::{OverwriteConfirmed, Record};

/// The intended content of a cell.
pub(super) const WANTED: &str = "wanted";

/// Cells that hold a text and a version, and what happens to them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that a service may do"
)]
#[derive(Default)]
pub(super) struct Cells {
    held: BTreeMap<&'static str, (String, u32)>,
    /// What a person types into a cell right after the next survey.
    typed_after_survey: BTreeMap<&'static str, String>,
    /// What a person types into a cell right after the next read.
    typed_after_read: BTreeMap<&'static str, String>,
    /// How many reads are followed by a write of a field that is not compared.
    touched: BTreeMap<&'static str, u32>,
    /// How many writes of these find a lock.
    pub(super) locked: BTreeMap<&'static str, u32>,
    /// Every write of these is refused with this failure.
    pub(super) refusals: BTreeMap<&'static str, Failure>,
    /// The attempts to write, in order, with the version that each named.
    attempts: Vec<(&'static str, String)>,
    /// Does the service itself change the compared fields?
    moves_by_itself: bool,
    /// Does a person who undoes a change keep that?
    asks_when_undone: bool,
    /// Does the survey know the versions?
    knows_versions: bool,
    /// Does the response to a write show the cell?
    responds_with_cell: bool,
    /// Writes to these are accepted and ignored.
    ignored: BTreeSet<&'static str>,
    /// Does the response to a write show the intended content, even if the cell differs?
    responds_with_request: bool,
    /// How many reads there were, without surveys.
    reads: usize,
}

impl Cells {
    pub(super) fn put(&mut self, key: &'static str, text: &str) {
        let version = self.held.get(key).map_or(1, |(_, version)| version + 1);
        self.held.insert(key, (text.to_owned(), version));
    }

    pub(super) fn holds(&self, key: &str) -> &str {
        &self.held[key].0
    }

    pub(super) fn attempts_of(&self, key: &str) -> usize {
        self.attempts.iter().filter(|(of, _)| *of == key).count()
    }
}

pub(super) type Sheet = Arc<Mutex<Cells>>;

pub(super) fn sheet(held: &[(&'static str, &str)]) -> Sheet {
    let mut cells = Cells::default();
    for (key, text) in held {
        cells.put(key, text);
    }
    Arc::new(Mutex::new(cells))
}

struct Cell(Sheet, &'static str, Option<Reading>);

#[async_trait]
impl Set for Cell {
    async fn read(&self) -> Result<Reading, Failure> {
        let mut cells = self.0.lock().unwrap();
        cells.reads += 1;
        let (text, version) = cells.held[self.1].clone();
        if let Some(typed) = cells.typed_after_read.remove(self.1) {
            cells.put(self.1, &typed);
        }
        if let Some(left) = cells.touched.get_mut(self.1).filter(|left| **left > 0) {
            *left -= 1;
            cells.put(self.1, &text);
        }
        Ok(Reading {
            etag: Some(version.to_string()),
            ..Reading::of(json!({ "value": text }))
        })
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        let mut cells = self.0.lock().unwrap();
        let version = reading.etag.clone().unwrap_or_default();
        cells.attempts.push((self.1, version.clone()));
        if let Some(left) = cells.locked.get_mut(self.1).filter(|left| **left > 0) {
            *left -= 1;
            let lock = Failure::temporary("0x80071151 a solution is being installed");
            return Err(WriteError::NotYet(lock, Duration::from_mins(30)));
        }
        if let Some(refusal) = cells.refusals.get(self.1) {
            return Err(WriteError::Refused(refusal.clone()));
        }
        if version != cells.held[self.1].1.to_string() {
            return Err(WriteError::PreconditionFailed(Failure::failed("412")));
        }
        if !cells.ignored.contains(self.1) {
            cells.put(self.1, WANTED);
        }
        let shown = if cells.responds_with_request {
            WANTED
        } else {
            cells.holds(self.1)
        };
        let shown = json!({ "value": shown });
        Ok(Written {
            observed: cells.responds_with_cell.then_some(shown),
            ..Written::default()
        })
    }

    fn surveyed(&self) -> Option<Reading> {
        self.2.clone()
    }

    fn only_people_write(&self, _member: &str) -> bool {
        !self.0.lock().unwrap().moves_by_itself
    }

    fn asks_when_undone(&self) -> bool {
        self.0.lock().unwrap().asks_when_undone
    }
}

/// Finds cells without the intended content. On request, the second follows the first.
pub(super) struct Fill {
    sheet: Sheet,
    keys: Vec<&'static str>,
    in_order: bool,
}

#[async_trait]
impl Survey for Fill {
    async fn survey(&self, _journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let mut cells = self.sheet.lock().unwrap();
        let mut changes: Vec<Change> = Vec::new();
        for key in &self.keys {
            let text = cells.holds(key).to_owned();
            if text == WANTED {
                continue;
            }
            let first = changes.first().filter(|_| self.in_order);
            let surveyed = cells.knows_versions.then(|| Reading {
                etag: Some(cells.held[key].1.to_string()),
                ..Reading::of(json!({ "value": text }))
            });
            changes.push(Change {
                key: (*key).to_owned(),
                name: format!("fill cell '{key}'"),
                before: json!({ "value": text }).into(),
                after: json!({ "value": WANTED }).into(),
                follows: first.map(|first| first.key.clone()).into_iter().collect(),
                action: Action::Set(Arc::new(Cell(Arc::clone(&self.sheet), key, surveyed))),
            });
        }
        for (key, typed) in std::mem::take(&mut cells.typed_after_survey) {
            cells.put(key, &typed);
        }
        Ok(changes)
    }
}

/// One process: runs phases over the sheet, each over its cells.
pub(super) async fn process(
    stage: &Stage,
    sheet: &Sheet,
    phases: &[(&'static str, &[&'static str])],
) -> Result<Outcome, Failure> {
    let opening = stage.open();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    only_step(&mut executor).phases = phases
        .iter()
        .map(|(name, keys)| Phase::changes(name, fill(sheet, keys)))
        .collect();
    executor.run().await
}

pub(super) fn fill(sheet: &Sheet, keys: &[&'static str]) -> Fill {
    Fill {
        sheet: Arc::clone(sheet),
        keys: keys.to_vec(),
        in_order: false,
    }
}

async fn confirm(stage: &Stage, key: &str) {
    let opening = stage.open();
    let found = opening
        .journal
        .state()
        .edit(key)
        .unwrap()
        .detected
        .found
        .clone();
    let confirmed = OverwriteConfirmed {
        key: key.to_owned(),
        found,
        who: "ada".to_owned(),
    };
    opening.journal.append(confirmed).await.unwrap();
}

fn shows_both(failure: &Failure, expected: &str, found: &str) {
    assert_eq!(failure.kind, FailureKind::Failed);
    assert!(
        failure.message.contains(expected) && failure.message.contains(found),
        "{failure}"
    );
    let help = failure.help.as_deref().unwrap_or_default();
    assert!(help.contains("--confirm-overwrite 'a'"), "{help}");
}

#[tokio::test]
async fn an_edit_after_the_survey_is_overwritten_only_once_it_is_confirmed() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old"), ("b", "old")]);
    sheet.lock().unwrap().typed_after_survey = [("a", "typed".to_owned())].into();
    let phases: [(&str, &[&'static str]); 1] = [("phase", &["a", "b"])];
    // The run that detects it, and every later one.
    for _ in 0..2 {
        let failure = process(&stage, &sheet, &phases).await.unwrap_err();
        shows_both(&failure, "old", "typed");
        let cells = sheet.lock().unwrap();
        assert_eq!((cells.holds("a"), cells.attempts_of("a")), ("typed", 0));
        assert_eq!(cells.holds("b"), WANTED, "the other changes continue");
    }
    confirm(&stage, "a").await;
    // The confirmation does not cover a later edit.
    sheet.lock().unwrap().put("a", "typed again");
    let failure = process(&stage, &sheet, &phases).await.unwrap_err();
    shows_both(&failure, "old", "typed again");
    confirm(&stage, "a").await;
    let ended = process(&stage, &sheet, &phases).await.unwrap();
    assert_eq!(ended, Outcome::Finished);
    assert_eq!(sheet.lock().unwrap().holds("a"), WANTED);
    assert!(
        stage.open().journal.state().edits.is_empty(),
        "it is settled"
    );
}

#[tokio::test]
async fn an_edit_between_read_and_write_is_detected_by_its_version() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old")]);
    sheet.lock().unwrap().typed_after_read = [("a", "typed".to_owned())].into();
    let failure = process(&stage, &sheet, &[("phase", &["a"])])
        .await
        .unwrap_err();
    shows_both(&failure, "old", "typed");
    assert_eq!(sheet.lock().unwrap().holds("a"), "typed");
    assert_eq!(
        sheet.lock().unwrap().attempts,
        [("a", "1".to_owned())],
        "the version that was read"
    );
    // It is recorded, so that a person can decide.
    confirm(&stage, "a").await;
    let ended = process(&stage, &sheet, &[("phase", &["a"])]).await.unwrap();
    assert_eq!(ended, Outcome::Finished);
    assert_eq!(sheet.lock().unwrap().holds("a"), WANTED);
}

#[tokio::test]
async fn a_row_whose_version_changes_is_written_again_three_times() {
    for (touched, ends_well) in [(3, true), (4, false)] {
        let stage = Stage::new();
        let sheet = sheet(&[("a", "old")]);
        sheet.lock().unwrap().touched = [("a", touched)].into();
        let result = process(&stage, &sheet, &[("phase", &["a"])]).await;
        assert_eq!(result.is_ok(), ends_well);
        let versions: Vec<String> = ["1", "2", "3", "4"].map(str::to_owned).into();
        let cells = sheet.lock().unwrap();
        let named: Vec<String> = cells.attempts.iter().map(|(_, v)| v.clone()).collect();
        assert_eq!(named, versions);
    }
}

/// The cells `a` with this text, whose versions the survey knows, and whose writes are answered with
/// the cell.
fn surveyed_sheet(held: &[(&'static str, &str)]) -> Sheet {
    let sheet = sheet(held);
    {
        let mut cells = sheet.lock().unwrap();
        cells.knows_versions = true;
        cells.responds_with_cell = true;
    }
    sheet
}

#[tokio::test]
async fn a_set_is_written_with_the_surveyed_version_and_proved_by_the_response() {
    // Whether the response shows the cell, and how many reads each cell needs.
    for (responds, reads) in [(true, 0), (false, 2)] {
        let stage = Stage::new();
        let sheet = surveyed_sheet(&[("a", "old"), ("b", "old")]);
        sheet.lock().unwrap().responds_with_cell = responds;
        let ended = process(&stage, &sheet, &[("phase", &["a", "b"])]).await;
        assert_eq!(ended.unwrap(), Outcome::Finished);
        let cells = sheet.lock().unwrap();
        assert_eq!((cells.holds("a"), cells.holds("b")), (WANTED, WANTED));
        assert_eq!((cells.attempts.len(), cells.reads), (2, reads));
        drop(cells);
        let opening = stage.open();
        let records = crate::journal::read_records(opening.journal.path()).unwrap();
        let observed = records
            .entries
            .iter()
            .find_map(|entry| match &entry.record {
                Record::Done(done) if done.key == "a" => Some(&done.observed),
                _ => None,
            });
        assert_eq!(
            observed,
            Some(&json!({ "value": WANTED })),
            "it is recorded"
        );
    }
}

#[tokio::test]
async fn a_response_that_does_not_show_the_change_is_not_a_proof() {
    let stage = Stage::new();
    let sheet = surveyed_sheet(&[("a", "old")]);
    sheet.lock().unwrap().ignored = ["a"].into();
    let failure = process(&stage, &sheet, &[("phase", &["a"])]).await;
    let failure = failure.unwrap_err();
    assert!(failure.message.contains("cell 'a'"), "{failure}");
    assert!(failure.message.contains("accepted the change"), "{failure}");
    assert!(sheet.lock().unwrap().reads > 0, "it is read back");
}

/// The response says that the change was made, and each survey shows that it was not.
#[tokio::test]
async fn a_false_response_is_found_by_the_next_survey() {
    let stage = Stage::new();
    let sheet = surveyed_sheet(&[("a", "old"), ("b", "old")]);
    {
        let mut cells = sheet.lock().unwrap();
        cells.ignored = ["a"].into();
        cells.responds_with_request = true;
    }
    let failure = process(&stage, &sheet, &[("phase", &["a", "b"])]).await;
    let failure = failure.unwrap_err();
    assert!(failure.message.contains("cell 'a'"), "{failure}");
    assert!(!failure.message.contains("cell 'b'"), "{failure}");
    let cells = sheet.lock().unwrap();
    assert_eq!((cells.attempts_of("a"), cells.reads), (3, 0));
    assert!(stage.open().journal.state().finished.is_none());
}

#[tokio::test]
async fn an_edit_after_the_survey_is_detected_by_the_surveyed_version() {
    let stage = Stage::new();
    let sheet = surveyed_sheet(&[("a", "old")]);
    sheet.lock().unwrap().typed_after_survey = [("a", "typed".to_owned())].into();
    let failure = process(&stage, &sheet, &[("phase", &["a"])]).await;
    shows_both(&failure.unwrap_err(), "old", "typed");
    let cells = sheet.lock().unwrap();
    assert_eq!(cells.holds("a"), "typed");
    assert_eq!(cells.attempts, [("a", "1".to_owned())]);
}

#[tokio::test]
async fn a_surveyed_row_that_only_has_a_newer_version_is_written_again() {
    let stage = Stage::new();
    let sheet = surveyed_sheet(&[("a", "old")]);
    sheet.lock().unwrap().typed_after_survey = [("a", "old".to_owned())].into();
    let ended = process(&stage, &sheet, &[("phase", &["a"])]).await;
    assert_eq!(ended.unwrap(), Outcome::Finished);
    let cells = sheet.lock().unwrap();
    let versions = [("a", "1".to_owned()), ("a", "2".to_owned())];
    assert_eq!(cells.attempts, versions);
    assert_eq!((cells.holds("a"), cells.reads), (WANTED, 1));
}

/// A run that has filled `a` and stopped at `b`.
async fn stopped_after_a(stage: &Stage) -> Sheet {
    let sheet = sheet(&[("a", "old"), ("b", "old")]);
    let refusal = Failure::failed("no").permanent();
    sheet.lock().unwrap().refusals = [("b", refusal)].into();
    process(stage, &sheet, &[("one", &["a"]), ("two", &["b"])])
        .await
        .unwrap_err();
    sheet.lock().unwrap().refusals.clear();
    assert_eq!(sheet.lock().unwrap().holds("a"), WANTED);
    sheet
}

#[tokio::test]
async fn a_persons_edit_of_the_runs_own_value_is_not_overwritten_by_the_next_process() {
    let stage = Stage::new();
    let sheet = stopped_after_a(&stage).await;
    sheet.lock().unwrap().put("a", "typed");
    let phases: [(&str, &[&'static str]); 2] = [("one", &["a"]), ("two", &["b"])];
    let failure = process(&stage, &sheet, &phases).await.unwrap_err();
    shows_both(&failure, WANTED, "typed");
    {
        let cells = sheet.lock().unwrap();
        assert_eq!((cells.holds("a"), cells.holds("b")), ("typed", "old"));
    }
    // The person undoes it, or sets the intended content.
    for undone in ["old", WANTED] {
        sheet.lock().unwrap().put("a", undone);
        sheet.lock().unwrap().put("b", "old");
        drop(process(&stage, &sheet, &phases).await);
        assert_eq!(sheet.lock().unwrap().holds("a"), WANTED, "{undone}");
    }
}

/// A later process finds what was there before the run, after the phase that changed it has ended.
#[tokio::test]
async fn a_change_that_somebody_undid_after_its_phase_is_asked_about_unless_it_closes_something() {
    let phases: [(&str, &[&str]); 2] = [("one", &["a"]), ("two", &["b"])];
    for (asks, moves_by_itself) in [(true, false), (true, true), (false, false)] {
        let stage = Stage::new();
        let sheet = sheet(&[("a", "old"), ("b", "old")]);
        sheet.lock().unwrap().asks_when_undone = asks;
        sheet.lock().unwrap().moves_by_itself = moves_by_itself;
        let refusal = Failure::new(FailureKind::NotAllowed, "no");
        sheet.lock().unwrap().refusals.insert("b", refusal);
        process(&stage, &sheet, &phases).await.unwrap_err();
        assert_eq!(sheet.lock().unwrap().holds("a"), WANTED);
        sheet.lock().unwrap().refusals.clear();
        sheet.lock().unwrap().put("a", "old");
        if asks {
            let failure = process(&stage, &sheet, &phases).await.unwrap_err();
            assert!(failure.message.contains("somebody edited it"), "{failure}");
            assert_eq!(sheet.lock().unwrap().holds("a"), "old");
            confirm(&stage, "a").await;
        }
        let ended = process(&stage, &sheet, &phases).await.unwrap();
        assert_eq!(ended, Outcome::Finished);
        assert_eq!(sheet.lock().unwrap().holds("a"), WANTED);
    }
}

#[tokio::test]
async fn a_late_read_of_the_runs_own_value_is_not_an_edit() {
    let stage = Stage::new();
    let sheet = stopped_after_a(&stage).await;
    sheet.lock().unwrap().put("a", "old");
    let phases: [(&str, &[&'static str]); 2] = [("one", &["a"]), ("two", &["b"])];
    let ended = process(&stage, &sheet, &phases).await.unwrap();
    assert_eq!(ended, Outcome::Finished);
}

#[tokio::test]
async fn a_value_that_the_service_changes_is_surveyed_again() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "off")]);
    {
        let mut cells = sheet.lock().unwrap();
        cells.moves_by_itself = true;
        cells.typed_after_survey = [("a", "suspended".to_owned())].into();
    }
    let ended = process(&stage, &sheet, &[("phase", &["a"])]).await.unwrap();
    assert_eq!(ended, Outcome::Finished);
    assert_eq!(sheet.lock().unwrap().holds("a"), WANTED);
}

/// The second change follows the first, which needs another pass: it has no intent yet when a
/// person edits its object, but the first survey has seen the object.
#[tokio::test]
async fn an_edit_before_a_change_begins_is_detected() {
    struct Stubborn(Fill, Mutex<u32>);
    #[async_trait]
    impl Survey for Stubborn {
        async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
            {
                let mut pass = self.1.lock().unwrap();
                *pass += 1;
                if *pass == 2 {
                    let mut cells = self.0.sheet.lock().unwrap();
                    cells.refusals.clear();
                    cells.put("b", "typed");
                }
            }
            self.0.survey(journal).await
        }
    }
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old"), ("b", "old")]);
    sheet.lock().unwrap().refusals = [("a", Failure::failed("come again"))].into();
    let opening = stage.open();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    let survey = Fill {
        in_order: true,
        ..fill(&sheet, &["a", "b"])
    };
    only_step(&mut executor).phases =
        vec![Phase::changes("phase", Stubborn(survey, Mutex::new(0)))];
    let failure = executor.run().await.unwrap_err();
    assert!(failure.message.contains("typed"), "{failure}");
    let cells = sheet.lock().unwrap();
    assert_eq!((cells.holds("a"), cells.holds("b")), (WANTED, "typed"));
}

/// A removal: the current row must be the one that the seal holds.
#[tokio::test]
async fn a_row_that_was_edited_after_its_capture_is_not_removed() {
    struct Record;
    #[async_trait]
    impl CaptureSource for Record {
        fn seal(&self) -> &'static str {
            "seal"
        }
        async fn list(&self, _journal: &JournalView) -> Result<Listing, Failure> {
            Ok(vec![ListedRow {
                key: "row".to_owned(),
                etag: Some("1".to_owned()),
                text: "old".to_owned(),
                compared: None,
            }]
            .into())
        }
    }
    struct Remove(Fill);
    #[async_trait]
    impl Survey for Remove {
        async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
            let mut changes = self.0.survey(journal).await?;
            for change in &mut changes {
                if let Action::Set(set) = &change.action {
                    change.action = Action::Remove {
                        set: Arc::clone(set),
                        seal: "seal",
                        captured: "row".to_owned(),
                        sealed: json!({ "value": "old" }),
                    };
                }
            }
            Ok(changes)
        }
    }
    let stage = Stage::new();
    let sheet = sheet(&[("a", "typed")]);
    let process = async || {
        let opening = stage.open();
        let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
        only_step(&mut executor).phases = vec![
            Phase::capture("record", Record),
            Phase::changes("delete", Remove(fill(&sheet, &["a"]))),
        ];
        executor.confirmed.insert("a".to_owned());
        executor.run().await
    };
    for _ in 0..2 {
        let failure = process().await.unwrap_err();
        shows_both(&failure, "old", "typed");
        assert_eq!(sheet.lock().unwrap().attempts_of("a"), 0);
    }
    confirm(&stage, "a").await;
    process().await.unwrap();
    assert_eq!(sheet.lock().unwrap().attempts_of("a"), 1);
}

pub(super) fn forbidden() -> Failure {
    Failure::new(FailureKind::NotAllowed, "403")
        .with_help("give it a role")
        .of_one_change()
}

#[tokio::test]
async fn a_permanent_refusal_is_tried_once_and_stops_only_what_depends_on_it() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old"), ("b", "old"), ("c", "old"), ("d", "old")]);
    let refusal = Failure::failed("a data policy forbids it").permanent();
    sheet.lock().unwrap().refusals = [("a", refusal), ("b", forbidden())].into();
    let opening = stage.open();
    let (mut executor, events_seen) = stage.executor(&opening, stage.wanted(vec![]));
    only_step(&mut executor).phases = vec![
        Phase::changes("one", fill(&sheet, &["a", "b", "c"])),
        Phase::changes("two", fill(&sheet, &["d"])),
        Phase::changes("three", fill(&sheet, &["d"])).independent_of(&["one"]),
        Phase::changes("four", fill(&sheet, &["d"])).independent_of(&["one", "two", "three"]),
    ];
    let failure = executor.run().await.unwrap_err();
    let cells = sheet.lock().unwrap();
    assert_eq!((cells.attempts_of("a"), cells.attempts_of("b")), (1, 1));
    assert_eq!((cells.holds("c"), cells.holds("d")), (WANTED, WANTED));
    assert_eq!(
        (failure.kind, failure.scope),
        (FailureKind::Failed, FailureScope::Change)
    );
    for part in [
        "cell 'a': a data policy forbids it",
        "cell 'b': 403",
        "help: give it a role",
        "needs one: two, three",
    ] {
        assert!(failure.message.contains(part), "{part}: {failure}");
    }
    let singles = [
        json!({"message": "fill cell 'a': a data policy forbids it", "kind": "failed",
            "step": "step", "phase": "one", "change": "a"}),
        json!({"message": "fill cell 'b': 403", "kind": "not-allowed",
            "step": "step", "phase": "one", "change": "b", "help": "give it a role"}),
    ];
    assert_eq!(json!(failure.items()), json!(singles));
    let folded = opening.journal.state();
    let keys: Vec<_> = folded
        .failures
        .iter()
        .filter_map(|f| f.key.clone())
        .collect();
    assert_eq!(keys, ["a", "b"]);
    let step = folded.step("step").unwrap();
    assert_eq!(step.outcome, Some(journal::StepOutcome::Failed));
    assert!(
        step.phase("one").unwrap().ended.is_none() && step.phase("four").unwrap().ended.is_some()
    );
    drop(cells);
    let events_seen = events_seen.0.lock().unwrap();
    let promised = events_seen
        .iter()
        .any(|event| matches!(event, EventKind::ChangeFailed { again: true, .. }));
    assert!(!promised, "no other attempt is announced");
}

#[tokio::test]
async fn if_every_open_failure_is_a_missing_permission_so_is_the_result() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old"), ("b", "old")]);
    sheet.lock().unwrap().refusals = [("a", forbidden()), ("b", forbidden())].into();
    let failure = process(&stage, &sheet, &[("one", &["a", "b"])])
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotAllowed);
}

#[tokio::test]
async fn a_change_that_follows_a_permanent_failure_does_not_begin() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old"), ("b", "old")]);
    sheet.lock().unwrap().refusals = [("a", forbidden())].into();
    let opening = stage.open();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    let survey = Fill {
        in_order: true,
        ..fill(&sheet, &["a", "b"])
    };
    only_step(&mut executor).phases = vec![Phase::changes("phase", survey)];
    let failure = executor.run().await.unwrap_err();
    assert!(
        failure.message.contains("not begun: it follows a"),
        "{failure}"
    );
    let cells = sheet.lock().unwrap();
    assert_eq!((cells.attempts_of("a"), cells.attempts_of("b")), (1, 0));
}
