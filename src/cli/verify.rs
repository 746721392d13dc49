//! `iomcopy verify`: is order management usable now? Online, reads only.

use std::sync::Arc;

use super::arguments::RunbookArguments;
use super::exit::{DONE, FAILED};
use super::session::Session;
use super::{connect, document, preflight};
use crate::checks::{Verdict, verify};
use crate::engine::{Failure, Known, Narrator};
use crate::journal;

/// Asks every question of the target and shows every answer. Exit 0 where none is a failure; what
/// is unknown is shown and does not fail. Where nothing failed and a service was away, it is
/// temporary.
pub(super) async fn show(session: &Session, arguments: &RunbookArguments) -> Result<u8, Failure> {
    let runbook = document::read(&arguments.runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    let known = if journal::exists(&path) {
        Some(Known::from_journal(Arc::new(journal::read(&path)?.state)))
    } else {
        None
    };
    let connected =
        connect::connect(session, runbook, |clock| Narrator::new(clock, Vec::new())).await?;
    let findings = verify(&connected.refresh, known).await;
    connected.stop().await;
    let findings = findings?;
    preflight::print(session, &findings);
    if findings.iter().any(|f| f.verdict == Verdict::Fail) {
        return Ok(FAILED);
    }
    let away = preflight::away(&findings);
    Ok(away.map_or(DONE, |finding| session.code(finding.kind)))
}
