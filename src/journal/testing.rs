//! What the tests of this module share: a realistic run, record by record, and a storage that
//! counts and fails. Tests of the engine, the domain and the steps take records from it, and open
//! a state file.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::base::clock::Clock;
use crate::base::platform;
use crate::base::remote_state::{RemoteState, RemoteStateError, RemoteStateErrorKind};

use super::handle::Journal;
use super::line::Chain;
use super::lock::Lock;
use super::mark::Mark;
use super::opening::{OpenStateFile, begin, exists, resume};
use super::payload::{
    Began, ChangeKind, Completed, Confirmed, Done, Ended, Intent, LaunchOutcome, Launched, Opened,
    PhaseBegan, PhaseEnded, Pinned, PinnedTarget, Planned, Repinned, SealVerified, StepBegan,
    StepEnded, StepOutcome, Verified, Waiting,
};
use super::record::{Entry, FORMAT, Record, RunId};
use super::replay;
use super::seal::{self, RowToSeal};
use super::state::State;
use super::writer::{Storage, Writer};

pub(super) fn time() -> Timestamp {
    "2026-03-01T02:03:04Z".parse().unwrap()
}

pub(super) fn clock() -> Clock {
    Clock::new(1.0)
}

/// Writes a private file, as a state file must be.
pub(super) fn write_private(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    platform::testing::make_private(path);
}

pub(super) fn began() -> Began {
    Began {
        format: FORMAT,
        program: "0.1.0".to_owned(),
        runbook: "contoso-uat-refresh".to_owned(),
        runbook_digest: "aa".repeat(32),
        runbook_meaning: None,
        pinned: Pinned {
            tenant: "contoso.onmicrosoft.com".to_owned(),
            cloud: "rehearsal".to_owned(),
            source: Some("11111111-1111-1111-1111-111111111111".to_owned()),
            target: PinnedTarget {
                environment: "22222222-2222-2222-2222-222222222222".to_owned(),
                name: "Contoso UAT".to_owned(),
                url: Some("https://contoso-uat.crm.dynamics.com".to_owned()),
                organization: Some("o1".to_owned()),
                unique_name: Some("unq1".to_owned()),
            },
            lcs: None,
        },
        origins: [("bap".to_owned(), "http://127.0.0.1:4001".to_owned())].into(),
    }
}

/// Opens the state file at this path: resumes its run, or begins one.
pub(crate) fn open(path: &Path, clock: &Clock) -> OpenStateFile {
    if exists(path) {
        resume(path, clock.clone(), false).unwrap()
    } else {
        begin(path, clock.clone(), began()).unwrap()
    }
}

pub(crate) fn opened(host: &str) -> Opened {
    Opened {
        pid: 4242,
        host: host.to_owned(),
        program: "0.1.0".to_owned(),
    }
}

pub(super) fn captures() -> Vec<RowToSeal> {
    vec![
        RowToSeal {
            key: "flow/1".to_owned(),
            etag: Some("W/\"77\"".to_owned()),
            text: "{\r\n  \"name\": \"Ship – order\",\n  \"id\": 90071992547409931\n}".to_owned(),
        },
        RowToSeal {
            key: "parameter/2".to_owned(),
            etag: None,
            text: "\"https://x/invoke?sig=\u{1b}[31m\"".to_owned(),
        },
    ]
}

pub(crate) fn step_began(step: &str) -> Record {
    StepBegan {
        step: step.into(),
        speed: None,
        services_stop: false,
    }
    .into()
}

pub(crate) fn step_ended(step: &str, outcome: StepOutcome) -> Record {
    StepEnded {
        step: step.into(),
        outcome,
        note: None,
    }
    .into()
}

pub(crate) fn phase_began(step: &str, phase: &str) -> Record {
    PhaseBegan {
        step: step.into(),
        phase: phase.into(),
    }
    .into()
}

