//! Which request a recorded write is: by its method, its table and what its body sets. The tables
//! are looked for by their usual names.

use serde_json::Value;

use super::Recorded;
use crate::runbook::model::iom::{IomColumn, IomTable};
use crate::runbook::model::keywords::Keyword as _;
use crate::runbook::model::request::{IomRequest, Method};

/// The requests that a recorded write may be: one if it is clear, none if nothing is known.
pub(super) fn candidates(recorded: &Recorded) -> Vec<IomRequest> {
    let plain = recorded.path.split('?').next().unwrap_or_default();
    let (first, action) = match plain.rsplit_once('/') {
        Some((row, action)) => (row, Some(action)),
        None => (plain, None),
    };
    let set = first.split(['(', '/']).next().unwrap_or_default();
    let table = table_of(set);
    let action = action.or((table.is_none() && recorded.method == Method::Post).then_some(plain));
    match action {
        Some(action) => requests_of_action(table, action.rsplit('.').next().unwrap_or_default()),
        None => table.map_or_else(Vec::new, |table| requests_of_row(table, recorded)),
    }
}

/// The column of the value that a request sets, by its usual name.
pub(super) fn value_column(request: IomRequest) -> Option<&'static str> {
    match request {
        IomRequest::RenameProvider => Some("msdyn_name"),
        other => other.value_column().map(IomColumn::default_name),
    }
}

/// The table of an entity set: its name in the plural.
fn table_of(set: &str) -> Option<IomTable> {
    let set = set.to_ascii_lowercase();
    let is_set_of = |table: &IomTable| {
        let name = table.default_name();
        let ies = name.strip_suffix('y').map(|stem| format!("{stem}ies"));
        set == format!("{name}s") || set == format!("{name}es") || ies.is_some_and(|it| it == set)
    };
    IomTable::ALL.iter().copied().find(is_set_of)
}

/// A row's own request: no action.
fn requests_of_row(table: IomTable, recorded: &Recorded) -> Vec<IomRequest> {
    let body = recorded.body.as_deref().unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let has = |name: &str| {
        let keys = body.as_object().into_iter().flat_map(|body| body.keys());
        keys.map(|key| key.split('@').next().unwrap_or_default())
            .any(|key| key.eq_ignore_ascii_case(name))
    };
    let state = body["statecode"].as_i64();
    let sets_a_state = has("statecode") || has("statuscode");
    match (recorded.method, table) {
        (Method::Delete, IomTable::Provider) => vec![IomRequest::DeleteProvider],
        (Method::Post, IomTable::Provider) => vec![IomRequest::InstallProvider],
        (Method::Delete | Method::Post, _) => Vec::new(),
        (_, IomTable::Orchestration) if has(IomColumn::OrchestrationGraph.default_name()) => {
            vec![IomRequest::EditOrchestration]
        }
        // Which of its states is the published one differs by tenant.
        (_, IomTable::Orchestration) if sets_a_state => {
            vec![
                IomRequest::StopOrchestration,
                IomRequest::PublishOrchestration,
            ]
        }
        (_, IomTable::Policy) if sets_a_state => vec![IomRequest::PublishPolicy],
        // `statecode` of a table with states: 0 is active, 1 inactive (Dataverse).
        (_, IomTable::Provider) if state == Some(1) => vec![IomRequest::DeactivateProvider],
        (_, IomTable::Provider) if state == Some(0) => vec![IomRequest::ActivateProvider],
        (_, IomTable::Provider) if has("msdyn_name") => vec![IomRequest::RenameProvider],
        (_, IomTable::ProviderParameter) => vec![IomRequest::SetProviderParameter],
        (_, IomTable::ProviderTransformation) => vec![IomRequest::SetProviderTransformation],
        (_, IomTable::WarehouseMapping) => vec![IomRequest::SetProviderMapping],
        (_, IomTable::PlatformConnectionReference) => {
            vec![IomRequest::SavePlatformConnectionReference]
        }
        (_, IomTable::ProviderConnectionReference) => {
            vec![if state == Some(0) && !has("msdyn_connectionurl") {
                IomRequest::ActivateProviderConnectionReference
            } else {
                IomRequest::SaveProviderConnectionReference
            }]
        }
        _ => Vec::new(),
    }
}

/// A request that calls an action. The action's name shows what it does; its bound table, or else its
/// name, shows to which table.
fn requests_of_action(table: Option<IomTable>, action: &str) -> Vec<IomRequest> {
    let action = action.to_ascii_lowercase();
    let says = |word: &str| action.contains(word);
    let table = table.or_else(|| {
        let named = [
            ("connectionreference", IomTable::ProviderConnectionReference),
            ("provider", IomTable::Provider),
            ("orchestration", IomTable::Orchestration),
            ("policy", IomTable::Policy),
        ];
        named.iter().find(|(word, _)| says(word)).map(|it| it.1)
    });
    let request = match table {
        None if says("activatesystem") => IomRequest::ActivateSystem,
        Some(IomTable::Provider) if says("deactivate") => IomRequest::DeactivateProvider,
        Some(IomTable::Provider) if says("activate") => IomRequest::ActivateProvider,
        Some(IomTable::Provider | IomTable::ProviderDefinition)
            if says("install") && !says("uninstall") =>
        {
            IomRequest::InstallProvider
        }
        Some(IomTable::Provider) if says("delete") => IomRequest::DeleteProvider,
        Some(IomTable::ProviderConnectionReference) if says("activate") && !says("deactivate") => {
            IomRequest::ActivateProviderConnectionReference
        }
        Some(IomTable::Orchestration) if says("stop") || says("unpublish") => {
            IomRequest::StopOrchestration
        }
        Some(IomTable::Orchestration) if says("publish") => IomRequest::PublishOrchestration,
        Some(IomTable::Policy) if says("publish") && !says("unpublish") => {
            IomRequest::PublishPolicy
        }
        _ => return Vec::new(),
    };
    vec![request]
}
