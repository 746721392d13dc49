//! Phase `filters`: each map takes the rows that it took. A filter comes back with the version that
//! holds it, so most often nothing is left here; a filter that was in no solution is a person's task,
//! because no request is known that sets one.
//!
//! The order maps of Intelligent Order Management must have theirs (Microsoft Learn, *Set up the
//! Finance and Operations provider*): where the target's had none recorded, it is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::domain::Refresh;
use crate::domain::dual_write::capture::ENTITY_MAPS;
use crate::domain::dual_write::gateway::acknowledged;
use crate::domain::dual_write::record::{Filters, Recorded, RecordedMap};
use crate::domain::dual_write::tables::SavedVersion;
use crate::domain::dual_write::{by_gateway, is_left_out};
use crate::domain::view::View;
use crate::engine::{Action, Ask, Change, Failure, Known, Survey};

/// The filter of sales order headers.
pub(crate) const ORDERS: &str = "msdyn_ordertype eq 192350000 and _msdyn_company_value ne null and msdyn_isreadytosync eq true and statuscode ne 100003";
/// The filter of sales order lines.
pub(crate) const LINES: &str = "_msdyn_company_value ne null and _msdyn_shippingsite_value ne null and _msdyn_shippingwarehouse_value ne null and msdyn_isreadytosync eq true and msdyn_statuscode ne 192350001";

/// The filter that Intelligent Order Management wants of a map, by its Dataverse table.
pub(super) fn of_order_management(table: Option<&str>) -> Option<&'static str> {
    match table {
        Some("salesorders") => Some(ORDERS),
        Some("salesorderdetails") => Some(LINES),
        _ => None,
    }
}

/// The filters that a map shall have; none where nothing is known of them.
pub(super) fn wanted(map: &RecordedMap) -> Option<Filters> {
    let of_orders = of_order_management(map.table.as_deref()).map(str::to_owned);
    match (&map.filters, of_orders) {
        (Some(filters), of_orders) => Some(Filters {
            finance: filters.finance.clone(),
            dataverse: filters.dataverse.clone().or(of_orders),
        }),
        (None, Some(filter)) => Some(Filters {
            finance: None,
            dataverse: Some(filter),
        }),
        (None, None) => None,
    }
}

/// Finds maps with other filters.
pub(super) struct MapFilters(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for MapFilters {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = Recorded::of(known);
        if !recorded.in_use() || is_left_out(refresh) {
            return Ok(Vec::new());
        }
        let found = if by_gateway(refresh, &recorded) {
            by_projects(refresh, known).await?
        } else {
            by_versions(refresh.view(known), &recorded).await?
        };
        // A forecast does not tell what a version will bring that is still to come.
        let Some(found) = found else {
            return Ok(Vec::new());
        };
        Ok(recorded
            .initialised()
            .filter_map(|map| Some((map, wanted(map)?)))
            .filter_map(|(map, wanted)| {
                let now = found.get(&map.name)?;
                (*now != wanted).then(|| ask(map, now, &wanted))
            })
            .collect())
    }
}

/// The filters of the maps' projects.
async fn by_projects(
    refresh: &Refresh,
    known: &Known,
) -> Result<Option<BTreeMap<String, Filters>>, Failure> {
    let Some(now) = crate::domain::dual_write::now(refresh, known).await? else {
        return Ok(None);
    };
    let gateway = acknowledged(refresh)?;
    let mut found = BTreeMap::new();
    for map in &now.maps {
        if let Some(project) = &map.project {
            let mappings = gateway.field_mappings(project).await?;
            let filters = mappings.legs.first().map(Filters::of).unwrap_or_default();
            found.insert(map.name.clone(), filters);
        }
    }
    Ok(Some(found))
}

/// The filters of the recorded versions, as they are saved. A version that is not saved, or not
/// recorded, is answered by the newest that is saved.
async fn by_versions(
    view: View<'_>,
    recorded: &Recorded,
) -> Result<Option<BTreeMap<String, Filters>>, Failure> {
    let rows = view.rows(ENTITY_MAPS).await?;
    let mut saved: Vec<SavedVersion> = rows
        .iter()
        .filter_map(|row| SavedVersion::of(&row.value))
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

fn ask(map: &RecordedMap, now: &Filters, wanted: &Filters) -> Change {
    let shown = |filter: &Option<String>| filter.clone().unwrap_or_else(|| "none".to_owned());
    let mut instructions = vec![
        "Finance and Operations > Data management > Dual-write: open these maps and set their filters; \
         then save them as a version in a solution, so that the next refresh brings them"
            .to_owned(),
    ];
    for (side, now, wanted) in [
        ("Dataverse", &now.dataverse, &wanted.dataverse),
        ("Finance and Operations", &now.finance, &wanted.finance),
    ] {
        if now != wanted {
            instructions.push(format!(
                "  '{}', rows of {side}: {}",
                map.name,
                shown(wanted)
            ));
        }
    }
    if of_order_management(map.table.as_deref()).is_some() {
        instructions.push(
            "  and msdyn_isreadytosync on it: Finance and Operations to Dataverse, transform Default, \
             value true"
                .to_owned(),
        );
    }
    Change {
        key: format!("dual-write/map/{}/filters", map.name),
        name: format!("set the filters of dual-write map '{}'", map.name),
        before: json!({ "dataverse": now.dataverse, "finance": now.finance }),
        after: json!({ "dataverse": wanted.dataverse, "finance": wanted.finance }),
        follows: Vec::new(),
        action: Action::Ask(Ask {
            instructions,
            evidence: "the filters of the maps' active versions".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dual_write::record::tests::sealed;

    fn map(name: &str, filters: Option<Filters>) -> RecordedMap {
        let external = name.split(" - ").next().unwrap_or_default();
        let known = sealed(&[(
            "target/finance/DualWriteProjectConfigurations/a",
            json!({"ExternalEntityName": external, "InternalEntityName": "X", "Status": "Enabled"}),
        )]);
        let mut map = Recorded::of(&known).maps.into_values().next().unwrap();
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
    fn a_recorded_filter_goes_before_the_published_one() {
        let own = of_dataverse("statuscode eq 1");
        assert_eq!(
            wanted(&map("salesorders - X", Some(own.clone()))),
            Some(own)
        );
        let none = Some(Filters::default());
        assert_eq!(
            wanted(&map("salesorders - X", none.clone())),
            Some(of_dataverse(ORDERS))
        );
        assert_eq!(
            wanted(&map("salesorderdetails - X", None)),
            Some(of_dataverse(LINES))
        );
        assert_eq!(wanted(&map("accounts - X", None)), None);
        assert_eq!(wanted(&map("accounts - X", none)), Some(Filters::default()));
    }
}
