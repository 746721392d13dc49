//! Custom connectors, which have another identifier in every environment.
//!
//! A copy brings connection references and cloud flows that name the source's connector, while the
//! target's own connections are of the target's (Microsoft Learn, *Copy an environment*: custom
//! connectors get a new identifier, and flows must be repointed). Both are one connector if
//! their rows of Dataverse's table `connector` have one `name` and another `connectorinternalid`.
//! A connector in no solution has no row; the target's connections show its identifier.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio::try_join;

use super::{connector_name, visible_connections};
use crate::clients::{Connection, Dataverse};
use crate::domain::RefreshContext;
use crate::domain::flows::stem;
use crate::domain::names::{Fields, text};
use crate::domain::view::View;
use crate::engine::{Failure, JournalView};

/// A custom connector (Dataverse, `connector`, `connectortype`).
pub(crate) const CUSTOM: i64 = 1;

/// The custom connectors of both environments. Identifiers and names are lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct CustomConnectors {
    /// The row's name of each identifier, of either environment.
    names: BTreeMap<String, String>,
    /// The target's identifier of each row's name.
    here: BTreeMap<String, String>,
    /// The source's identifiers.
    source: BTreeSet<String>,
    /// The connectors of the target's connections.
    connected: BTreeSet<String>,
    /// Did an environment refuse to show its rows? Then a connector may have moved unnoticed.
    pub(crate) is_partial: bool,
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
            connectors.source.insert(id.clone());
            connectors.names.entry(id).or_insert(name);
        }
        connectors
    }

    /// The same with what the target's connections show.
    #[must_use]
    pub(crate) fn with_connections(mut self, connections: &[Connection]) -> Self {
        let connectors = connections.iter().filter_map(|one| one.connector.as_ref());
        self.connected
            .extend(connectors.map(|connector| connector_name(connector)));
        self
    }

    /// Reads both environments, and the target's connections. What one of them refuses is left out:
    /// then a connector is recognized by its identifier alone.
    pub(crate) async fn read(
        refresh: &RefreshContext,
        journal: &JournalView,
    ) -> Result<Self, Failure> {
        let (custom, _) = Self::read_with_connections(refresh, journal).await?;
        Ok(custom)
    }

    /// The same, and the target's connections that the caller sees. Read once for a plan, under
    /// which none changes.
    pub(super) async fn read_with_connections(
        refresh: &RefreshContext,
        journal: &JournalView,
    ) -> Result<(Self, Option<Vec<Connection>>), Failure> {
        let connections = Box::pin(visible_connections(refresh, journal));
        let rows = Box::pin(Self::read_rows(refresh));
        if journal.is_planning() {
            let connections = connections.await?;
            let cell = &refresh.forecast.custom_connectors;
            let read = async || Ok::<_, Failure>(Self::beside(rows.await?, connections.as_deref()));
            let custom = cell.get_or_try_init(read).await?;
            return Ok((custom.clone(), connections));
        }
        let (connections, rows) = try_join!(connections, rows)?;
        Ok((Self::beside(rows, connections.as_deref()), connections))
    }

    /// The rows of both environments; none if the caller may not read them.
    async fn read_rows(refresh: &RefreshContext) -> Result<[Option<Vec<Fields>>; 2], Failure> {
        let source = rows(View::AfterCopy(refresh));
        let (source, target) = try_join!(source, rows(View::AsIs(&refresh.target.dataverse)))?;
        Ok([source, target])
    }

    fn beside(
        [source, target]: [Option<Vec<Fields>>; 2],
        connections: Option<&[Connection]>,
    ) -> Self {
        let connectors = Self::from_rows(
            source.as_deref().unwrap_or_default().iter(),
            target.as_deref().unwrap_or_default().iter(),
        );
        Self {
            is_partial: source.is_none() || target.is_none(),
            ..connectors.with_connections(connections.unwrap_or_default())
        }
    }

    /// The target's identifier of a connector; the same if it has no other.
    pub(crate) fn in_target(&self, connector: &str) -> String {
        let connector = connector_name(connector);
        if self.connected.contains(&connector) {
            return connector;
        }
        let name = self.names.get(&connector);
        let is_here = self.here.values().any(|here| *here == connector);
        let by_name = name.and_then(|name| self.here.get(name));
        match by_name {
            Some(here) if *here != connector && !is_here => return here.clone(),
            // A row with the source's own identifier is not yet the target's.
            Some(_) if !self.source.contains(&connector) => return connector,
            _ => {}
        }
        self.alike(&connector, name.is_some()).unwrap_or(connector)
    }

    /// The only connector of the target whose identifier differs in its last part alone, which is
    /// the environment's. If the connector's name is known, one of another name is another.
    fn alike(&self, connector: &str, is_named: bool) -> Option<String> {
        let stem_of = stem(connector);
        if stem_of == connector.replace("-5f", "_") {
            return None;
        }
        let connected = self.connected.iter();
        let connected = connected.filter(|id| !is_named || !self.names.contains_key(*id));
        let by_row = self.here.values().filter(|_| !is_named);
        let alike: BTreeSet<&String> = connected
            .chain(by_row)
            .filter(|here| *here != connector && stem(here) == stem_of)
            .collect();
        let mut alike = alike.into_iter();
        match (alike.next(), alike.next()) {
            (Some(here), None) => Some(here.clone()),
            _ => None,
        }
    }

    /// The identifiers of the target's rows.
    pub(crate) fn of_target(&self) -> BTreeSet<String> {
        self.here.values().cloned().collect()
    }

    /// The identifiers of the source's rows.
    pub(crate) fn of_source(&self) -> &BTreeSet<String> {
        &self.source
    }

    /// Does the target know this connector by another identifier?
    pub(crate) fn has_moved(&self, connector: &str) -> bool {
        self.in_target(connector) != connector_name(connector)
    }

    /// Those that the target knows by another identifier: both identifiers.
    pub(crate) fn moved(&self, used: &BTreeSet<String>) -> Vec<(String, String)> {
        let moved = used.iter().filter(|connector| self.has_moved(connector));
        moved
            .map(|connector| (connector.clone(), self.in_target(connector)))
            .collect()
    }

    /// All of the source that the target knows by another identifier: both identifiers.
    pub(crate) fn all_moved(&self) -> Vec<(String, String)> {
        self.moved(&self.source)
    }

    /// Every name of a connector that a runbook may use: its identifiers in both environments and
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

