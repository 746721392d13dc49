//! The first capture: what the copy will destroy of the target, and what the source must become.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::{by_hand, finance};
use crate::clients::{Dataverse, Environment};
use crate::domain::environments::{UNFINISHED_RUN, is_linked};
use crate::domain::names::Names;
use crate::domain::{Refresh, dual_write, seals};
use crate::engine::{Capture, Captured, Failure, Known};
use crate::runbook::{IomTable, Word as _};

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

/// Platform tables captured on both sides, where they exist.
const PLATFORM_TABLES: [&str; 5] = [
    "workflow",
    "connectionreference",
    "environmentvariabledefinition",
    "environmentvariablevalue",
    dual_write::capture::RUNTIME_CONFIGURATION,
];

/// What keys of the target's and of the source's captures begin with.
const TARGET: &str = "target";
const SOURCE: &str = "source";

/// Every row of a table of one side as captures, by the word of the table.
async fn list_of(
    refresh: &Refresh,
    side: &str,
    table: &str,
    word: &str,
) -> Result<Vec<Captured>, Failure> {
    let dataverse: &Dataverse = match side {
        SOURCE => &refresh.source,
        _ => &refresh.target,
    };
    seals::list(dataverse, table, &format!("{side}/{word}")).await
}

/// How many tables are read at once.
const AT_ONCE: usize = 4;

/// The capture that is sealed before anything is sent.
pub(super) struct BeforeCopy(pub(super) Arc<Refresh>);

#[async_trait]
impl Capture for BeforeCopy {
    fn seal(&self) -> &'static str {
        seals::BEFORE_COPY
    }

    async fn list(&self, known: &Known) -> Result<Vec<Captured>, Failure> {
        let refresh = &self.0;
        let target = refresh.bap.environment(refresh.target_id()).await?;
        let Some(target) = target else {
            return Err(Failure::failed(format!(
                "there is no environment {}",
                refresh.target_id()
            )));
        };
        let mut captures = vec![Captured {
            key: "target/environment".to_owned(),
            etag: None,
            text: target.raw.to_string(),
            compared: Some(restored_fields(&target)),
        }];
        let names = Names::of(refresh);
        let mut lists = Vec::new();
        for table in FROM_TARGET {
            lists.push(list_of(refresh, TARGET, names.table(table), table.word()));
        }
        for table in FROM_SOURCE {
            lists.push(list_of(refresh, SOURCE, names.table(table), table.word()));
        }
        for name in PLATFORM_TABLES {
            lists.push(list_of(refresh, TARGET, name, name));
            lists.push(list_of(refresh, SOURCE, name, name));
        }
        // Some at once, kept in this order: two listings must agree.
        let mut lists = stream::iter(lists).buffered(AT_ONCE);
        while let Some(list) = lists.next().await {
            captures.extend(list?);
        }
        // Where a plan is only shown, preflight says so. A run that does not reinstall the providers
        // does not restore their settings either.
        let restores = refresh.runbook.steps.reinstall_providers.skip.is_none();
        if restores && !known.is_planning() && !refresh.accepts_traces {
            refuse_copied(&captures)?;
        }
        captures.extend(dual_write::capture::list(refresh).await?);
        if is_linked(refresh) {
            if let Some(finance) = &refresh.target_finance {
                let taken: BTreeSet<String> = captures.iter().map(|one| one.key.clone()).collect();
                let more = finance::captured(finance).await?;
                captures.extend(more.into_iter().filter(|one| !taken.contains(&one.key)));
            }
            let history = by_hand::captured(refresh).await?;
            captures.extend(history.into_iter().map(|(key, entry)| Captured {
                key,
                etag: None,
                text: entry.to_string(),
                compared: Some(entry.to_string()),
            }));
        }
        Ok(captures)
    }
}

/// What the refresh must put back of the environment itself.
fn restored_fields(environment: &Environment) -> String {
    let group = environment
        .dataverse
        .as_ref()
        .and_then(|d| d.security_group.clone());
    json!([environment.display_name, group]).to_string()
}

/// Refuses to capture a target that holds the source's own providers: an earlier copy brought them,
/// no run took it to its end, and what would be captured as the target's is the source's.
fn refuse_copied(captures: &[Captured]) -> Result<(), Failure> {
    let ids = |side: &str| -> BTreeSet<&str> {
        let prefix = format!("{side}/{}/", IomTable::Provider.word());
        let keys = captures.iter().map(|captured| captured.key.as_str());
        keys.filter_map(|key| key.strip_prefix(&prefix)).collect()
    };
    let (source, target) = (ids(SOURCE), ids(TARGET));
    let both: Vec<&str> = source.intersection(&target).copied().collect();
    if both.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "the target holds providers under the source's ids ({}): an earlier copy was not taken to \
         its end, and the target's own settings cannot be read from it",
        both.join(", ")
    ))
    .with_help(UNFINISHED_RUN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::FailureKind;

    fn captured(key: &str) -> Captured {
        Captured {
            key: key.to_owned(),
            etag: None,
            text: "{}".to_owned(),
            compared: None,
        }
    }

    #[test]
    fn a_target_that_holds_the_sources_providers_is_not_captured() {
        let own = [captured("source/provider/1"), captured("target/provider/2")];
        assert!(refuse_copied(&own).is_ok());
        let empty = [
            captured("source/provider/1"),
            captured("target/provider-action/1"),
        ];
        assert!(refuse_copied(&empty).is_ok());
        let copied = [captured("source/provider/1"), captured("target/provider/1")];
        let failure = refuse_copied(&copied).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.help.unwrap().contains("--from-capture"));
    }
}
