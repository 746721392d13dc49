//! A last scan: rows that name production and that no kind of surface knows.

use super::check::{Check, named};
use super::check_result::CheckResult;
use crate::domain::containment::Scope;
use crate::domain::containment::text_scan::{self, Scan};
use crate::domain::failure::unless_interrupted;
use crate::engine::Failure;

/// Scans the rows, and returns the check's result. `with_order_management`: also the tables of order
/// management.
pub(super) async fn result(
    check: &Check,
    scope: &Scope<'_>,
    with_order_management: bool,
) -> Result<CheckResult, Failure> {
    let scan = unless_interrupted(text_scan::scan(scope, with_order_management).await)?;
    Ok(check.settle(scan.map(|scan| judge(check, &scan))))
}

fn judge(check: &Check, scan: &Scan) -> CheckResult {
    match scan.found.as_slice() {
        [] if scan.is_whole() => check.pass(scan.extent()),
        [] => CheckResult {
            remedy: Some(READ_THEM.to_owned()),
            ..check.unknown(scan.extent())
        },
        found => check.warn(format!("{}; {}", named(found), scan.extent())),
    }
}

const READ_THEM: &str = "give the program's identity a role that may read these tables, or look at \
                         their rows yourself: if something uses one that names production to act, give \
                         it the target's own value";
