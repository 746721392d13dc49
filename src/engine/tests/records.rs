//! What the journal says decides: which removals are sent, whether anything is, and which ids new
//! rows get.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::engine::{CaptureSource, ListedRow, Listing};
use crate::journal::RowToSeal;

/// Turns a switch on after a record has failed. Like the HTTP chain, it checks right before it
/// sends.
struct Ready {
    switch: Switch,
    cancellation: Cancellation,
    events_seen: Arc<Recorder>,
    /// How many changes are ready to send: their intents are durable.
    waiting: Arc<AtomicUsize>,
}

#[async_trait]
impl Set for Ready {
    async fn read(&self) -> Result<Reading, Failure> {
        self.switch.read().await
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let is_failure = |event: &EventKind| matches!(event, EventKind::ChangeFailed { .. });
        while !self.events_seen.0.lock().unwrap().iter().any(is_failure) {
            tokio::task::yield_now().await;
        }
        if self.cancellation.is_halted() {
            return Err(WriteError::Refused(Failure::interrupted()));
        }
        self.switch.write(reading).await
    }
}

/// Turns a switch on while something else writes to the state file, so that its own record fails.
struct Breaking {
    switch: Switch,
    state_file: PathBuf,
    /// How many others are ready to send.
    waiting: Arc<AtomicUsize>,
}

/// How many changes are ready in parallel with the one that breaks the state file.
const READY: usize = 31;

#[async_trait]
impl Set for Breaking {
    async fn read(&self) -> Result<Reading, Failure> {
        self.switch.read().await
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        while self.waiting.load(Ordering::SeqCst) < READY {
            tokio::task::yield_now().await;
        }
        let mut file = OpenOptions::new()
            .append(true)
            .open(&self.state_file)
            .unwrap();
        file.write_all(b"x").unwrap();
        self.switch.write(reading).await
    }
}

/// Finds these changes as long as their switches are off.
struct Found(Vec<Change>);

#[async_trait]
impl Survey for Found {
    async fn survey(&self, _journal: &JournalView) -> Result<Vec<Change>, Failure> {
        Ok(self.0.clone())
    }
}

fn change(key: &str, action: Action) -> Change {
    Change {
        key: key.to_owned(),
        name: format!("turn on '{key}'"),
        before: json!(false).into(),
        after: json!(true).into(),
        follows: Vec::new(),
        action,
    }
}

#[tokio::test]
async fn changes_in_parallel_with_a_failed_record_are_not_sent() {
    let stage = Stage::new();
    let opening = stage.open();
    let (mut executor, events_seen) = stage.executor(&opening, stage.wanted(vec![]));
    let ready = Arc::new(AtomicUsize::new(0));
    let switch = |key: &str| Switch(Arc::clone(&stage.world), key.to_owned());
    let mut changes = vec![change(
        "breaking",
        Action::Set(Arc::new(Breaking {
            switch: switch("breaking"),
            state_file: stage.path(),
            waiting: Arc::clone(&ready),
        })),
    )];
    // The same number of changes have not begun.
    for number in 0..2 * READY {
        let key = format!("ready-{number}");
        let set = Ready {
            switch: switch(&key),
            cancellation: stage.cancellation.clone(),
            events_seen: Arc::clone(&events_seen),
            waiting: Arc::clone(&ready),
        };
        changes.push(change(&key, Action::Set(Arc::new(set))));
    }
    // A phase may do more at once than its step.
    only_step(&mut executor).concurrency = 1;
    let phase = Phase::changes("phase", Found(changes)).with_concurrency(READY + 1);
    only_step(&mut executor).phases = vec![phase];
    let failure = executor.run().await.unwrap_err();
    assert_eq!(stage.world.lock().unwrap().writes, ["breaking"]);
    // The run ends with the cause, not with the changes that it stopped.
    assert_eq!(failure.kind, FailureKind::Failed, "{failure}");
    assert!(
        failure.message.contains("nothing more is sent"),
        "{failure}"
    );
    assert!(stage.cancellation.is_halted());
    let begun = opening.journal.state().sets.len();
    assert_eq!(begun, READY + 1, "nothing new begins");
}

/// One row, in the seal `rows`.
struct OneRow;

#[async_trait]
impl CaptureSource for OneRow {
    fn seal(&self) -> &'static str {
        "rows"
    }

    async fn list(&self, _journal: &JournalView) -> Result<Listing, Failure> {
        Ok(vec![ListedRow {
            key: "row/1".to_owned(),
            etag: None,
            text: "{}".to_owned(),
            compared: None,
        }]
        .into())
    }
}

/// Two rows; the first is listed twice in the first listings.
struct Repeating {
    listings: Mutex<usize>,
    repeated: usize,
}

