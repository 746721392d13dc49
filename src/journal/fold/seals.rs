//! Captures and seals.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Refused;
use crate::journal::payload::{Abandoned, Captured, SealVerified, Sealed};
use crate::journal::record::Entry;
use crate::journal::seal::manifest_digest;
use crate::journal::state::{CapturedRow, Manifest, SealState, State};
use crate::text;

impl State {
    pub(super) fn captured(&mut self, captured: &Captured) -> Result<(), Refused> {
        let name = &captured.seal;
        if self.seal(name).is_some_and(|seal| seal.verified) {
            return Err(format!("the seal `{name}` is closed and verified"));
        }
        if text::sha256(captured.text.as_bytes()) != captured.sha256 {
            return Err(format!(
                "the text of `{}` is not the one whose digest it carries",
                captured.key
            ));
        }
        let row = Arc::new(CapturedRow {
            key: captured.key.clone(),
            etag: captured.etag.clone(),
            text: captured.text.clone(),
            sha256: captured.sha256.clone(),
        });
        let seal = Arc::make_mut(self.seal_entry(name));
        // Closed but never verified: nothing was destroyed on its word, and it begins anew.
        if seal.manifest.take().is_some() {
            seal.captures.clear();
        }
        seal.captures.push(row);
        Ok(())
    }

    pub(super) fn sealed(&mut self, entry: &Entry, sealed: &Sealed) -> Result<(), Refused> {
        let name = &sealed.seal;
        let rows = match self.seal(name) {
            Some(seal) if seal.verified => {
                return Err(format!("the seal `{name}` is closed and verified"));
            }
            // Where nothing was captured since it was closed, there is nothing to close.
            Some(seal) if seal.manifest.is_some() => &[],
            Some(seal) => seal.captures.as_slice(),
            None => &[],
        };
        if rows.len() != sealed.count {
            return Err(format!(
                "the seal `{name}` counts {} and {} stand before it",
                sealed.count,
                text::count(rows.len(), "capture"),
            ));
        }
        if manifest_digest(rows) != sealed.sha256 {
            return Err(format!(
                "the digest of the seal `{name}` is not that of its captures"
            ));
        }
        let mut keys = BTreeSet::new();
        if let Some(twice) = rows.iter().find(|row| !keys.insert(&row.key)) {
            return Err(format!("the seal `{name}` holds `{}` twice", twice.key));
        }
        let first = entry.number.saturating_sub(rows.len() as u64);
        let seal = Arc::make_mut(self.seal_entry(name));
        seal.captures.truncate(sealed.count);
        seal.manifest = Some(Manifest {
            count: sealed.count,
            sha256: sealed.sha256.clone(),
            time: entry.time,
            records: (first, entry.number),
        });
        Ok(())
    }

    pub(super) fn seal_verified(&mut self, verified: &SealVerified) -> Result<(), Refused> {
        let Some(seal) = self
            .seals
            .get_mut(verified.seal.as_str())
            .filter(|seal| seal.manifest.is_some())
        else {
            return Err(format!("the seal `{}` is not closed", verified.seal));
        };
        let seal = Arc::make_mut(seal);
        seal.verified = true;
        seal.copy.clone_from(&verified.copy);
        Ok(())
    }

    fn seal_entry(&mut self, name: &str) -> &mut Arc<SealState> {
        self.seals.entry(name.into()).or_insert_with(|| {
            Arc::new(SealState {
                seal: name.to_owned(),
                captures: Vec::new(),
                manifest: None,
                verified: false,
                copy: None,
            })
        })
    }

    /// Drops the captures that were not sealed: whoever captured them did not reach the end, and
    /// what they show may have changed since.
    pub(super) fn void_unsealed(&mut self) {
        self.seals.retain(|_, seal| seal.manifest.is_some());
    }

    pub(super) fn abandoned(&mut self, abandoned: &Abandoned) -> Result<(), Refused> {
        if let Some(unknown) = abandoned
            .seals
            .iter()
            .find(|name| self.seal(name).is_none())
        {
            return Err(format!("there is no seal `{unknown}`"));
        }
        for name in &abandoned.seals {
            self.seals.remove(name.as_str());
            self.abandoned.push(name.clone());
        }
        Ok(())
    }
}