pub(crate) fn phase_ended(step: &str, phase: &str) -> Record {
    PhaseEnded {
        step: step.into(),
        phase: phase.into(),
        passes: 2,
        changes: 1,
        notes: Vec::new(),
        remedies: BTreeMap::new(),
    }
    .into()
}

pub(crate) fn intent(step: &str, phase: &str, key: &str, kind: ChangeKind) -> Record {
    Intent {
        step: step.into(),
        phase: phase.into(),
        key: key.into(),
        kind,
        name: format!("the thing {key}"),
        before: json!({"state": "off"}).into(),
        after: json!({"state": "on"}).into(),
        detail: json!({"id": "0f0f"}),
    }
    .into()
}

pub(super) fn launched(key: &str) -> Record {
    Launched {
        key: key.into(),
        handle: json!({"operation": "op-1"}),
        service_date: Some("Sun, 01 Mar 2026 02:03:04 GMT".to_owned()),
    }
    .into()
}

pub(super) fn ended(key: &str, outcome: LaunchOutcome) -> Record {
    Ended {
        key: key.into(),
        outcome,
        detail: json!({"status": "as the service said"}),
        unread_since: None,
    }
    .into()
}

pub(super) fn verified(key: &str) -> Record {
    Verified {
        key: key.into(),
        observed: json!({"state": "Ready"}),
        unread_since: None,
        service_seconds: None,
    }
    .into()
}

pub(crate) fn done(key: &str) -> Record {
    Done {
        key: key.into(),
        observed: json!({"state": "on"}),
    }
    .into()
}

pub(crate) fn waiting(task: &str) -> Record {
    Waiting {
        task: task.into(),
        worksheet: json!({"please": "press the button"}),
    }
    .into()
}

pub(super) fn completed(task: &str) -> Record {
    Completed {
        task: task.into(),
        evidence: json!({"pressed": true}),
        who: "ops@contoso.com".to_owned(),
        waived: None,
    }
    .into()
}

pub(super) fn seal_verified(seal: &str) -> Record {
    SealVerified {
        seal: seal.into(),
        copy: None,
    }
    .into()
}

/// A run from its beginning to the middle of its second step.
pub(super) fn story() -> Vec<Record> {
    let mut story = vec![
        began().into(),
        opened("ops-1").into(),
        Confirmed {
            who: "ops@contoso.com".to_owned(),
            how: "prompt".to_owned(),
            target: "Contoso UAT".to_owned(),
            digest: "bb".to_owned(),
            destructive: vec!["copy".to_owned()],
            repeats: Vec::new(),
        }
        .into(),
        Planned {
            digest: "bb".to_owned(),
            steps: [].into(),
            names: [].into(),
        }
        .into(),
        step_began("copy-environments"),
        phase_began("copy-environments", "capture"),
    ];
    story.extend(seal::seal_records("target", captures()));
    story.extend([
        seal_verified("target"),
        phase_ended("copy-environments", "capture"),
        phase_began("copy-environments", "copy"),
        intent("copy-environments", "copy", "copy", ChangeKind::Launch),
        launched("copy"),
        ended("copy", LaunchOutcome::Succeeded),
        verified("copy"),
        phase_ended("copy-environments", "copy"),
        Repinned {
            organization: "o2".to_owned(),
            unique_name: "unq2".to_owned(),
            url: "https://contoso-uat.crm.dynamics.com".to_owned(),
        }
        .into(),
        step_ended("copy-environments", StepOutcome::Done),
        step_began("exit-administration-mode"),
        phase_began("exit-administration-mode", "leave"),
        intent("exit-administration-mode", "leave", "mode", ChangeKind::Set),
        done("mode"),
    ]);
    story
}

/// The lines of these records, each with its line feed.
pub(super) fn lines(records: Vec<Record>) -> Vec<String> {
    let mut chain = Chain::new(RunId::new(time()));
    records
        .into_iter()
        .map(|record| chain.link(time(), record).unwrap().1)
        .collect()
}

