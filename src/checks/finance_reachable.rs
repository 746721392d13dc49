//! Does Finance and Operations answer? A check that `preflight` and `verify` share.

use super::check::Check;
use super::check_result::CheckResult;
use crate::clients::{ErrorKind, FinanceOperations};
use crate::engine::Failure;
use crate::runbook::StepName;

/// Does Finance and Operations answer? The read is retried like any other, so one failed response
/// does not decide. Takes the step that the check protects, before a run.
pub(super) async fn finance_and_operations(
    side: &str,
    finance: &FinanceOperations,
    protects: Option<StepName>,
) -> Result<CheckResult, Failure> {
    let name = format!("Finance and Operations of the {side} answers");
    let problem = format!("Finance and Operations of the {side} does not answer");
    let advice = "check whether it is under maintenance, whether this machine can reach it, and \
                  whether the application is registered in it";
    let check = match protects {
        Some(step) => Check::protecting(step, name, problem, advice),
        None => Check::new(name, problem, advice),
    };
    Ok(match finance.read_root().await {
        Ok(()) => check.pass("it answers"),
        // Something else answers at its address.
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Malformed) => {
            check.fail(format!("it is not ready: {error}"))
        }
        Err(error) if error.kind == ErrorKind::Cancelled => return Err(error.into()),
        Err(error) => {
            let mut result = check.refused(&error);
            // It answers, but not this caller.
            if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotSignedIn) {
                result.headline =
                    format!("Finance and Operations of the {side} refuses the caller");
            }
            result
        }
    })
}
