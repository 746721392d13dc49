//! The graph of an orchestration: its tiles, and the rows that they refer to.
//!
//! Microsoft has not published its format, so the tenant reads four dialects:
//!
//! - A: nodes and edges; each reference is an object with id and name. A name may be called
//!   `displayName`, or after what it names: `actionName`.
//! - B: actions by id with `runAfter`; references are members of their parameters.
//! - C: a list of activities; references are items with the id of a row.
//! - D: A as a text, in an object with a draft and a published copy. The draft counts.

use serde_json::{Map, Value};

/// The activities of dialect C that are not tiles.
const CONTROLS: [&str; 6] = [
    "bpf_root",
    "Splitter",
    "Splitter-Merge",
    "Merge",
    "Condition",
    "Exit",
];

/// The content of a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// The tiles that are compiled to flows: id and name.
    pub(crate) tiles: Vec<(String, String)>,
    /// The ids of provider actions, in lower case.
    pub(crate) actions: Vec<String>,
    /// The ids of policies, in lower case.
    pub(crate) policies: Vec<String>,
}

/// Why a graph cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GraphError {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is not in a known dialect.
    #[error("it has neither nodes, actions, a draft nor a list of activities")]
    Dialect,
}

impl Graph {
    /// Parses the column's text in any dialect.
    pub(crate) fn parse(text: &str) -> Result<Self, GraphError> {
        let mut graph = Self::default();
        match serde_json::from_str(text)? {
            Value::Array(activities) => {
                for activity in &activities {
                    graph.add_activity(activity);
                }
            }
            Value::Object(members) => graph.read_members(&members)?,
            _ => return Err(GraphError::Dialect),
        }
        Ok(graph)
    }

    fn read_members(&mut self, members: &Map<String, Value>) -> Result<(), GraphError> {
        if let Some(Value::Array(nodes)) = members.get("nodes") {
            for node in nodes {
                self.add_node(node);
            }
        } else if let Some(Value::Object(actions)) = members.get("actions") {
            for (id, action) in actions {
                self.add_action(id, action);
            }
        } else if let Some(Value::String(draft)) = members.get("draft") {
            // Only one level: a draft within a draft is not a dialect.
            let Value::Object(members) = serde_json::from_str(draft)? else {
                return Err(GraphError::Dialect);
            };
            if members.contains_key("draft") {
                return Err(GraphError::Dialect);
            }
            self.read_members(&members)?;
        } else {
            return Err(GraphError::Dialect);
        }
        Ok(())
    }

    /// A node of dialect A.
    fn add_node(&mut self, node: &Value) {
        let text = |member: &str| node[member].as_str().map(str::to_owned);
        let name = text("name").or_else(|| text("displayName"));
        if let (Some(id), Some(name), Some("action")) = (text("id"), name, node["kind"].as_str()) {
            self.tiles.push((id, name));
        }
        self.actions.extend(guid(&node["providerAction"]["id"]));
        self.policies.extend(guid(&node["filterPolicy"]["id"]));
        let policies = node["executionPolicies"].as_array().into_iter().flatten();
        self.policies
            .extend(policies.filter_map(|policy| guid(&policy["id"])));
    }

    /// An action of dialect B.
    fn add_action(&mut self, id: &str, action: &Value) {
        if let Some(name) = action["name"].as_str() {
            self.tiles.push((id.to_owned(), name.to_owned()));
        }
        let parameters = &action["parameters"];
        self.actions.extend(guid(&parameters["providerActionId"]));
        self.policies.extend(guid(&parameters["filterPolicyId"]));
        let policies = parameters["executionPolicyIds"].as_array();
        self.policies
            .extend(policies.into_iter().flatten().filter_map(guid));
    }

