//! What could act on the outside world from the copy: a forecast from the source, kind by kind.
//!
//! What the refresh closes, replaces or may leave on by the runbook is as it should be; what it only
//! reports, or asks about, is a warning. Nothing here stops a run.

use super::super::check::{Check, named};
use super::super::check_result::CheckResult;
use super::super::text_scan;
use crate::base::text::count;
use crate::domain::RefreshContext;
use crate::domain::containment::figures::{forecast, unread_forecast};
use crate::domain::containment::inventory::KindInventory;
use crate::domain::containment::surface::LOOK;
use crate::domain::containment::{Closing, Inventory, Scope, Surface, SurfaceState};
use crate::engine::Failure;
use crate::runbook::StepName;

/// One check for each kind of surface in the source, and one of the runbook's `allow`.
pub(super) async fn run_checks(refresh: &RefreshContext) -> Result<Vec<CheckResult>, Failure> {
    let scope = Scope::forecast(refresh);
    let inventory = Inventory::read(&scope).await?;
    let mut results: Vec<CheckResult> = inventory.0.iter().filter_map(judge).collect();
    if refresh.runbook.steps.exit_administration_mode.is_skipped() {
        results.push(skipped(&inventory));
    }
    results.push(text_scan(&scope).await?);
    if let Some(result) = allowed(refresh, &inventory) {
        results.push(result);
    }
    Ok(results)
}

/// The step that closes a kind: step 2, unless a later one leaves its surfaces off.
fn closing_step(kind: &KindInventory) -> StepName {
    let surfaces = kind.surfaces.iter().flatten();
    let later = |surface: &Surface| match &surface.closing {
        Closing::ByStep { step, .. } => Some(*step),
        _ => None,
    };
    let mut steps = surfaces.filter_map(later);
    steps.next().unwrap_or(StepName::ExitAdministrationMode)
}

/// The result for one kind; none if the source has no such surface.
fn judge(kind: &KindInventory) -> Option<CheckResult> {
    let title = kind.kind.title();
    let check = |advice: &str| {
        Check::protecting(
            closing_step(kind),
            format!("{title}: nothing will be left open"),
            forecast(title),
            advice,
        )
    };
    let surfaces = match &kind.surfaces {
        Ok(surfaces) if surfaces.is_empty() => return None,
        Ok(surfaces) => surfaces,
        Err(failure) => {
            let advice = "a surface that cannot be read stays open: give the caller read access in the source";
            let mut result = check(advice).unread(failure.clone());
            result.headline = unread_forecast(title);
            return Some(result);
        }
    };
    let mut left: Vec<String> = Vec::new();
    let mut others: Vec<&Surface> = Vec::new();
    // Surfaces can be left open for different reasons, and each reason has its own remedy.
    let mut advice: Vec<&str> = Vec::new();
    for surface in surfaces {
        let Some(remedy) = left_open(surface) else {
            others.push(surface);
            continue;
        };
        left.push(described(surface));
        if !advice.contains(&remedy) {
            advice.push(remedy);
        }
    }
    if left.is_empty() {
        return Some(check("").pass(settled(&others)));
    }
    let mut found = named(&left);
    if !others.is_empty() {
        found = format!("{found}; also: {}", settled(&others));
    }
    Some(check(&advice.join("; ")).warn(found))
}

/// The remedy for a surface that the refresh leaves open or asks about.
fn left_open(surface: &Surface) -> Option<&str> {
    match &surface.closing {
        Closing::Finding(remedy) => Some(remedy),
        Closing::Nothing if matches!(surface.state, SurfaceState::Unclear(_)) => Some(LOOK),
        Closing::Set(write) if write.is_protected => Some(PROTECTED),
        Closing::Ask { .. } => Some(
            "the run waits for a decision while the target is still closed: write what may act under \
             `containment.allow`; for jobs, `jobs: cancel` or `jobs: keep`",
        ),
        _ => None,
    }
}

/// What to do about a row that its publisher protects.
const PROTECTED: &str = "a managed solution does not let it be changed, so the service may refuse to \
                         turn it off (0x8004F026); the run then stops while the target is still \
                         closed, and the next run asks a person to do it: an administrator turns \
                         it off in the maker portal or with the Plug-in Registration tool, or \
                         updates the solution in the target. To avoid that, allow it by its name \
                         under `containment.allow`, or write a rule for its end point's address \
                         under `containment.replace`";