/// The display names of an environment's custom connectors, by identifier.
pub(crate) async fn titles(dataverse: &Dataverse) -> Result<BTreeMap<String, String>, Failure> {
    let rows = rows(View::AsIs(dataverse)).await?.unwrap_or_default();
    let custom = rows
        .iter()
        .filter(|row| row.get("connectortype").and_then(Value::as_i64) == Some(CUSTOM));
    Ok(custom
        .filter_map(|row| {
            let id = connector_name(&text(row, "connectorinternalid")?);
            Some((id, text(row, "displayname").or_else(|| text(row, "name"))?))
        })
        .collect())
}

/// The rows of an environment; none if it refuses to show them.
async fn rows(view: View<'_>) -> Result<Option<Vec<Fields>>, Failure> {
    let read = async {
        match view.optional_table("connector").await? {
            Some(_) => view.rows("connector").await,
            None => Ok(Vec::new()),
        }
    };
    match read.await {
        Ok(rows) => Ok(Some(rows.into_iter().map(|row| row.value).collect())),
        Err(failure) if failure.leaves_a_read_open() => Err(failure),
        Err(_) => Ok(None),
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

    fn connection(connector: &str) -> Connection {
        Connection {
            id: "a1".to_owned(),
            connector: Some(connector.to_owned()),
            display_name: None,
            account: None,
            statuses: Vec::new(),
            error: None,
            raw: Value::Null,
        }
    }

    #[test]
    fn rows_of_one_name_are_one_connector_with_different_identifiers() {
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
        let connectors = connectors.with_connections(&[connection(TARGET)]);
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

    #[test]
    fn a_connector_without_a_row_is_known_by_the_targets_connection() {
        let of = |source: &[Fields], target: &[Fields], connected: &[&str]| {
            let connections: Vec<Connection> = connected.iter().map(|id| connection(id)).collect();
            let connectors = CustomConnectors::from_rows(source.iter(), target.iter());
            connectors.with_connections(&connections).in_target(SOURCE)
        };
        let named = [row("new_carrier", SOURCE)];
        assert_eq!(of(&[], &[], &[TARGET, "shared_outlook"]), TARGET);
        assert_eq!(of(&named, &[], &[TARGET]), TARGET);
        // The copied row still shows the source's identifier.
        assert_eq!(of(&named, &named, &[TARGET]), TARGET);
        assert_eq!(of(&named, &named, &[]), SOURCE);
        // A connection of it, or several alike: nothing has moved.
        assert_eq!(of(&named, &[], &[TARGET, SOURCE]), SOURCE);
        let twin = "shared_new-5fcarrier-5f8888888888888888";
        assert_eq!(of(&[], &[], &[TARGET, twin]), SOURCE);
    }
}