/// Folds these records, which must be allowed.
pub(super) fn fold(records: Vec<Record>) -> State {
    let mut records = records.into_iter();
    let run = RunId::new(time());
    let mut state = State::first(run, &entry(1, records.next().unwrap())).unwrap();
    for record in records {
        state.next(&entry(state.next_number, record)).unwrap();
    }
    state
}

/// Applies one more record; fails with the reason of its refusal.
pub(super) fn next(state: &mut State, record: Record) -> Result<(), String> {
    state
        .next(&entry(state.next_number, record))
        .map_err(|illegal| illegal.why)
}

/// A run in this phase.
pub(super) fn in_phase(step: &str, phase: &str) -> State {
    fold(vec![
        began().into(),
        opened("ops-1").into(),
        step_began(step),
        phase_began(step, phase),
    ])
}

pub(crate) fn entry(number: u64, record: Record) -> Entry {
    Entry {
        number,
        time: time(),
        record,
    }
}

/// The content of a [`Memory`], and how it must fail.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) bytes: Vec<u8>,
    /// How many bytes the last sync made durable.
    pub(super) durable: usize,
    pub(super) appends: usize,
    pub(super) syncs: usize,
    /// How many bytes may still be written; none for no limit.
    pub(super) space: Option<usize>,
    /// Does the next sync fail?
    pub(super) sync_fails: bool,
    /// Does the next mark fail?
    pub(super) mark_fails: bool,
    /// The marks, each with the number of durable bytes at that time, and whether it must be
    /// durable.
    pub(super) marks: Vec<(Mark, usize, bool)>,
}

/// A storage in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(pub(super) Arc<Mutex<Contents>>);

impl Memory {
    /// How many syncs there were.
    pub(crate) fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs
    }

    /// What the disk holds after a loss of power.
    pub(crate) fn durable_bytes(&self) -> Vec<u8> {
        let contents = self.0.lock().unwrap();
        contents.bytes[..contents.durable].to_vec()
    }

    /// The records that a new process would find after a loss of power.
    pub(crate) fn durable_records(&self) -> Vec<Record> {
        let replay = replay::replay(Path::new("uat.jsonl"), &self.durable_bytes());
        assert!(replay.damage.is_empty() && replay.torn.is_none());
        let entries = replay.entries.into_iter();
        entries.map(|entry| entry.record).collect()
    }
}

/// A writer in memory, after a `began` and an `opened`.
pub(super) fn writer_in_memory(memory: &Memory) -> Writer {
    let run = RunId::new(time());
    let mut chain = Chain::new(run);
    let (first, mut lines) = chain.link(time(), began().into()).unwrap();
    let (second, line) = chain.link(time(), opened("ops-1").into()).unwrap();
    lines.push_str(&line);
    let mut state = State::first(run, &first).unwrap();
    state.next(&second).unwrap();
    let length = lines.len() as u64;
    {
        let mut contents = memory.0.lock().unwrap();
        contents.durable = lines.len();
        contents.bytes = lines.into_bytes();
    }
    let storage = Box::new(memory.clone());
    let path = Path::new("uat.jsonl");
    Writer::new(path, storage, clock(), chain, length, state)
}

/// A journal whose file is in memory; only its lock file is in this folder.
pub(crate) fn journal_in_memory(folder: &Path, memory: &Memory) -> Journal {
    let path = folder.join("uat.jsonl");
    let lock = Lock::acquire(&path, time()).unwrap();
    Journal::start(&path, writer_in_memory(memory), lock).unwrap()
}