    /// An activity of dialect C.
    fn add_activity(&mut self, activity: &Value) {
        let (id, name) = (&activity["ActivityId"], &activity["Properties"]["Name"]);
        let kind = activity["ActivityTypeId"].as_str().unwrap_or_default();
        if let (Some(id), Some(name), false) =
            (id.as_str(), name.as_str(), CONTROLS.contains(&kind))
        {
            self.tiles.push((id.to_owned(), name.to_owned()));
        }
        let items = activity["Properties"]["Items"].as_array();
        for item in items.into_iter().flatten() {
            match item["ActivityTypeId"].as_str() {
                Some("ProviderAction") => self.actions.extend(guid(&item["ItemId"])),
                Some("FilterPolicy" | "ExecutionPolicy") => {
                    self.policies.extend(guid(&item["ItemId"]));
                }
                _ => {}
            }
        }
    }
}

/// An id in the form of the tenant's rows: without braces, in lower case.
fn guid(id: &Value) -> Option<String> {
    let id = id.as_str()?.trim_matches(['{', '}']);
    (!id.is_empty()).then(|| id.to_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NODES: &str = r#"{"nodes":[
        {"id":"start","kind":"start"},
        {"id":"n1","kind":"action","name":"Validate","filterPolicy":{"id":"F"},
         "executionPolicies":[{"id":"{E1}"},{"id":"E2"}]},
        {"id":"n2","kind":"action","name":"Send","providerAction":{"id":"{A}"},
         "filterPolicy":null,"executionPolicies":[]},
        {"id":"n3","kind":"action","name":"Empty","providerAction":null}]}"#;

    fn names(graph: &Graph) -> Vec<&str> {
        graph.tiles.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn all_dialects_have_the_same_content() {
        let actions = r#"{"actions":{
            "1":{"name":"Validate","parameters":{"filterPolicyId":"F","executionPolicyIds":["E1","E2"]}},
            "2":{"name":"Send","parameters":{"providerActionId":"{A}","filterPolicyId":null}},
            "3":{"name":"Empty","parameters":{"providerActionId":null}}}}"#;
        let activities = r#"[
            {"ActivityTypeId":"bpf_root","ActivityId":"01","Properties":{"Items":[{"ItemId":null,"Name":"root"}]}},
            {"ActivityTypeId":"Custom","ActivityId":"01_0","Properties":{"Name":"Validate","Items":[
                {"ItemId":"F","ActivityTypeId":"FilterPolicy"},{"ItemId":"e1","ActivityTypeId":"ExecutionPolicy"},
                {"ItemId":"E2","ActivityTypeId":"ExecutionPolicy"},{"ItemId":"T","ActivityTypeId":"ActionType"}]}},
            {"ActivityTypeId":"Splitter","ActivityId":"01_1","Properties":{"Name":"Split","Items":[]}},
            {"ActivityTypeId":"Custom","ActivityId":"01_2","Properties":{"Name":"Send","Items":[
                {"ItemId":"A","ActivityTypeId":"ProviderAction"}]}},
            {"ActivityTypeId":"Custom","ActivityId":"01_3","Properties":{"Name":"Empty","Items":[
                {"ItemId":null,"ActivityTypeId":"ProviderAction"}]}}]"#;
        let draft = json!({"draft": NODES, "published": null}).to_string();
        let other_names = NODES.replace("\"name\"", "\"displayName\"");
        for text in [NODES, actions, activities, &draft, &other_names] {
            let graph = Graph::parse(text).unwrap();
            assert_eq!(names(&graph), ["Validate", "Send", "Empty"], "{text}");
            assert_eq!(graph.actions, ["a"], "{text}");
            assert_eq!(graph.policies, ["f", "e1", "e2"], "{text}");
        }
    }

    #[test]
    fn a_text_in_no_dialect_is_refused() {
        let nested = json!({"draft": json!({"draft": NODES}).to_string()}).to_string();
        for text in [
            "{",
            "{}",
            "3",
            r#"{"draft":"["}"#,
            r#"{"draft":null}"#,
            &nested,
        ] {
            assert!(Graph::parse(text).is_err(), "{text}");
        }
    }
}
