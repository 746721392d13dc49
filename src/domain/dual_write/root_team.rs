//! Teams, users and roles of Dataverse, as dual-write needs them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use crate::domain::names::{Fields, lookup, text};
use crate::domain::view::View;
use crate::engine::Failure;

/// The root business unit and its default team.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RootTeam {
    /// The team's id.
    pub(crate) team: Option<Uuid>,
    /// The business unit's name.
    pub(crate) unit_name: Option<String>,
    /// The team's name.
    pub(crate) team_name: Option<String>,
}

impl RootTeam {
    /// Do the business unit and its team have different names, so that one of them was renamed?
    /// False if a name is not shown.
    pub(crate) fn is_renamed(&self) -> bool {
        self.unit_name.is_some() && self.team_name.is_some() && self.unit_name != self.team_name
    }

    /// Finds both among all business units and teams. Not every organization accepts the documented
    /// filter over the parent unit's lookup, so both tables are read whole.
    pub(crate) fn among(units: &BTreeMap<Uuid, Fields>, teams: &BTreeMap<Uuid, Fields>) -> Self {
        let root = units
            .iter()
            .find(|(_, unit)| lookup(unit, "parentbusinessunitid").is_none());
        let Some((root, unit)) = root else {
            return Self::default();
        };
        let team = teams.iter().find(|(_, team)| {
            team.get("isdefault").and_then(Value::as_bool) == Some(true)
                && lookup(team, "businessunitid") == Some(*root)
        });
        Self {
            team: team.map(|(id, _)| *id),
            unit_name: text(unit, "name"),
            team_name: team.and_then(|(_, team)| text(team, "name")),
        }
    }
}

/// Reads the root business unit and its default team.
pub(crate) async fn read_root_team(view: View<'_>) -> Result<RootTeam, Failure> {
    let (units, teams) = (view.by_id("businessunit").await?, view.by_id("team").await?);
    Ok(RootTeam::among(&units, &teams))
}

/// Who has which role: the pairs of a table such as `teamroles`.
pub(crate) async fn role_holders(
    view: View<'_>,
    pairs: &str,
    holder: &str,
) -> Result<BTreeSet<(Uuid, Uuid)>, Failure> {
    let rows = view.rows(pairs).await?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((row.id(holder)?, row.id("roleid")?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: Value) -> Fields {
        match value {
            Value::Object(fields) => fields,
            _ => Fields::new(),
        }
    }

    #[test]
    fn pitfall_15_the_default_team_is_that_of_the_root_business_unit() {
        let (root, child) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let units = BTreeMap::from([
            (
                child,
                row(json!({"name": "Shop", "_parentbusinessunitid_value": root})),
            ),
            (
                root,
                row(json!({"name": "org6459f7a8", "_parentbusinessunitid_value": null})),
            ),
        ]);
        let team = |unit: Uuid, name: &str, is_default: bool| {
            row(json!({"name": name, "isdefault": is_default, "_businessunitid_value": unit}))
        };
        let teams = BTreeMap::from([
            (Uuid::from_u128(3), team(child, "Shop", true)),
            (Uuid::from_u128(4), team(root, "Order managers", false)),
            (Uuid::from_u128(5), team(root, "orgprod", true)),
        ]);
        let found = RootTeam::among(&units, &teams);
        assert_eq!(found.team, Some(Uuid::from_u128(5)));
        assert!(found.is_renamed(), "{found:?}");
        assert!(!RootTeam::among(&units, &BTreeMap::new()).is_renamed());
        assert_eq!(
            RootTeam::among(&BTreeMap::new(), &teams),
            RootTeam::default()
        );
    }
}