impl Storage for Memory {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut contents = self.0.lock().unwrap();
        contents.appends += 1;
        let fits = contents
            .space
            .map_or(bytes.len(), |space| space.min(bytes.len()));
        contents.bytes.extend_from_slice(&bytes[..fits]);
        if let Some(space) = &mut contents.space {
            *space -= fits;
        }
        if fits < bytes.len() {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        // A disk takes time, while other requests queue.
        std::thread::sleep(Duration::from_millis(2));
        let mut contents = self.0.lock().unwrap();
        contents.syncs += 1;
        if std::mem::take(&mut contents.sync_fails) {
            return Err(io::Error::other("input/output error"));
        }
        contents.durable = contents.bytes.len();
        Ok(())
    }

    fn write_mark(&mut self, mark: &Mark, durably: bool) -> io::Result<()> {
        let mut contents = self.0.lock().unwrap();
        if std::mem::take(&mut contents.mark_fails) {
            return Err(io::Error::other("input/output error"));
        }
        let synced = contents.durable;
        contents.marks.push((mark.clone(), synced, durably));
        Ok(())
    }
}

/// A remote state in memory, and how it must fail.
#[derive(Clone, Default)]
pub(super) struct MemoryCopy(pub(super) Arc<Mutex<CopyContents>>);

/// The content of a [`MemoryCopy`].
#[derive(Default)]
pub(super) struct CopyContents {
    pub(super) bytes: Vec<u8>,
    pub(super) kept: Vec<(String, Vec<u8>)>,
    pub(super) appends: usize,
    /// The error of every call.
    pub(super) fails: Option<RemoteStateErrorKind>,
    /// Does only storing a file beside it fail?
    pub(super) kept_fails: bool,
    pub(super) tell: Option<Box<dyn FnOnce(RemoteStateError) + Send>>,
}

impl MemoryCopy {
    /// The same, as the journal gets it.
    pub(super) fn shared(&self) -> Arc<dyn RemoteState> {
        Arc::new(self.clone())
    }

    /// The content as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.contents().bytes.clone()).unwrap()
    }

    pub(super) fn contents(&self) -> std::sync::MutexGuard<'_, CopyContents> {
        self.0.lock().unwrap()
    }

    /// The lease is lost.
    pub(super) fn lose(&self) {
        let tell = {
            let mut contents = self.contents();
            contents.fails = Some(RemoteStateErrorKind::Taken);
            contents.tell.take()
        };
        if let Some(tell) = tell {
            tell(RemoteStateError::new(
                RemoteStateErrorKind::Taken,
                "it is taken",
            ));
        }
    }

    fn usable(&self) -> Result<std::sync::MutexGuard<'_, CopyContents>, RemoteStateError> {
        let contents = self.contents();
        match contents.fails {
            Some(kind) => Err(RemoteStateError::new(kind, "it fails")),
            None => Ok(contents),
        }
    }
}

impl std::fmt::Debug for MemoryCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryCopy")
    }
}

impl RemoteState for MemoryCopy {
    fn place(&self) -> &'static str {
        "https://example/runs/uat.jsonl"
    }

    fn read(&self) -> Result<Vec<u8>, RemoteStateError> {
        Ok(self.usable()?.bytes.clone())
    }

    fn append(&self, at: u64, bytes: &[u8]) -> Result<(), RemoteStateError> {
        let mut contents = self.usable()?;
        if contents.bytes.len() as u64 != at {
            return Err(RemoteStateError::new(
                RemoteStateErrorKind::Taken,
                "another position",
            ));
        }
        contents.bytes.extend(bytes);
        contents.appends += 1;
        Ok(())
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), RemoteStateError> {
        let mut contents = self.usable()?;
        if contents.kept_fails {
            return Err(RemoteStateError::new(
                RemoteStateErrorKind::Unavailable,
                "it fails",
            ));
        }
        contents.kept.push((name.to_owned(), bytes.to_vec()));
        Ok(())
    }

    fn clear(&self) -> Result<(), RemoteStateError> {
        self.usable()?.bytes.clear();
        Ok(())
    }

    fn when_lost(&self, tell: Box<dyn FnOnce(RemoteStateError) + Send>) {
        self.contents().tell = Some(tell);
    }
}
