//! Applications of the target that a copy destroys or stops.
//!
//! One more loss cannot be read before it happens: a refresh in Lifecycle Services clears the
//! table `SYSFLIGHTING`, which no OData entity shows.

use super::snapshot::Snapshot;
use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{Rows, available};
use crate::clients::Package;
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::domain::names::text;
use crate::engine::Failure;
use crate::runbook::StepName;

/// Checks the target's applications; nothing if the copy is skipped.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<Vec<CheckResult>, Failure> {
    if refresh.runbook.steps.copy_environments.is_skipped() {
        return Ok(Vec::new());
    }
    Ok(vec![
        customer_insights(refresh).await?,
        synapse_link(snapshot),
    ])
}

/// A copy onto an environment with this application removes its artifacts for good (Microsoft Learn,
/// *Manage environments* of Customer Insights - Data).
async fn customer_insights(refresh: &RefreshContext) -> Result<CheckResult, Failure> {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "Customer Insights - Data is not installed in the target",
        "Customer Insights - Data is installed in the target, and a copy removes what it holds for good",
        "Microsoft advises against a copy onto such an environment: choose another target, or make sure \
         that nobody needs its data there",
    );
    let packages = &refresh.services.power_platform;
    match packages.packages(refresh.target_id()).await {
        Ok(packages) => Ok(judge_packages(&check, &packages)),
        Err(error) => Ok(check.settle(unless_interrupted(Err(error.into()))?)),
    }
}

/// The package's unique name is not published, so the words of both names decide. *Journeys* is the
/// other application of that family.
fn judge_packages(check: &Check, packages: &[Package]) -> CheckResult {
    let found: Vec<String> = packages
        .iter()
        .filter(|package| package.is_installed())
        .filter(|package| {
            let names = [Some(package.unique_name.as_str()), package.name.as_deref()];
            names.into_iter().flatten().any(is_customer_insights)
        })
        .map(|package| format!("'{}'", package.unique_name))
        .collect();
    check.warn_of(&found, &count(packages.len(), "application package"))
}

fn is_customer_insights(name: &str) -> bool {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let name = letters.collect::<String>().to_ascii_lowercase();
    name.contains("customerinsights") && !name.contains("journeys")
}

/// A copy does not include profiles, and no data leave while administration mode is on (Microsoft
/// Learn, *Manage your Azure Synapse Link during environment lifecycle events*).
fn synapse_link(snapshot: &Snapshot) -> CheckResult {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "Azure Synapse Link does not export from the target",
        "Azure Synapse Link exports from the target, and a copy does not keep its profiles",
        "keep the profiles in a solution before the copy, and link again afterwards; in administration \
         mode nothing is exported",
    );
    check.settle(available(&snapshot.target.synapse_links).map(|rows| judge_links(&check, rows)))
}

fn judge_links(check: &Check, rows: &Rows) -> CheckResult {
    let found: Vec<String> = rows
        .iter()
        .map(|(id, row)| text(row, "name").unwrap_or_else(|| id.to_string()))
        .map(|name| format!("'{name}'"))
        .collect();
    check.warn_of(&found, "the target has no profile")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::table_reads::numbered;
    use crate::domain::verdict::Verdict;
    use serde_json::{Value, json};

    #[test]
    fn customer_insights_data_is_found_by_its_words() {
        let check = Check::new("not there", "a problem", "choose another");
        let of = |unique_name: &str, name: &str, state: &str| {
            let package = Package {
                unique_name: unique_name.to_owned(),
                name: Some(name.to_owned()),
                version: None,
                state: Some(state.to_owned()),
                raw: Value::Null,
            };
            judge_packages(&check, &[package]).verdict
        };
        let title = "Dynamics 365 Customer Insights - Data";
        assert_eq!(of("msdyn_Anchor", title, "Installed"), Verdict::Unknown);
        assert_eq!(
            of("CustomerInsights_Core", "Core", "Installed"),
            Verdict::Unknown
        );
        assert_eq!(of("msdyn_Anchor", title, "None"), Verdict::Pass);
        let journeys = "Dynamics 365 Customer Insights - Journeys";
        assert_eq!(of("msdyn_Anchor", journeys, "Installed"), Verdict::Pass);
    }

    #[test]
    fn a_profile_of_synapse_link_is_named() {
        let check = Check::new("no export", "a problem", "link again");
        let rows = numbered(&[json!({"name": "Lake"})]);
        assert_eq!(judge_links(&check, &rows).found, "'Lake'");
        assert_eq!(judge_links(&check, &Rows::new()).verdict, Verdict::Pass);
    }
}
