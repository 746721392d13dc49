//! A starter: the text of a runbook for two known environments, with comments on what a person has
//! to decide. A value that only a person knows begins with `FILL IN`, which `fill_in` refuses at
//! its place; without such a value the text is a valid runbook.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::fill_in::{FILL_IN, TOKEN_PROGRAM};
use super::model::environments::Cloud;
use super::model::identity::CredentialKind;
use super::model::keywords::Keyword as _;
use super::model::steps::StepName;
use crate::base::text::escape;

/// The content of a starter.
#[derive(Clone, Debug)]
pub struct Starter {
    /// The runbook's name; see [`Starter::name_for`].
    pub name: String,
    /// The cloud.
    pub cloud: Cloud,
    /// The `endpoints:` line, if addresses differ from the cloud's own.
    pub endpoints: Option<String>,
    /// The identity that signs in; none for a rehearsal tenant, whose own application is used.
    pub identity: Option<StarterIdentity>,
    /// The user who will own the target's flows and connections, if known.
    pub act_as: Option<String>,
    /// The environment that is copied.
    pub source: StarterEnvironment,
    /// The environment that is overwritten.
    pub target: StarterEnvironment,
    /// The two environments in Lifecycle Services, if LCS manages the target.
    pub lcs: Option<StarterLcs>,
    /// The target's working connections, if they could be read.
    pub connections: Vec<StarterConnection>,
    /// Whether dual-write is in use in the target; none if that could not be read.
    pub dual_write: Option<bool>,
}

/// The identity that signs in.
#[derive(Clone, Debug)]
pub struct StarterIdentity {
    /// The tenant: its GUID or a domain.
    pub tenant: String,
    /// The kind of credential.
    pub kind: CredentialKind,
    /// The application's id.
    pub client: Option<Uuid>,
    /// The variable that holds a secret or a token.
    pub secret: String,
    /// The service connection of Azure Pipelines.
    pub service_connection: Option<String>,
    /// The program that prints a token, and its arguments.
    pub token_command: Vec<String>,
}

/// An environment that `init` found.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(rename = "InitEnvironment")]
pub struct StarterEnvironment {
    /// Its id.
    #[serde(rename = "environment")]
    #[schemars(with = "String")]
    pub id: Uuid,
    /// Its display name.
    pub name: String,
    /// Its kind: `Sandbox`, `Production`.
    pub kind: Option<String>,
    /// The address of its Dataverse.
    pub url: Option<String>,
}

/// The two environments in Lifecycle Services.
#[derive(Clone, Debug)]
pub struct StarterLcs {
    /// The project's number, if known.
    pub project: Option<u32>,
    /// The source's id there, if known.
    pub source: Option<String>,
    /// The target's id there, if known.
    pub target: Option<String>,
}

/// A connection of the target.
#[derive(Clone, Debug)]
pub struct StarterConnection {
    /// Its connector: `shared_azureblob`. A custom connector has another identifier in each
    /// environment; this is the target's.
    pub connector: String,
    /// The part of the connector's identifier that is the same in every environment. Two connectors
    /// with the same family may be two versions of one connector, and the references use one.
    pub family: String,
    /// Its id.
    pub id: String,
    /// Its display name and its account.
    pub description: String,
}

impl Starter {
    /// A name for the runbook that refreshes an environment with this display name.
    pub fn name_for(target: &str) -> String {
        let mut name = String::new();
        for character in target.chars().take(60) {
            if character.is_ascii_alphanumeric() {
                name.push(character.to_ascii_lowercase());
            } else if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
        }
        let name = name.trim_end_matches('-');
        if name.is_empty() {
            "refresh".to_owned()
        } else {
            format!("{name}-refresh")
        }
    }

    /// A valid runbook with this identity and these addresses, and nothing that a person has to fill
    /// in: it serves to sign in.
    pub fn text_to_sign_in(&self) -> String {
        let mut text = format!(
            "runbook: 1\nname: {}\ncloud: {}\n",
            self.name,
            self.cloud.keyword()
        );
        if let Some(endpoints) = &self.endpoints {
            text.push_str(endpoints);
        }
        // Only values that LCS needs are missing.
        let without_lcs = Self {
            lcs: None,
            ..self.clone()
        };
        // Writing to a String cannot fail.
        _ = without_lcs.write_identity(&mut text);
        _ = write!(
            text,
            "source: {{ environment: {} }}\ntarget: {{ environment: {}, name: {} }}\nsteps:\n",
            self.source.id,
            self.target.id,
            quote(&self.target.name)
        );
        for step in StepName::ALL {
            _ = writeln!(text, "  - {step}: {{}}");
        }
        text
    }

