//! The outcome for every surface: for the end of a run and its reports. It is counted from the journal,
//! then corrected by what the target shows.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::inventory::{Inventory, KindInventory};
use super::kind::KINDS;
use super::kinds::openings;
use super::policy::Policy;
use super::sealed::{SealedClosing, SealedSurface, SealedSurfaces};
use super::surface::{Surface, SurfaceState};
use crate::base::text::count;
use crate::domain::seals;
use crate::engine::{Failure, JournalView};
use crate::runbook::Keyword as _;

/// How many surfaces a document lists; more are only counted.
const LISTED: usize = 1000;

/// The state of a surface that may have acted.
pub(crate) const ACTED: &str = "acted";

/// What a person does about one.
pub(crate) const ACTED_REMEDY: &str = openings::REMEDY;

/// How many open surfaces a line names.
const NAMED: usize = 5;

/// The forecast of preflight that the surfaces of a kind could act. Takes the kind's title.
pub(crate) fn forecast(title: &str) -> String {
    format!("{title} could act on the outside world from the target")
}

/// What preflight reports about a kind that it cannot read in the source. Takes the kind's title.
pub(crate) fn unread_forecast(title: &str) -> String {
    format!("{title}: could not be read, so it is unknown whether they could act")
}

/// Is this warning a forecast of preflight, which read the source? After step 2 a forecast is out of
/// date: the figures list every surface that the target really has.
pub(crate) fn is_forecast(warning: &str) -> bool {
    let headline = ["warning: ", "unknown: "]
        .into_iter()
        .find_map(|label| warning.strip_prefix(label));
    let headline = headline.unwrap_or(warning);
    let titles = KINDS.iter().map(|kind| kind.title());
    let mut headlines = titles.flat_map(|title| [forecast(title), unread_forecast(title)]);
    headlines.any(|forecast| headline.starts_with(&forecast))
}

/// The outcome for every surface.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ContainmentFigures {
    /// What the target is for, as the runbook says.
    pub purpose: String,
    /// How many can no longer act.
    pub closed: usize,
    /// How many reach the target's own partner instead of production's.
    pub replaced: usize,
    /// How many may act, because the runbook or a person allows it.
    pub allowed: usize,
    /// How many can act and are not allowed.
    pub open: usize,
    /// How many a person has to look at, because it is not documented what a copy does to them.
    pub unclear: usize,
    /// How many may have acted before this run closed them.
    pub acted: usize,
    /// The surfaces, open ones first. A document holds only the first of them.
    #[serde(serialize_with = "first_surfaces")]
    pub surfaces: Vec<ListedSurface>,
}

/// One surface, for people.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ListedSurface {
    /// Its kind, in the plural.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it could do.
    pub reach: String,
    /// `open`, `acted`, `unclear`, `allowed`, `replaced` or `closed`.
    pub state: String,
    /// How, why or by what.
    pub detail: String,
    /// What distinguishes it within its kind: two mailboxes may have the same name.
    #[serde(skip)]
    id: String,
}

fn first_surfaces<S: Serializer>(
    surfaces: &[ListedSurface],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(surfaces.iter().take(LISTED))
}

/// The order of the list, by the label of the state.
const ORDER: [&str; 6] = ["open", ACTED, "unclear", "allowed", "replaced", "closed"];

/// The figures of what step 2 recorded; none before it did.
pub(crate) fn figures(journal: &JournalView, policy: &Policy) -> Option<ContainmentFigures> {
    let sealed = SealedSurfaces::read(journal);
    let mut figures = ContainmentFigures {
        purpose: policy.purpose().keyword().to_owned(),
        ..ContainmentFigures::default()
    };
    if sealed.is_empty() && !journal.has_seal(seals::SURFACES) {
        return None;
    }
    let titles: BTreeMap<&str, &str> = KINDS
        .iter()
        .map(|kind| (kind.key(), kind.title()))
        .collect();
    let opening = late_opening(journal, &sealed);
    for surface in sealed.iter().chain(&opening) {
        let state = surface.state_now(journal, policy);
        let title = titles.get(surface.kind.as_str());
        figures.surfaces.push(ListedSurface {
            kind: title
                .map_or(surface.kind.as_str(), |title| title)
                .to_owned(),
            name: surface.name.clone(),
            reach: surface.reach.clone(),
            state: state.label().to_owned(),
            detail: state.detail().unwrap_or_default().to_owned(),
            id: surface.id.clone(),
        });
    }
    figures.count();
    Some(figures)
}

