//! Each connection reference: the connection that the copy left in it, and the one that it has now.

use serde_json::Value;

use crate::engine::Plan;
use crate::journal::State;
use crate::report::run_report::clean;

/// A connection reference and its two connections.
#[derive(Debug, PartialEq)]
pub(in super::super) struct Wire {
    /// The reference: its logical name, or what the change calls it.
    pub(in super::super) reference: String,
    /// The connection before.
    pub(in super::super) before: Connection,
    /// The connection after.
    pub(in super::super) after: Connection,
    /// Is it read back?
    pub(in super::super) is_done: bool,
}

/// One end of a wire.
#[derive(Debug, Default, PartialEq)]
pub(in super::super) struct Connection {
    /// The connection's own name; none where the reference has none.
    pub(in super::super) name: Option<String>,
    /// The connector, where the value names it.
    pub(in super::super) connector: Option<String>,
    /// The environment that holds it, where the value names it.
    pub(in super::super) environment: Option<String>,
    /// The id of the user who owns the reference.
    pub(in super::super) owner: Option<String>,
}

impl Connection {
    /// Reads the compared values of a reference: a connection's name, or an address that names it.
    fn read(values: &Value) -> Self {
        let text = |name: &str| values.get(name).and_then(Value::as_str);
        let owner = text("owner").map(clean);
        let Some(connection) = text("connection").filter(|text| !text.is_empty()) else {
            return Self {
                owner,
                ..Self::default()
            };
        };
        let parameter = |name: &str| {
            let (_, query) = connection.split_once('?')?;
            let mut parameters = query.split('&').filter_map(|pair| pair.split_once('='));
            parameters
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| clean(value))
        };
        let environment = connection
            .split_once("/environments/")
            .and_then(|(_, rest)| rest.split(['/', '?']).next());
        let plain = connection.split('?').next().unwrap_or_default();
        let last = plain.rsplit('/').find(|part| !part.is_empty());
        let name = parameter("connectionName").unwrap_or_else(|| clean(last.unwrap_or(plain)));
        Self {
            name: Some(name),
            connector: parameter("apiName"),
            environment: environment.map(clean),
            owner,
        }
    }
}

/// The wires of a run, in the order in which they were made: its changes that give a reference a
/// connection.
pub(super) fn gather(state: &State) -> Vec<Wire> {
    let sets = state.sets.values().chain(state.manual_changes.values());
    let mut wires: Vec<(u64, Wire)> = sets
        .filter_map(|set| {
            let intent = &set.intent;
            let wire = wire(
                &intent.name,
                &intent.before.value(),
                &intent.after.value(),
                set.done.is_some(),
            )?;
            Some((intent.number, wire))
        })
        .collect();
    wires.sort_by_key(|(number, _)| *number);
    wires.into_iter().map(|(_, wire)| wire).collect()
}

/// The wires of a plan, in its order.
pub(in super::super) fn planned(plan: &Plan) -> Vec<Wire> {
    let changes = plan.steps.iter().flat_map(|step| &step.changes);
    let wires =
        changes.filter_map(|it| wire(&it.name, &it.before.value(), &it.after.value(), false));
    wires.collect()
}

/// The wire of a change; none of one that connects nothing.
fn wire(name: &str, before: &Value, after: &Value, is_done: bool) -> Option<Wire> {
    after.get("connection")?;
    // The name is in quotes within the change's name: connect 'NAME' of …
    let quoted = name.split('\'').nth(1);
    Some(Wire {
        reference: clean(quoted.unwrap_or(name)),
        before: Connection::read(before),
        after: Connection::read(after),
        is_done,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wire_is_read_from_a_name_and_from_an_address() {
        let address = "https://flow.example/manage/environments/22/connections\
                       ?apiName=shared_x&connectionName=new";
        let name = "wire connection reference 'msdyn_a'";
        let found = wire(
            name,
            &json!({ "connection": "old", "owner": "u1" }),
            &json!({ "connection": address, "owner": "u2" }),
            true,
        )
        .unwrap();
        assert_eq!(found.reference, "msdyn_a");
        assert_eq!(found.before.name.as_deref(), Some("old"));
        assert_eq!(found.before.environment, None);
        assert_eq!(found.after.name.as_deref(), Some("new"));
        assert_eq!(found.after.connector.as_deref(), Some("shared_x"));
        assert_eq!(found.after.environment.as_deref(), Some("22"));
        assert_eq!(found.after.owner.as_deref(), Some("u2"));
        let (old, status) = (json!({ "status": "Incomplete" }), json!({ "status": "x" }));
        assert_eq!(wire(name, &old, &status, true), None);
        let new = wire(name, &Value::Null, &json!({ "connection": "a" }), false);
        assert_eq!(new.unwrap().before, Connection::default());
    }
}