#[async_trait]
impl CaptureSource for Repeating {
    fn seal(&self) -> &'static str {
        "rows"
    }

    async fn list(&self, _journal: &JournalView) -> Result<Listing, Failure> {
        let row = |key: &str| ListedRow {
            key: key.to_owned(),
            etag: None,
            text: "{}".to_owned(),
            compared: None,
        };
        let mut rows = vec![row("target/provider/1"), row("target/provider/2")];
        let mut listings = self.listings.lock().unwrap();
        *listings += 1;
        if *listings <= self.repeated {
            rows.push(row("target/provider/1"));
        }
        Ok(rows.into())
    }
}

#[tokio::test]
async fn a_listing_with_a_row_twice_is_read_again_then_the_service_is_named() {
    for (repeated, ends) in [(2, true), (usize::MAX, false)] {
        let stage = Stage::new();
        let opening = stage.open();
        let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
        let capture = Repeating {
            listings: Mutex::new(0),
            repeated,
        };
        only_step(&mut executor).phases = vec![Phase::capture("capture", capture)];
        let result = executor.run().await;
        let sealed = JournalView::from_journal(opening.journal.state()).has_seal("rows");
        assert_eq!((result.is_ok(), sealed), (ends, ends));
        if let Err(failure) = result {
            let says = "the service lists target/provider/1 twice";
            assert!(failure.message.contains(says), "{failure}");
        }
    }
}

fn removal(world: &World, captured: &str) -> Change {
    let set = Arc::new(Switch(Arc::clone(world), "gone".to_owned()));
    let action = Action::Remove {
        set,
        seal: "rows",
        captured: captured.to_owned(),
        sealed: json!(false),
    };
    change("remove", action)
}

#[tokio::test]
async fn a_row_that_is_not_in_the_verified_seal_is_not_removed() {
    for (captured, is_sealed) in [("row/1", true), ("row/2", false), ("row/", false)] {
        let stage = Stage::new();
        let opening = stage.open();
        let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
        only_step(&mut executor).attempts = 1;
        only_step(&mut executor).phases = vec![
            Phase::capture("capture", OneRow),
            Phase::changes("remove", Found(vec![removal(&stage.world, captured)])),
        ];
        executor.confirmed.insert("remove".to_owned());
        let failure = executor.run().await.unwrap_err();
        let writes = stage.world.lock().unwrap().writes.len();
        assert_eq!(writes, usize::from(is_sealed), "{captured}: {failure}");
        if !is_sealed {
            assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
            let says = format!("it is not in the seal 'rows' ({captured})");
            assert!(failure.message.contains(&says), "{failure}");
            assert!(opening.journal.state().set("remove").is_none());
        }
    }
}

#[tokio::test]
async fn a_row_whose_seal_copy_was_changed_is_not_removed() {
    let stage = Stage::new();
    let opening = stage.open();
    let rows = vec![RowToSeal {
        key: "row/1".to_owned(),
        etag: None,
        text: "{}".to_owned(),
    }];
    let copy = opening.journal.seal("rows", rows).await.unwrap().copy;
    std::fs::remove_file(copy.unwrap()).unwrap();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    let found = Found(vec![removal(&stage.world, "row/1")]);
    only_step(&mut executor).phases = vec![Phase::changes("remove", found)];
    executor.confirmed.insert("remove".to_owned());
    let failure = executor.run().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert!(failure.message.contains("is missing"), "{failure}");
    assert!(stage.world.lock().unwrap().writes.is_empty());
}

#[tokio::test]
async fn a_newer_seal_gives_new_ids_and_a_resume_gives_the_same_ids() {
    let rows = |text: &str| {
        vec![RowToSeal {
            key: "row/1".to_owned(),
            etag: None,
            text: text.to_owned(),
        }]
    };
    let stage = Stage::new();
    let opening = stage.open();
    let older = std::fs::read(stage.path()).unwrap();
    let id = |opening: &OpenStateFile| {
        let journal = JournalView::from_journal(opening.journal.state());
        journal.new_row_id("rows", "provider/new/a")
    };
    drop(opening.journal.seal("rows", rows("1")).await.unwrap());
    let first = id(&opening);
    drop(opening);
    let opening = stage.open();
    assert_eq!(id(&opening), first, "a resume after a lost response");
    drop(opening.journal.seal("others", rows("9")).await.unwrap());
    assert_eq!(
        id(&opening),
        first,
        "another seal says nothing of these rows"
    );
    drop(opening);
    // The same run seals again what it has created since: an older state file was restored, and the
    // copies and the lock file that would show it are gone too.
    let folder = stage.folder.path();
    for entry in std::fs::read_dir(folder).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    std::fs::write(stage.path(), older).unwrap();
    crate::base::platform::testing::make_private(&stage.path());
    let opening = stage.open();
    drop(opening.journal.seal("rows", rows("2")).await.unwrap());
    assert_ne!(id(&opening), first);
}
