//! The first capture: what the copy will destroy of the target, and what the source must become.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::clients::{Dataverse, Environment};
use crate::engine::{Capture, Captured, Failure, Known};
use crate::runbook::IomTable;
use crate::steps::names::Names;
use crate::steps::{Refresh, seals};

/// What is captured from the target, by table and word.
const FROM_TARGET: [(IomTable, &str); 9] = [
    (IomTable::Provider, "provider"),
    (IomTable::ProviderDefinition, "provider-definition"),
    (IomTable::ProviderParameter, "provider-parameter"),
    (
        IomTable::ProviderDefinitionParameter,
        "provider-definition-parameter",
    ),
    (IomTable::ProviderTransformation, "provider-transformation"),
    (
        IomTable::ProviderDefinitionTransformation,
        "provider-definition-transformation",
    ),
    (
        IomTable::ProviderConnectionReference,
        "provider-connection-reference",
    ),
    (
        IomTable::ProviderDefinitionConnectionReference,
        "provider-definition-connection-reference",
    ),
    (
        IomTable::PlatformConnectionReference,
        "platform-connection-reference",
    ),
];

/// What is captured from the source, by table and word.
const FROM_SOURCE: [(IomTable, &str); 7] = [
    (IomTable::Provider, "provider"),
    (IomTable::ProviderDefinition, "provider-definition"),
    (IomTable::LogicDefinition, "logic-definition"),
    (IomTable::ProviderAction, "provider-action"),
    (IomTable::Orchestration, "orchestration"),
    (IomTable::Policy, "policy"),
    (
        IomTable::PlatformConnectionReference,
        "platform-connection-reference",
    ),
];

/// Platform tables captured on both sides, where they exist.
const PLATFORM_TABLES: [&str; 5] = [
    "workflow",
    "connectionreference",
    "environmentvariabledefinition",
    "environmentvariablevalue",
    "msdyn_dualwriteruntimeconfig",
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

    async fn list(&self, _known: &Known) -> Result<Vec<Captured>, Failure> {
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
        for (table, word) in FROM_TARGET {
            lists.push(list_of(refresh, TARGET, names.table(table), word));
        }
        for (table, word) in FROM_SOURCE {
            lists.push(list_of(refresh, SOURCE, names.table(table), word));
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
