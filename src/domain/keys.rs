//! The keys of changes and the names of manual tasks, each spelled here and nowhere else.
//!
//! Keys and task names are in state files: changing one breaks the resuming of older runs. A key
//! uses row ids that survive the copy and logical names, never an id that the run creates.

use std::fmt::Display;

use uuid::Uuid;

use crate::runbook::{Keyword as _, StepName};

/// The name of the manual task that a phase of a step gives to a person.
pub(crate) fn task(step: StepName, phase: &str) -> String {
    format!("{}/{phase}", step.keyword())
}

/// The phase in which a person begins the database refresh.
pub(crate) const REFRESH_BY_HAND: &str = "refresh-by-hand";

/// The phase that starts dual-write maps.
pub(crate) const DUAL_WRITE_MAPS: &str = "maps";

/// The phase at the head of a step that repeats the checks that preflight could not answer. State
/// files hold this name.
pub(crate) const QUESTIONS: &str = "questions";

/// The manual change of a check that only a person can answer.
pub(crate) fn question(check: &str) -> String {
    format!("question/{check}")
}

// Step 1: copy-environments.

/// What the key of the copy begins with; the target's id follows.
pub(crate) const COPY: &str = "copy/";

/// The launch of the copy.
pub(crate) fn copy(target: Uuid) -> String {
    format!("{COPY}{target}")
}

/// What the key of the database refresh begins with; the target's id follows.
pub(crate) const DATABASE_REFRESH: &str = "database-refresh/";

/// The launch of the database refresh.
pub(crate) fn database_refresh(target: Uuid) -> String {
    format!("{DATABASE_REFRESH}{target}")
}

/// The database refresh that a person begins.
pub(crate) fn database_refresh_by_hand(target: Uuid) -> String {
    format!("{}/by-hand", database_refresh(target))
}

/// The program's own access to Finance and Operations after the refresh.
pub(crate) const FINANCE_ACCESS: &str = "finance/let-in";

/// A user of Finance and Operations, created or enabled again.
pub(crate) fn finance_user(user: &str) -> String {
    format!("finance-user/{}", user.to_lowercase())
}

/// The registration of an application in Finance and Operations.
pub(crate) fn finance_application(client: &str) -> String {
    format!("finance-application/{}", client.to_lowercase())
}

// Step 2: exit-administration-mode.

/// Leaving administration mode and turning background operations on.
pub(crate) fn administration_mode(target: Uuid) -> String {
    format!("{ADMINISTRATION_MODE}{target}")
}

/// What keys of the end of administration mode begin with.
pub(crate) const ADMINISTRATION_MODE: &str = "administration-mode/";

/// An application user of the target's Dataverse.
pub(crate) fn application_user(client: impl Display) -> String {
    format!("application-user/{client}")
}

/// The value of an environment variable.
pub(crate) fn variable(schema_name: &str) -> String {
    format!("variable/{schema_name}")
}

/// The same, set by a person after the service refused the program's write.
pub(crate) fn variable_by_hand(schema_name: &str) -> String {
    format!("variable/{schema_name}/by-hand")
}

/// The removal of a value that the copy brought and the target did not have.
pub(crate) fn variable_removed(schema_name: &str) -> String {
    format!("variable/{schema_name}/removed")
}

/// The default that a variable's definition had in the target.
pub(crate) fn variable_default(schema_name: &str) -> String {
    format!("variable/{schema_name}/default")
}

/// The removal of a row of dual-write's runtime configuration.
pub(crate) fn runtime_configuration(id: Uuid) -> String {
    format!("runtime-configuration/{id}")
}

/// The phase that disables what acts on writes.
pub(crate) const DISABLE_STEPS: &str = "disable-steps";

/// The phase that closes what else can act on the outside world.
pub(crate) const CONTAIN: &str = "contain";

/// The phase that ends administration mode.
pub(crate) const OPEN: &str = "open";

/// The phase that cancels the jobs that waited in the source, or asks about them.
pub(crate) const JOBS: &str = "jobs";

/// What closes a thing that can act on the outside world, or makes it point elsewhere. Takes the
/// word of its kind, and what distinguishes it within the kind.
pub(crate) fn surface(kind: &str, id: &str) -> String {
    format!("surface/{kind}/{id}")
}

// Step 3: reconfigure-connections.

/// The connection and owner of a connection reference of Dataverse.
pub(crate) fn connection_reference(logical_name: &str) -> String {
    format!("connection-reference/{logical_name}")
}

/// The connection of one of IOM's own references.
pub(crate) fn platform_reference(id: Uuid) -> String {
    format!("platform-reference/{id}")
}

/// The launch of *Activate system*.
pub(crate) const ACTIVATE_SYSTEM: &str = "activate-system";

// Step 4: activate-flows.

/// The phase that turns cloud flows on.
pub(crate) const TURN_ON: &str = "turn-on";

