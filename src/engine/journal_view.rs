//! What the journal knows, for a survey.
//!
//! The tenant alone does not show everything: which provider ids are old, whether the visible copy
//! is ours. So a survey also gets the journal's fold. If a seal does not exist yet, a plan uses
//! what it would hold now.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::{Failure, ListedRow, Listing};
use crate::base::shell::quote_argument;
use crate::base::text;
use crate::journal::{
    ChangeState, LaunchOutcome, LaunchState, ParseCache, ParsedCaptures, PhaseState, Reopened,
    SealState, Stamped, State, StepOutcome, parse_capture,
};

/// What the journal knows, and what a plan assumes that it would know.
#[derive(Clone)]
pub struct JournalView {
    state: Option<Arc<State>>,
    /// The rows of seals that do not exist yet. Clones share them.
    assumed: Arc<BTreeMap<String, AssumedSeal>>,
    planning: bool,
    state_file: Option<PathBuf>,
    /// In a run: the changes that failed in this process.
    tried: Option<BTreeSet<String>>,
    /// Are the seals those of the run's beginning, as if no step was opened again?
    before_reopening: bool,
}

/// What is made of the captures of a seal once and shared by all surveys. A type says itself how it
/// is made, so two purposes cannot share a value.
pub trait DerivedFromSeal: Any + Send + Sync + Sized {
    /// The name of the seal.
    const SEAL: &'static str;

    /// What else it is made of. It must not change while the program runs.
    type Given<'a>;

    /// Makes it from the captures of the seal, or from what the seal would hold now.
    fn derive(journal: &JournalView, given: Self::Given<'_>) -> Self;
}

/// What a seal would hold.
#[derive(Clone, Default)]
struct AssumedSeal {
    listing: Listing,
    parsed: ParseCache,
}

/// A seal of at most so many bytes is parsed once and kept as a whole: the surveys of most tenants
/// read it often.
const KEPT_SEAL: u64 = 512 * 1024;

/// Of a larger seal, the captures with one beginning are kept parsed if they are at most so many
/// bytes: the settings of a few providers, and not every flow.
const KEPT_BEGINNING: u64 = 64 * 1024;

/// The beginning of the keys whose values are kept parsed, for a reader of those that begin with
/// `prefix`; none if they are too many. `is_within` tells whether the keys with a beginning have at most
/// so many bytes.
fn kept_beginning(prefix: &str, is_within: impl Fn(&str, u64) -> bool) -> Option<&str> {
    if is_within("", KEPT_SEAL) {
        return Some("");
    }
    is_within(prefix, KEPT_BEGINNING).then_some(prefix)
}

impl AssumedSeal {
    fn parsed(&self, prefix: &str) -> ParsedCaptures {
        let parsed = self.parsed.get_or_parse(prefix, || {
            let mut parsed = Vec::new();
            self.listing.each_text(prefix, |key, text| {
                parsed.push((key.into(), Arc::new(parse_capture(text))));
            });
            Ok::<_, Infallible>(Arc::new(parsed))
        });
        parsed.unwrap_or_else(|never| match never {})
    }
}

/// The placeholder in a command if there is no state file.
const STATE_FILE: &str = "STATE-FILE";

/// Who made a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Maker {
    /// The program.
    Program,
    /// A person, as the tenant showed afterwards.
    Person,
}

impl JournalView {
    /// A view of no journal: before a run has begun.
    pub fn empty() -> Self {
        Self {
            state: None,
            assumed: Arc::default(),
            planning: true,
            state_file: None,
            tried: None,
            before_reopening: false,
        }
    }

    /// A view of this state file's fold.
    pub fn from_journal(state: Arc<State>) -> Self {
        Self {
            state: Some(state),
            planning: false,
            ..Self::empty()
        }
    }

    /// The same view, for a survey that is only shown.
    #[must_use]
    pub fn for_planning(mut self) -> Self {
        self.planning = true;
        self
    }

    /// The same view, of this state file.
    #[must_use]
    pub fn with_state_file(mut self, path: &Path) -> Self {
        self.state_file = Some(path.to_owned());
        self
    }