/// The opening of the target by somebody else after step 2 had recorded the surfaces.
fn late_opening(journal: &JournalView, sealed: &SealedSurfaces) -> Option<SealedSurface> {
    let is_sealed = sealed.iter().any(|surface| surface.kind == openings::KIND);
    if is_sealed || !openings::was_opened_by_other(journal) {
        return None;
    }
    Some(SealedSurface {
        kind: openings::KIND.to_owned(),
        id: openings::NAME.to_owned(),
        name: openings::NAME.to_owned(),
        reach: "the target was open when this run was about to open it".to_owned(),
        state: SurfaceState::Acted(openings::WHY.to_owned()),
        closing: SealedClosing::Finding(openings::REMEDY.to_owned()),
    })
}

#[cfg(test)]
impl ListedSurface {
    /// A surface with this name and state.
    pub(crate) fn for_tests(name: &str, state: &str) -> Self {
        Self {
            kind: String::new(),
            name: name.to_owned(),
            reach: String::new(),
            state: state.to_owned(),
            detail: String::new(),
            id: name.to_owned(),
        }
    }
}

impl ContainmentFigures {
    /// Sorts the surfaces and counts them by their states.
    fn count(&mut self) {
        let place = |surface: &ListedSurface| ORDER.iter().position(|word| *word == surface.state);
        self.surfaces.sort_by_key(place);
        let surfaces = &self.surfaces;
        let number = |state| surfaces.iter().filter(|found| found.state == state).count();
        let [open, acted, unclear, allowed, replaced, closed] = ORDER.map(number);
        (self.open, self.acted, self.unclear) = (open, acted, unclear);
        (self.allowed, self.replaced, self.closed) = (allowed, replaced, closed);
    }

    /// Names the first surfaces with this state, then counts the rest of `number`; `None` if no
    /// surface is listed.
    fn named(&self, state: &str, number: usize) -> Option<String> {
        let meant = self.surfaces.iter().filter(|found| found.state == state);
        let named: Vec<String> = meant
            .take(NAMED)
            .map(|surface| format!("'{}' ({})", surface.name, surface.kind))
            .collect();
        let more = match number.saturating_sub(named.len()) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        (!named.is_empty()).then(|| named.join(", ") + &more)
    }

    /// Corrects what the journal does not show: somebody may have opened, closed or allowed a surface
    /// since, and one may have appeared since step 2 listed them. Takes the target's surfaces as they
    /// are now; a kind that could not be read stays as it was recorded.
    pub(crate) fn correct(&mut self, now: &Inventory) {
        for kind in &now.0 {
            self.correct_kind(kind);
        }
        self.count();
    }

    fn correct_kind(&mut self, kind: &KindInventory) {
        let (title, Ok(surfaces)) = (kind.kind.title(), &kind.surfaces) else {
            return;
        };
        let mut found: BTreeMap<&str, &Surface> = surfaces
            .iter()
            .map(|surface| (surface.id.as_str(), surface))
            .collect();
        let listed = self.surfaces.iter_mut();
        for listed in listed.filter(|listed| listed.kind == title) {
            let is_open = listed.state == SurfaceState::Open.label();
            match found.remove(listed.id.as_str()) {
                Some(surface) if is_open || needs_attention(&surface.state) => {
                    listed.reach.clone_from(&surface.reach);
                    listed.take_state(&surface.state);
                }
                None if is_open => {
                    listed.take_state(&SurfaceState::Closed("it can no longer act".to_owned()));
                }
                Some(_) | None => {}
            }
        }
        let new = found.into_values();
        for surface in new.filter(|surface| needs_attention(&surface.state)) {
            self.surfaces.push(ListedSurface {
                kind: title.to_owned(),
                name: surface.name.clone(),
                reach: surface.reach.clone(),
                state: surface.state.label().to_owned(),
                detail: surface.state.detail().unwrap_or_default().to_owned(),
                id: surface.id.clone(),
            });
        }
    }

