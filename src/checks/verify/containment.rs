//! Can anything act on production's behalf? One check for each kind of surface in the target, read
//! again now: a surface that is open and not allowed fails, one whose behaviour is not documented
//! is a warning.

use super::super::check::{Check, CheckResult, named};
use super::super::text_scan;
use crate::domain::RefreshContext;
use crate::domain::containment::inventory::{self, KindInventory};
use crate::domain::containment::{Closing, Inventory, Scope, Surface, SurfaceState};
use crate::engine::{Failure, JournalView};

/// Checks every kind. Takes the journal, if there is a state file.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    journal: Option<&JournalView>,
) -> Result<Vec<CheckResult>, Failure> {
    let scope = inventory::scope_now(refresh, journal).await?;
    let inventory = Inventory::read(&scope).await?;
    let mut results: Vec<CheckResult> = inventory.0.iter().filter_map(judge).collect();
    results.push(text_scan(&scope).await?);
    Ok(results)
}

/// Rows that name production and that no kind of surface knows.
async fn text_scan(scope: &Scope<'_>) -> Result<CheckResult, Failure> {
    let check = Check::new(
        "no other row that was looked at names production",
        "rows that no other check covers name production",
        "look at each: if something acts by it, give it the target's own value",
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
            return Some(check(can_act, advice).unread(failure.clone()));
        }
    };
    let of = |state: &str| -> Vec<String> {
        let meant = surfaces
            .iter()
            .filter(|surface| surface.state.label() == state);
        meant.map(Surface::described).collect()
    };
    let (open, unclear) = (of("open"), of("unclear"));
    let advice = surfaces.iter().find_map(remedy).unwrap_or_default();
    if !unclear.is_empty() && open.is_empty() {
        let problem = "whether they can act is not known: look at each";
        return Some(check(problem, &advice).warn(named(&unclear)));
    }
    let check = check(can_act, &advice);
    Some(match open.as_slice() {
        [] => check.pass(counted(surfaces)),
        open => check.fail(named(open)),
    })
}

/// What a person can do about a surface that is open.
fn remedy(surface: &Surface) -> Option<String> {
    match (&surface.state, &surface.closing) {
        (SurfaceState::Open | SurfaceState::Unclear(_), Closing::Finding(remedy)) => {
            Some(remedy.clone())
        }
        (
            SurfaceState::Open,
            Closing::Set(write)
            | Closing::ByChange {
                otherwise: write, ..
            },
        ) => Some(by_hand(&write.name)),
        (SurfaceState::Open, Closing::Remove(removal)) => Some(by_hand(&removal.name)),
        (SurfaceState::Open, Closing::Ask { instructions, .. }) => Some(instructions.join(" ")),
        (SurfaceState::Open, _) => Some(
            "turn it off or change it in the target, or allow it under `containment.allow`"
                .to_owned(),
        ),
        _ => None,
    }
}

fn by_hand(change: &str) -> String {
    format!("by hand: {change}; or allow it under `containment.allow`")
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
    use crate::domain::containment::kind::KINDS;
    use crate::domain::verdict::Verdict;

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
            (Verdict::Pass, "1 closed")
        );
        let result = of(vec![closed(), surface(SurfaceState::Open)]).unwrap();
        assert_eq!(result.verdict, Verdict::Fail);
        assert_eq!(result.found, "'Order hub' calls hooks.contoso.com");
        let unclear = surface(SurfaceState::Unclear("who knows".to_owned()));
        let result = of(vec![closed(), unclear]).unwrap();
        assert_eq!(result.label(), "warning");
    }
}
