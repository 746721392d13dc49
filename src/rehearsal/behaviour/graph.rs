//! The graph of an orchestration: its tiles, and what they refer to.

use serde_json::Value;

/// What a graph holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Graph {
    /// The tiles that become flows: an id and a name.
    pub(super) tiles: Vec<(String, String)>,
    /// The ids of provider actions, in lower case.
    pub(super) actions: Vec<String>,
    /// The ids of policies, in lower case.
    pub(super) policies: Vec<String>,
}

impl Graph {
    /// Reads the column's text.
    pub(super) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let value: Value = serde_json::from_str(text)?;
        let mut graph = Self::default();
        for node in value["nodes"].as_array().into_iter().flatten() {
            graph.take(node);
        }
        Ok(graph)
    }

    fn take(&mut self, node: &Value) {
        let text = |member: &str| node[member].as_str().map(str::to_owned);
        if let (Some(id), Some(name), Some("action")) =
            (text("id"), text("name"), node["kind"].as_str())
        {
            self.tiles.push((id, name));
        }
        let id = |reference: &Value| {
            let id = reference["id"].as_str()?;
            Some(id.trim_matches(['{', '}']).to_lowercase())
        };
        self.actions.extend(id(&node["providerAction"]));
        self.policies.extend(id(&node["filterPolicy"]));
        let policies = node["executionPolicies"].as_array().into_iter().flatten();
        self.policies.extend(policies.filter_map(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_actions_and_policies_are_found() {
        let text = r#"{"nodes":[
            {"id":"start","kind":"start"},
            {"id":"n1","kind":"action","name":"Validate","filterPolicy":{"id":"F"},
             "executionPolicies":[{"id":"{E1}"},{"id":"E2"}]},
            {"id":"n2","kind":"action","name":"Send","providerAction":{"id":"A"},
             "filterPolicy":null,"executionPolicies":[]},
            {"id":"n3","kind":"action","name":"Empty","providerAction":null}]}"#;
        let graph = Graph::read(text).unwrap();
        assert_eq!(graph.tiles.len(), 3);
        assert_eq!(graph.actions, ["a"]);
        assert_eq!(graph.policies, ["f", "e1", "e2"]);
        assert!(Graph::read("{").is_err());
    }
}
