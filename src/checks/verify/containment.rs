//! Can anything act on production's behalf? One check for each kind of surface in the target, read
//! again now: a surface that is open and not allowed fails, one whose behaviour is not documented
//! is a warning.

use super::super::check::{Check, named};
use super::super::check_result::CheckResult;
use super::super::text_scan;
use crate::domain::RefreshContext;
use crate::domain::containment::figures::{ACTED, ACTED_REMEDY, ContainmentFigures, figures};
use crate::domain::containment::inventory::{self, KindInventory};
use crate::domain::containment::surface::LOOK;
use crate::domain::containment::{Closing, Inventory, Scope, Surface, SurfaceState};
use crate::engine::{Failure, FailureKind, JournalView};

/// Checks every kind. Takes the journal, if there is a state file.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    journal: Option<&JournalView>,
) -> Result<Vec<CheckResult>, Failure> {
    let scope = inventory::scope_now(refresh, journal).await?;
    let inventory = Inventory::read(&scope).await?;
    let mut results: Vec<CheckResult> = inventory.0.iter().filter_map(judge).collect();
    let figures = journal.and_then(|journal| figures(journal, &scope.policy));
    results.extend(figures.as_ref().and_then(acted));
    results.push(text_scan(&scope).await?);
    Ok(results)
}

/// What may have acted before the run closed it, by the state file: the run ends with this finding
/// until a person has looked and allowed it. None if there is no such thing.
fn acted(figures: &ContainmentFigures) -> Option<CheckResult> {
    let acted = figures.surfaces.iter();
    let acted = acted.filter(|surface| surface.state == ACTED);
    let acted: Vec<String> = acted
        .map(|surface| format!("'{}': {} ({})", surface.name, surface.reach, surface.detail))
        .collect();
    let check = Check::new(
        "nothing that the copy brought acted before the run closed it",
        "some of what the copy brought may have acted before the run closed it",
        ACTED_REMEDY,
    );
    (!acted.is_empty()).then(|| check.fail(named(&acted)))
}

/// Rows that name production and that no kind of surface knows.
async fn text_scan(scope: &Scope<'_>) -> Result<CheckResult, Failure> {
    let check = Check::new(
        "no other row that was looked at names production",
        "rows that no other check covers name production",
        "look at each: if something uses it to act, give it the target's own value",
    );
    text_scan::result(&check, scope, true).await
}

/// The result for one kind; none if the target has no such surface.
fn judge(kind: &KindInventory) -> Option<CheckResult> {
    let title = kind.kind.title();
    let check = |problem: &str, advice: &str| {
        Check::new(
            format!("{title}: every one is closed, replaced or allowed by the runbook"),
            format!("{title}: {problem}"),
            advice,
        )
    };
    let can_act = "some can act, and the runbook does not allow it";
    let surfaces = match &kind.surfaces {
        Ok(surfaces) if surfaces.is_empty() => return None,
        Ok(surfaces) => surfaces,
        Err(failure) => {
            let advice = "a surface that cannot be read may act";
            let mut unread = check(can_act, advice).unread(failure.clone());
            if failure.kind == FailureKind::NotAllowed {
                unread.kind = FailureKind::NotAllowed;
            }
            return Some(unread);
        }
    };
    let of = |state: &str| -> Vec<String> {
        let meant = surfaces
            .iter()
            .filter(|surface| surface.state.label() == state);
        meant.map(Surface::described).collect()
    };
    let (open, mut unclear) = (of("open"), of("acted"));
    unclear.extend(of("unclear"));
    let advice = advice(surfaces);
    Some(match (open.as_slice(), unclear.as_slice()) {
        ([], []) => check(can_act, &advice).pass(settled(surfaces)),
        ([], unclear) => {
            let problem = "status unknown, check each";
            check(problem, &advice).warn(named(unclear))
        }
        (open, []) => check(can_act, &advice).fail(named(open)),
        (open, unclear) => {
            let found = format!("{}; also to look at: {}", named(open), named(unclear));
            check(can_act, &advice).fail(found)
        }
    })
}

/// What a person can do, each remedy once: surfaces of one kind can be open for different reasons.
fn advice(surfaces: &[Surface]) -> String {
    let mut remedies: Vec<String> = Vec::new();
    for remedy in surfaces.iter().filter_map(remedy) {
        if !remedies.contains(&remedy) && remedies.len() < REMEDIES {
            remedies.push(remedy);
        }
    }
    remedies.join("; ")
}

/// How many remedies an advice holds: those of many rows differ only in the row's name.
const REMEDIES: usize = 3;

