//! Phase `filters`: each map has its recorded filters. The version of a map restores its filters,
//! so this phase usually finds nothing. A person sets a filter that was in no solution, because no
//! request that sets one is known.
//!
//! The order maps of Intelligent Order Management must have published filters (Microsoft Learn,
//! *Set up the Finance and Operations provider*): a person sets these if no filter was recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::recorded_to_restore;
use crate::domain::dual_write::capture::ENTITY_MAPS;
use crate::domain::dual_write::gateway::{acknowledged_gateway, read_mappings};
use crate::domain::dual_write::recorded::{Filters, RecordedDualWrite, RecordedMap};
use crate::domain::dual_write::tables::SavedVersion;
use crate::domain::dual_write::{by_gateway, read_link_after_reset};
use crate::domain::keys::MapChange;
use crate::domain::manual_change::ManualChange;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Change, Failure, JournalView, Survey};

/// The filter of sales order headers.
const ORDER_FILTER: &str = "msdyn_ordertype eq 192350000 and _msdyn_company_value ne null and msdyn_isreadytosync eq true and statuscode ne 100003";
/// The filter of sales order lines.
const ORDER_LINE_FILTER: &str = "_msdyn_company_value ne null and _msdyn_shippingsite_value ne null and _msdyn_shippingwarehouse_value ne null and msdyn_isreadytosync eq true and msdyn_statuscode ne 192350001";

/// The filter that Intelligent Order Management requires of a map, by its Dataverse table.
fn order_management_filter(table: Option<&str>) -> Option<&'static str> {
    match table {
        Some("salesorders") => Some(ORDER_FILTER),
        Some("salesorderdetails") => Some(ORDER_LINE_FILTER),
        _ => None,
    }
}

/// The filters that a map should have; none if they are unknown.
pub(super) fn desired_filters(map: &RecordedMap) -> Option<Filters> {
    let required = order_management_filter(map.table.as_deref()).map(str::to_owned);
    match (&map.filters, required) {
        (Some(filters), required) => Some(Filters {
            finance: filters.finance.clone(),
            dataverse: filters.dataverse.clone().or(required),
        }),
        (None, Some(filter)) => Some(Filters {
            finance: None,
            dataverse: Some(filter),
        }),
        (None, None) => None,
    }
}

/// Finds maps whose filters differ.
pub(super) struct MapFilters(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for MapFilters {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let Some(recorded) = recorded_to_restore(refresh, journal) else {
            return Ok(Vec::new());
        };
        let found = if by_gateway(refresh, &recorded) {
            by_projects(refresh, journal).await?
        } else {
            by_versions(refresh.view(journal), &recorded).await?
        };
        // A forecast cannot know the filters of a version that is not active yet.
        let Some(found) = found else {
            return Ok(Vec::new());
        };
        Ok(recorded
            .initialised()
            .filter_map(|map| Some((map, desired_filters(map)?)))
            .filter_map(|(map, wanted)| {
                let now = found.get(&map.name)?;
                (*now != wanted).then(|| set_filters(map, now, &wanted))
            })
            .collect())
    }
}

/// The filters of the maps' projects.
async fn by_projects(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Option<BTreeMap<String, Filters>>, Failure> {
    let Some(now) = read_link_after_reset(refresh, journal).await? else {
        return Ok(None);
    };
    let mappings = read_mappings(acknowledged_gateway(refresh)?, &now.maps).await?;
    let filters = mappings.into_iter().map(|(map, mappings)| {
        let filters = mappings.legs.first().map(Filters::from_leg);
        (map.name.clone(), filters.unwrap_or_default())
    });
    Ok(Some(filters.collect()))
}

/// The saved filters of the recorded versions. The newest saved version replaces one that is not
/// saved or not recorded.
async fn by_versions(
    view: View<'_>,
    recorded: &RecordedDualWrite,
) -> Result<Option<BTreeMap<String, Filters>>, Failure> {
    let rows = view.rows(ENTITY_MAPS).await?;
    let mut saved: Vec<SavedVersion> = rows
        .iter()
        .filter_map(|row| SavedVersion::from_row(&row.value))
        .collect();
    saved.sort_by_key(|one| one.version);
    let found = recorded.maps.values().filter_map(|map| {
        let of_map = || saved.iter().filter(|one| one.map == map.name);
        let same = of_map().find(|one| one.version.is_some() && one.version == map.version);
        let one = same.or_else(|| of_map().next_back())?;
        Some((map.name.clone(), one.filters.clone()))
    });
    Ok(Some(found.collect()))
}

fn set_filters(map: &RecordedMap, now: &Filters, wanted: &Filters) -> Change {
    let describe = |filter: &Option<String>| filter.clone().unwrap_or_else(|| "none".to_owned());
    let mut instructions = Vec::new();
    for (side, now, wanted) in [
        ("Dataverse", &now.dataverse, &wanted.dataverse),
        ("Finance and Operations", &now.finance, &wanted.finance),
    ] {
        if now != wanted {
            instructions.push(format!(
                "'{}', rows of {side}: {}",
                map.name,
                describe(wanted)
            ));
        }
    }
    if order_management_filter(map.table.as_deref()).is_some() {
        instructions.push(
            "and msdyn_isreadytosync on it: Finance and Operations to Dataverse, transform Default, \
             value true"
                .to_owned(),
        );
    }
    ManualChange {
        key: keys::dual_write_map(&map.name, MapChange::Filters),
        name: format!("set the filters of dual-write map '{}'", map.name),
        before: json!({ "dataverse": now.dataverse, "finance": now.finance }),
        after: json!({ "dataverse": wanted.dataverse, "finance": wanted.finance }),
        instructions,
        evidence: "the filters of the maps' active versions".to_owned(),
    }
    .into_change()
    .with_advice([
        "Finance and Operations > Data management > Dual-write: open these maps and set their filters; \
         then save them as a version in a solution, so that the next refresh brings them",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dual_write::recorded::tests::sealed;

    fn map(name: &str, filters: Option<Filters>) -> RecordedMap {
        let external = name.split(" - ").next().unwrap_or_default();
        let known = sealed(&[(
            "target/finance/DualWriteProjectConfigurations/a",
            json!({"ExternalEntityName": external, "InternalEntityName": "X", "Status": "Enabled"}),
        )]);
        let mut map = RecordedDualWrite::from_journal(&known)
            .maps
            .into_values()
            .next()
            .unwrap();
        map.filters = filters;
        map
    }

    fn of_dataverse(filter: &str) -> Filters {
        Filters {
            finance: None,
            dataverse: Some(filter.to_owned()),
        }
    }

    #[test]
    fn a_recorded_filter_takes_precedence_over_the_published_one() {
        let own = of_dataverse("statuscode eq 1");
        assert_eq!(
            desired_filters(&map("salesorders - X", Some(own.clone()))),
            Some(own)
        );
        let none = Some(Filters::default());
        assert_eq!(
            desired_filters(&map("salesorders - X", none.clone())),
            Some(of_dataverse(ORDER_FILTER))
        );
        assert_eq!(
            desired_filters(&map("salesorderdetails - X", None)),
            Some(of_dataverse(ORDER_LINE_FILTER))
        );
        assert_eq!(desired_filters(&map("accounts - X", None)), None);
        assert_eq!(
            desired_filters(&map("accounts - X", none)),
            Some(Filters::default())
        );
    }
}