/// The prefix of the keys of cloud flows that are turned on.
pub(crate) const FLOWS: &str = "flow/";

/// Turning a flow on.
pub(crate) fn flow(id: Uuid) -> String {
    format!("{FLOWS}{id}")
}

/// Turning a flow off that step 2 or step 6 must stop.
pub(crate) fn flow_stop(id: Uuid) -> String {
    format!("flow/{id}/off")
}

/// Turning a flow off that step 4 leaves off.
pub(crate) fn flow_off(id: Uuid) -> String {
    format!("flow-off/{id}")
}

/// A flow's owner, in runs of earlier versions of the program.
pub(crate) fn flow_owner(id: Uuid) -> String {
    format!("flow-owner/{id}")
}

/// The custom connectors that a flow's definition names.
pub(crate) fn flow_connectors(id: Uuid) -> String {
    format!("flow-connectors/{id}")
}

/// Text that the runbook replaces in a flow's definition.
pub(crate) fn flow_definition(id: Uuid) -> String {
    format!("{FLOW_DEFINITION}{id}")
}

/// What the keys of such replacements begin with.
const FLOW_DEFINITION: &str = "flow-definition/";

/// The flow whose text the change of this key replaces, if it is such a change.
pub(crate) fn flow_of_definition(key: &str) -> Option<Uuid> {
    Uuid::try_parse(key.strip_prefix(FLOW_DEFINITION)?).ok()
}

// Steps 5 and 7: orchestrations.

/// Unpublishing an orchestration.
pub(crate) fn orchestration_stop(id: Uuid) -> String {
    format!("orchestration/{id}/stop")
}

/// Unpublishing an orchestration that somebody published after step 5.
pub(crate) fn orchestration_stop_again(id: Uuid) -> String {
    format!("orchestration/{id}/stop-again")
}

/// Removing the provider actions of an orchestration.
pub(crate) fn orchestration_clear(id: Uuid) -> String {
    format!("orchestration/{id}/clear")
}

/// Putting the new provider actions into an orchestration.
pub(crate) fn orchestration_restore(id: Uuid) -> String {
    format!("orchestration/{id}/restore")
}

/// Publishing an orchestration.
pub(crate) fn orchestration_publish(id: Uuid) -> String {
    format!("orchestration/{id}/publish")
}

/// Bringing back an orchestration that was deleted: only a person can.
pub(crate) fn orchestration_bring_back(id: Uuid) -> String {
    format!("orchestration/{id}/bring-back")
}

/// Publishing a policy.
pub(crate) fn policy_publish(id: Uuid) -> String {
    format!("policy/{id}/publish")
}

// Step 6: reinstall-providers.

/// Installing a provider that was active in the source and was gone before it was recorded.
pub(crate) fn provider_vanished(id: Uuid) -> String {
    format!("provider/{id}/vanished")
}

/// Deactivating an old provider.
pub(crate) fn provider_deactivate(id: Uuid) -> String {
    format!("provider/{id}/deactivate")
}

/// Deleting an old provider.
pub(crate) fn provider_delete(id: Uuid) -> String {
    format!("provider/{id}/delete")
}

/// Deleting a provider action that its provider left behind.
pub(crate) fn provider_action_leftover(id: Uuid) -> String {
    format!("provider-action/{id}/leftover")
}

/// Emptying a lookup that forbids the deletion of a provider.
pub(crate) fn release(table: &str, id: Uuid) -> String {
    format!("release/{table}/{id}")
}

/// The provider of a warehouse mapping.
pub(crate) fn warehouse_mapping(id: Uuid) -> String {
    format!("mapping/{id}")
}

/// What the keys of new providers begin with. The key of the installation itself ends with the
/// definition; what follows a further slash is a part of the provider.
pub(crate) const NEW_PROVIDERS: &str = "provider/new/";

/// The phase that activates new providers.
pub(crate) const ACTIVATE_PROVIDERS: &str = "activate";

/// The phase that fills slots with new provider actions.
pub(crate) const RESTORE_ACTIONS: &str = "restore";

/// The phase that publishes orchestrations.
pub(crate) const PUBLISH_ORCHESTRATIONS: &str = "publish";

/// Installing the provider of a definition.
pub(crate) fn new_provider(definition: &str) -> String {
    format!("{NEW_PROVIDERS}{definition}")
}

/// The name of a new provider.
pub(crate) fn new_provider_name(definition: &str) -> String {
    format!("{NEW_PROVIDERS}{definition}/name")
}

/// Activating a new provider.
pub(crate) fn new_provider_activate(definition: &str) -> String {
    format!("{NEW_PROVIDERS}{definition}/activate")
}

/// The connection of a new provider's reference.
pub(crate) fn new_provider_connection(definition: &str, name: &str) -> String {
    format!("{NEW_PROVIDERS}{definition}/connection/{name}")
}

