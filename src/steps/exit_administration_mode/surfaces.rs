//! Phases `record-surfaces`, `disable-steps`, `contain` and `jobs`: what could act on the outside
//! world from the copy is recorded, then closed, while administration mode is on.
//!
//! Plug-in steps and real-time workflows act on writes, also on this program's own and also in
//! administration mode, so they are closed before anything else is written. Jobs are read last,
//! right before background operations are on, because earlier writes may have queued some.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::base::text::{count, list_first};
use crate::domain::containment::sealed::{SURFACE, SealedSurface};
use crate::domain::containment::{Closing, Inventory, Scope, Surface, SurfaceState, changes};
use crate::domain::environments::{has_opened, read_target};
use crate::domain::seals::{self, Part};
use crate::domain::{RefreshContext, view::View};
use crate::engine::{
    CaptureSource, Change, Failure, JournalView, ListedRow, Listing, Note, Survey,
};

/// Is the target before phase `open`, or closed again? Until this run has opened it, what the copy
/// brought is closed also if somebody else has opened it.
async fn is_before_opening(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<bool, Failure> {
    let is_forecast = matches!(refresh.view(journal), View::AfterCopy(_));
    if is_forecast || !has_opened(refresh, journal) {
        return Ok(true);
    }
    let target = read_target(refresh).await?;
    let is_on = |state: &Option<String>| state.as_deref() == Some("Enabled");
    Ok(!is_on(&target.runtime_state) || !is_on(&target.background_operations))
}

/// The seal of every surface, and of the rows that are written or deleted.
pub(super) struct RecordSurfaces(pub(super) Arc<RefreshContext>);

#[async_trait]
impl CaptureSource for RecordSurfaces {
    fn seal(&self) -> &'static str {
        seals::SURFACES
    }

    async fn list(&self, journal: &JournalView) -> Result<Listing, Failure> {
        let refresh = &self.0;
        let scope = Scope::survey(refresh, journal, is_before_opening(refresh, journal).await?);
        let inventory = Inventory::read(&scope).await?;
        inventory.check_read()?;
        let mut captures: Listing = inventory.surfaces().map(surface_capture).collect();
        let mut rows = BTreeSet::new();
        for row in inventory
            .surfaces()
            .filter_map(|surface| surface.closing.row())
        {
            let key = Part::Surfaces.key(&row.capture_key());
            if rows.insert(key.clone()) {
                captures.push(ListedRow {
                    key,
                    etag: row.etag.clone(),
                    text: row.text.clone(),
                    compared: None,
                });
            }
        }
        Ok(captures)
    }
}

/// A surface in the seal. Two listings must agree on which surfaces there are; what a service says
/// of one may differ in words.
fn surface_capture(surface: &Surface) -> ListedRow {
    let sealed = SealedSurface::from_surface(surface);
    ListedRow {
        key: Part::Surfaces.key(&format!("{SURFACE}{}", surface.key())),
        etag: None,
        compared: Some(sealed.state.label().to_owned()),
        text: sealed.to_text(),
    }
}

/// Finds the surfaces of some kinds that are open.
pub(super) struct Contain {
    pub(super) refresh: Arc<RefreshContext>,
    /// The phase, which closes the kinds that name it.
    pub(super) phase: &'static str,
}

impl Contain {
    async fn read(&self, journal: &JournalView) -> Result<Inventory, Failure> {
        let scope = Scope::survey(
            &self.refresh,
            journal,
            is_before_opening(&self.refresh, journal).await?,
        );
        Inventory::read_where(&scope, |kind| kind.phase() == Some(self.phase)).await
    }
}

#[async_trait]
impl Survey for Contain {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let inventory = self.read(journal).await?;
        inventory.check_read()?;
        let mut found = Vec::new();
        for surface in inventory.surfaces().filter(|surface| surface.is_open()) {
            found.extend(changes::change(&self.refresh, journal, surface).await?);
        }
        Ok(found)
    }

    /// What stays open, kind by kind. Surfaces of a later step are that step's.
    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let inventory = self.read(journal).await?;
        Ok(inventory
            .0
            .iter()
            .filter_map(|kind| Some((kind.kind.title(), kind.surfaces.as_ref().ok()?)))
            .flat_map(|(title, surfaces)| notes(title, surfaces))
            .collect())
    }
}

/// What a person must know about one kind: a note for what is left open, and one for each reason why
/// something is to be looked at.
pub(super) fn notes(title: &str, surfaces: &[Surface]) -> Vec<Note> {
    let mut left: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    for surface in surfaces {
        let Closing::Finding(remedy) = &surface.closing else {
            continue;
        };
        let how = match &surface.state {
            SurfaceState::Unclear(why) => format!("to look at, because {why}"),
            SurfaceState::Acted(why) => format!("may have acted: {why}"),
            _ => "left open".to_owned(),
        };
        let named = format!("'{}': {}", surface.name, surface.reach);
        left.entry((how, remedy)).or_default().push(named);
    }
    let note = |((how, remedy), named): ((String, &str), Vec<String>)| {
        let things = count(named.len(), "thing");
        let named = list_first(&named, NAMED, "; ");
        Note::new(format!("{title}: {things} {how}: {named}"), remedy)
    };
    left.into_iter().map(note).collect()
}

/// How many surfaces of a kind a note names.
const NAMED: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::keys;

    fn surface(name: &str, state: SurfaceState, closing: Closing) -> Surface {
        Surface {
            kind: "sharepoint-site",
            id: name.to_owned(),
            name: name.to_owned(),
            reach: "writes to contoso.sharepoint.com".to_owned(),
            state,
            closing,
        }
    }

    #[test]
    fn a_note_names_what_is_left_open_with_its_remedy() {
        let finding = || Closing::Finding("deactivate it".to_owned());
        let surfaces = [
            surface("a", SurfaceState::Open, finding()),
            surface("b", SurfaceState::Allowed("x".to_owned()), Closing::Nothing),
        ];
        let open = "SharePoint sites: 1 thing left open: 'a': writes to contoso.sharepoint.com";
        let open = Note::new(open, "deactivate it");
        assert_eq!(
            notes("SharePoint sites", &surfaces),
            std::slice::from_ref(&open)
        );
        assert!(notes("SharePoint sites", &surfaces[1..]).is_empty());
        // What is open is not called unclear because something else is.
        let unclear = SurfaceState::Unclear("nobody knows".to_owned());
        let [site, _] = surfaces;
        let both = [surface("c", unclear, finding()), site];
        let notes = notes("SharePoint sites", &both);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert_eq!(notes[0], open);
        assert!(
            notes[1]
                .text
                .contains("1 thing to look at, because nobody knows: 'c'")
        );
    }

    #[test]
    fn a_kind_names_a_phase_of_this_step_or_none() {
        for kind in crate::domain::containment::kind::KINDS {
            let phases = [keys::DISABLE_STEPS, keys::CONTAIN, keys::JOBS];
            let phase = kind.phase();
            assert!(
                phase.is_none_or(|phase| phases.contains(&phase)),
                "{}",
                kind.key()
            );
        }
    }
}
