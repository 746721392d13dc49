//! What the first seal holds of the target's dual-write: all that a copy and a reset of the link
//! destroy.
//!
//! | Key | What | Read from |
//! |---|---|---|
//! | `target/msdyn_dualwriteentitymap/<id>` | every saved version of every map, with filters | Dataverse |
//! | `target/dual-write-solution/<id>` | the solutions that hold them | Dataverse |
//! | `target/cdm_company/<id>` | companies with their default owning team | Dataverse |
//! | `target/team/<id>`, `target/businessunit/<id>` | teams and business units, by whose names owners are found again | Dataverse |
//! | `target/finance/<entity set>/<key>` | projects (two a running map), companies, Entra applications | Finance and Operations |
//! | `target/dual-write/link`, `…/connection-set` | the link, legal entities, integration keys | the gateway |
//! | `target/dual-write/map/<name>`, `…/project/<name>` | state and version of each map, its filters | the gateway |
//!
//! The runtime configuration of both environments is captured beside these, with the platform's
//! tables. Dataverse and Finance and Operations are always read, the gateway only if the runbook
//! acknowledges it.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use tokio::try_join;

use crate::clients::{Query, Row};
use crate::domain::RefreshContext;
use crate::domain::names::lookup;
use crate::domain::seals::{self, Part};
use crate::engine::{Failure, ListedRow};

use super::gateway;
use super::tables::field_text;

/// The table of the live configuration.
pub(crate) const RUNTIME_CONFIGURATION: &str = "msdyn_dualwriteruntimeconfig";
/// The table of the saved versions of maps.
pub(crate) const ENTITY_MAPS: &str = "msdyn_dualwriteentitymap";
/// The entity set of the projects of Finance and Operations.
pub(crate) const PROJECTS: &str = "DualWriteProjectConfigurations";
/// The entity set of its companies.
pub(crate) const COMPANIES: &str = "LegalEntities";
/// The entity set of the Entra applications that may enter it.
pub(crate) const APPLICATIONS: &str = "SysAADClients";

/// The solutions that hold saved versions, as the seal names them.
pub(crate) const SOLUTIONS: &str = "dual-write-solution";
/// What the gateway knew, as the seal names it.
pub(crate) const GATEWAY: &str = "dual-write";
/// Finance and Operations, as the seal names it; an entity set follows.
pub(crate) const FINANCE: &str = "finance";

/// Lists it once. Nothing if the target's Dataverse has no dual-write, and nothing beside the
/// tables if the runbook leaves the step to a person.
pub(crate) async fn capture_dual_write(
    refresh: &RefreshContext,
) -> Result<Vec<ListedRow>, Failure> {
    let target = &refresh.target.dataverse;
    if target.table(RUNTIME_CONFIGURATION).await?.is_none() {
        return Ok(Vec::new());
    }
    let tables = async {
        let tables = [ENTITY_MAPS, "cdm_company", "team", "businessunit"];
        let lists = tables.map(|table| async move {
            let prefix = Part::Target.key(table);
            seals::list_table(target, table, &prefix).await
        });
        let lists = try_join_all(lists).await?;
        let mut captures: Vec<ListedRow> = lists.into_iter().flatten().collect();
        captures.extend(solutions(refresh, &captures).await?);
        Ok(captures)
    };
    if refresh.runbook.steps.reconfigure_dual_write.is_skipped() {
        return tables.await;
    }
    let (mut captures, finance, linked) = try_join!(tables, finance(refresh), linked(refresh))?;
    captures.extend(finance);
    captures.extend(linked);
    Ok(captures)
}

/// The solutions that the captured versions are in.
async fn solutions(
    refresh: &RefreshContext,
    captured: &[ListedRow],
) -> Result<Vec<ListedRow>, Failure> {
    let prefix = Part::Target.key(&format!("{ENTITY_MAPS}/"));
    let wanted: BTreeSet<_> = captured
        .iter()
        .filter(|capture| capture.key.starts_with(&prefix))
        .filter_map(|capture| serde_json::from_str(&capture.text).ok())
        .filter_map(|row| lookup(&row, "solutionid"))
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query::new().order_by("solutionid");
    let rows = refresh.target.dataverse.list("solutions", &query).await?;
    let rows = rows
        .into_iter()
        .filter(|row| row.id("solutionid").is_some_and(|id| wanted.contains(&id)))
        .collect();
    Ok(seals::to_captures(
        &Part::Target.key(SOLUTIONS),
        "solutionid",
        rows,
    ))
}

/// The rows of Finance and Operations, if one is linked.
async fn finance(refresh: &RefreshContext) -> Result<Vec<ListedRow>, Failure> {
    let Some(finance) = &refresh.target.finance else {
        return Ok(Vec::new());
    };
    let sets = [
        (PROJECTS, "ProjectName"),
        (COMPANIES, "LegalEntityId"),
        (APPLICATIONS, "AADClientId"),
    ];
    let lists = sets.map(|(set, key)| async move {
        let rows = finance.list(set, &Query::new()).await.map_err(|error| {
            Failure::from(error).with_help(
                "the refresh destroys these rows, so they must be read before: register the \
                 application in Finance and Operations (Microsoft Entra ID applications); where \
                 dual-write is not used, give reconfigure-dual-write a `skip`",
            )
        })?;
        let rows = rows.into_iter().map(|row| captured_row(set, key, row));
        rows.collect::<Result<Vec<_>, Failure>>()
    });
    let lists = try_join_all(lists).await?;
    Ok(lists.into_iter().flatten().collect())
}

fn captured_row(set: &str, key: &str, row: Row) -> Result<ListedRow, Failure> {
    let Some(id) = field_text(&row.value, key).map(str::to_owned) else {
        let message = format!("Finance and Operations gives a row of {set} without {key}");
        return Err(Failure::failed(message));
    };
    Ok(ListedRow {
        key: Part::Target.key(&format!("{FINANCE}/{set}/{id}")),
        etag: row.etag,
        text: row.text,
        compared: None,
    })
}

/// What the gateway knows, if the runbook acknowledges it.
async fn linked(refresh: &RefreshContext) -> Result<Vec<ListedRow>, Failure> {
    let Some(gateway) = &refresh.services.dual_write else {
        return Ok(Vec::new());
    };
    let capture = |key: &str, text: String| ListedRow {
        key: Part::Target.key(&format!("{GATEWAY}/{key}")),
        etag: None,
        text,
        compared: None,
    };
    let link = gateway::read_link(refresh, gateway).await?;
    let (set, maps) = try_join!(gateway.connection_set(&link), gateway.maps(&link))?;
    let mut captures = vec![
        capture("link", link.raw.to_string()),
        capture("connection-set", set.raw.to_string()),
    ];
    let of_maps = maps.iter();
    captures.extend(of_maps.map(|map| capture(&format!("map/{}", map.name), map.raw.to_string())));
    for (map, mappings) in gateway::read_mappings(gateway, &maps).await? {
        let key = format!("project/{}", map.name);
        captures.push(capture(&key, mappings.raw.to_string()));
    }
    Ok(captures)
}
