//! A last scan: rows that name production and that no kind of surface knows.

use super::check::{Check, named};
use super::check_result::CheckResult;
use crate::domain::containment::{Scope, text_scan};
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
    Ok(check.settle(scan.map(|scan| match scan.found.as_slice() {
        [] => check.pass(scan.extent()),
        found => check.warn(format!("{}; {}", named(found), scan.extent())),
    })))
}