    /// The runbook.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let (source, target) = (&self.source, &self.target);
        writeln!(
            text,
            "# A refresh of '{}' from '{}', started by `iomcopy init`.\n\
             # Only a person knows what is marked FILL IN: `iomcopy validate` lists each such value, and\n\
             # refuses the runbook until all are written. `iomcopy schema` documents every key.\n\n\
             runbook: 1\nname: {}\ncloud: {}",
            escape(&target.name),
            escape(&source.name),
            self.name,
            self.cloud.keyword(),
        )?;
        if let Some(endpoints) = &self.endpoints {
            writeln!(text, "{endpoints}")?;
        }
        self.write_identity(text)?;
        match &self.act_as {
            Some(user) => writeln!(text, "\nact-as: {}", quote(user))?,
            None => writeln!(
                text,
                "\nact-as: {}",
                fill_in(
                    "the user who will own the flows and connections, such as svc-iom@contoso.com"
                )
            )?,
        }
        writeln!(
            text,
            "\n# {}\nsource: {{ environment: {} }}\n\
             # {}\n# The copy overwrites this environment; the name must be its display name.\n\
             target:\n  environment: {}\n  name: {}",
            describe_environment(source),
            source.id,
            describe_environment(target),
            target.id,
            quote(&target.name)
        )?;
        self.write_containment(text)?;
        self.write_lcs(text)?;
        self.write_steps(text)
    }

    fn write_identity(&self, text: &mut String) -> std::fmt::Result {
        let Some(identity) = &self.identity else {
            return writeln!(text, "\n# No identity: the rehearsal tenant's own is used.");
        };
        writeln!(
            text,
            "\n# Must be a Power Platform administrator (an application: a registered management\n\
             # application) and System Administrator in both environments. An identity that exists only\n\
             # in the target is lost in the copy.\n\
             identity:\n  tenant: {}\n  default: {}",
            quote(&identity.tenant),
            identity.credential()
        )?;
        if self.lcs.is_some() {
            writeln!(
                text,
                "  # LCS accepts only a user's token. The program is called for each token that is needed.\n  \
                 lcs: {{ token-command: [{}] }}",
                fill_in(TOKEN_PROGRAM)
            )?;
        }
        Ok(())
    }

    fn write_containment(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n# What the target is for: test, validation or disaster-recovery. In a test nothing of\n\
             # production acts from the copy: `iomcopy preflight` lists what could, and what is done\n\
             # about it. `allow` takes hosts and names, `replace` rules: {{ find: OLD, with: NEW }}.\n\
             # `jobs: ask` waits for a person before jobs run that waited in the source.\n\
             purpose: test"
        )?;
        if self.cloud == Cloud::Rehearsal {
            return writeln!(
                text,
                "# The answers for the rehearsal tenant's invented company:\n{}",
                rehearsal_section("containment")
            );
        }
        writeln!(text, "containment: {{ allow: [], replace: [], jobs: ask }}")
    }

    /// How the unpublished writes are made. Those of the rehearsal tenant are known.
    fn write_requests(&self, text: &mut String) -> std::fmt::Result {
        if self.cloud == Cloud::Rehearsal {
            return writeln!(
                text,
                "\n# The rehearsal tenant's own requests; no real tenant supports them. Without them, a\n\
                 # person makes each write, as in a real tenant.\n{}",
                rehearsal_section("iom")
            );
        }
        writeln!(
            text,
            "\n# A person makes the writes that Microsoft has not published, until you record and\n\
             # confirm them with `iomcopy import-har`.\n\
             iom:\n  requests: {{}}"
        )
    }

    fn write_lcs(&self, text: &mut String) -> std::fmt::Result {
        let Some(lcs) = &self.lcs else {
            return writeln!(
                text,
                "\n# One copy carries Finance and Operations and Dataverse together: no `lcs` here."
            );
        };
        let known = |value: &Option<String>, what: &str| {
            value.as_deref().map_or_else(|| fill_in(what), quote)
        };
        let project = lcs.project.map(|project| project.to_string());
        // The rehearsal tenant has one project, at the address under `endpoints`.
        let geography = match self.cloud {
            Cloud::Rehearsal => "default".to_owned(),
            _ => fill_in(
                "the geography of the project: default, eu, fr, sa, uae, ch, no, china or gov",
            ),
        };
        writeln!(
            text,
            "\n# Lifecycle Services (LCS) manages the target's Finance and Operations: its database is\n\
             # refreshed there, in parallel with the copy of Dataverse. The ids are in the addresses of the\n\
             # project's and the environments' pages.\n\
             lcs:\n  geography: {}\n  project: {}\n  source: {}\n  target: {}",
            geography,
            project.unwrap_or_else(|| fill_in("the number of the project, without quotes")),
            known(&lcs.source, "the source's environment id in LCS"),
            known(&lcs.target, "the target's environment id in LCS"),
        )
    }

    /// The options of `reconfigure-connections`. The only connection of a connector is used; of
    /// several, a person has to choose one. No connector has two keys.
    fn connections_text(&self) -> String {
        if self.connections.is_empty() {
            let what = "the target's connections, by the reference or its connector: { shared_azureblob: \
                        ID }, or { } if it needs none";
            return format!("\n      connections: {}", fill_in(what));
        }
        let mut text = "\n      connections:".to_owned();
        let mut connections = self.connections.as_slice();
        while let Some(first) = connections.first() {
            let same = connections
                .iter()
                .take_while(|other| other.family == first.family)
                .count();
            let (alternatives, rest) = connections.split_at(same);
            let comment = if same == 1 { "" } else { "# " };
            for found in alternatives {
                // Writing to a String cannot fail.
                _ = write!(
                    text,
                    "\n        {comment}{}: {}   # {}",
                    quote(&found.connector),
                    quote(&found.id),
                    escape(&found.description)
                );
            }
            if same > 1 {
                let what = "one of the connections above, and remove the others";
                _ = write!(
                    text,
                    "\n        {}: {}",
                    quote(&first.connector),
                    fill_in(what)
                );
            }
            connections = rest;
        }
        text
    }

    fn write_steps(&self, text: &mut String) -> std::fmt::Result {
        let dual_write = match self.dual_write {
            Some(true) => "in use in the target: a person links it again with a worksheet",
            Some(false) => "not in use in the target: nothing to do",
            None => "whether it is in use could not be read; `iomcopy plan` shows it",
        };
        let connections = self.connections_text();
        self.write_requests(text)?;
        writeln!(
            text,
            "\n# All eight, in this order. To skip one, write why: {{ skip: \"…\" }}\n\
             steps:\n  \
             - copy-environments: {{}}\n  \
             - exit-administration-mode: {{}}\n  \
             # The copied references use the source's connections; they are connected to these.\n  \
             - reconfigure-connections:{connections}\n  \
             - activate-flows: {{ turn-on: as-in-source }}\n  \
             - detach-provider-actions: {{ how: clear }}\n  \
             # `accept-terms` names the definitions whose terms you accept.\n  \
             - reinstall-providers: {{ providers: previously-active, accept-terms: [] }}\n  \
             - restore-provider-actions: {{ publish: previously-published }}\n  \
             # Dual-write: {dual_write}.\n  \
             - reconfigure-dual-write: {{ gateway: guided }}"
        )
    }
}