    /// What keeps a finished run from being as it should be: surfaces that can act, although nobody
    /// allowed it. Takes the target's name and the runbook's file.
    pub(crate) fn finding(&self, target: &str, runbook: &str) -> Option<Failure> {
        if self.open == 0 {
            return self.acted_finding(target, runbook);
        }
        let named = self.named(SurfaceState::Open.label(), self.open);
        let message = format!(
            "{} of what the copy brought to '{target}' can act on the outside world, and the runbook \
             does not allow it: {}",
            count(self.open, "thing"),
            named.unwrap_or_default()
        );
        Some(Failure::failed(message).with_help(format!(
            "`iomcopy verify {runbook}` names each with what to do; turn it off or change it in the \
             target, or write it under `containment.allow` or `containment.replace`, then run again"
        )))
    }

    /// What may have acted before this run closed it.
    fn acted_finding(&self, target: &str, runbook: &str) -> Option<Failure> {
        let named = self.named(ACTED, self.acted)?;
        let message = format!(
            "{} of what the copy brought to '{target}' may have acted on the outside world before this \
             run closed it: {named}",
            count(self.acted, "thing"),
        );
        Some(Failure::failed(message).with_help(format!(
            "`iomcopy report {runbook}` names each with the reason; {}, then run again",
            openings::REMEDY
        )))
    }

    /// The figures in one line, and which surfaces are open.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut line = format!("contained: {} closed", count(self.closed, "surface"));
        for (things, what) in [(self.replaced, "replaced"), (self.allowed, "allowed")] {
            if things > 0 || what == "allowed" {
                line += &format!(", {things} {what}");
            }
        }
        line += &format!(", {} open", self.open);
        for (things, what) in [(self.acted, "acted before that"), (self.unclear, "unclear")] {
            if things > 0 {
                line += &format!(", {things} {what}");
            }
        }
        let mut lines = vec![line];
        let named = [
            (SurfaceState::Open.label(), self.open),
            (ACTED, self.acted),
            ("unclear", self.unclear),
        ];
        for (state, things) in named {
            let named = self.named(state, things);
            lines.extend(named.map(|named| format!("  {state}: {named}")));
        }
        lines
    }
}

/// Does a person have to know of a surface with this state?
fn needs_attention(state: &SurfaceState) -> bool {
    match state {
        SurfaceState::Open | SurfaceState::Unclear(_) | SurfaceState::Acted(_) => true,
        SurfaceState::Closed(_) | SurfaceState::Allowed(_) | SurfaceState::Replaced(_) => false,
    }
}