/// What a person can do about a surface that is open.
fn remedy(surface: &Surface) -> Option<String> {
    match (&surface.state, &surface.closing) {
        (
            SurfaceState::Open | SurfaceState::Unclear(_) | SurfaceState::Acted(_),
            Closing::Finding(remedy),
        ) => Some(remedy.clone()),
        (
            SurfaceState::Open,
            Closing::Set(write)
            | Closing::ByChange {
                otherwise: write, ..
            },
        ) => Some(by_hand(&write.name)),
        (SurfaceState::Open, Closing::Remove(removal)) => Some(by_hand(&removal.name)),
        (
            SurfaceState::Open,
            Closing::Ask {
                advice,
                instructions,
                ..
            },
        ) => {
            let lines: Vec<&str> = instructions
                .iter()
                .chain(advice)
                .map(String::as_str)
                .collect();
            Some(lines.join(" "))
        }
        (SurfaceState::Open, _) => Some(
            "turn it off or change it in the target, or allow it under `containment.allow`"
                .to_owned(),
        ),
        (SurfaceState::Unclear(_) | SurfaceState::Acted(_), _) => Some(LOOK.to_owned()),
        (SurfaceState::Closed(_) | SurfaceState::Allowed(_) | SurfaceState::Replaced(_), _) => None,
    }
}

fn by_hand(change: &str) -> String {
    format!("by hand: {change}; or allow it under `containment.allow`")
}

/// How many surfaces are described one by one; of more, only the number is shown.
const DESCRIBED: usize = 3;

/// The surfaces of a kind that needs nothing more: how many of each state, and of few, which.
fn settled(surfaces: &[Surface]) -> String {
    let counted = counted(surfaces);
    if surfaces.len() > DESCRIBED {
        return counted;
    }
    let described: Vec<String> = surfaces.iter().map(Surface::described).collect();
    format!("{counted}: {}", described.join("; "))
}

fn counted(surfaces: &[Surface]) -> String {
    let mut parts = Vec::new();
    for state in ["closed", "replaced", "allowed"] {
        let meant = surfaces
            .iter()
            .filter(|surface| surface.state.label() == state);
        let things = meant.count();
        if things > 0 {
            parts.push(format!("{things} {state}"));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::containment::figures::ListedSurface;
    use crate::domain::containment::kind::KINDS;
    use crate::domain::verdict::Verdict;

    #[test]
    fn what_may_have_acted_by_the_state_file_fails_until_it_is_allowed() {
        let figures = |state: &str| ContainmentFigures {
            surfaces: vec![ListedSurface::for_tests("early opening", state)],
            ..ContainmentFigures::default()
        };
        let result = acted(&figures("acted")).expect("it is a finding");
        assert_eq!(result.verdict, Verdict::Fail);
        assert!(result.found.contains("early opening"), "{}", result.found);
        assert!(
            result
                .remedy
                .is_some_and(|it| it.contains("containment.allow"))
        );
        assert!(acted(&figures("allowed")).is_none());
    }

    #[test]
    fn an_open_surface_fails_and_is_named() {
        let surface = |state| Surface {
            kind: KINDS[0].key(),
            id: "1".to_owned(),
            name: "Order hub".to_owned(),
            reach: "calls hooks.contoso.com".to_owned(),
            state,
            closing: Closing::Nothing,
        };
        let of = |surfaces: Vec<Surface>| {
            judge(&KindInventory {
                kind: KINDS[0],
                surfaces: Ok(surfaces),
            })
        };
        assert!(of(Vec::new()).is_none());
        let closed = || surface(SurfaceState::Closed("disabled".to_owned()));
        let result = of(vec![closed()]).unwrap();
        assert_eq!(
            (result.verdict, result.found.as_str()),
            (
                Verdict::Pass,
                "1 closed: 'Order hub': calls hooks.contoso.com (disabled)"
            )
        );
        assert_eq!(
            of((0..4).map(|_| closed()).collect()).unwrap().found,
            "4 closed"
        );
        let result = of(vec![closed(), surface(SurfaceState::Open)]).unwrap();
        assert_eq!(result.verdict, Verdict::Fail);
        assert_eq!(result.found, "'Order hub': calls hooks.contoso.com");
        let unclear = surface(SurfaceState::Unclear("who knows".to_owned()));
        let result = of(vec![closed(), unclear.clone()]).unwrap();
        assert_eq!(result.label(), "warning");
        assert_eq!(result.remedy.as_deref(), Some(LOOK));
        // What is open does not hide what a person has to look at.
        let finding = |state, remedy: &str| Surface {
            closing: Closing::Finding(remedy.to_owned()),
            ..surface(state)
        };
        let open = finding(SurfaceState::Open, "disable it");
        let unclear = finding(unclear.state, "look at it");
        let result = of(vec![open, unclear]).unwrap();
        assert_eq!(result.verdict, Verdict::Fail);
        let expected = "also to look at: 'Order hub': calls hooks.contoso.com (who knows)";
        assert!(result.found.ends_with(expected), "{}", result.found);
        assert_eq!(result.remedy.as_deref(), Some("disable it; look at it"));
    }
}
