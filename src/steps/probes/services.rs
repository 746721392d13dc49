//! What both `preflight` and `verify` ask of a service.

use super::finding::{Finding, Probe};
use crate::clients::FinanceOperations;

/// Does Finance and Operations answer?
pub(super) async fn finance_and_operations(side: &str, finance: &FinanceOperations) -> Finding {
    let probe = Probe::new(
        format!("Finance and Operations of the {side} answers"),
        "look whether it is under maintenance, whether it can be reached from here, and whether the \
         application is registered in it",
    );
    match finance.reachable().await {
        Ok(reachability) => probe.judged(reachability.is_reachable(), reachability.to_string()),
        Err(error) => probe.unknown(error.to_string()),
    }
}
