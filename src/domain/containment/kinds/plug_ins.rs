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
use super::steps::{PlugInStep, TABLE, enabled};
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
        Ok(of_plug_ins
            .filter_map(|step| self.judge(scope, &step))
            .collect())
    }
}

impl PlugIns {
    fn judge(&self, scope: &Scope<'_>, step: &PlugInStep) -> Option<Surface> {
        let configuration = text(&step.row.value, "configuration")?;
        let named = scope.names_production(&configuration);
        let key = format!("{}/{}", self.key(), step.id);
        let hosts = hosts_in(&configuration);
        let treatment = scope.treat(&key, &step.name, (&configuration, &hosts));
        if named.is_empty() && !matches!(treatment, Treatment::Replaced(_)) {
            return None;
        }
        let reach = format!(
            "its configuration holds {}; it runs {}",
            named.join(", "),
            step.manner()
        );
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

const REMEDY: &str = "write `plug-ins: off` under `containment` to disable such steps, or a rule \
                      under `replace`; or allow the step by its name under `allow`";
