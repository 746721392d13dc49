//! Changes that Intelligent Order Management makes, each by a write that the runbook binds.
//!
//! Microsoft does not publish these writes: each is a manual task, or a request that the user
//! has confirmed and written under `iom.requests`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::RefreshContext;
use super::row_changes::{LatestReading, Reader, Request, TargetWrite, TenantLaunch};
use crate::engine::{self, Action, Change, Failure, ManualTask, Reading, Repeat};
use crate::runbook::{
    IomRequest, IomTable, Method, Placeholder, Placeholders, RequestBinding, RequestTemplate,
};

/// One change, and the request that brings it about: a person's task if that is guided, a set
/// if repeating it is safe, else a launch.
pub(crate) struct IomChange {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) before: Value,
    pub(crate) after: Value,
    pub(crate) request: IomRequest,
    /// What a person does with the row if the request is not confirmed: every line gets a link
    /// to it.
    pub(crate) by_hand: Vec<String>,
    /// What will be read as evidence.
    pub(crate) evidence: String,
    /// How long the tenant may take to show the change.
    pub(crate) settle_timeout: Duration,
}

impl IomChange {
    /// The change, as its reader sees it. `fill` has the values of the request's placeholders.
    pub(crate) fn filled(
        self,
        refresh: &Arc<RefreshContext>,
        reader: Arc<dyn Reader>,
        fill: Fill,
    ) -> Change {
        let row = fill.id.unwrap_or_default();
        self.filled_by(refresh, reader, row, move |_| Ok(fill.clone()))
    }

    /// The same, whose placeholders are filled from what was read of this row.
    pub(crate) fn filled_by(
        self,
        refresh: &Arc<RefreshContext>,
        reader: Arc<dyn Reader>,
        row: Uuid,
        fill: impl Fn(&Reading) -> Result<Fill, Failure> + Send + Sync + 'static,
    ) -> Change {
        let action = match refresh.runbook.iom.request(self.request) {
            RequestBinding::Guided => Action::ManualTask(ManualTask {
                advice: vec![sign_in_instruction(refresh)],
                instructions: with_links(self.by_hand, link(refresh, self.request, row)),
                evidence: self.evidence,
                ..ManualTask::default()
            }),
            RequestBinding::Request(template) => {
                let (template, request) = (template.clone(), self.request);
                let is_launch = template.is_launch();
                let refresh = Arc::clone(refresh);
                let write =
                    Box::new(move |reading: &Reading| write(&template, request, &fill(reading)?));
                if is_launch {
                    Action::Launch(Arc::new(TenantLaunch {
                        refresh,
                        reader,
                        request: write,
                        after: self.after.clone(),
                        repeat: repeat(request, self.settle_timeout),
                        timeout: self.settle_timeout,
                        probed: LatestReading::default(),
                    }))
                } else {
                    Action::Set(Arc::new(TargetWrite {
                        refresh,
                        reader,
                        request: write,
                        settle_timeout: self.settle_timeout,
                        is_destructive: false,
                        asks_when_undone: true,
                    }))
                }
            }
        };
        Change {
            key: self.key,
            name: self.name,
            before: self.before.into(),
            after: self.after.into(),
            follows: Vec::new(),
            action,
        }
    }
}

/// What a click creates belongs to the user who clicks.
pub(crate) fn sign_in_instruction(refresh: &RefreshContext) -> String {
    match &refresh.runbook.act_as {
        Some(user) => format!("sign in as {}", user.value),
        None => "sign in as a user of the target with the role System Administrator".to_owned(),
    }
}

/// The table of the row that a request acts on; none if it acts on no row.
pub(crate) fn table_of(request: IomRequest) -> Option<IomTable> {
    Some(match request {
        IomRequest::ActivateSystem => return None,
        IomRequest::SavePlatformConnectionReference => IomTable::PlatformConnectionReference,
        IomRequest::StopOrchestration
        | IomRequest::EditOrchestration
        | IomRequest::PublishOrchestration => IomTable::Orchestration,
        IomRequest::PublishPolicy => IomTable::Policy,
        IomRequest::DeactivateProvider
        | IomRequest::DeleteProvider
        | IomRequest::RenameProvider
        | IomRequest::ActivateProvider => IomTable::Provider,
        IomRequest::InstallProvider => IomTable::ProviderDefinition,
        IomRequest::SetProviderParameter => IomTable::ProviderParameter,
        IomRequest::SetProviderTransformation => IomTable::ProviderTransformation,
        IomRequest::SetProviderMapping => IomTable::WarehouseMapping,
        IomRequest::SaveProviderConnectionReference
        | IomRequest::ActivateProviderConnectionReference => IomTable::ProviderConnectionReference,
    })
}

