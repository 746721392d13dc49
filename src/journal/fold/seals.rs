//! Captures and seals.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Refusal;
use crate::base::text;
use crate::journal::payload::{Abandoned, Captured, SealVerified, Sealed};
use crate::journal::record::Entry;
use crate::journal::seal::manifest_digest;
use crate::journal::sealed_row::{ParseCache, SealedRow, Span};
use crate::journal::state::{Manifest, SealState, State};

impl State {
    pub(super) fn captured(
        &mut self,
        captured: &Captured,
        line: Option<Span>,
    ) -> Result<(), Refusal> {
        let name = &captured.seal;
        if self.seal(name).is_some_and(|seal| seal.verified) {
            return Err(format!("the seal `{name}` is closed and verified"));
        }
        let digest = text::digest(captured.text.as_bytes());
        if text::hex(&digest) != captured.sha256 {
            return Err(format!(
                "the text of `{}` does not match its digest",
                captured.key
            ));
        }
        let in_file = line.filter(|_| self.file.is_open());
        let row = Arc::new(SealedRow::new(captured, digest, in_file));
        let seal = Arc::make_mut(self.seal_entry(name));
        // Closed but never verified: nothing was destroyed because of it, and it is started over.
        if seal.manifest.take().is_some() {
            seal.captures.clear();
        }
        seal.lines = if seal.captures.is_empty() {
            line
        } else {
            joined(seal.lines, line)
        };
        seal.captures.push(row);
        Ok(())
    }

    pub(super) fn sealed(
        &mut self,
        entry: &Entry,
        sealed: &Sealed,
        line: Option<Span>,
    ) -> Result<(), Refusal> {
        let name = &sealed.seal;
        let rows = match self.seal(name) {
            Some(seal) if seal.verified => {
                return Err(format!("the seal `{name}` is closed and verified"));
            }
            // Nothing was captured since it was closed, so there is nothing to close.
            Some(seal) if seal.manifest.is_some() => &[],
            Some(seal) => seal.captures.as_slice(),
            None => &[],
        };
        if rows.len() != sealed.count {
            return Err(format!(
                "the seal `{name}` counts {} and follows {}",
                sealed.count,
                text::count(rows.len(), "capture"),
            ));
        }
        if manifest_digest(rows) != sealed.sha256 {
            return Err(format!(
                "the digest of the seal `{name}` does not match its captures"
            ));
        }
        let mut keys = BTreeSet::new();
        if let Some(twice) = rows.iter().find(|row| !keys.insert(&row.key)) {
            return Err(format!("the seal `{name}` contains `{}` twice", twice.key));
        }
        let lines = match self.seal(name) {
            Some(seal) if !rows.is_empty() => joined(seal.lines, line),
            _ => line,
        };
        if line.is_some() && lines.is_none() {
            return Err(format!(
                "there are other records between the captures of the seal `{name}`"
            ));
        }
        let first = entry.number.saturating_sub(rows.len() as u64);
        let seal = Arc::make_mut(self.seal_entry(name));
        seal.captures.truncate(sealed.count);
        seal.lines = lines;
        seal.manifest = Some(Manifest {
            count: sealed.count,
            sha256: sealed.sha256.clone(),
            time: entry.time,
            records: (first, entry.number),
        });
        Ok(())
    }

