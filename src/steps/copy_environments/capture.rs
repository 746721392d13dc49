//! The first capture: what the copy will destroy of the target, and what the source must become.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::{by_hand, finance, is_linked};
use crate::clients::Environment;
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
        for (table, word) in FROM_TARGET {
            let name = Names::of(refresh).table(table);
            captures.extend(seals::list(&refresh.target, name, &format!("target/{word}")).await?);
        }
        for (table, word) in FROM_SOURCE {
            let name = Names::of(refresh).table(table);
            captures.extend(seals::list(&refresh.source, name, &format!("source/{word}")).await?);
        }
        for name in PLATFORM_TABLES {
            captures.extend(seals::list(&refresh.target, name, &format!("target/{name}")).await?);
            captures.extend(seals::list(&refresh.source, name, &format!("source/{name}")).await?);
        }
        if is_linked(refresh) {
            if let Some(finance) = &refresh.target_finance {
                captures.extend(finance::captured(finance).await?);
            }
            let history = by_hand::captured(refresh).await;
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
