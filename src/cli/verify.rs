//! `iomcopy verify`: is order management usable in the target now? Online, reads only.

use std::sync::Arc;

use super::common_arguments::RunbookArguments;
use super::exit_code::{DONE, FAILED};
use super::runbook_file::read_runbook;
use super::session::Session;
use super::{connect, preflight};
use crate::checks::{self, Verdict};
use crate::engine::{Failure, JournalView};
use crate::journal;

/// Runs every check of the target and shows every result. Exit 1 if a check fails; if none fails
/// and a service is unavailable, exit 75. Other unknown results are shown and do not fail.
pub(super) async fn verify(session: &Session, arguments: &RunbookArguments) -> Result<u8, Failure> {
    let runbook = read_runbook(&arguments.runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    let journal = if journal::exists(&path) {
        Some(JournalView::from_journal(Arc::new(
            journal::read_state_file(&path)?.state,
        )))
    } else {
        None
    };
    let connected = connect::connect(session, runbook).await?;
    let findings = checks::verify(&connected.refresh, &connected.steps, journal).await;
    connected.stop().await;
    let findings = findings?;
    preflight::print_findings(session, &findings);
    if findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Fail)
    {
        return Ok(FAILED);
    }
    let unavailable = preflight::first_unavailable(&findings);
    Ok(unavailable.map_or(DONE, |finding| session.exit_code(finding.kind)))
}