    pub(super) fn seal_verified(&mut self, verified: &SealVerified) -> Result<(), Refusal> {
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
                lines: None,
                parsed: ParseCache::default(),
            })
        })
    }

    /// Drops the captures that were not sealed: their phase did not finish, and the rows may have
    /// changed since.
    pub(super) fn void_unsealed(&mut self) {
        self.seals.retain(|_, seal| seal.manifest.is_some());
    }

    pub(super) fn abandoned(&mut self, abandoned: &Abandoned) -> Result<(), Refusal> {
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

/// The lines so far and the one after them.
fn joined(lines: Option<Span>, line: Option<Span>) -> Option<Span> {
    lines?.joined(line?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::Record;
    use crate::journal::seal;
    use crate::journal::testing::{
        captures, in_phase, next, opened, phase_began, phase_ended, seal_verified, step_began,
    };

    fn seal(state: &mut State, name: &str) -> Result<(), String> {
        seal::seal_records(name, captures())
            .into_iter()
            .try_for_each(|record| next(state, record))
    }

    #[test]
    fn a_seal_is_closed_then_verified_then_final() {
        let mut state = in_phase("s", "capture");
        assert!(next(&mut state, seal_verified("target")).is_err());
        seal(&mut state, "target").unwrap();
        assert!(state.verified_seal("target").is_none());
        let manifest = state.seal("target").unwrap().manifest.clone().unwrap();
        assert_eq!((manifest.count, manifest.records), (2, (5, 7)));
        next(&mut state, seal_verified("target")).unwrap();
        let sealed = state.verified_seal("target").unwrap();
        let text = state.text_of(sealed, &sealed.captures[0]).unwrap();
        assert_eq!(text, captures()[0].text);
        assert!(
            seal(&mut state, "target")
                .unwrap_err()
                .contains("closed and verified")
        );
    }

    #[test]
    fn captures_that_were_not_sealed_are_void_when_a_phase_begins() {
        for again in [opened("ops-1").into(), phase_ended("s", "capture")] {
            let mut state = in_phase("s", "capture");
            let mut records = seal::seal_records("target", captures());
            let sealed = records.pop().unwrap();
            for record in records {
                next(&mut state, record).unwrap();
            }
            next(&mut state, again).unwrap();
            if state.running.is_none() {
                next(&mut state, step_began("s")).unwrap();
            }
            next(&mut state, phase_began("s", "capture")).unwrap();
            let why = next(&mut state, sealed).unwrap_err();
            assert!(why.contains("counts 2 and follows 0 captures"), "{why}");
            seal(&mut state, "target").unwrap();
        }
    }

    #[test]
    fn captures_that_were_not_sealed_are_void_in_the_next_process() {
        let mut state = in_phase("s", "capture");
        next(
            &mut state,
            seal::seal_records("target", captures()).swap_remove(0),
        )
        .unwrap();
        next(&mut state, opened("ops-1").into()).unwrap();
        assert!(state.seal("target").is_none());
    }

    #[test]
    fn a_seal_that_was_never_verified_is_started_over() {
        let mut state = in_phase("s", "capture");
        seal(&mut state, "target").unwrap();
        seal(&mut state, "target").unwrap();
        let manifest = state.seal("target").unwrap().manifest.clone().unwrap();
        assert_eq!((manifest.count, manifest.records), (2, (8, 10)));
    }

    #[test]
    fn a_manifest_must_match_the_captures_before_it() {
        let records = seal::seal_records("target", captures());
        for missing in 0..2 {
            let mut state = in_phase("s", "capture");
            let mut some = records.clone();
            some.remove(missing);
            let why = some
                .into_iter()
                .try_for_each(|record| next(&mut state, record))
                .unwrap_err();
            assert!(why.contains("counts 2 and follows 1 capture"), "{why}");
        }
        let mut state = in_phase("s", "capture");
        let swapped = [1, 0, 2].map(|at| records[at].clone());
        let why = swapped
            .into_iter()
            .try_for_each(|record| next(&mut state, record))
            .unwrap_err();
        assert!(why.contains("digest"), "{why}");
    }

    #[test]
    fn a_text_must_match_its_digest_and_a_key_is_unique() {
        let mut state = in_phase("s", "capture");
        let Record::Captured(mut captured) =
            seal::seal_records("target", captures()).swap_remove(0)
        else {
            panic!("a seal begins with its captures");
        };
        captured.text.push(' ');
        assert!(next(&mut state, captured.into()).is_err());
        let twice = [captures(), captures()].concat();
        let why = seal::seal_records("target", twice)
            .into_iter()
            .try_for_each(|record| next(&mut state, record))
            .unwrap_err();
        assert!(why.contains("contains `flow/1` twice"), "{why}");
    }

    #[test]
    fn a_seal_may_be_empty() {
        let mut state = in_phase("s", "capture");
        for record in seal::seal_records("target", vec![]) {
            next(&mut state, record).unwrap();
        }
        next(&mut state, seal_verified("target")).unwrap();
        assert_eq!(state.verified_seal("target").unwrap().captures.len(), 0);
    }

    #[test]
    fn an_abandoned_seal_is_removed_and_its_name_is_kept() {
        let mut state = in_phase("s", "capture");
        let abandoned = |seal: &str| {
            Record::from(Abandoned {
                seals: vec![seal.to_owned()],
                reason: "started over".to_owned(),
            })
        };
        assert!(next(&mut state, abandoned("target")).is_err());
        seal(&mut state, "target").unwrap();
        next(&mut state, seal_verified("target")).unwrap();
        next(&mut state, abandoned("target")).unwrap();
        assert!(state.seal("target").is_none());
        assert_eq!(state.abandoned, ["target"]);
        seal(&mut state, "target").unwrap();
    }
}
