//! Phase `capture`, the first seal: everything in the target that the copy destroys and the refresh
//! restores, and the source's state that the target must reach.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::join;

use super::manual_refresh;
use crate::clients::{Dataverse, Environment, FinanceOperations, Query, Row};
use crate::domain::dual_write::capture::{APPLICATIONS, FINANCE};
use crate::domain::dual_write::tables::field_text;
use crate::domain::environments::{UNFINISHED_RUN, is_lcs_managed, read_target};
use crate::domain::finance_users::{FinanceUsers, ROLES, USERS, read_roles};
use crate::domain::seals::{Extent, Part};
use crate::domain::{OwnSettings, RefreshContext, custom_steps, dual_write, seals};
use crate::engine::{CaptureSource, Failure, JournalView, ListedRow, Listing};
use crate::runbook::{IomTable, Keyword as _};

/// What is captured from the target.
const FROM_TARGET: [IomTable; 9] = [
    IomTable::Provider,
    IomTable::ProviderDefinition,
    IomTable::ProviderParameter,
    IomTable::ProviderDefinitionParameter,
    IomTable::ProviderTransformation,
    IomTable::ProviderDefinitionTransformation,
    IomTable::ProviderConnectionReference,
    IomTable::ProviderDefinitionConnectionReference,
    IomTable::PlatformConnectionReference,
];

/// What is captured from the source.
const FROM_SOURCE: [IomTable; 7] = [
    IomTable::Provider,
    IomTable::ProviderDefinition,
    IomTable::LogicDefinition,
    IomTable::ProviderAction,
    IomTable::Orchestration,
    IomTable::Policy,
    IomTable::PlatformConnectionReference,
];

/// Platform tables that are captured from both environments, if they exist.
const PLATFORM_TABLES: [&str; 5] = [
    "workflow",
    "connectionreference",
    "environmentvariabledefinition",
    "environmentvariablevalue",
    dual_write::capture::RUNTIME_CONFIGURATION,
];

/// Every row of one environment's table as captures. Takes the table's logical name, and the word
/// that keys have for it.
async fn list_table(
    refresh: &RefreshContext,
    part: Part,
    table: &str,
    word: &str,
    extent: Extent,
) -> Result<Listing, Failure> {
    let dataverse: &Dataverse = match part {
        Part::Source => &refresh.source.dataverse,
        _ => &refresh.target.dataverse,
    };
    seals::capture_table(dataverse, table, &part.key(word), extent).await
}

/// How many tables are read at the same time.
const CONCURRENT_TABLES: usize = 8;

/// The tables of both environments, in an order that stays the same, because two listings must
/// agree.
async fn list_tables(refresh: &RefreshContext, extent: Extent) -> Result<Listing, Failure> {
    let names = &refresh.names;
    let mut lists = Vec::new();
    let from_target = FROM_TARGET.map(|table| (Part::Target, table));
    let from_source = FROM_SOURCE.map(|table| (Part::Source, table));
    for (part, table) in from_target.into_iter().chain(from_source) {
        let (name, word) = (names.table(table), table.keyword());
        lists.push(list_table(refresh, part, name, word, extent));
    }
    for name in PLATFORM_TABLES {
        for part in [Part::Target, Part::Source] {
            lists.push(list_table(refresh, part, name, name, extent));
        }
    }
    let mut listed = Listing::default();
    let mut lists = stream::iter(lists).buffered(CONCURRENT_TABLES);
    while let Some(list) = lists.next().await {
        listed.append(list?);
    }
    Ok(listed)
}

/// The capture that is sealed before anything is sent.
pub(super) struct BeforeCopy(pub(super) Arc<RefreshContext>);

#[async_trait]
impl CaptureSource for BeforeCopy {
    fn seal(&self) -> &'static str {
        seals::BEFORE_COPY
    }

    async fn list(&self, journal: &JournalView) -> Result<Listing, Failure> {
        self.read(journal, Extent::Whole).await
    }

    async fn list_versions(&self, journal: &JournalView) -> Result<Listing, Failure> {
        self.read(journal, Extent::Version).await
    }
}

