//! Custom connectors, which have another identifier in every environment.
//!
//! A copy brings connection references and cloud flows that name the source's connector, while the
//! target's own connections are of the target's (Microsoft Learn, *Copy an environment*: custom
//! connectors get a new identifier, and flows must be repointed). Both are one connector where
//! their rows of Dataverse's table `connector` have one `name` and another `connectorinternalid`.

use std::collections::{BTreeMap, BTreeSet};

use super::connector_name;
use crate::domain::RefreshContext;
use crate::domain::flows::stem;
use crate::domain::names::{Fields, text};
use crate::domain::view::View;
use crate::engine::Failure;

/// The custom connectors of both environments. Identifiers and names are lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct CustomConnectors {
    /// The row's name of each identifier, of either environment.
    names: BTreeMap<String, String>,
    /// The target's identifier of each row's name.
    here: BTreeMap<String, String>,
}

impl CustomConnectors {
    /// Takes the rows of both environments.
    pub(crate) fn from_rows<'r>(
        source: impl Iterator<Item = &'r Fields>,
        target: impl Iterator<Item = &'r Fields>,
    ) -> Self {
        let identified = |row: &Fields| {
            let id = connector_name(&text(row, "connectorinternalid")?);
            Some((id, text(row, "name")?.to_ascii_lowercase()))
        };
        let mut connectors = Self::default();
        for (id, name) in target.filter_map(identified) {
            connectors.here.insert(name.clone(), id.clone());
            connectors.names.insert(id, name);
        }
        for (id, name) in source.filter_map(identified) {
            connectors.names.entry(id).or_insert(name);
        }
        connectors
    }

    /// Reads both environments. Rows of one that refuses are left out: then a connector is
    /// recognized by its identifier alone.
    pub(crate) async fn read(refresh: &RefreshContext) -> Result<Self, Failure> {
        let source = rows(View::AfterCopy(refresh)).await?;
        let target = rows(View::Target(&refresh.target.dataverse)).await?;
        Ok(Self::from_rows(source.iter(), target.iter()))
    }

    /// The target's identifier of a connector; the same where it has no other.
    pub(crate) fn in_target(&self, connector: &str) -> String {
        let connector = connector_name(connector);
        let is_here = |id: &String| self.here.values().any(|here| here == id);
        if is_here(&connector) {
            return connector;
        }
        if let Some(name) = self.names.get(&connector) {
            return self.here.get(name).cloned().unwrap_or(connector);
        }
        // No row shows its name: the identifier itself does, without its last part.
        let stem_of = stem(&connector);
        let is_custom = stem_of != connector.replace("-5f", "_");
        let mut alike = self.here.values().filter(|here| stem(here) == stem_of);
        match (alike.next(), alike.next()) {
            (Some(here), None) if is_custom => here.clone(),
            _ => connector,
        }
    }

    /// Does the target know this connector by another identifier?
    pub(crate) fn has_moved(&self, connector: &str) -> bool {
        self.in_target(connector) != connector_name(connector)
    }

    /// Everything by which a runbook may name a connector: its identifiers in both environments and
    /// its row's name.
    pub(crate) fn aliases(&self, connector: &str) -> BTreeSet<String> {
        let connector = connector_name(connector);
        let here = self.in_target(&connector);
        let name = self.names.get(&connector).or_else(|| self.names.get(&here));
        let alike = self
            .names
            .iter()
            .filter(|(_, other)| name == Some(*other))
            .map(|(id, _)| id.clone());
        let mut aliases: BTreeSet<String> = alike.collect();
        aliases.extend(name.cloned());
        aliases.extend([connector, here]);
        aliases.retain(|alias| !alias.is_empty());
        aliases
    }
}

async fn rows(view: View<'_>) -> Result<Vec<Fields>, Failure> {
    let read = async {
        match view.optional_table("connector").await? {
            Some(_) => view.rows("connector").await,
            None => Ok(Vec::new()),
        }
    };
    match read.await {
        Ok(rows) => Ok(rows.into_iter().map(|row| row.value).collect()),
        Err(failure) if failure.leaves_a_read_open() => Err(failure),
        Err(_) => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SOURCE: &str = "shared_new-5fcarrier-5f0a1b2c3d4e5f6071";
    const TARGET: &str = "shared_new-5fcarrier-5f9999999999999999";

    fn row(name: &str, id: &str) -> Fields {
        let row = json!({"name": name, "connectorinternalid": id});
        row.as_object().unwrap().clone()
    }

    #[test]
    fn rows_of_one_name_are_one_connector_whatever_their_identifiers() {
        let source = [row("new_Carrier", SOURCE), row("new_other", "shared_other")];
        let target = [row("new_carrier", TARGET)];
        let connectors = CustomConnectors::from_rows(source.iter(), target.iter());
        assert_eq!(connectors.in_target(SOURCE), TARGET);
        let id = format!(
            "/providers/Microsoft.PowerApps/apis/{}",
            SOURCE.to_uppercase()
        );
        assert_eq!(connectors.in_target(&id), TARGET);
        assert!(connectors.has_moved(SOURCE) && !connectors.has_moved(TARGET));
        for one in [SOURCE, TARGET] {
            let expected = ["new_carrier", SOURCE, TARGET].map(str::to_owned);
            assert_eq!(connectors.aliases(one), BTreeSet::from(expected));
        }
        for other in ["shared_other", "shared_outlook", ""] {
            assert_eq!(connectors.in_target(other), other);
        }
    }

    #[test]
    fn another_name_is_another_connector_even_where_the_identifiers_are_alike() {
        let (source, target) = ([row("new_carrier", SOURCE)], [row("other", TARGET)]);
        let connectors = CustomConnectors::from_rows(source.iter(), target.iter());
        assert_eq!(connectors.in_target(SOURCE), SOURCE);
    }

    #[test]
    fn without_a_row_of_the_source_the_identifier_shows_the_name() {
        let target = [row("new_carrier", TARGET)];
        let connectors = CustomConnectors::from_rows([].iter(), target.iter());
        assert_eq!(connectors.in_target(SOURCE), TARGET);
        let twins = [
            row("a", TARGET),
            row("b", "shared_new-5fcarrier-5f8888888888888888"),
        ];
        let connectors = CustomConnectors::from_rows([].iter(), twins.iter());
        assert_eq!(connectors.in_target(SOURCE), SOURCE);
    }
}
