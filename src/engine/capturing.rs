//! Capture phases: list, list again, seal.

use std::collections::BTreeMap;

use super::{Capture, Captured, EventKind, Executor, Failure, Step};
use crate::journal::Capture as SealedRow;

/// How often a capture is listed anew when two listings in a row do not agree.
const LISTINGS: u32 = 5;

impl Executor {
    /// Lists until two listings in a row agree, then seals. A seal that is there already is read
    /// back and kept.
    pub(super) async fn capture(
        &self,
        step: &Step,
        capture: &dyn Capture,
    ) -> Result<usize, Failure> {
        let known = self.known();
        let name = known.seal_name(capture.seal());
        let seal = name.as_str();
        if known.has_seal(capture.seal()) {
            self.context.journal.verify_seal(seal)?;
            return Ok(0);
        }
        let mut before = capture.list(&known).await?;
        for _ in 0..LISTINGS {
            self.context.may_begin()?;
            let after = capture.list(&known).await?;
            if fingerprints(&before) == fingerprints(&after) {
                let rows = after.into_iter().map(|row| SealedRow {
                    key: row.key,
                    etag: row.etag,
                    text: row.text,
                });
                let summary = self.context.journal.seal(seal, rows.collect()).await?;
                self.context.narrator.tell(EventKind::Sealed {
                    step: step.name.to_owned(),
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
        .with_help("ask the others to stop editing it, then run again"))
    }
}

/// What two listings must agree on, by key.
fn fingerprints(rows: &[Captured]) -> BTreeMap<&str, &str> {
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