    /// The same view, for a survey of a run in whose process these changes failed. It tries
    /// again what an earlier process was not allowed to do.
    #[must_use]
    pub(super) fn of_process(mut self, tried: BTreeSet<String>) -> Self {
        self.tried = Some(tried);
        self
    }

    /// The same view, with the seals that the run made before steps were opened again: what it has
    /// to do as a whole.
    #[must_use]
    pub fn before_reopening(mut self) -> Self {
        self.before_reopening = true;
        self
    }

    /// How often steps were opened again, and for what.
    fn reopened(&self) -> impl Iterator<Item = &Stamped<Reopened>> {
        let state = self.state.as_ref().filter(|_| !self.before_reopening);
        state.into_iter().flat_map(|state| &state.reopened)
    }

    /// The state file's path, if the view was given it.
    pub fn state_file(&self) -> Option<&Path> {
        self.state_file.as_deref()
    }

    /// The state file as an argument of a command that a person copies into a shell: its path, or
    /// the word `STATE-FILE` if there is none yet.
    pub fn state_file_argument(&self) -> String {
        self.state_file.as_ref().map_or_else(
            || STATE_FILE.to_owned(),
            |path| quote_argument(&path.display().to_string()),
        )
    }

    /// The run's id, if there is a run.
    pub fn run(&self) -> Option<String> {
        self.state.as_ref().map(|state| state.run.to_string())
    }

    /// Has this phase reached its end, and not begun again since?
    pub fn has_phase_ended(&self, step: &str, phase: &str) -> bool {
        self.phase(step, phase)
            .is_some_and(|phase| phase.ended.is_some())
    }

    /// Has this phase ever reached its end in this run?
    pub fn has_phase_ever_ended(&self, step: &str, phase: &str) -> bool {
        // Every end adds its passes.
        self.phase(step, phase)
            .is_some_and(|phase| phase.passes > 0)
    }

    fn phase(&self, step: &str, phase: &str) -> Option<&PhaseState> {
        self.state.as_ref()?.step(step)?.phase(phase)
    }

    /// Is there a state for which this is true?
    fn holds(&self, is_true: impl FnOnce(&State) -> bool) -> bool {
        self.state.as_deref().is_some_and(is_true)
    }

    /// Has the run finished? Then it makes no more changes.
    pub fn has_finished(&self) -> bool {
        self.holds(|state| state.finished.is_some())
    }

    /// Is the survey only shown? Then it describes what the run has not created yet, instead of
    /// waiting.
    pub fn is_planning(&self) -> bool {
        self.planning
    }

    /// The newest name of a seal. A seal that was recreated, for a provider that is reinstalled
    /// again, has a number.
    pub fn seal_name(&self, seal: &str) -> String {
        match self
            .reopened()
            .filter(|again| again.seals.iter().any(|name| name == seal))
            .count()
        {
            0 => seal.to_owned(),
            times => format!("{seal}-{}", times + 1),
        }
    }

    /// The logical name of the provider definition that is reinstalled, if steps were
    /// reopened for it.
    pub fn reinstalled_definition(&self) -> Option<&str> {
        self.reopened().last().map(|again| again.provider.as_str())
    }

    /// Was this manual task (`STEP/PHASE`) completed with evidence, not by a waiver?
    pub fn is_completed(&self, task: &str) -> bool {
        let task = self.state.as_ref().and_then(|state| state.tasks.get(task));
        task.and_then(|task| task.completed.as_ref())
            .is_some_and(|completed| completed.waived.is_none())
    }

    /// Was this manual task (`STEP/PHASE`) handed out, in whichever state it is now?
    pub fn is_handed_out(&self, task: &str) -> bool {
        self.holds(|state| state.tasks.contains_key(task))
    }

    /// Was the change of this key handed out to a person, whether it is done by now or not?
    pub fn was_asked_for(&self, key: &str) -> bool {
        self.manual_change(key).is_some()
    }

    fn manual_change(&self, key: &str) -> Option<&ChangeState> {
        let change = self.state.as_ref()?.manual_changes.get(key);
        change.map(AsRef::as_ref)
    }

