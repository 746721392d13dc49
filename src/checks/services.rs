//! What both `preflight` and `verify` ask of a service.

use super::finding::{Finding, Probe};
use crate::clients::{ErrorKind, FinanceOperations};
use crate::engine::Failure;

/// Does Finance and Operations answer? Asked as patiently as any other read, so that one bad answer
/// says nothing.
pub(super) async fn finance_and_operations(
    side: &str,
    finance: &FinanceOperations,
) -> Result<Finding, Failure> {
    let probe = Probe::new(
        format!("Finance and Operations of the {side} answers"),
        "look whether it is under maintenance, whether it can be reached from here, and whether the \
         application is registered in it",
    );
    Ok(match finance.answers().await {
        Ok(()) => probe.pass("it answers"),
        // What is at its address does not answer as Finance and Operations does.
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Malformed) => {
            probe.fail(format!("it is not ready: {error}"))
        }
        Err(error) if error.kind == ErrorKind::Cancelled => return Err(error.into()),
        Err(error) => probe.refused(&error),
    })
}
