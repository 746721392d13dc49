//! Plug-in steps whose configuration names production. The configuration is text that only the
//! plug-in understands; what it does with an address cannot be read.

use async_trait::async_trait;
use serde_json::Value;

use super::super::Treatment;
use super::super::hosts::hosts_in;
use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, RowWrite, Surface, SurfaceState};
use super::endpoints::endpoints;
use super::plug_in_steps::{PlugInStep, TABLE, enabled};
use crate::base::text::{count, list_first};
use crate::domain::keys;
use crate::domain::names::text;
use crate::engine::Failure;
use crate::runbook::PlugIns as PlugInsOption;

/// The kind.
pub(crate) struct PlugIns;

#[async_trait]
impl SurfaceKind for PlugIns {
    fn key(&self) -> &'static str {
        "plug-in"
    }

    fn title(&self) -> &'static str {
        "plug-in steps whose configuration names production"
    }

    fn phase(&self) -> Option<&'static str> {
        Some(keys::DISABLE_STEPS)
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let endpoints = endpoints(scope).await?;
        let steps = enabled(scope).await?.into_iter();
        let of_plug_ins = steps.filter(|step| {
            !step
                .handler
                .is_some_and(|handler| endpoints.contains_key(&handler))
        });
        let mut surfaces = Vec::new();
        let mut secret: Vec<String> = Vec::new();
        for step in of_plug_ins {
            match self.judge(scope, &step) {
                Some(surface) => surfaces.push(surface),
                None if step.has_secret && scope.policy.allows_name(&step.name).is_none() => {
                    secret.push(format!("'{}'", step.name));
                }
                None => {}
            }
        }
        let allowed = scope.policy.allows_name(SECRETS);
        let allowed = allowed.or_else(|| scope.policy.keeps_plug_ins());
        surfaces.extend(self.secrets(&secret, allowed));
        Ok(surfaces)
    }
}

/// The one name for all steps with a configuration that cannot be read.
const SECRETS: &str = "secret configurations of plug-in steps";

impl PlugIns {
    /// The steps whose secret configuration may hold anything of production, as one surface. Takes
    /// their names, and by what they are allowed.
    fn secrets(&self, steps: &[String], allowed: Option<String>) -> Option<Surface> {
        if steps.is_empty() {
            return None;
        }
        let why = "nobody can read what it holds";
        let state = SurfaceState::allowed_or_unclear(allowed, why, SECRETS_REMEDY);
        let reach = format!(
            "{} with a secret configuration: {}",
            count(steps.len(), "plug-in step"),
            list_first(steps, NAMED, ", ")
        );
        let name = SECRETS.to_owned();
        Some(self.surface(&"secret-configurations", name, reach, state))
    }

    fn judge(&self, scope: &Scope<'_>, step: &PlugInStep) -> Option<Surface> {
        let configuration = text(&step.row.value, "configuration")?;
        let named = scope.names_production(&configuration);
        let key = format!("{}/{}", self.key(), step.id);
        let hosts = hosts_in(&configuration);
        let treatment = scope.treat(&key, &step.name, (&configuration, &hosts));
        if named.is_empty() && !matches!(treatment, Treatment::Replaced(_)) {
            return None;
        }
        let runs = format!("it runs {}", step.manner());
        // What a rule has replaced is no longer there.
        let reach = if named.is_empty() {
            runs
        } else {
            format!("its configuration holds {}; {runs}", named.join(", "))
        };
        let (state, closing) = match treatment {
            Treatment::Allowed(by) => (SurfaceState::Allowed(by), Closing::Nothing),
            Treatment::Replaced(how) => (SurfaceState::Replaced(how), Closing::Nothing),
            Treatment::Replace { text, how } => {
                let name = format!("replace {how} in the configuration of '{}'", step.name);
                let values = [("configuration", Value::from(text))];
                let write = RowWrite::new(TABLE, step.id, &step.row, name, values);
                (SurfaceState::Open, Closing::Set(write.replacing(how)))
            }
            Treatment::Nothing => SurfaceState::allowed_or(scope.policy.keeps_plug_ins(), || {
                match scope.policy.plug_ins() {
                    PlugInsOption::Off => step.disable(),
                    PlugInsOption::Report | PlugInsOption::Keep => {
                        Closing::Finding(REMEDY.to_owned())
                    }
                }
            }),
        };
        Some(step.surface(self.key(), reach, state, closing))
    }
}

/// How many steps with a secret configuration a line names.
const NAMED: usize = 10;

const SECRETS_REMEDY: &str = "ask who made the steps whether their secret configuration leads to \
                              production, and set the target's own with the Plug-in Registration \
                              tool; then write the steps' names, or `secret configurations of \
                              plug-in steps`, under `containment.allow`";

const REMEDY: &str = "write `plug-ins: off` under `containment` to disable such steps, or a rule \
                      under `replace`; or allow the step by its name under `allow`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_secret_configuration_holds_is_for_a_person_to_look_at() {
        assert!(PlugIns.secrets(&[], None).is_none());
        let steps = ["'Call the carrier'".to_owned()];
        let surface = PlugIns.secrets(&steps, None).unwrap();
        assert_eq!(surface.state.label(), "unclear");
        let reach = "1 plug-in step with a secret configuration: 'Call the carrier'";
        assert_eq!(surface.reach, reach);
        let allowed = PlugIns.secrets(&steps, Some("plug-ins: keep".to_owned()));
        assert_eq!(allowed.unwrap().state.label(), "allowed");
    }
}
