//! The options of `command`: a program, the check that says whether it is needed, and what both are
//! given.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::runbook::grammar::keys::section;
use crate::runbook::grammar::kind::{Kind, by_name, list, one_or_more_texts};
use crate::runbook::grammar::scalars::{any_text, duration, keyword, read_keyword};
use crate::runbook::grammar::{Binder, Field};
use crate::runbook::model::endpoints::ServiceKey;
use crate::runbook::model::keywords::{Keyword as _, keywords};
use crate::runbook::model::secret::{Secret, secret};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

/// What the names of the program's own variables begin with.
const OWN_VARIABLES: &str = "IOMCOPY_";

section! {
    /// Options of `command`.
    pub struct Command {
        /// The program and its arguments. No shell reads them. A program named with a slash is
        /// relative to the runbook.
        "run" run: Vec<Located<String>> = required(program("[./prepare.sh, uat]"));
        /// The program that says whether `run` is needed, and its arguments: exit code 0 if there
        /// is nothing to do, 1 if `run` is needed. With any other end it is unknown, and the step
        /// stops. It must change nothing.
        "check" check: Vec<Located<String>> = required(program("[./is-prepared.sh, uat]"));
        /// How long the check may take; two minutes by default.
        "check-timeout" check_timeout: Option<u64> = optional(seconds());
        /// The services for which both programs get a token; none by default.
        "services" services: Vec<Located<TokenService>> =
            or_empty(list(token_service(), "write it as `[dataverse-target]`"));
        /// More environment variables of both programs: a string, or the place of a secret. Without
        /// them they get only `PATH`, `HOME` and others of the user, the shell, the language and the
        /// temporary folder, and the variables whose names begin with `IOMCOPY_`.
        "variables" variables: BTreeMap<String, Located<VariableValue>> = or_empty(variables());
    }
}

keywords! {
    /// A service for which a command can get a token. It gets none for the source.
    pub enum TokenService {
        /// The target's Dataverse.
        DataverseTarget = "dataverse-target",
        /// The target's Finance and Operations.
        Finops = "finops",
        /// The Power Platform API.
        PowerPlatform = "power-platform",
        /// The older admin API.
        Bap = "bap",
        /// Lifecycle Services.
        Lcs = "lcs",
        /// The dual-write gateway.
        DualWrite = "dual-write",
    }
}

impl TokenService {
    /// The service's key in the sections `identity` and `endpoints`.
    pub fn key(self) -> ServiceKey {
        match self {
            Self::DataverseTarget => ServiceKey::DataverseTarget,
            Self::Finops => ServiceKey::Finops,
            Self::PowerPlatform => ServiceKey::PowerPlatform,
            Self::Bap => ServiceKey::Bap,
            Self::Lcs => ServiceKey::Lcs,
            Self::DualWrite => ServiceKey::DualWrite,
        }
    }
}

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VariableValue {
    /// What the runbook writes.
    Text(String),
    /// What is at a secret's place.
    Secret(Secret),
}

/// A program with its arguments.
fn program(example: &'static str) -> Kind<Vec<Located<String>>> {
    let help = "write the program and each of its arguments as an item of a list: `[./prepare.sh, \
                uat]`; no shell splits a string";
    one_or_more_texts(help).with_example(example)
}

/// A duration in seconds.
fn seconds() -> Kind<u64> {
    duration().map(|duration| duration.as_secs())
}

fn token_service() -> Kind<Located<TokenService>> {
    keyword::<TokenService>().read_by(|binder, field| {
        if field.text() == Some(ServiceKey::DataverseSource.keyword()) {
            let message = "a command gets no token for the source";
            let help = "remove it: the source is only read, and only by this program";
            return binder.refuse(field.node.span, message, help);
        }
        read_keyword(binder, field)
    })
}

/// A map from names of environment variables to their values.
fn variables() -> Kind<BTreeMap<String, Located<VariableValue>>> {
    let value = Kind::new(
        read_variable,
        || json!({ "anyOf": [any_text().schema(), secret().schema()] }),
    );
    let described = value.clone();
    let schema = move || {
        json!({
            "type": ["object", "null"],
            "propertyNames": { "pattern": "^(?!IOMCOPY_)[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": described.schema(),
        })
    };
    by_name(value, "write `NAME: TEXT` or `NAME: { env: NAME }`").described_by(schema)
}

/// Reads a variable's value, and checks its name.
fn read_variable(binder: &mut Binder, field: Field<'_>) -> Option<Located<VariableValue>> {
    let value = read_variable_value(binder, field);
    let problem = if !is_variable_name(field.name) {
        Some("is not the name of an environment variable")
    } else if field.name.starts_with(OWN_VARIABLES) {
        Some("has the name of a variable that the program sets itself")
    } else {
        None
    };
    if let Some(problem) = problem {
        let message = format!("{} {problem}", binder.subject(field.key, field.name));
        let help = "write letters, digits and underscores, no digit first, and not `IOMCOPY_` at \
                    the beginning";
        return binder.refuse(field.key, message, help);
    }
    value
}

fn read_variable_value(binder: &mut Binder, field: Field<'_>) -> Option<Located<VariableValue>> {
    if let Content::Map(_) = &field.node.content {
        let secret = secret().read(binder, field)?;
        return Some(secret.map(VariableValue::Secret));
    }
    let text = any_text().read(binder, field)?;
    Some(text.map(VariableValue::Text))
}

/// Letters, digits and underscores, no digit first.
fn is_variable_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(allowed) && name.starts_with(|first: char| !first.is_ascii_digit())
}