impl BeforeCopy {
    async fn read(&self, journal: &JournalView, extent: Extent) -> Result<Listing, Failure> {
        let refresh = &self.0;
        let (target, tables, own, dual_write) = join!(
            read_target(refresh),
            Box::pin(list_tables(refresh, extent)),
            custom_steps::captures_before_copy(refresh),
            Box::pin(dual_write::capture::capture_dual_write(refresh)),
        );
        let target = target?;
        let mut captures = Listing::default();
        captures.push(ListedRow {
            key: Part::Target.key("environment"),
            etag: None,
            text: target.raw.to_string(),
            compared: Some(restored_fields(&target)),
        });
        captures.append(tables?);
        // For a plan, preflight reports this. A run that does not reinstall the providers does not
        // restore their settings either.
        let restores = !refresh.runbook.steps.reinstall_providers.is_skipped();
        if restores && !journal.is_planning() && refresh.own_settings == OwnSettings::InTarget {
            refuse_copied_target(&captures)?;
        }
        captures.extend(own?);
        captures.extend(dual_write?);
        if is_lcs_managed(refresh) {
            if let Some(finance) = &refresh.target.finance {
                let taken: BTreeSet<String> = captures.keys().map(str::to_owned).collect();
                let act_as = refresh.runbook.act_as_name();
                let more = finance_captures(finance, act_as).await?;
                captures.extend(more.into_iter().filter(|one| !taken.contains(&one.key)));
            }
            captures.extend(manual_refresh::history_captures(refresh).await?);
        }
        Ok(captures)
    }
}

/// The users and registered applications of the target, and the security roles of the users that
/// programs need: the copy removes them with the user.
async fn finance_captures(
    finance: &FinanceOperations,
    act_as: Option<&str>,
) -> Result<Vec<ListedRow>, Failure> {
    let users = finance.list(USERS, &Query::new()).await?;
    let applications = finance.list(APPLICATIONS, &Query::new()).await?;
    let found = FinanceUsers::from_rows(&users, &applications);
    let roles = read_roles(finance, found.needed_users(act_as)).await?;
    let role_id = |row: &Row| {
        let user = field_text(&row.value, "UserId")?;
        let role = field_text(&row.value, "SecurityRoleIdentifier")?;
        Some(format!("{user}/{role}"))
    };
    let id = |row: &Row, key| field_text(&row.value, key).map(str::to_owned);
    let of = |set: &str, id: Option<String>, row: Row| {
        Some(ListedRow {
            key: Part::Target.key(&format!("{FINANCE}/{set}/{}", id?)),
            etag: None,
            compared: None,
            text: row.text,
        })
    };
    let users = users
        .into_iter()
        .filter_map(|row| of(USERS, id(&row, "UserID"), row));
    let applications = applications
        .into_iter()
        .filter_map(|row| of(APPLICATIONS, id(&row, "AADClientId"), row));
    let roles = roles
        .into_iter()
        .filter_map(|row| of(ROLES, role_id(&row), row));
    Ok(users.chain(applications).chain(roles).collect())
}

/// The fields of the environment itself that the refresh must restore.
fn restored_fields(environment: &Environment) -> String {
    let group = environment
        .dataverse
        .as_ref()
        .and_then(|d| d.security_group.clone());
    json!([environment.display_name, group]).to_string()
}

/// Refuses to capture a target that has the source's own providers: an earlier copy brought them
/// and its run never finished, so the capture would take the source's settings for the target's.
fn refuse_copied_target(captures: &Listing) -> Result<(), Failure> {
    let ids = |part: Part| -> BTreeSet<&str> {
        let prefix = part.key(&format!("{}/", IomTable::Provider.keyword()));
        let keys = captures.keys();
        keys.filter_map(|key| key.strip_prefix(&prefix)).collect()
    };
    let (source, target) = (ids(Part::Source), ids(Part::Target));
    let both: Vec<&str> = source.intersection(&target).copied().collect();
    if both.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "the target has providers with the source's ids ({}): the run of an earlier copy did not \
         finish, and the target's own settings are no longer there",
        both.join(", ")
    ))
    .with_help(UNFINISHED_RUN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::FailureKind;

    fn captured(key: &str) -> ListedRow {
        ListedRow {
            key: key.to_owned(),
            etag: None,
            text: "{}".to_owned(),
            compared: None,
        }
    }

    #[test]
    fn a_target_that_has_the_sources_providers_is_not_captured() {
        let own = [captured("source/provider/1"), captured("target/provider/2")];
        assert!(refuse_copied_target(&Listing::from(own.to_vec())).is_ok());
        let empty = [
            captured("source/provider/1"),
            captured("target/provider-action/1"),
        ];
        assert!(refuse_copied_target(&Listing::from(empty.to_vec())).is_ok());
        let copied = [captured("source/provider/1"), captured("target/provider/1")];
        let failure = refuse_copied_target(&Listing::from(copied.to_vec())).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.help.unwrap().contains("--from-capture"));
    }
}
