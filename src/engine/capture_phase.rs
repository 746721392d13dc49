//! Capture phases: list, list again, seal.

use super::{CaptureSource, EventKind, Executor, Failure, Step};

/// How often a capture is listed again if two listings in a row do not agree.
const LISTINGS: u32 = 5;

impl Executor {
    /// Lists until two listings in a row agree, then seals. A seal that exists already is read back
    /// and kept.
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
        for _ in 0..LISTINGS {
            self.context.may_begin()?;
            let after = list().await?;
            let versions = after.versions();
            if before == versions {
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
        Err(Failure::failed(format!(
            "the rows differed in each of {LISTINGS} readings: somebody is editing the environment"
        ))
        .with_help("ask everybody to stop editing it, then run again"))
    }
}
