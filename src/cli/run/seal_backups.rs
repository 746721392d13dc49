//! Captures taken from the read-only copies of seals (`--from-capture`).

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::base::text::{count, escape};
use crate::domain::seals;
use crate::engine::{Failure, FailureKind, JournalView, ListedRow};
use crate::journal::{self, JournalError, OpenStateFile, SealBackup, SealedRefresh, State};
use crate::report::Printer;
use crate::runbook::Runbook;

/// Reads the copies whose captures a run takes; each seal may be given once. Takes the run that is
/// resumed, if one is. Fails if a copy belongs to another refresh.
pub(super) fn read_backups(
    paths: &[PathBuf],
    runbook: &Runbook,
    resumed: Option<&State>,
) -> Result<Vec<SealBackup>, Failure> {
    let mut backups: Vec<SealBackup> = Vec::new();
    for path in paths {
        let copy = journal::read_copy(path).map_err(|error| match error {
            JournalError::NotFound { path } => Failure::failed(format!(
                "--from-capture: there is no file {}",
                path.display()
            ))
            .with_help(
                "give the read-only file NAME.iomcopy.SEAL.capture.jsonl beside the state file",
            ),
            other => other.into(),
        })?;
        if backups.iter().any(|other| other.seal == copy.seal) {
            return Err(Failure::new(
                FailureKind::InvalidInput,
                format!(
                    "{}: the seal '{}' is given twice",
                    path.display(),
                    copy.seal
                ),
            ));
        }
        if resumed.is_none_or(|state| state.run != copy.run) {
            require_same_refresh(path, &copy, runbook)?;
        }
        backups.push(copy);
    }
    Ok(backups)
}

/// Refuses the copy of another run's seal that does not fit this run: the settings of another
/// environment, or what was captured after another copy, since when the source may have changed.
fn require_same_refresh(path: &Path, copy: &SealBackup, runbook: &Runbook) -> Result<(), Failure> {
    let (file, target) = (path.display(), &runbook.target);
    let of = escape(&match &copy.refresh {
        Some(refresh) if is_refresh(refresh, runbook) => target.name.value.clone(),
        Some(refresh) => format!(
            "{} ({}), from {}",
            refresh.target_name,
            refresh.target,
            refresh.source.as_deref().unwrap_or("another source")
        ),
        // A version that did not record it.
        None => captured_target(copy).unwrap_or_else(|| "an unknown environment".to_owned()),
    })
    .into_owned();
    if of != escape(&target.name.value) {
        let message = format!(
            "{file} belongs to the refresh of {of}, and this runbook refreshes {} ({}) from {}",
            escape(&target.name.value),
            target.environment.value,
            runbook.source.value
        );
        return Err(Failure::refused(message)
            .with_help("give the sealed copies of a run with this runbook's source and target"));
    }
    if copy.seal != seals::BEFORE_COPY && !runbook.steps.copy_environments.is_skipped() {
        let message = format!(
            "{file} was captured after the copy of another run ({}); this run makes its own copy, and \
             captures '{}' after it",
            copy.run, copy.seal
        );
        return Err(Failure::refused(message).with_help(format!(
            "leave out --from-capture {file}; of another run, only the seal '{}' fits",
            seals::BEFORE_COPY
        )));
    }
    Ok(())
}

/// Is this the refresh of the runbook?
fn is_refresh(refresh: &SealedRefresh, runbook: &Runbook) -> bool {
    refresh.cloud == runbook.cloud.value.to_string()
        && refresh.source == Some(runbook.source.value.to_string())
        && refresh.target == runbook.target.environment.value.to_string()
}

/// The display name of the target, as the seal before the copy has captured it.
fn captured_target(copy: &SealBackup) -> Option<String> {
    let key = seals::Part::Target.key("environment");
    let row = copy.captures.iter().find(|row| row.key == key)?;
    let fields: Vec<Value> = serde_json::from_str(&row.text).ok()?;
    fields.first()?.as_str().map(str::to_owned)
}

/// Is the seal of the target's own settings, made before the copy, among these copies?
pub(super) fn include_before_copy(backups: &[SealBackup]) -> bool {
    backups.iter().any(|copy| copy.seal == seals::BEFORE_COPY)
}

/// Leaves out the copies of seals that the run holds already, so that the same command also resumes
/// a killed run. Fails if a copy and the run's seal of that name differ.
pub(super) fn without_held(
    state: &State,
    backups: Vec<SealBackup>,
) -> Result<Vec<SealBackup>, Failure> {
    let mut lacking = Vec::new();
    for copy in backups {
        let held = state.verified_seal(&copy.seal);
        match held.and_then(|seal| seal.manifest.as_ref()) {
            None => lacking.push(copy),
            Some(manifest) if manifest.sha256 == copy.sha256 => {}
            Some(_) => {
                let message = format!(
                    "the run's seal '{}' differs from the copy that was given",
                    copy.seal
                );
                return Err(Failure::new(FailureKind::InvalidInput, message)
                    .with_help("run again without --from-capture for that seal"));
            }
        }
    }
    Ok(lacking)
}

