//! The runbook: every section with its keys, each key's kind, default and documentation, and the
//! value that is read. Reading and the JSON Schema both follow from these definitions.
//!
//! - [`containment`]: what the refresh is for, and what may act on the outside world.
//! - [`environments`]: cloud, source, target, LCS.
//! - [`endpoints`]: addresses by service.
//! - [`identity`], [`secret`]: credentials by service, and where a secret is.
//! - [`iom`], [`request`], [`binding`], [`template`]: the tenant's own names and requests.
//! - [`notify`]: who is notified about a run.
//! - [`state_place`]: where a copy of the state file is kept.
//! - [`steps`], [`options`]: the standard steps and their options. [`custom_steps`]: custom steps.
//! - [`keywords`]: fixed lists of keywords.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::diagnostic::{Diagnostic, Severity};
use super::grammar::keys::section;
use super::grammar::kind::{self, Kind};
use super::grammar::scalars::{keyword, text as any_text, text_matching, user};
use super::grammar::{Binder, Field};
use super::source::{Located, Source, Span};
use crate::base::shell::quote_argument;
use crate::base::text;
use containment::Purpose;
use endpoints::endpoints;
use environments::{cloud, source};
use identity::identity;
use notify::webhooks;
use steps::steps;

pub(super) mod binding;
pub(super) mod containment;
pub(super) mod custom_steps;
pub(super) mod endpoints;
pub(super) mod environments;
pub(super) mod identity;
pub(super) mod iom;
pub(super) mod keywords;
pub(super) mod notify;
pub(super) mod options;
pub(super) mod request;
pub(super) mod secret;
pub(super) mod state_place;
pub(super) mod steps;
pub(super) mod template;

section! {
    /// A valid runbook.
    pub struct Runbook {
        /// The runbook's name: lower-case letters, digits and hyphens. It names the state file.
        "name" name: Located<String> = required(name());
        /// The Microsoft cloud of both environments; pac's names are accepted too.
        "cloud" cloud: Located<environments::Cloud> = required(cloud());
        /// Addresses that differ from the cloud's own, by service.
        "endpoints" endpoints: endpoints::Endpoints = or_default(endpoints());
        /// How the program signs in: the tenant, and a credential for each service. Only a
        /// rehearsal needs none.
        "identity" identity: Option<identity::Identity> = optional(identity());
        /// The user who will own the flows and connections, by user principal name or object id.
        "act-as" act_as: Option<Located<String>> = optional(user());
        /// The environment that is copied.
        "source" source: Located<Uuid> = required(source());
        /// The environment that the copy overwrites.
        "target" target: environments::Target =
            required(kind::section("{ environment: GUID, name: DISPLAY NAME }"));
        /// What the target is for after the refresh: it decides what may act on the outside world.
        "purpose" purpose: Located<Purpose> = with_default(keyword(), Purpose::Test);
        /// What may act on the outside world from the copy, and what is replaced. A key that is not
        /// written follows from `purpose`.
        "containment" containment: containment::Containment = or_default(kind::section(
            "{ allow: [HOST OR NAME], replace: [{ find: OLD, with: NEW }] }"
        ));
        /// The two environments in Lifecycle Services; only for a target that LCS manages.
        "lcs" lcs: Option<Located<environments::Lcs>> = optional(
            kind::section("{ geography: default, project: 1234567, source: ID, target: ID }")
                .at_key()
        );
        /// This tenant's names for the tables and columns of Intelligent Order Management, and how
        /// its unpublished writes are made.
        "iom" iom: iom::Iom =
            or_default(kind::section("{ tables: { … }, columns: { … }, requests: { … } }"));
        /// Webhooks that are called when a run waits for a person, failed or finished.
        "notify" notify: Vec<notify::Webhook> = or_empty(webhooks());
        /// Where in Azure Storage the state file is kept too: if a runner vanishes, nothing is lost, and
        /// another machine resumes the run.
        "state" state: Option<state_place::StatePlace> =
            optional(kind::section("{ azure-blob: CONTAINER ADDRESS }"));
        /// All eight steps, in order, each once; the customer's own between them and after them.
        "steps" steps: steps::Steps = required(steps());
    }
    with text: Arc<Source> = Arc::default();
    with values: Option<PathBuf> = None;
}