/// The outcome for surfaces that need nothing more, in one line.
fn settled(surfaces: &[&Surface]) -> String {
    let mut parts = Vec::new();
    for (what, is_meant) in GROUPS {
        let group: Vec<String> = surfaces
            .iter()
            .filter(|surface| is_meant(surface))
            .map(|surface| described(surface))
            .collect();
        if !group.is_empty() {
            parts.push(format!("{} {what}: {}", group.len(), named(&group)));
        }
    }
    parts.join("; ")
}

type SurfaceFilter = fn(&Surface) -> bool;

/// The outcome for a surface, in words.
const GROUPS: [(&str, SurfaceFilter); 5] = [
    ("will be closed", |surface| {
        matches!(&surface.closing, Closing::Set(write) if write.replaces.is_none())
            || matches!(surface.closing, Closing::Remove(_))
    }),
    ("will be replaced", |surface| {
        matches!(&surface.closing, Closing::Set(write) if write.replaces.is_some())
            || matches!(surface.closing, Closing::ByChange { .. })
            || matches!(surface.state, SurfaceState::Replaced(_))
    }),
    ("closed by a later step", |surface| {
        matches!(surface.closing, Closing::ByStep { .. })
    }),
    ("may act", |surface| {
        matches!(surface.state, SurfaceState::Allowed(_))
    }),
    ("cannot act", |surface| {
        matches!(surface.state, SurfaceState::Closed(_))
    }),
];

fn described(surface: &Surface) -> String {
    let protected = match &surface.closing {
        Closing::Set(write) if write.is_protected => " (managed, and not customizable)",
        _ => "",
    };
    surface.described() + protected
}

/// Rows of the customer's own tables that name production and that no kind of surface knows.
async fn text_scan(scope: &Scope<'_>) -> Result<CheckResult, Failure> {
    let check = Check::protecting(
        StepName::ExitAdministrationMode,
        "no row of the customer's own tables that was looked at names production",
        "rows of the customer's own tables name production",
        "look at each: if something uses it to act, give it the target's own value before the target is \
         used",
    );
    text_scan::result(&check, scope, false).await
}

/// Without step 2 nothing is turned off.
fn skipped(inventory: &Inventory) -> CheckResult {
    let check = Check::protecting(
        StepName::ExitAdministrationMode,
        "the step that turns off what could act is not skipped",
        "the runbook skips the step that turns off what could act",
        "turn it off by hand before the target leaves administration mode, or do not skip \
         exit-administration-mode",
    );
    let is_closed = |surface: &&Surface| {
        matches!(
            surface.closing,
            Closing::Set(_) | Closing::ByChange { .. } | Closing::Remove(_) | Closing::Ask { .. }
        )
    };
    let left: Vec<String> = inventory
        .surfaces()
        .filter(is_closed)
        .map(described)
        .collect();
    check.warn_of(&left, "nothing needs to be turned off")
}

