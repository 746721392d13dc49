//! Settings of providers that step 6 installs again, for which neither the target nor the runbook has
//! a value: production's is not taken. Without a required one the provider could not be activated.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::snapshot::{Snapshot, reinstalled};
use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{Rows, available};
use crate::domain::RefreshContext;
use crate::domain::containment::kind::SurfaceKind as _;
use crate::domain::containment::provider_settings::ProviderSettings;
use crate::domain::containment::{Policy, Scope};
use crate::domain::failure::unless_interrupted;
use crate::domain::own_settings;
use crate::domain::provider_rows::{NamedRows, PARAMETER, has_default, is_declared, own_rows};
use crate::domain::provider_settings::takes_production;
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::StepName;

/// How the problem begins that step 6, once it is done, has noted for each setting.
pub(super) const NOT_TAKEN: &str = "settings of providers are not taken from production";

/// Checks what is not taken from production; nothing if step 6 is skipped.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<Vec<CheckResult>, Failure> {
    if refresh.runbook.steps.reinstall_providers.is_skipped() {
        return Ok(Vec::new());
    }
    let mut results = vec![not_taken(refresh).await?];
    results.extend(required(refresh, snapshot).await?);
    Ok(results)
}

/// Which settings does production have that the new providers will not get?
async fn not_taken(refresh: &RefreshContext) -> Result<CheckResult, Failure> {
    let lost = unless_interrupted(own_settings::are_lost(refresh, None).await)?;
    let why = if lost.unwrap_or_default() {
        ", and the runbook has no value for them"
    } else {
        ": the target has no value for them"
    };
    let check = Check::protecting(
        StepName::ReinstallProviders,
        "every setting that providers have in production has a value in the target or the runbook",
        format!("{NOT_TAKEN}{why}"),
        "set each after the run (IOM app > Providers > Installed); or write a parameter under \
         `parameters` of reinstall-providers: `DEFINITION: { PARAMETER: { env: NAME } }`; or take \
         production's with `containment: { parameters: source }`",
    );
    let found = ProviderSettings.find(&Scope::forecast(refresh)).await;
    let answer = unless_interrupted(found)?.map(|surfaces| {
        let open = surfaces.iter().filter(|surface| surface.is_open());
        let names: Vec<String> = open
            .map(|surface| format!("'{}': {}", surface.name, surface.reach))
            .collect();
        check.warn_of(&names, &count(surfaces.len(), "such setting"))
    });
    Ok(check.settle(answer))
}

/// The parameters that the library declares as required.
async fn required(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<Option<CheckResult>, Failure> {
    let check = Check::protecting(
        StepName::ReinstallProviders,
        "every required parameter of a provider to be reinstalled has a value",
        "required parameters of providers to be reinstalled have a value neither in the runbook nor \
         in the target",
        format!(
            "add each under `parameters` of the step at {}: `DEFINITION: {{ PARAMETER: {{ env: NAME \
             }} }}`; production's value is not taken unless `containment` says `parameters: source`",
            refresh
                .runbook
                .place(refresh.runbook.steps.reinstall_providers.span)
        ),
    )
    .invalid_input();
    let declared = available(&snapshot.parameters);
    let is_required = |rows: &Rows| rows.values().any(|row| is_declared(row, "required"));
    // Most libraries declare none, and then no values need to be read.
    if declared.as_ref().is_ok_and(|rows| !is_required(rows)) {
        return Ok(None);
    }
    let answer = unless_interrupted(missing(refresh, snapshot).await)?;
    Ok(Some(check.settle(answer.map(|(missing, all)| {
        check.none_of(&missing, &count(all, "required parameter"))
    }))))
}

/// The required parameters that would have no value, and how many are required.
async fn missing(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
) -> Result<(Vec<String>, usize), Failure> {
    let options = &refresh.runbook.steps.reinstall_providers.options;
    let again: BTreeSet<Uuid> =
        reinstalled(available(&snapshot.catalogue)?, &options.providers.value)
            .into_iter()
            .map(|(provider, _)| provider.id)
            .collect();
    let source = View::AsIs(&refresh.source.dataverse);
    let source = NamedRows::read(&PARAMETER, refresh, source).await?;
    let own = own_rows(&PARAMETER, refresh, &source.catalogue.provider_ids()).await?;
    let policy = Policy::from_runbook(&refresh.runbook);
    let in_runbook = |definition: &str, name: &str| {
        options.parameters.iter().any(|(key, values)| {
            key.eq_ignore_ascii_case(definition)
                && values.keys().any(|key| key.eq_ignore_ascii_case(name))
        })
    };
    let mut missing = Vec::new();
    let mut all = 0;
    for setting in source
        .settings()
        .filter(|it| again.contains(&it.provider.id))
    {
        if !is_declared(setting.declaration, "required") || has_default(setting.declaration) {
            continue;
        }
        all += 1;
        let at = (setting.definition.to_owned(), setting.name.to_owned());
        let has_own = own.get(&at).is_some_and(|(_, value)| value.is_some());
        let is_taken = setting.value.is_some()
            && takes_production(&policy, setting.definition, setting.name).is_some();
        if !has_own && !is_taken && !in_runbook(setting.definition, setting.name) {
            missing.push(format!("{}.{}", setting.definition, setting.name));
        }
    }
    Ok((missing, all))
}
