//! Capture phases: list, list again, seal.

use std::collections::BTreeMap;

use super::{CaptureSource, EventKind, Executor, Failure, ListedRow, Step};
use crate::journal::RowToSeal;

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
        let mut before = capture.list(&journal).await?;
        for _ in 0..LISTINGS {
            self.context.may_begin()?;
            let after = capture.list(&journal).await?;
            if versions(&before) == versions(&after) {
                let rows = after.into_iter().map(|row| RowToSeal {
                    key: row.key,
                    etag: row.etag,
                    text: row.text,
                });
                let summary = self.context.journal.seal(seal, rows.collect()).await?;
                self.context.events.emit(EventKind::Sealed {
                    step: step.name.clone(),
                    seal: seal.to_owned(),
                    count: summary.count,
                });
                return Ok(0);
            }
            before = after;
        }
        Err(Failure::failed(format!(
            "{LISTINGS} listings in a row did not agree: the environment is being edited"
        ))
        .with_help("ask everybody to stop editing it, then run again"))
    }
}

/// The values that two listings must agree on, by key.
fn versions(rows: &[ListedRow]) -> BTreeMap<&str, &str> {
    rows.iter()
        .map(|row| {
            let version = row
                .etag
                .as_deref()
                .or(row.compared.as_deref())
                .unwrap_or(&row.text);
            (row.key.as_str(), version)
        })
        .collect()
}
