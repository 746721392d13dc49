//! `iomcopy verify`: is order management usable in the target now? Online, reads only.

use std::sync::Arc;

use super::common_arguments::RunFiles;
use super::exit_code::{DONE, FAILED};
use super::session::Session;
use super::{connect, preflight};
use crate::checks::{self, Verdict};
use crate::engine::{Failure, JournalView};
use crate::journal;

/// Runs every check of the target and shows every result. Exit 1 if a check fails; if none fails
/// and a service is unavailable, exit 75. Other unknown results are shown and do not fail.
pub(super) async fn verify(session: &Session, files: &RunFiles) -> Result<u8, Failure> {
    let (runbook, path) = files.read_state()?;
    let journal = if journal::exists(&path) {
        let state = Arc::new(journal::read_state_file(&path)?.state);
        Some(JournalView::from_journal(state).with_state_file(&path))
    } else {
        None
    };
    let known = journal.clone();
    let findings = connect::with_services(session, runbook, async |connected| {
        checks::verify(&connected.refresh, &connected.steps, journal).await
    })
    .await?;
    // A list of captures may be incomplete, so no result may be shown.
    if let Some(failure) = known.as_ref().and_then(JournalView::unread) {
        return Err(failure);
    }
    preflight::print_findings(session, &findings, false);
    if findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Fail)
    {
        return Ok(FAILED);
    }
    let unavailable = preflight::first_unavailable(&findings);
    Ok(unavailable.map_or(DONE, |finding| session.exit_code(finding.kind)))
}