/// The version of the format that this program reads.
pub(super) const VERSION: u64 = 1;
/// A name is a part of file names.
const LONGEST_NAME: usize = 100;

/// The version of the format.
pub(super) fn version() -> Kind<Located<u64>> {
    let read = |binder: &mut Binder, field: Field<'_>| {
        let version = field.plain_text().and_then(|text| text.parse::<u64>().ok());
        let Some(version) = version.filter(|version| *version >= VERSION) else {
            return binder.invalid(field, "a version of the format", "write `runbook: 1`");
        };
        Some(Located::new(version, field.node.span))
    };
    Kind::new(read, || json!({ "const": VERSION })).with_example("1")
}

/// The path of the file that gives single values.
pub(super) fn values_file() -> Kind<Located<String>> {
    any_text().with_example("uat.values.yaml")
}

fn name() -> Kind<Located<String>> {
    let is_name = |name: &str| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        name.bytes().all(allowed) && name.len() <= LONGEST_NAME
    };
    let schema = || {
        json!({
            "type": ["string", "integer", "boolean"],
            "pattern": format!("^[a-z0-9-]{{1,{LONGEST_NAME}}}$"),
        })
    };
    let help = "write lower-case letters, digits and hyphens, 100 at most; it names the state file";
    text_matching(is_name, schema, "a valid name", help).with_example("contoso-uat-refresh")
}

impl Runbook {
    /// The user that the run acts as, if it names one.
    pub fn act_as_name(&self) -> Option<&str> {
        self.act_as.as_ref().map(|name| name.value.as_str())
    }

    /// The file's name as it was given.
    pub fn file(&self) -> &Path {
        Path::new(self.text.name())
    }

    /// What names this runbook in a command: its file, and the values file that the command line
    /// named.
    pub fn as_argument(&self) -> String {
        let quoted = |path: &Path| quote_argument(&path.display().to_string());
        match &self.values {
            Some(values) => format!("{} --values {}", quoted(self.file()), quoted(values)),
            None => quoted(self.file()),
        }
    }

    /// The folder that the runbook's paths are relative to.
    pub fn folder(&self) -> &Path {
        self.file().parent().unwrap_or(Path::new(""))
    }

    /// An error at a place of this runbook, for a later check, such as a glob that matches no flow.
    /// Secrets stay hidden in the line that it shows.
    pub fn diagnostic(&self, span: Span, message: &str, help: Option<&str>) -> Diagnostic {
        Diagnostic {
            source: Arc::clone(&self.text),
            severity: Severity::Error,
            span,
            message: message.to_owned(),
            help: help.map(str::to_owned),
        }
    }

    /// A place of this runbook as `FILE:LINE:COL`, for later messages.
    pub fn place(&self, span: Span) -> String {
        let at = self.text.position(span.start);
        let file = text::escape(self.text.name_at(span.start));
        format!("{file}:{}:{}", at.line, at.column)
    }

    /// One line for a valid document:
    /// `uat.yaml: valid; 8 steps, 1 skipped; target Contoso UAT (2222…)`.
    pub fn summary(&self) -> String {
        let steps = self.steps.in_order();
        let skipped = steps.iter().filter(|step| step.skip().is_some()).count();
        let skipped = match skipped {
            0 => String::new(),
            skipped => format!(", {skipped} skipped"),
        };
        let id = self.target.environment.to_string();
        format!(
            "{}: valid; {}{skipped}; target {} ({}…)",
            text::escape(self.text.name()),
            text::count(steps.len(), "step"),
            text::escape(&self.target.name),
            &id[..4],
        )
    }
}