/// An entry of `allow` that allows nothing is probably misspelled, and what it was meant for will be
/// closed.
fn allowed(refresh: &RefreshContext, inventory: &Inventory) -> Option<CheckResult> {
    let entries = &refresh.runbook.containment.allow;
    if entries.is_empty() {
        return None;
    }
    let check = Check::protecting(
        StepName::ExitAdministrationMode,
        "every entry of containment.allow names something that could act",
        "entries of containment.allow name nothing that could act",
        "correct the host or the name, or leave it out; `*` matches any text",
    );
    let idle: Vec<String> = entries
        .iter()
        .filter(|entry| {
            let shown = crate::domain::flows::for_message(&entry.value);
            !inventory.surfaces().any(|surface| {
                matches!(&surface.state, SurfaceState::Allowed(by) if by.contains(&shown))
            })
        })
        .map(|entry| format!("'{}' ({})", entry.value, refresh.runbook.place(entry.span)))
        .collect();
    Some(check.warn_of(&idle, &count(entries.len(), "entry")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::clients::Row;
    use crate::domain::containment::figures::is_forecast;
    use crate::domain::containment::kind::KINDS;
    use crate::domain::containment::surface::RowWrite;
    use crate::domain::verdict::Verdict;

    fn inventory(surfaces: Result<Vec<Surface>, Failure>) -> KindInventory {
        KindInventory {
            kind: KINDS[0],
            surfaces,
        }
    }

    fn surface(name: &str, state: SurfaceState, closing: Closing) -> Surface {
        Surface {
            kind: KINDS[0].key(),
            id: name.to_owned(),
            name: name.to_owned(),
            reach: "calls hooks.contoso.com".to_owned(),
            state,
            closing,
        }
    }

    #[test]
    fn a_reported_surface_is_a_warning_and_an_unread_kind_is_unknown() {
        assert!(judge(&inventory(Ok(Vec::new()))).is_none());
        let allowed = surface("a", SurfaceState::Allowed("x".to_owned()), Closing::Nothing);
        let result = judge(&inventory(Ok(vec![allowed.clone()]))).unwrap();
        assert_eq!(result.verdict, Verdict::Pass);
        assert_eq!(result.found, "1 may act: 'a': calls hooks.contoso.com (x)");
        let closing = Closing::Finding("allow it".to_owned());
        let open = surface("b", SurfaceState::Open, closing);
        let result = judge(&inventory(Ok(vec![allowed, open]))).unwrap();
        assert_eq!(
            (result.verdict, result.label()),
            (Verdict::Unknown, "warning")
        );
        assert!(result.found.starts_with("'b': calls"), "{}", result.found);
        assert_eq!(result.remedy.as_deref(), Some("allow it"));
        // Nothing that is unclear is dropped, whatever closes it.
        let unclear = SurfaceState::Unclear("who knows".to_owned());
        let result = judge(&inventory(Ok(vec![surface(
            "c",
            unclear,
            Closing::Nothing,
        )])));
        assert_eq!(result.unwrap().label(), "warning");
        let unread = judge(&inventory(Err(Failure::failed("no answer")))).unwrap();
        assert_eq!(unread.label(), "unknown");
        // As the gate records it: after the copy, the figures answer it.
        let recorded = format!("{}: {}", unread.label(), unread.headline);
        assert!(is_forecast(&recorded), "{recorded}");
    }

    /// The write that closes a row of a managed solution, which may be refused after the copy.
    fn disabling(is_managed: bool, is_customizable: bool) -> Closing {
        let value = json!({
            "ismanaged": is_managed,
            "iscustomizable": { "Value": is_customizable },
        });
        let row = Row {
            etag: None,
            text: String::new(),
            value: value.as_object().unwrap().clone(),
        };
        let (name, values) = ("disable it".to_owned(), [("statecode", json!(1))]);
        Closing::Set(RowWrite::new("t", Uuid::from_u128(1), &row, name, values))
    }

    #[test]
    fn a_row_that_its_solution_protects_is_a_warning_that_names_it_and_what_to_do() {
        let free = surface("free", SurfaceState::Open, disabling(true, true));
        let own = surface("own", SurfaceState::Open, disabling(false, false));
        let settled = judge(&inventory(Ok(vec![free.clone(), own]))).unwrap();
        assert_eq!(settled.label(), "pass", "{}", settled.found);
        let fixed = surface("fixed", SurfaceState::Open, disabling(true, false));
        let finding = Closing::Finding("look at it".to_owned());
        let found = surface("found", SurfaceState::Open, finding);
        let result = judge(&inventory(Ok(vec![found, fixed, free]))).unwrap();
        assert_eq!(result.label(), "warning");
        assert_eq!(
            result.protection().as_deref(),
            Some("affects step exit-administration-mode")
        );
        let named = "'fixed': calls hooks.contoso.com (managed, and not customizable)";
        assert!(result.found.contains(named), "{}", result.found);
        assert!(result.found.contains("1 will be closed: 'free'"));
        let remedy = result.remedy.unwrap();
        for part in [
            "look at it",
            "0x8004F026",
            "containment.allow",
            "an administrator",
        ] {
            assert!(remedy.contains(part), "{part}: {remedy}");
        }
    }
}
