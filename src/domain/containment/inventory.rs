//! Every surface of an environment at one time.

use futures_util::future::join_all;

use super::kind::{KINDS, SurfaceKind};
use super::kinds::openings::acted_or;
use super::scope::Scope;
use super::sealed_state::waiver;
use super::surface::{Closing, Surface, SurfaceState};
use crate::domain::RefreshContext;
use crate::domain::environments::read_target;
use crate::domain::failure::unless_interrupted;
use crate::engine::{Failure, JournalView};

/// What was found of one kind.
pub(crate) struct KindInventory {
    /// The kind.
    pub(crate) kind: &'static dyn SurfaceKind,
    /// Its surfaces; or why they could not be read: then it is unknown whether one is open.
    pub(crate) surfaces: Result<Vec<Surface>, Failure>,
}

/// Every surface, kind by kind.
pub(crate) struct Inventory(pub(crate) Vec<KindInventory>);

impl Inventory {
    /// Reads every kind. A kind that cannot be read is listed as not read; only a request to stop
    /// ends the reading.
    pub(crate) async fn read(scope: &Scope<'_>) -> Result<Self, Failure> {
        Self::read_where(scope, |_| true).await
    }

    /// Reads the kinds for which this is true.
    pub(crate) async fn read_where(
        scope: &Scope<'_>,
        is_wanted: impl Fn(&dyn SurfaceKind) -> bool,
    ) -> Result<Self, Failure> {
        let wanted = KINDS.iter().copied().filter(|kind| is_wanted(*kind));
        let reads = wanted.map(|kind| async move {
            let found = kind.find(scope).await;
            let surfaces = unless_interrupted(found)?.map(|found| with_closed(kind, found, scope));
            Ok(KindInventory { kind, surfaces })
        });
        let kinds: Result<Vec<KindInventory>, Failure> =
            join_all(reads).await.into_iter().collect();
        Ok(Self(kinds?))
    }

    /// Every surface that could be read.
    pub(crate) fn surfaces(&self) -> impl Iterator<Item = &Surface> {
        let kinds = self.0.iter();
        kinds.flat_map(|kind| kind.surfaces.as_ref().ok().into_iter().flatten())
    }

    /// The kinds that could not be read, each with why.
    pub(crate) fn not_read(&self) -> impl Iterator<Item = (&'static dyn SurfaceKind, &Failure)> {
        let kinds = self.0.iter();
        kinds.filter_map(|kind| Some((kind.kind, kind.surfaces.as_ref().err()?)))
    }

    /// The first failure of a kind that could not be read, if there is one: a survey that must know
    /// everything stops with it.
    pub(crate) fn check_read(&self) -> Result<(), Failure> {
        match self.not_read().next() {
            Some((kind, failure)) => Err(failure.clone().during(kind.title())),
            None => Ok(()),
        }
    }
}

/// Where surfaces are looked for in the target as it is now. Takes the journal, if there is a state
/// file.
pub(crate) async fn scope_now<'a>(
    refresh: &'a RefreshContext,
    journal: Option<&'a JournalView>,
) -> Result<Scope<'a>, Failure> {
    // Until background operations are on, jobs that came with the copy still wait.
    let target = unless_interrupted(read_target(refresh).await)?;
    let is_before_opening = target.as_ref().is_ok_and(|target| {
        target.background_operations.as_deref() == Some("Disabled")
            || target.runtime_state.as_deref() == Some("AdminMode")
    });
    let scope = Scope::target(refresh, journal, is_before_opening);
    Ok(scope.with_state_not_read(target.err()))
}

/// With the surfaces that step 2 recorded and that no longer act, and with what a waiver allows.
fn with_closed(
    kind: &'static dyn SurfaceKind,
    mut found: Vec<Surface>,
    scope: &Scope<'_>,
) -> Vec<Surface> {
    let open = found.iter_mut().filter(|surface| surface.is_open());
    for surface in open {
        let waiver = scope
            .journal
            .and_then(|journal| waiver(journal, surface.kind, &surface.id));
        if let Some(by) = waiver {
            surface.state = SurfaceState::Allowed(by);
            surface.closing = Closing::Nothing;
        }
    }
    // What could not act when it was recorded is judged only by what is read now.
    let recorded = scope.sealed.iter().filter(|sealed| {
        sealed.kind == kind.key() && !matches!(sealed.state, SurfaceState::Closed(_))
    });
    for sealed in recorded {
        if found.iter().any(|surface| surface.id == sealed.id) {
            continue;
        }
        let (state, closing) = match sealed.state_gone(scope.journal) {
            SurfaceState::Acted(why) => acted_or(sealed.allowed(&scope.policy), &why),
            state => (state, Closing::Nothing),
        };
        found.push(Surface {
            kind: kind.key(),
            id: sealed.id.clone(),
            name: sealed.name.clone(),
            reach: sealed.reach.clone(),
            state,
            closing,
        });
    }
    found
}