/// The address of a row's form in the target (Microsoft Learn, Power Apps: *Open apps, forms,
/// views, dialogs, and reports with a URL*); none if the row does not exist yet.
fn link(refresh: &RefreshContext, request: IomRequest, row: Uuid) -> Option<String> {
    let table = refresh.names.table(table_of(request)?);
    let dataverse = refresh.target.environment.dataverse.as_ref()?;
    let address = dataverse.url.as_deref()?;
    (!row.is_nil())
        .then(|| format!("{address}/main.aspx?pagetype=entityrecord&etn={table}&id={row}"))
}

/// The lines, each with a link to the record: a worksheet leaves out what was said before, and shows
/// only what is left, so any of them may be the first that a person reads.
fn with_links(lines: Vec<String>, link: Option<String>) -> Vec<String> {
    let Some(link) = link else {
        return lines;
    };
    let linked = lines.iter().map(|line| engine::with_link(line, &link));
    linked.collect()
}

/// What may follow a request in doubt. The target does not show it until it has ended, so the
/// program looks for its effect as long as the request may take.
pub(crate) fn repeat(request: IomRequest, settle_timeout: Duration) -> Repeat {
    if request.is_harmless_to_repeat() {
        Repeat::Harmless
    } else {
        Repeat::WhenAbsent(settle_timeout)
    }
}

/// What a request of the runbook is filled with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fill {
    id: Option<Uuid>,
    new_id: Option<Uuid>,
    value: Option<String>,
    owner: Option<String>,
    graph: Option<String>,
    /// The directory object of the user that the request is sent as, if it is not the caller.
    acting_as: Option<Uuid>,
}

impl Fill {
    /// The row acted on, and nothing else.
    pub(crate) fn id(id: Uuid) -> Self {
        Self {
            id: Some(id),
            ..Self::default()
        }
    }

    /// The id that is given to a row that is made.
    pub(crate) fn new_id(self, id: Uuid) -> Self {
        Self {
            new_id: Some(id),
            ..self
        }
    }

    /// The one value that is set.
    pub(crate) fn value(self, value: impl Into<String>) -> Self {
        Self {
            value: Some(value.into()),
            ..self
        }
    }

    /// Who owns the row, as a reference binds it, if that is set.
    pub(crate) fn owner(self, owner: Option<String>) -> Self {
        Self { owner, ..self }
    }

    /// The text of an orchestration's graph.
    pub(crate) fn graph(self, graph: String) -> Self {
        Self {
            graph: Some(graph),
            ..self
        }
    }

    /// The same, sent as this user of the directory, if there is one.
    pub(crate) fn acting_as(self, user: Option<Uuid>) -> Self {
        Self {
            acting_as: user,
            ..self
        }
    }
}

fn write(template: &RequestTemplate, request: IomRequest, fill: &Fill) -> Result<Request, Failure> {
    let placeholders = Placeholders {
        id: fill.id,
        new_id: fill.new_id,
        value: fill.value.as_deref(),
        owner: fill.owner.as_deref(),
        graph: fill.graph.as_deref(),
    };
    let filled = template.fill(&placeholders).map_err(|error| {
        Failure::failed(format!(
            "the runbook's request '{request}' cannot be filled: {error}"
        ))
        .permanent()
    })?;
    Ok(Request {
        method: filled.method,
        path: filled.path,
        body: filled.body,
        creates: filled.method == Method::Patch && template.uses(Placeholder::NewId),
        acting_as: fill.acting_as,
        binding: Some(request),
        shown: &[],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_about_a_row_has_its_link_and_a_line_about_none_has_not() {
        let lines = || {
            vec![
                "tile 'A': clear it".to_owned(),
                "tile 'B': clear it".to_owned(),
            ]
        };
        let linked = with_links(lines(), Some("https://uat.test/x".to_owned()));
        assert_eq!(
            linked,
            [
                "tile 'A': clear it (open https://uat.test/x)",
                "tile 'B': clear it (open https://uat.test/x)"
            ]
        );
        assert_eq!(with_links(lines(), None), lines());
    }
}
