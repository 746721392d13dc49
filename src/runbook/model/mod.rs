//! The bound runbook: every value checked, every default filled in.
//!
//! - [`environments`]: cloud, target, LCS.
//! - [`endpoints`]: addresses and credentials by service.
//! - [`secret`]: where a secret is.
//! - [`iom`], [`request`], [`template`]: the tenant's own names and requests.
//! - [`steps`], [`options`]: the eight steps and what each may be told.
//! - [`words`]: fixed lists of words.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::diagnostic::{Diagnostic, Severity};
use super::source::{Located, Source, Span};
use crate::base::text;

pub(super) mod endpoints;
pub(super) mod environments;
pub(super) mod iom;
pub(super) mod options;
pub(super) mod request;
pub(super) mod secret;
pub(super) mod steps;
pub(super) mod template;
pub(super) mod words;

/// A right runbook.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Runbook {
    /// Its name, which also names the state file: `[a-z0-9-]+`.
    pub name: Located<String>,
    /// The cloud of both environments.
    pub cloud: Located<environments::Cloud>,
    /// Addresses other than the cloud's own.
    pub endpoints: endpoints::Endpoints,
    /// Who the program is; may be missing only in a rehearsal.
    pub identity: Option<endpoints::Identity>,
    /// The user whose flows and connections these will be, by user principal name or object id.
    pub act_as: Option<Located<String>>,
    /// The environment id of the source.
    pub source: Located<Uuid>,
    /// The target.
    pub target: environments::Target,
    /// The pair in LCS, where LCS manages the target; at the place of its key.
    pub lcs: Option<Located<environments::Lcs>>,
    /// This tenant's names for the things of Intelligent Order Management.
    pub iom: iom::Iom,
    /// The steps.
    pub steps: steps::Steps,
    #[serde(skip)]
    pub(super) text: Arc<Source>,
}

impl Runbook {
    /// The file's name as it was given.
    pub fn file(&self) -> &Path {
        Path::new(self.text.name())
    }

    /// The folder that the runbook's paths are relative to.
    pub fn folder(&self) -> &Path {
        self.file().parent().unwrap_or(Path::new(""))
    }

    /// An error at a place of this runbook, for a check that is made later, such as a glob that
    /// matches no flow. Secrets stay hidden in the line it shows.
    pub fn diagnostic(&self, span: Span, message: &str, help: Option<&str>) -> Diagnostic {
        Diagnostic::new(
            Arc::clone(&self.text),
            Severity::Error,
            span,
            message.to_owned(),
            help.map(str::to_owned),
        )
    }

    /// A place of this runbook as `FILE:LINE:COL`, for what is told of it later.
    pub fn place(&self, span: Span) -> String {
        let at = self.text.position(span.start);
        let file = text::escape(self.text.name());
        format!("{file}:{}:{}", at.line, at.column)
    }

    /// One line that says the document is right:
    /// `uat.yaml: right; 8 steps, 1 skipped; target Contoso UAT (2222…)`.
    pub fn summary(&self) -> String {
        let steps = self.steps.each();
        let skipped = steps.iter().filter(|step| step.skip.is_some()).count();
        let skipped = match skipped {
            0 => String::new(),
            skipped => format!(", {skipped} skipped"),
        };
        let id = self.target.environment.to_string();
        format!(
            "{}: right; {}{skipped}; target {} ({}…)",
            text::escape(self.text.name()),
            text::count(steps.len(), "step"),
            text::escape(&self.target.name),
            &id[..4],
        )
    }
}
