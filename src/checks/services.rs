//! A check that `preflight` and `verify` share.

use super::check::{Check, CheckResult};
use crate::clients::{ErrorKind, FinanceOperations};
use crate::engine::Failure;

/// Does Finance and Operations answer? The read is retried like any other, so one failed response
/// does not decide.
pub(super) async fn finance_and_operations(
    side: &str,
    finance: &FinanceOperations,
) -> Result<CheckResult, Failure> {
    let check = Check::new(
        format!("Finance and Operations of the {side} answers"),
        format!("Finance and Operations of the {side} does not answer"),
        "look whether it is under maintenance, whether this machine can reach it, and whether the \
         application is registered in it",
    );
    Ok(match finance.read_root().await {
        Ok(()) => check.pass("it answers"),
        // Something else answers at its address.
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Malformed) => {
            check.fail(format!("it is not ready: {error}"))
        }
        Err(error) if error.kind == ErrorKind::Cancelled => return Err(error.into()),
        Err(error) => check.refused(&error),
    })
}