impl StarterIdentity {
    /// The credential as a runbook writes it.
    fn credential(&self) -> String {
        let client = self.client.map(|client| format!("client: {client}"));
        let client = client.unwrap_or_default();
        let secret = format!("{{ env: {} }}", quote(&self.secret));
        let members = match self.kind {
            CredentialKind::AzureCli => "{}".to_owned(),
            CredentialKind::ClientSecret => format!("{{ {client}, secret: {secret} }}"),
            CredentialKind::Token => secret,
            CredentialKind::TokenCommand => {
                let words = self.token_command.iter().map(|word| quote(word));
                format!("[{}]", words.collect::<Vec<_>>().join(", "))
            }
            CredentialKind::WorkloadIdentity | CredentialKind::ManagedIdentity
                if client.is_empty() =>
            {
                "{}".to_owned()
            }
            CredentialKind::WorkloadIdentity
            | CredentialKind::ManagedIdentity
            | CredentialKind::GithubOidc => format!("{{ {client} }}"),
            CredentialKind::AzurePipelines => format!(
                "{{ {client}, service-connection: {}, access-token: {{ env: SYSTEM_ACCESSTOKEN }} }}",
                quote(self.service_connection.as_deref().unwrap_or_default())
            ),
        };
        format!("{{ {}: {members} }}", self.kind.keyword())
    }
}

/// The number of the rehearsal tenant's project in Lifecycle Services.
pub const REHEARSAL_PROJECT: u32 = 1_234_567;

/// The example of a rehearsal. What it says about the rehearsal tenant is true for every rehearsal.
const REHEARSAL: &str = include_str!("../../../runbooks/rehearsal.yaml");

/// A section of the example, from its key to the next empty line.
fn rehearsal_section(key: &str) -> String {
    let first = format!("{key}:");
    let lines = REHEARSAL.lines().skip_while(|line| *line != first);
    let section: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    section.join("\n")
}

/// A value that a person has to write.
fn fill_in(what: &str) -> String {
    quote(&format!("{FILL_IN}: {what}"))
}

/// An environment, for a comment.
fn describe_environment(environment: &StarterEnvironment) -> String {
    let kind = environment.kind.as_deref().unwrap_or("of an unknown kind");
    let url = environment.url.as_deref().unwrap_or("no Dataverse");
    format!(
        "'{}', {}, {}",
        escape(&environment.name),
        escape(kind),
        escape(url)
    )
}

/// Any text in YAML's double quotes. `#` is escaped, so that no pipeline interprets a name as a
/// command when the runbook is printed in its log.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            '#' => quoted.push_str("\\x23"),
            ' '..='~' => quoted.push(character),
            // Writing to a String cannot fail.
            other if escape(other.encode_utf8(&mut [0; 4])) != other.to_string() => {
                _ = write!(quoted, "\\U{:08x}", u32::from(other));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