/// Activating a new provider's connection reference.
pub(crate) fn new_provider_connection_activate(definition: &str, name: &str) -> String {
    format!("{NEW_PROVIDERS}{definition}/connection/{name}/activate")
}

/// A setting of a new provider; `kind` is `parameter` or `transformation`.
pub(crate) fn new_provider_setting(definition: &str, kind: &str, name: &str) -> String {
    format!("{NEW_PROVIDERS}{definition}/{kind}/{name}")
}

// Step 8: reconfigure-dual-write.

/// The launch of the link's reset.
pub(crate) fn dual_write_reset(target: Uuid) -> String {
    format!("dual-write/reset/{target}")
}

/// A change of one dual-write map.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MapChange {
    /// Stop it before the copy.
    Stop,
    /// Stop it before the link is reset.
    StopAgain,
    /// Stop it after everything else: it was not running before the copy.
    StopAtTheEnd,
    /// Create its project.
    Initialise,
    /// Bring the version that it had from its solution.
    BringVersion,
    /// Make the version that it had the active one.
    Version,
    /// Set its filters.
    Filters,
    /// Refresh its tables.
    RefreshTables,
    /// Start it.
    Start,
}

/// A change of a dual-write map.
pub(crate) fn dual_write_map(map: &str, change: MapChange) -> String {
    let word = match change {
        MapChange::Stop => "stop",
        MapChange::StopAgain => "stop-again",
        MapChange::StopAtTheEnd => "stop-at-the-end",
        MapChange::Initialise => "initialise",
        MapChange::BringVersion => "brought",
        MapChange::Version => "version",
        MapChange::Filters => "filters",
        MapChange::RefreshTables => "tables",
        MapChange::Start => "start",
    };
    format!("dual-write/map/{map}/{word}")
}

/// Applying a solution that holds dual-write maps.
pub(crate) fn dual_write_solution(solution: &str) -> String {
    format!("dual-write/solution/{solution}")
}

/// The integration key of a table.
pub(crate) fn integration_key(table: &str) -> String {
    format!("dual-write/key/{table}")
}

/// The legal entities of the link.
pub(crate) const LEGAL_ENTITIES: &str = "dual-write/legal-entities";

/// A finding of the health check that a person must see to.
pub(crate) fn dual_write_health(check: &str) -> String {
    format!("dual-write/health/{check}")
}

/// An application user of Dataverse that dual-write needs.
pub(crate) fn dual_write_application_user(application: &str) -> String {
    format!("dual-write/application-user/{application}")
}

/// A security role that the target lacks.
pub(crate) fn dual_write_missing_role(role: &str) -> String {
    format!("dual-write/role/{role}")
}

/// A security role of a team or user that dual-write needs; `kind` is `team` or `user`.
pub(crate) fn dual_write_role(kind: &str, holder: impl Display, role: impl Display) -> String {
    format!("dual-write/{kind}/{holder}/role/{role}")
}

/// The default owning team of a company.
pub(crate) fn owning_team(company: &str) -> String {
    format!("dual-write/company/{company}/owning-team")
}

/// The registration of one of dual-write's applications in Finance and Operations.
pub(crate) fn dual_write_application(application: impl Display) -> String {
    format!("dual-write/finance/application/{application}")
}

/// Enabling the user of one of dual-write's applications.
pub(crate) fn dual_write_user(user: &str) -> String {
    format!("dual-write/finance/user/{user}/enabled")
}

// Custom steps. `version` changes with what a step reads.

/// What a person does.
pub(crate) fn own_task(step: &str) -> String {
    format!("own/{step}")
}

/// Setting columns of one row.
pub(crate) fn own_row(step: &str, version: &str, id: Uuid) -> String {
    format!("own/{step}/{version}/{id}")
}

/// Running a program.
pub(crate) fn own_command(step: &str) -> String {
    format!("own/{step}/run")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// State files of older runs hold these keys.
    #[test]
    fn keys_are_spelled_as_state_files_hold_them() {
        let id = Uuid::from_u128(1);
        for (key, expected) in [
            (copy(id), format!("copy/{id}")),
            (
                database_refresh_by_hand(id),
                format!("database-refresh/{id}/by-hand"),
            ),
            (flow(id), format!("flow/{id}")),
            (flow_stop(id), format!("flow/{id}/off")),
            (orchestration_clear(id), format!("orchestration/{id}/clear")),
            (
                new_provider_connection_activate("finops", "blob"),
                "provider/new/finops/connection/blob/activate".to_owned(),
            ),
            (
                dual_write_map("a - A", MapChange::BringVersion),
                "dual-write/map/a - A/brought".to_owned(),
            ),
            (
                task(StepName::CopyEnvironments, REFRESH_BY_HAND),
                "copy-environments/refresh-by-hand".to_owned(),
            ),
        ] {
            assert_eq!(key, expected);
        }
    }
}
