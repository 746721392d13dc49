//! Environment variables that have the source's value.
//!
//! A copy replaces the target's values by the source's (Microsoft Learn, *Copy an environment*: all
//! data is copied). Step 2 restores the target's own, and removes a value that the target did not
//! have. The same goes for the default of a definition, which a variable without a value has.

use async_trait::async_trait;

use super::hosts::{bare_host, hosts_in};
use super::kind::SurfaceKind;
use super::scope::Scope;
use super::surface::{Closing, Surface, SurfaceState};
use crate::domain::environment_variables::{VALUE, VariableValues, keeps};
use crate::domain::flows::{domains, resource};
use crate::domain::own_settings::NOT_CAPTURED;
use crate::domain::seals::{self, Part};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::StepName;

/// The kind.
pub(crate) struct EnvironmentVariables;

/// What is unclear about the default of a variable that the target did not have.
const NEW: &str = "its default may be production's or its publisher's";

/// What a person does about it.
const NEW_REMEDY: &str = "set the target's own value in the maker portal (Solutions > Default Solution > \
                          Environment variables), then write its name under `containment.allow`: \
                          without that, the flows that reach its default are left off";

/// Does a value name something outside: an address, a recipient, a resource of Azure?
fn reaches(value: &str) -> bool {
    !hosts_in(value).is_empty()
        || bare_host(value).is_some()
        || !domains(value).is_empty()
        || resource(value).is_some()
}

#[async_trait]
impl SurfaceKind for EnvironmentVariables {
    fn key(&self) -> &'static str {
        "environment-variable"
    }

    fn title(&self) -> &'static str {
        "environment variables with production's values"
    }

    fn phase(&self) -> Option<&'static str> {
        None
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let now = VariableValues::read(scope.view).await?;
        let Before { source, target } = both_before(scope).await?;
        let is_skipped = scope
            .refresh
            .runbook
            .steps
            .exit_administration_mode
            .is_skipped();
        let is_forecast = scope.is_before_opening || matches!(scope.view, View::AfterCopy(_));
        let unknown = match scope.journal {
            None if !is_forecast => "there is no state file that shows what the target had",
            _ => NOT_CAPTURED,
        };
        let mut found = Vec::new();
        for (schema_name, definition) in &now.definitions {
            let Some(value) = now.given(schema_name) else {
                continue;
            };
            let row = now.values.get(definition);
            let row = row.and_then(|(id, value)| value.as_ref().map(|_| id));
            let own = target.as_ref().and_then(|target| target.given(schema_name));
            let names_production = || !scope.names_production(value).is_empty();
            let is_production = source.has(schema_name, value)
                || source.given(schema_name).is_none() && names_production();
            if !is_production || own == Some(value) {
                continue;
            }
            // The default of a definition that came with a solution may be its publisher's.
            let is_known = target
                .as_ref()
                .is_some_and(|target| target.definitions.contains_key(schema_name));
            let is_publishers = row.is_none() && !is_known && !names_production();
            if is_publishers && !reaches(value) {
                continue;
            }
            let kept = keeps(&scope.policy, schema_name).filter(|_| own.is_none());
            let state = match kept {
                Some(by) => SurfaceState::Allowed(by),
                None if target.is_none() => SurfaceState::Unclear(unknown.to_owned()),
                None if is_publishers => SurfaceState::Unclear(NEW.to_owned()),
                None => SurfaceState::Open,
            };
            let is_left_to_step =
                is_forecast && !is_skipped && row.is_none_or(|row| !now.managed.contains(row));
            let closing = match &state {
                SurfaceState::Open if is_left_to_step => Closing::ByStep {
                    step: StepName::ExitAdministrationMode,
                    opened_by: Vec::new(),
                },
                SurfaceState::Unclear(_) if is_publishers => {
                    Closing::Finding(NEW_REMEDY.to_owned())
                }
                SurfaceState::Open | SurfaceState::Unclear(_) => Closing::Finding(
                    "set the target's own value, or remove it, in the maker portal (Solutions > \
                     Default Solution > Environment variables); or write its name under \
                     `containment.allow`"
                        .to_owned(),
                ),
                _ => Closing::Nothing,
            };
            let what = if row.is_some() { "value" } else { "default" };
            let secret = if now.secrets.contains(schema_name) {
                " (a secret)"
            } else {
                ""
            };
            let before = match (&target, own) {
                (None, _) => "",
                (Some(_), Some(_)) => "; the target had another",
                (Some(_), None) => "; the target had none",
            };
            let reach =
                format!("is an environment variable with production's {what}{secret}{before}");
            found.push(self.surface(schema_name, schema_name.clone(), reach, (state, closing)));
        }
        Ok(found)
    }
}

/// The variables of both environments before the copy.
struct Before {
    source: VariableValues,
    /// `None` if they are no longer known.
    target: Option<VariableValues>,
}

/// From the first seal, else as they are, as long as the copy has not begun.
async fn both_before(scope: &Scope<'_>) -> Result<Before, Failure> {
    if let Some(journal) = scope.journal {
        let copied = seals::captures(journal, Part::Source, &format!("{VALUE}/"));
        if !copied.is_empty() {
            return Ok(Before {
                source: VariableValues::sealed(journal, Part::Source),
                target: Some(VariableValues::recorded(journal)),
            });
        }
    }
    let source = VariableValues::read(View::AsIs(&scope.refresh.source.dataverse)).await?;
    let target = match scope.view {
        View::AfterCopy(_) if scope.own_settings_are_lost().await? => None,
        View::AfterCopy(_) => {
            let target = View::AsIs(&scope.refresh.target.dataverse);
            Some(VariableValues::read(target).await?)
        }
        View::AsIs(_) => None,
    };
    Ok(Before { source, target })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_that_reaches_something_is_told_from_a_setting() {
        for outside in [
            "https://api2.partner.example/v1",
            "api2.partner.example",
            "orders@partner.example",
            "/subscriptions/5b0b7f2a/resourceGroups/prod/providers/Microsoft.KeyVault/vaults/v/secrets/k",
            r#"{"shop":"https://api.partner.example"}"#,
        ] {
            assert!(reaches(outside), "{outside}");
        }
        for setting in ["7", "true", "Standard", "Orders of today", "1.5", ""] {
            assert!(!reaches(setting), "{setting}");
        }
    }
}
