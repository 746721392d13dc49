//! Secret environment variables: can the target's own value be written again after the copy?

use std::collections::BTreeMap;

use tokio::try_join;
use uuid::Uuid;

use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{ReadResult, Rows, available, rows};
use crate::domain::RefreshContext;
use crate::domain::environment_variables::{VAULT_ROLE, is_secret};
use crate::domain::names::{lookup, text};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::StepName;

const DEFINITION: &str = "environmentvariabledefinition";
const VALUE: &str = "environmentvariablevalue";

/// Checks the variables of both environments; nothing if step 2 is skipped.
pub(super) async fn run_checks(refresh: &RefreshContext) -> Result<Option<CheckResult>, Failure> {
    if refresh.runbook.steps.exit_administration_mode.is_skipped() {
        return Ok(None);
    }
    let check = Check::protecting(
        StepName::ExitAdministrationMode,
        "no secret environment variable must be written again after the copy",
        "secret environment variables of the target must be written again after the copy",
        format!("{VAULT_ROLE}. Without the role the run tries once, then waits for that person"),
    );
    let (source, target) = try_join!(
        Variables::read(View::AsIs(&refresh.source.dataverse)),
        Variables::read(View::AsIs(&refresh.target.dataverse)),
    )?;
    let answer =
        available(&source).and_then(|source| Ok(judge(&check, source, available(&target)?)));
    Ok(Some(check.settle(answer)))
}

/// The variables of one environment, by schema name.
#[derive(Default)]
struct Variables {
    /// Whether each one is a secret.
    definitions: BTreeMap<String, bool>,
    values: BTreeMap<String, String>,
}

impl Variables {
    async fn read(view: View<'_>) -> Result<ReadResult<Self>, Failure> {
        let (definitions, values) = try_join!(rows(view, DEFINITION), rows(view, VALUE))?;
        Ok(definitions.and_then(|definitions| Ok(Self::from_rows(&definitions, &values?))))
    }

    fn from_rows(definitions: &Rows, values: &Rows) -> Self {
        let mut variables = Self::default();
        let mut names: BTreeMap<Uuid, String> = BTreeMap::new();
        for (id, row) in definitions {
            let Some(name) = text(row, "schemaname") else {
                continue;
            };
            variables.definitions.insert(name.clone(), is_secret(row));
            names.insert(*id, name);
        }
        for row in values.values() {
            let name = lookup(row, "environmentvariabledefinitionid").and_then(|id| names.get(&id));
            if let (Some(name), Some(value)) = (name, text(row, "value")) {
                variables.values.insert(name.clone(), value);
            }
        }
        variables
    }
}

/// The target's own value is written again if the copy brings another one, or none. A variable
/// that the source does not have is gone after the copy.
fn judge(check: &Check, source: &Variables, target: &Variables) -> CheckResult {
    let written: Vec<String> = source
        .definitions
        .iter()
        .filter(|(name, is_secret)| {
            let own = target.values.get(*name);
            **is_secret && own.is_some() && own != source.values.get(*name)
        })
        .map(|(name, _)| format!("'{name}'"))
        .collect();
    check.warn_of(&written, &count(source.definitions.len(), "variable"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::table_reads::numbered;
    use crate::domain::verdict::Verdict;
    use serde_json::{Value, json};

    fn variables(kind: i64, value: Option<&str>) -> Variables {
        let definition = json!({"schemaname": "contoso_Key", "type": kind});
        let id = Uuid::from_u128(1).to_string();
        let value = value
            .map(|value| json!({"value": value, "_environmentvariabledefinitionid_value": id}));
        let values: Vec<Value> = value.into_iter().collect();
        Variables::from_rows(&numbered(&[definition]), &numbered(&values))
    }

    #[test]
    fn a_secret_is_written_again_only_where_the_targets_own_value_differs() {
        let check = Check::new("well", "a problem", "give the role");
        let of = |kind, source, target| {
            judge(&check, &variables(kind, source), &variables(kind, target))
        };
        let secret = 100_000_005;
        let differs = of(secret, Some("/vaults/prod"), Some("/vaults/uat"));
        assert_eq!(
            (differs.label(), differs.found.as_str()),
            ("warning", "'contoso_Key'")
        );
        assert_eq!(of(secret, None, Some("/vaults/uat")).label(), "warning");
        assert_eq!(
            of(secret, Some("/vaults/one"), Some("/vaults/one")).verdict,
            Verdict::Pass
        );
        assert_eq!(
            of(secret, Some("/vaults/prod"), None).verdict,
            Verdict::Pass
        );
        assert_eq!(of(100_000_000, Some("a"), Some("b")).verdict, Verdict::Pass);
    }
}
