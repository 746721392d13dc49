//! Connectors and provider definitions, read from `library.json`.
//!
//! The names of providers, actions, parameters and transformations are those of Microsoft Learn's
//! pages on Intelligent Order Management; most logical names are invented.

use serde::Deserialize;

use super::Seed;
use super::ids::{BIGCOMMERCE, PULL_ORDERS, UPDATE_STATUS};
use super::sides::SeedSide;

const LIBRARY: &str = include_str!("library.json");

/// The connectors of the thin seed.
const THIN_CONNECTORS: [&str; 2] = ["shared_commondataserviceforapps", "shared_bigcommerce"];

/// The logic definitions of the thin seed's one provider definition.
const THIN_LOGIC: [u32; 2] = [UPDATE_STATUS, PULL_ORDERS];

/// The content of the file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Catalogue {
    /// The connectors; each has one connection in each environment.
    pub(super) connectors: Vec<Connector>,
    /// The provider definitions.
    pub(super) definitions: Vec<Definition>,
}

/// A connector, with its connection in each environment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Connector {
    pub(super) number: u32,
    /// Its identifier: `shared_bigcommerce`. The library's definitions name it so.
    pub(super) name: String,
    /// Its identifier in the target, if that is another one: a custom connector has its own in each
    /// environment (Microsoft Learn, *Copy an environment*).
    target_name: Option<String>,
    /// The name of a custom connector's row, which is the same in both environments.
    pub(super) custom_name: Option<String>,
    /// The display name.
    pub(super) title: String,
    source: String,
    target: String,
}

/// A provider definition.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Definition {
    pub(super) number: u32,
    /// The display name.
    pub(super) name: String,
    pub(super) logical_name: String,
    pub(super) service_type: i64,
    /// Whether it is installed in the source.
    pub(super) installed: bool,
    /// Whether it is installed in the target before the copy.
    pub(super) in_target: bool,
    /// How the flows of its providers are named.
    pub(super) flow_names: FlowNames,
    /// The connectors it uses.
    pub(super) connectors: Vec<String>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) transformations: Vec<Transformation>,
    pub(super) logic: Vec<Logic>,
}

/// How deployed flows are named; Microsoft's screenshots show both.
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
    /// The display name.
    pub(super) name: String,
    pub(super) logical_name: String,
    source: String,
    target: Option<String>,
    /// Whether its value is a secret.
    pub(super) secret: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Transformation {
    /// The display name.
    pub(super) name: String,
    pub(super) logical_name: String,
}

/// A logic definition.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Logic {
    /// Its number, which is also the number of its action.
    pub(super) number: u32,
    /// The display name.
    pub(super) name: String,
    pub(super) logical_name: String,
    /// Its logic type, as Microsoft numbers them.
    #[serde(rename = "type")]
    pub(super) kind: i64,
}

impl Logic {
    /// Whether each provider has an action for it.
    pub(super) fn is_action(&self) -> bool {
        self.kind == 192_350_001
    }

    /// Whether it polls for messages on a schedule.
    pub(super) fn is_puller(&self) -> bool {
        self.kind == 192_350_003
    }
}

impl Catalogue {
    /// Reads the file. The thin seed gets one provider definition with one connector and two logic
    /// definitions.
    pub(super) fn read(seed: Seed) -> Self {
        let mut catalogue: Self = serde_json::from_str(LIBRARY)
            .expect("library.json is part of the program, and every test of the seed reads it");
        if seed == Seed::Thin {
            let is_thin = |connector: &str| THIN_CONNECTORS.contains(&connector);
            catalogue
                .connectors
                .retain(|connector| is_thin(&connector.name));
            catalogue
                .definitions
                .retain(|definition| definition.number == BIGCOMMERCE);
            for definition in &mut catalogue.definitions {
                definition.connectors.truncate(1);
                definition
                    .logic
                    .retain(|logic| THIN_LOGIC.contains(&logic.number));
            }
        }
        catalogue
    }

    pub(super) fn definition(&self, number: u32) -> Option<&Definition> {
        self.definitions
            .iter()
            .find(|definition| definition.number == number)
    }

    /// A connector's connection in an environment.
    pub(super) fn connection(&self, connector: &str, side: &SeedSide) -> Option<&str> {
        Some(self.connector(connector)?.connection(side))
    }

    /// A connector's identifier in an environment.
    pub(super) fn connector_name<'a>(&'a self, connector: &'a str, side: &SeedSide) -> &'a str {
        self.connector(connector)
            .map_or(connector, |connector| connector.name_in(side))
    }

    /// A connector's display name.
    pub(super) fn connector_title(&self, connector: &str) -> Option<&str> {
        Some(&self.connector(connector)?.title)
    }

    fn connector(&self, name: &str) -> Option<&Connector> {
        self.connectors
            .iter()
            .find(|connector| connector.name == name)
    }
}

impl Connector {
    /// Its identifier in an environment.
    pub(super) fn name_in(&self, side: &SeedSide) -> &str {
        match &self.target_name {
            Some(target) if !side.is_source() => target,
            _ => &self.name,
        }
    }

    /// Its connection in an environment.
    pub(super) fn connection(&self, side: &SeedSide) -> &str {
        if side.is_source() {
            &self.source
        } else {
            &self.target
        }
    }
}

impl Parameter {
    /// Its value in an environment.
    pub(super) fn value(&self, side: &SeedSide) -> &str {
        match &self.target {
            Some(target) if !side.is_source() => target,
            _ => &self.source,
        }
    }
}

/// The logical name of the core reference for a connector: `msdyn_iom_bigcommerce`.
pub(super) fn reference_name(connector: &str) -> String {
    let name = connector.strip_prefix("shared_").unwrap_or(connector);
    format!("msdyn_iom_{name}")
}
