//! Connectors and provider definitions, read from `library.json`.
//!
//! Names of providers, actions, parameters and transformations as Microsoft Learn's pages on
//! Intelligent Order Management have them; most logical names are invented.

use serde::Deserialize;

use crate::rehearsal::seed::plots::Plot;

/// The file.
const LIBRARY: &str = include_str!("library.json");

/// Everything in the file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Catalogue {
    /// The connectors that connections are made of.
    pub(super) connectors: Vec<Connector>,
    /// The provider definitions.
    pub(super) definitions: Vec<Definition>,
}

/// A connector, with its connection in each environment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Connector {
    /// Its number.
    pub(super) number: u32,
    /// Its name: `shared_bigcommerce`.
    pub(super) name: String,
    /// The name that people see.
    pub(super) title: String,
    source: String,
    target: String,
}

/// A provider definition.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Definition {
    /// Its number.
    pub(super) number: u32,
    /// The name that people see.
    pub(super) name: String,
    /// Its logical name.
    pub(super) logical_name: String,
    /// Its service type.
    pub(super) service_type: i64,
    /// Whether the source has an instance of it.
    pub(super) installed: bool,
    /// Whether the target has one before the copy.
    pub(super) in_target: bool,
    /// How the flows of its instances are named.
    pub(super) flow_names: FlowNames,
    /// The connectors it connects with.
    pub(super) connectors: Vec<String>,
    /// Its parameters.
    pub(super) parameters: Vec<Parameter>,
    /// Its transformations.
    pub(super) transformations: Vec<Transformation>,
    /// Its logic definitions.
    pub(super) logic: Vec<Logic>,
}

/// How deployed flows are named; both are seen on Microsoft's screenshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum FlowNames {
    /// `iom_<provider>_<logical name>`.
    Logical,
    /// `<display name> (<provider>)`.
    Display,
}

/// A parameter, with its value in each environment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Parameter {
    /// The name that people see.
    pub(super) name: String,
    /// Its logical name.
    pub(super) logical_name: String,
    source: String,
    target: Option<String>,
    /// Whether its value is a secret.
    pub(super) secret: bool,
}

/// A transformation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Transformation {
    /// The name that people see.
    pub(super) name: String,
    /// Its logical name.
    pub(super) logical_name: String,
}

/// A logic definition.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Logic {
    /// Its number; an action of it has the same.
    pub(super) number: u32,
    /// The name that people see.
    pub(super) name: String,
    /// Its logical name.
    pub(super) logical_name: String,
    /// Its type, a number of Microsoft's.
    #[serde(rename = "type")]
    pub(super) kind: i64,
}

impl Logic {
    /// Whether instances have a provider action for it.
    pub(super) fn is_action(&self) -> bool {
        self.kind == 192_350_001
    }

    /// Whether it asks for messages by the clock.
    pub(super) fn is_puller(&self) -> bool {
        self.kind == 192_350_003
    }
}

impl Catalogue {
    /// Reads the file.
    pub(super) fn read() -> Self {
        serde_json::from_str(LIBRARY)
            .expect("library.json is part of the program, and every test of the seed reads it")
    }

    /// A definition by its number.
    pub(super) fn definition(&self, number: u32) -> Option<&Definition> {
        self.definitions
            .iter()
            .find(|definition| definition.number == number)
    }

    /// A connector's connection in an environment.
    pub(super) fn connection(&self, connector: &str, plot: &Plot) -> Option<&str> {
        self.connectors
            .iter()
            .find(|one| one.name == connector)
            .map(|one| one.connection(plot))
    }
}

impl Connector {
    /// Its connection in an environment.
    pub(super) fn connection(&self, plot: &Plot) -> &str {
        if plot.is_source() {
            &self.source
        } else {
            &self.target
        }
    }
}

impl Parameter {
    /// Its value in an environment.
    pub(super) fn value(&self, plot: &Plot) -> &str {
        match &self.target {
            Some(target) if !plot.is_source() => target,
            _ => &self.source,
        }
    }
}

/// The logical name of the core reference for a connector: `msdyn_iom_bigcommerce`.
pub(super) fn reference_name(connector: &str) -> String {
    let name = connector.strip_prefix("shared_").unwrap_or(connector);
    format!("msdyn_iom_{name}")
}