impl ListedSurface {
    fn take_state(&mut self, state: &SurfaceState) {
        state.label().clone_into(&mut self.state);
        let detail = state.detail().unwrap_or_default();
        detail.clone_into(&mut self.detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two mailboxes have the same name, and a person has closed one of them.
    #[test]
    fn a_surface_is_corrected_by_what_it_is_and_not_by_its_name() {
        use crate::domain::containment::inventory::KindInventory;
        use crate::domain::containment::{Closing, Surface};

        let kind = KINDS[0];
        let listed = |id: &str| ListedSurface {
            kind: kind.title().to_owned(),
            name: "Orders".to_owned(),
            reach: String::new(),
            state: "open".to_owned(),
            detail: String::new(),
            id: id.to_owned(),
        };
        let now = |id: &str, state| Surface {
            kind: kind.key(),
            id: id.to_owned(),
            name: "Orders".to_owned(),
            reach: String::new(),
            state,
            closing: Closing::Nothing,
        };
        let surfaces = vec![
            now("1", SurfaceState::Closed("a person".to_owned())),
            now("2", SurfaceState::Open),
        ];
        let mut figures = ContainmentFigures {
            open: 2,
            surfaces: vec![listed("1"), listed("2")],
            ..ContainmentFigures::default()
        };
        figures.correct(&Inventory(vec![KindInventory {
            kind,
            surfaces: Ok(surfaces),
        }]));
        assert_eq!((figures.open, figures.closed), (1, 1));
        assert_eq!(
            (
                figures.surfaces[0].id.as_str(),
                figures.surfaces[0].state.as_str()
            ),
            ("2", "open")
        );
    }

    /// The journal says that two mailboxes are off; the target shows one of them on, and one more.
    #[test]
    fn what_the_target_shows_is_open_whatever_the_journal_says() {
        use crate::domain::containment::Closing;

        let kind = KINDS[0];
        let listed = |id: &str, state: &str| ListedSurface {
            kind: kind.title().to_owned(),
            name: format!("Orders {id}"),
            reach: String::new(),
            state: state.to_owned(),
            detail: "exit-administration-mode".to_owned(),
            id: id.to_owned(),
        };
        let now = |id: &str, state| Surface {
            kind: kind.key(),
            id: id.to_owned(),
            name: format!("Orders {id}"),
            reach: "sends e-mail".to_owned(),
            state,
            closing: Closing::Nothing,
        };
        let read = |surfaces| Inventory(vec![KindInventory { kind, surfaces }]);
        let mut figures = ContainmentFigures {
            surfaces: vec![listed("1", "closed"), listed("2", "closed")],
            ..ContainmentFigures::default()
        };
        // What cannot be read shows nothing.
        figures.correct(&read(Err(Failure::failed("unavailable"))));
        assert_eq!((figures.open, figures.closed), (0, 2));
        figures.correct(&read(Ok(vec![
            now("1", SurfaceState::Closed("off".to_owned())),
            now("2", SurfaceState::Open),
            now("3", SurfaceState::Open),
            now(
                "4",
                SurfaceState::Unclear("its state cannot be read".to_owned()),
            ),
            now("5", SurfaceState::Allowed("mailboxes: keep".to_owned())),
        ])));
        let counted = (
            figures.open,
            figures.unclear,
            figures.closed,
            figures.allowed,
        );
        assert_eq!(counted, (2, 1, 1, 0));
        let finding = figures.finding("UAT", "uat.yaml").unwrap().message;
        assert!(
            finding.contains("'Orders 2'") && finding.contains("'Orders 3'"),
            "{finding}"
        );
    }

    #[test]
    fn every_forecast_about_a_kind_is_one_also_of_a_kind_without_a_surface() {
        for kind in KINDS {
            let (found, unread) = (forecast(kind.title()), unread_forecast(kind.title()));
            for warning in [format!("warning: {found}"), format!("unknown: {unread}")] {
                let warning = format!("{warning} (affects step exit-administration-mode): 2 found");
                assert!(is_forecast(&warning), "{warning}");
            }
        }
        assert!(!is_forecast("warning: mailboxes are slow"));
        assert!(!is_forecast(
            "exit-administration-mode: mailboxes: 1 thing left open"
        ));
    }

    #[test]
    fn the_line_names_what_is_open() {
        let surface = |name: &str, state: &str| ListedSurface {
            kind: "mailboxes".to_owned(),
            name: name.to_owned(),
            reach: String::new(),
            state: state.to_owned(),
            detail: String::new(),
            id: String::new(),
        };
        let figures = ContainmentFigures {
            closed: 31,
            allowed: 4,
            ..ContainmentFigures::default()
        };
        let expected = ["contained: 31 surfaces closed, 4 allowed, 0 open"];
        assert_eq!(figures.lines(), expected);
        let open = ContainmentFigures {
            open: 1,
            replaced: 2,
            surfaces: vec![surface("Orders", "open"), surface("x", "closed")],
            ..figures
        };
        assert_eq!(
            open.lines(),
            [
                "contained: 31 surfaces closed, 2 replaced, 4 allowed, 1 open",
                "  open: 'Orders' (mailboxes)"
            ]
        );
    }
}