    /// The manual task (`STEP/PHASE`) in which the change of this key was handed out, if a person
    /// waived it.
    pub fn waived_task_of(&self, key: &str) -> Option<String> {
        let change = self.manual_change(key)?;
        let intent = &change.intent;
        let task = format!("{}/{}", intent.step, intent.phase);
        (change.done.is_none() && self.is_waived(&task)).then_some(task)
    }

    /// Has this step ended with everything as it should be? A step that was skipped has not; one
    /// that was opened again has, until it begins.
    pub fn is_step_done(&self, step: &str) -> bool {
        self.holds(|state| {
            state
                .step(step)
                .is_some_and(|step| step.outcome == Some(StepOutcome::Done) || step.waits_again())
        })
    }

    /// The same view with an assumed capture, as in a plan.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_assumed(mut self, seal: &str, captured: Vec<ListedRow>) -> Self {
        self.assume(seal, captured.into());
        self
    }

    /// The same view, for a plan of what is left once these captures are sealed. Takes the seal's name
    /// as [`seal_name`](Self::seal_name) gives it. An existing seal stays as it is, and one that is
    /// not the newest of its kind is left out, because no survey reads it.
    #[must_use]
    pub fn with_given_seal(
        mut self,
        seal: &str,
        rows: impl IntoIterator<Item = ListedRow>,
    ) -> Self {
        let kind = match seal.rsplit_once('-') {
            Some((kind, number)) if number.parse::<usize>().is_ok() => kind,
            _ => seal,
        };
        if self.seal_name(kind) == seal {
            self.assume(kind, rows.into_iter().collect());
        }
        self
    }

    /// Assumes that a capture is sealed. An existing seal stays as it is.
    pub(super) fn assume(&mut self, seal: &str, captured: Listing) {
        if !self.has_seal(seal) {
            let assumed = AssumedSeal {
                listing: captured,
                parsed: ParseCache::default(),
            };
            Arc::make_mut(&mut self.assumed).insert(seal.to_owned(), assumed);
        }
    }

    /// Is there a verified seal of this name?
    pub fn has_seal(&self, seal: &str) -> bool {
        self.verified_seal(seal).is_some()
    }

    /// The newest seal of this name, if it is verified.
    fn verified_seal(&self, seal: &str) -> Option<&SealState> {
        let seal = self.state.as_ref()?.verified_seal(&self.seal_name(seal));
        seal.map(AsRef::as_ref)
    }

    /// Is there a verified seal of this name, or, in a plan, what it would hold?
    pub(super) fn knows_seal(&self, seal: &str) -> bool {
        self.has_seal(seal) || self.assumed.contains_key(seal)
    }

    /// The captures of a seal whose key begins with `prefix`, parsed: the rest of the key, and the
    /// value. If the seal does not exist yet, what it would hold now. Text that is not JSON becomes
    /// a JSON string.
    pub fn captures(&self, seal: &str, prefix: &str) -> Vec<(String, Arc<Value>)> {
        let mut captures = Vec::new();
        self.each_capture(seal, prefix, |rest, value| {
            captures.push((rest.to_owned(), value));
        });
        captures
    }

    /// Passes on the same captures one after the other, so that a large seal is never in memory as a
    /// whole.
    ///
    /// If one cannot be read back, the rest is left out, and [`unread`](Self::unread) says why: the
    /// engine uses nothing that a survey found after that.
    pub fn each_capture(&self, seal: &str, prefix: &str, mut each: impl FnMut(&str, Arc<Value>)) {
        let mut each_parsed = |parsed: &ParsedCaptures| {
            for (key, value) in parsed.iter() {
                if let Some(rest) = key.strip_prefix(prefix) {
                    each(rest, Arc::clone(value));
                }
            }
        };
        if let Some((state, sealed)) = self.state.as_deref().zip(self.verified_seal(seal)) {
            // The state keeps the failure.
            if let Some(kept) =
                kept_beginning(prefix, |prefix, bytes| sealed.is_within(prefix, bytes))
            {
                if let Ok(parsed) = state.parsed(sealed, kept) {
                    each_parsed(&parsed);
                }
                return;
            }
            let read = state.each_text(sealed, sealed.below(prefix), |row, text| {
                each(&row.key[prefix.len()..], Arc::new(parse_capture(text)));
            });
            drop(read);
        } else if let Some(assumed) = self.assumed.get(seal) {
            let listing = &assumed.listing;
            if let Some(kept) =
                kept_beginning(prefix, |prefix, bytes| listing.is_within(prefix, bytes))
            {
                each_parsed(&assumed.parsed(kept));
                return;
            }
            listing.each_text(prefix, |key, text| {
                each(&key[prefix.len()..], Arc::new(parse_capture(text)));
            });
        }
    }

    /// What a type makes of the captures of its seal. It is made once and shared: what a seal holds
    /// does not change, and the surveys of a large tenant would parse it again and again.
    pub fn derived<T: DerivedFromSeal>(&self, given: T::Given<'_>) -> Arc<T> {
        let assumed = self.assumed.get(T::SEAL).map(|assumed| &assumed.parsed);
        let cache = self.verified_seal(T::SEAL).map(SealState::cache);
        let cache = cache.or(assumed);
        if let Some(derived) = cache.and_then(ParseCache::derived) {
            return derived;
        }
        let derived = Arc::new(T::derive(self, given));
        // What rests on an incomplete list is not kept.
        if let Some(cache) = cache.filter(|_| self.unread().is_none()) {
            cache.keep_derived(Arc::clone(&derived));
        }
        derived
    }

    /// The keys of the same captures without `prefix`, and without reading the captures.
    pub fn capture_keys(&self, seal: &str, prefix: &str) -> Vec<String> {
        let rest = |key: &str| key.strip_prefix(prefix).map(str::to_owned);
        if let Some(sealed) = self.verified_seal(seal) {
            let captures = sealed.captures.iter();
            return captures.filter_map(|row| rest(&row.key)).collect();
        }
        let assumed = self.assumed.get(seal).into_iter();
        let keys = assumed.flat_map(|assumed| assumed.listing.keys());
        keys.filter_map(rest).collect()
    }

    /// Does a seal, or what it would hold now, have a capture whose key begins with `prefix`?
    pub fn has_captures(&self, seal: &str, prefix: &str) -> bool {
        if let Some(sealed) = self.verified_seal(seal) {
            return sealed
                .captures
                .iter()
                .any(|row| row.key.starts_with(prefix));
        }
        let assumed = self.assumed.get(seal).into_iter();
        let mut keys = assumed.flat_map(|assumed| assumed.listing.keys());
        keys.any(|key| key.starts_with(prefix))
    }

    /// Why a capture could not be read back, if that happened. Nothing that was found since may be
    /// used: a list may be incomplete.
    pub fn unread(&self) -> Option<Failure> {
        self.state.as_ref()?.unread().map(Failure::from)
    }

    /// What a survey found with this view, unless a capture could not be read back.
    pub(super) fn require_read<T>(&self, found: Result<T, Failure>) -> Result<T, Failure> {
        self.unread().map_or(found, Err)
    }

    /// What the journal knows about a launch, by its change's key.
    pub fn launch(&self, key: &str) -> Option<&LaunchState> {
        self.state.as_ref()?.launch(key).map(Arc::as_ref)
    }

    /// Has this launch succeeded, with proof?
    pub fn is_launch_proved(&self, key: &str) -> bool {
        self.launch(key)
            .is_some_and(|launch| launch.verified.is_some())
    }

    /// Has the newest attempt of this launch failed?
    pub fn has_launch_failed(&self, key: &str) -> bool {
        self.launch(key)
            .is_some_and(|launch| launch.outcome() == Some(LaunchOutcome::Failed))
    }

    /// Was this manual task (`STEP/PHASE`) waived? A waiver is valid until steps are reopened.
    pub fn is_waived(&self, task: &str) -> bool {
        let Some(state) = self.state.as_ref() else {
            return false;
        };
        let reopened = state.reopened.last().map_or(0, |again| again.number);
        let task = state.tasks.get(task);
        task.and_then(|task| task.completed.as_ref())
            .is_some_and(|done| done.waived.is_some() && done.number > reopened)
    }

    /// Has this run applied and read back the set of this key?
    pub fn is_done(&self, key: &str) -> bool {
        self.holds(|state| state.set(key).is_some_and(|set| set.done.is_some()))
    }

    /// The sets and removals of this run whose keys do not begin with `prefix`: the key, the number
    /// of its last intent, and the value that the intent leaves.
    pub fn sets_besides(&self, prefix: &str) -> Vec<(&str, u64, Value)> {
        let sets = self.state.iter().flat_map(|state| state.sets.values());
        sets.filter(|set| !set.intent.key.starts_with(prefix))
            .map(|set| {
                let intent = &set.intent;
                (intent.key.as_str(), intent.number, intent.after.value())
            })
            .collect()
    }

    /// Has this run begun a set whose key begins with `prefix`? Its request may have been sent.
    pub fn has_begun_set(&self, prefix: &str) -> bool {
        let mut keys = self.state.iter().flat_map(|state| state.sets.keys());
        keys.any(|key| key.starts_with(prefix))
    }

    /// The number of the record of the last intent of this set.
    pub fn set_number(&self, key: &str) -> Option<u64> {
        let set = self.state.as_ref()?.set(key)?;
        Some(set.intent.number)
    }

    /// The number of the record that closed this seal.
    pub fn seal_number(&self, seal: &str) -> Option<u64> {
        let seal = self.verified_seal(seal)?;
        seal.manifest.as_ref().map(|manifest| manifest.records.1)
    }

    /// What the service said when it refused the change of this key for good, if it did and nobody
    /// has made the change since. The same request would be refused again, so a survey may ask a
    /// person instead, with a manual task of the same key: it stays a task until it is done.
    ///
    /// Where the caller lacked a permission, somebody may have given it since: so each process of a
    /// run tries the change once before it asks a person.
    pub fn permanent_failure(&self, key: &str) -> Option<&str> {
        let refused = self.state.as_ref()?.refused.get(key)?;
        let is_tried_again = refused.not_allowed
            && self
                .tried
                .as_ref()
                .is_some_and(|tried| !tried.contains(key));
        (!is_tried_again).then_some(refused.message.as_str())
    }

    /// Was the change of this key last begun after this seal was closed?
    pub fn has_begun_since(&self, seal: &str, key: &str) -> bool {
        let sealed = self.seal_number(seal).unwrap_or_default();
        let launch = self.launch(key).map(|launch| launch.intent.number);
        let by_hand = self.manual_change(key).map(|change| change.intent.number);
        let begun = [self.set_number(key), launch, by_hand];
        begun.into_iter().flatten().any(|number| number > sealed)
    }

    /// Has a person done the manual change of this key, as the tenant showed?
    pub fn is_done_by_hand(&self, key: &str) -> bool {
        self.manual_change(key)
            .is_some_and(|change| change.done.is_some())
    }

    /// Who made the change of this key, if it was made and read back.
    pub fn maker(&self, key: &str) -> Option<Maker> {
        if self.is_done(key) || self.is_launch_proved(key) {
            return Some(Maker::Program);
        }
        self.is_done_by_hand(key).then_some(Maker::Person)
    }

    /// The changes that were made and read back and whose key begins with `prefix`: the rest of the
    /// key, and who made it.
    pub fn made_changes(&self, prefix: &str) -> Vec<(&str, Maker)> {
        let state = self.state.iter();
        let keys: BTreeSet<&str> = state
            .flat_map(|state| {
                let launches = state.launches.keys();
                launches
                    .chain(state.sets.keys())
                    .chain(state.manual_changes.keys())
            })
            .filter(|key| key.starts_with(prefix))
            .map(AsRef::as_ref)
            .collect();
        keys.into_iter()
            .filter_map(|key| Some((key.strip_prefix(prefix)?, self.maker(key)?)))
            .collect()
    }

    /// Has this step begun, or was it skipped?
    pub fn has_step(&self, step: &str) -> bool {
        self.holds(|state| state.step(step).is_some())
    }

    /// The id that a change of this run gives to the row it creates: the same in every attempt, so
    /// that a lost response cannot create a second row. Without a run (a plan), the nil id.
    ///
    /// `seal` is the seal that defines which rows are old. Its digest is part of the id: a run that
    /// seals again, because an older state file was restored, may find the row that it created
    /// before among the old ones, and must not give that id to a new row.
    pub fn new_row_id(&self, seal: &str, key: &str) -> Uuid {
        let Some(state) = self.state.as_ref() else {
            return Uuid::nil();
        };
        let sealed = self
            .verified_seal(seal)
            .and_then(|seal| seal.manifest.as_ref())
            .map_or("", |manifest| manifest.sha256.as_str());
        let times = state.reopened.len();
        let digest = text::sha256(format!("{}/{times}/{sealed}/{key}", state.run).as_bytes());
        let mut bytes = [0_u8; 16];
        for (index, byte) in bytes.iter_mut().enumerate() {
            // Two hexadecimal digits a byte; the digest has 64 of them.
            *byte = u8::from_str_radix(&digest[2 * index..2 * index + 2], 16).unwrap_or_default();
        }
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of the source's rows.
    struct Keys(Vec<String>);

    impl DerivedFromSeal for Keys {
        const SEAL: &'static str = "before-copy";
        type Given<'a> = ();

        fn derive(journal: &JournalView, (): ()) -> Self {
            Self(journal.capture_keys(Self::SEAL, "source/"))
        }
    }

    /// The same keys for another purpose.
    struct KeysWithPrefix(Vec<String>);

    impl DerivedFromSeal for KeysWithPrefix {
        const SEAL: &'static str = "before-copy";
        type Given<'a> = &'a str;

        fn derive(journal: &JournalView, prefix: &str) -> Self {
            let keys = journal.capture_keys(Self::SEAL, prefix);
            Self(
                keys.into_iter()
                    .map(|key| format!("{prefix}{key}"))
                    .collect(),
            )
        }
    }

    #[test]
    fn what_is_derived_from_a_seal_is_derived_once() {
        let row = ListedRow {
            key: "source/flow/1".to_owned(),
            etag: None,
            text: "{}".to_owned(),
            compared: None,
        };
        let view = JournalView::empty().with_assumed("before-copy", vec![row]);
        let keys = |view: &JournalView| view.derived::<Keys>(());
        let first = keys(&view);
        assert_eq!(first.0, ["flow/1"]);
        // Each survey has a clone of the view.
        assert!(Arc::ptr_eq(&first, &keys(&view.clone())));
        let other = view.derived::<KeysWithPrefix>("source/");
        assert_eq!(other.0, ["source/flow/1"], "another purpose");
        // Nothing is kept of a seal that does not exist yet.
        let empty = JournalView::empty();
        assert!(keys(&empty).0.is_empty());
        assert!(!Arc::ptr_eq(&keys(&empty), &keys(&empty)));
    }

    #[test]
    fn captures_that_are_given_are_known_before_they_are_sealed() {
        let rows = || {
            let row = ListedRow {
                key: "workflow/1".to_owned(),
                etag: None,
                text: "{}".to_owned(),
                compared: None,
            };
            vec![row]
        };
        let given = |seal: &str| JournalView::empty().with_given_seal(seal, rows());
        assert!(given("flows").knows_seal("flows"));
        assert_eq!(given("flows").capture_keys("flows", "workflow/"), ["1"]);
        // A name with a hyphen, and the seal of steps that are not open again.
        assert!(given("before-copy").knows_seal("before-copy"));
        assert!(!given("providers-2").knows_seal("providers"));
    }

    #[test]
    fn a_command_to_copy_names_the_state_file_where_there_is_one() {
        let none = JournalView::empty();
        assert_eq!(none.state_file_argument(), "STATE-FILE");
        for (path, argument) in [
            ("uat.iomcopy.jsonl", "uat.iomcopy.jsonl"),
            ("My files/uat.jsonl", "\"My files/uat.jsonl\""),
        ] {
            let view = JournalView::empty().with_state_file(Path::new(path));
            assert_eq!(view.state_file_argument(), argument);
        }
    }
}
