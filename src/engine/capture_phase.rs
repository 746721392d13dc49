//! Capture phases: list, list again, seal.

use super::{CaptureSource, EventKind, Executor, Failure, Step};

/// How often a capture is listed again if two listings in a row do not agree, or if one has a row
/// twice.
const LISTINGS: u32 = 5;

impl Executor {
    /// Lists until two listings in a row agree and have each row once, then seals. A seal that exists
    /// already is read back and kept.
    pub(super) async fn capture(
        &self,
        step: &Step,
        capture: &dyn CaptureSource,
    ) -> Result<usize, Failure> {
        let journal = self.journal_view();
        let name = journal.seal_name(capture.seal());
        let seal = name.as_str();
        if journal.has_seal(capture.seal()) {
            self.context.journal.verify_seal(seal)?;
            return Ok(0);
        }
        let list = async || journal.require_read(capture.list(&journal).await);
        // Only the versions of a listing are kept: the next one brings the texts.
        let first = journal.require_read(capture.list_versions(&journal).await)?;
        let mut before = first.versions();
        drop(first);
        let mut repeated = None;
        for _ in 0..LISTINGS {
            self.context.may_begin()?;
            let after = list().await?;
            let versions = after.versions();
            repeated = after.repeated().map(str::to_owned);
            if before == versions && repeated.is_none() {
                drop((before, versions));
                let rows = after.into_rows();
                let summary = self.context.journal.seal(seal, rows).await?;
                self.context.events.emit(EventKind::Sealed {
                    step: step.name.clone(),
                    seal: seal.to_owned(),
                    count: summary.count,
                });
                return Ok(0);
            }
            before = versions;
        }
        if let Some(key) = repeated {
            return Err(Failure::failed(format!(
                "the service lists {key} twice, also in the last of {LISTINGS} readings, so a row may \
                 be missing from its list"
            ))
            .with_help(
                "run again; if it stays so, report to the service's support that this list repeats \
                 a row",
            ));
        }
        Err(Failure::failed(format!(
            "the rows differed in each of {LISTINGS} readings: somebody is editing the environment"
        ))
        .with_help("ask everybody to stop editing it, then run again"))
    }
}