/// A view of what the journal will know once these copies are adopted: a plan that lists the target
/// instead of them would find what the run has changed already.
pub(super) fn with_backups(journal: JournalView, backups: &[SealBackup]) -> JournalView {
    backups.iter().fold(journal, |journal, copy| {
        let rows = copy.captures.iter().map(|row| ListedRow {
            key: row.key.clone(),
            etag: row.etag.clone(),
            text: row.text.clone(),
            compared: None,
        });
        journal.with_given_seal(&copy.seal, rows)
    })
}

/// Writes the captures of these copies into a state file that lacks them, sealed and verified
/// there.
pub(super) async fn adopt(
    printer: &Printer,
    state_file: &OpenStateFile,
    backups: Vec<SealBackup>,
) -> Result<(), Failure> {
    for copy in backups {
        let captures = count(copy.captures.len(), "capture");
        state_file.journal.seal(&copy.seal, copy.captures).await?;
        printer.info(&format!(
            "taken: {captures} of seal '{}' of run {}",
            copy.seal, copy.run
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::cli::testing::{began, runbook, runbook_text};
    use crate::journal::{RowToSeal, RunId};
    use crate::runbook;

    const TARGET: &str = "22222222-2222-2222-2222-222222222222";

    #[test]
    fn a_missing_copy_is_named_as_such_and_not_as_a_state_file() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("none")];
        let failure = read_backups(&paths, &runbook("public", ""), None).unwrap_err();
        let begins = "--from-capture: there is no file ";
        assert!(failure.message.starts_with(begins), "{}", failure.message);
        let help = failure.help.unwrap_or_default();
        assert!(help.contains("capture.jsonl"), "{help}");
    }

    /// The sealed copies of a run that refreshes this target.
    async fn copies_of(target: &str, folder: &Path) -> Vec<PathBuf> {
        let mut began = began();
        began.pinned.source = Some("11111111-1111-1111-1111-111111111111".to_owned());
        began.pinned.target.environment = target.to_owned();
        let open = journal::begin(&folder.join("r.jsonl"), Clock::new(1.0), began).unwrap();
        let mut copies = Vec::new();
        for seal in [seals::BEFORE_COPY, seals::PROVIDERS] {
            let row = RowToSeal {
                key: "target/environment".to_owned(),
                etag: None,
                text: r#"["UAT",null]"#.to_owned(),
            };
            let summary = open.journal.seal(seal, [row]).await.unwrap();
            copies.push(summary.copy.unwrap());
        }
        copies
    }

    #[tokio::test]
    async fn a_copy_of_another_refresh_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
        std::fs::create_dir(&ours).unwrap();
        std::fs::create_dir(&theirs).unwrap();
        let other = "33333333-3333-3333-3333-333333333333";
        let (ours, theirs) = (
            copies_of(TARGET, &ours).await,
            copies_of(other, &theirs).await,
        );
        let runbook = runbook("public", "");
        assert!(read_backups(&ours[..1], &runbook, None).is_ok());
        let failure = read_backups(&theirs[..1], &runbook, None).unwrap_err();
        assert!(failure.message.contains(other), "{}", failure.message);
        assert!(failure.message.contains(TARGET), "{}", failure.message);
    }

    /// Since that copy, production may have changed.
    #[tokio::test]
    async fn what_was_captured_after_another_copy_is_refused_unless_the_copy_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let copies = copies_of(TARGET, folder.path()).await;
        let text = runbook_text("public", "");
        let makes_a_copy = runbook::parse("r.yaml", &text).unwrap();
        let failure = read_backups(&copies, &makes_a_copy, None).unwrap_err();
        assert!(
            failure.message.contains("its own copy"),
            "{}",
            failure.message
        );
        let text = text.replace("copy-environments: {}", "copy-environments: { skip: done }");
        let skips_it = runbook::parse("r.yaml", &text).unwrap();
        assert_eq!(read_backups(&copies, &skips_it, None).unwrap().len(), 2);
    }

    /// Its version did not record the refresh: the captured name of the target says whose it is.
    #[test]
    fn an_older_copy_is_known_by_the_name_of_its_target() {
        let copy = |name: &str, refresh: Option<SealedRefresh>| SealBackup {
            run: RunId::new(Clock::new(1.0).time_of_day()),
            seal: seals::BEFORE_COPY.to_owned(),
            captures: vec![RowToSeal {
                key: "target/environment".to_owned(),
                etag: None,
                text: serde_json::json!([name, null]).to_string(),
            }],
            sha256: String::new(),
            refresh,
        };
        let (path, runbook) = (Path::new("a.jsonl"), runbook("public", ""));
        assert!(require_same_refresh(path, &copy("UAT", None), &runbook).is_ok());
        let failure = require_same_refresh(path, &copy("UAT 2", None), &runbook).unwrap_err();
        assert!(
            failure.message.contains("refresh of UAT 2,"),
            "{}",
            failure.message
        );
    }
}
