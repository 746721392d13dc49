//! The environment copy: a launch of the admin API.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{by_hand, database_refresh, finance};
use crate::clients::{
    CopyRequest, CopyType, Environment, Operation, OperationHandle, OperationState,
};
use crate::domain::Refresh;
use crate::domain::environments::{copy_key, is_guided, is_linked, refresh_key};
use crate::domain::failure::launch_error;
use crate::engine::{
    Action, Barrier, Change, Failure, Found, Known, Launch, Progress, Repeat, Started, Survey,
    Trace, Verdict, WriteError,
};
use crate::runbook::{CopyApi, SecurityGroup};

/// How long a copy may take where the runbook does not say (Microsoft Learn, *Copy an
/// environment*: up to 24 hours with much data).
const COPY_TIMEOUT: Duration = Duration::from_hours(24);

/// Finds the copy still to do.
pub(super) struct CopySurvey(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for CopySurvey {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let mut changes = Vec::new();
        let is_automatic = is_linked(refresh) && !is_guided(refresh);
        if is_automatic && !known.launch_proved(&refresh_key(refresh)) {
            changes.extend(database_refresh::change(refresh));
        }
        let key = copy_key(refresh);
        if known.launch_proved(&key) {
            return Ok(changes);
        }
        let target = &refresh.target_environment;
        let request = request(refresh);
        let organization = target
            .dataverse
            .as_ref()
            .and_then(|d| d.organization_id.clone());
        changes.push(Change {
            key,
            name: format!(
                "copy '{}' onto '{}'",
                refresh
                    .source_environment
                    .display_name
                    .as_deref()
                    .unwrap_or("the source"),
                refresh.runbook.target.name
            ),
            before: json!({ "organization": organization }),
            after: json!({
                "source": request.source.to_string(),
                "type": "full",
                "transactionless": request.transactionless,
                "skip-audit-data": request.skip_audit_data,
                "name": request.name,
                "security-group": request.security_group,
            }),
            follows: Vec::new(),
            action: Action::Launch(Arc::new(Copy {
                refresh: Arc::clone(refresh),
                request,
                awaits: is_automatic.then(|| refresh_key(refresh)),
            })),
        });
        Ok(changes)
    }

    async fn barrier(&self, known: &Known) -> Result<Barrier, Failure> {
        let refresh = &self.0;
        if !is_linked(refresh) {
            return Ok(Barrier::Passed);
        }
        if is_guided(refresh)
            && let Barrier::Holds(awaited) = by_hand::ended(refresh, known).await?
        {
            return Ok(Barrier::Holds(awaited));
        }
        finance::answers(refresh).await
    }

    async fn notes(&self, known: &Known) -> Result<Vec<String>, Failure> {
        let refresh = &self.0;
        let (copy, database) = (copy_key(refresh), refresh_key(refresh));
        let target = &refresh.runbook.target.name;
        let (right, wrong) = if known.launch_proved(&copy) && known.launch_failed(&database) {
            ("Dataverse", "its Finance and Operations database")
        } else if known.launch_proved(&database) && known.launch_failed(&copy) {
            ("its Finance and Operations database", "Dataverse")
        } else {
            return Ok(Vec::new());
        };
        Ok(vec![format!(
            "a mismatched pair: of '{target}' {right} is the source's now, and {wrong} is not; do not \
             let anybody work in it. Running again begins only what failed, after a new confirmation; \
             what changed in the source meanwhile is then in one half only"
        )])
    }
}

/// The copy that the runbook asks for. It always names the target's own display name and group.
fn request(refresh: &Refresh) -> CopyRequest {
    let options = &refresh.runbook.steps.copy_environments.options;
    let kept = refresh
        .target_environment
        .dataverse
        .as_ref()
        .and_then(|d| d.security_group.clone());
    CopyRequest {
        source: refresh.runbook.source.value,
        copy_type: CopyType::Full,
        name: refresh.runbook.target.name.value.clone(),
        security_group: match &options.security_group.value {
            SecurityGroup::Keep => kept,
            SecurityGroup::None => None,
            SecurityGroup::Group(group) => Some(group.to_string()),
        },
        skip_audit_data: options.skip_audit_data.value,
        transactionless: options.transactionless.value,
    }
}

struct Copy {
    refresh: Arc<Refresh>,
    request: CopyRequest,
    /// The refresh that must have been accepted before, where there is one.
    awaits: Option<String>,
}

impl Copy {
    fn by_power_platform(&self) -> bool {
        self.refresh
            .runbook
            .steps
            .copy_environments
            .options
            .api
            .value
            == CopyApi::PowerPlatform
    }

    async fn target(&self) -> Result<Option<Environment>, Failure> {
        Ok(self
            .refresh
            .bap
            .environment(self.refresh.target_id())
            .await?)
    }

    async fn operations(&self) -> Result<Vec<Operation>, Failure> {
        let target = self.refresh.target_id();
        Ok(if self.by_power_platform() {
            self.refresh.power_platform.operations(target).await?
        } else {
            self.refresh.bap.operations(target).await?
        })
    }
}

/// The members of the intent's detail: the operations that were there before, and the organization.
const BEFORE: &str = "operations-before";
const ORGANIZATION: &str = "organization-before";

/// The id of an environment's organization.
fn organization(environment: &Environment) -> Option<String> {
    let dataverse = environment.dataverse.as_ref();
    dataverse.and_then(|dataverse| dataverse.organization_id.clone())
}

/// Is it certainly no copy? Of the kinds that are known, these leave the target's content as it is; an
/// unknown kind may be a copy under another name.
fn is_of_another_kind(operation: &Operation) -> bool {
    const HARMLESS: [&str; 5] = ["edit", "backup", "convert", "enable", "disable"];
    operation
        .kind
        .as_deref()
        .is_some_and(|kind| HARMLESS.contains(&kind.to_ascii_lowercase().as_str()))
}

/// Is it a copy, by the name that the service gives it? Names are not published: what contains the
/// word counts.
fn is_copy(operation: &Operation) -> bool {
    operation
        .kind
        .as_deref()
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("copy"))
}

#[async_trait]
impl Launch for Copy {
    fn repeat(&self) -> Repeat {
        Repeat::WhenAbsent(Duration::from_mins(2))
    }

    fn is_destructive(&self) -> bool {
        true
    }

    fn awaits(&self) -> Option<&str> {
        self.awaits.as_deref()
    }

    async fn probe(&self) -> Result<Value, Failure> {
        let operations = self.operations().await?;
        if let Some(running) = operations
            .iter()
            .find(|o| o.state == OperationState::Running)
        {
            return Err(Failure::refused(format!(
                "another operation is running on '{}': {} {}",
                self.refresh.runbook.target.name,
                running.kind.as_deref().unwrap_or("of an unknown kind"),
                running.id
            ))
            .with_help("wait for its end, then run again"));
        }
        let seen: Vec<&str> = operations
            .iter()
            .map(|operation| operation.id.as_str())
            .collect();
        let organization = self
            .target()
            .await?
            .and_then(|target| organization(&target));
        Ok(json!({ BEFORE: seen, ORGANIZATION: organization }))
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let target = self.refresh.target_id();
        let accepted = if self.by_power_platform() {
            self.refresh
                .power_platform
                .copy(target, &self.request)
                .await
        } else {
            self.refresh.bap.copy_to(target, &self.request).await
        };
        let accepted = accepted.map_err(launch_error)?;
        match accepted.handle {
            Some(handle) => Ok(Started {
                handle: json!(handle),
                service_date: accepted.service_date,
            }),
            // A good status without an operation is not known to be an acceptance: it is looked for.
            None => Err(WriteError::InDoubt(Failure::temporary(
                match accepted.refused_link {
                    Some(link) => format!("the answer names an operation elsewhere: {link}"),
                    None => "the answer names no operation".to_owned(),
                },
            ))),
        }
    }

    async fn find(&self, probed: &Value) -> Result<Found, Failure> {
        let before: Vec<&str> = probed[BEFORE]
            .as_array()
            .map(|ids| ids.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let operations = self.operations().await?;
        let new: Vec<&Operation> = operations
            .iter()
            .filter(|operation| !before.contains(&operation.id.as_str()))
            .filter(|operation| !is_of_another_kind(operation))
            .collect();
        match new.as_slice() {
            [] => Ok(Found::Absent),
            [one] if is_copy(one) => Ok(Found::Operation(json!({ "id": one.id }))),
            several => Ok(Found::Ambiguous(
                several
                    .iter()
                    .map(|o| format!("{} {}", o.kind.as_deref().unwrap_or("operation"), o.id))
                    .collect::<Vec<_>>()
                    .join(", "),
            )),
        }
    }

    fn besides(&self, probed: &Value, handle: &Value) -> Option<Value> {
        let mut probed = probed.clone();
        let seen = probed[BEFORE].as_array_mut()?;
        seen.push(handle.get("id")?.clone());
        Some(probed)
    }

    async fn trace(&self, probed: &Value) -> Result<Trace, Failure> {
        let Some(target) = self.target().await? else {
            return Ok(Trace::Changed("the target is not listed".to_owned()));
        };
        if let Some(operation) = &target.ongoing_operation {
            let kind = operation.kind.as_deref().unwrap_or("an operation");
            return Ok(Trace::Changed(format!("{kind} is running on the target")));
        }
        if !target.is_ready() {
            return Ok(Trace::Changed(format!(
                "the target reads {}",
                target.states()
            )));
        }
        // A copy gives the target another organization. An intent of an older program kept none.
        let Some(before) = probed.get(ORGANIZATION) else {
            return Ok(Trace::NothingKept);
        };
        let now = json!(organization(&target));
        Ok(if *before == now {
            Trace::Same
        } else {
            Trace::Changed(format!(
                "the target's organization is {now}, and was {before}"
            ))
        })
    }

    async fn aftermath(&self) -> Option<String> {
        let target = &self.refresh.runbook.target.name;
        let state = match self.target().await {
            Ok(Some(now)) if now.ongoing_operation.is_some() => {
                "an operation is still running on it".to_owned()
            }
            Ok(Some(now)) => format!("it reads {}", now.states()),
            Ok(None) => "it is not listed".to_owned(),
            Err(_) => "its state cannot be read now".to_owned(),
        };
        Some(format!(
            "do not use '{target}': a failed copy may leave it partly overwritten ({state}). The \
             source is unchanged, and what the refresh must restore is in the state file, so that it \
             is safe to copy again. First remove the cause that the service names"
        ))
    }

    async fn poll(&self, handle: &Value) -> Result<Progress, Failure> {
        let target = self.refresh.target_id();
        let id = handle["id"].as_str();
        let found = match serde_json::from_value::<OperationHandle>(handle.clone()) {
            Ok(handle) if !self.by_power_platform() => self.refresh.bap.operation(&handle).await?,
            Ok(OperationHandle { id: Some(id), .. }) => {
                self.refresh.power_platform.operation(target, &id).await?
            }
            Ok(_) | Err(_) => None,
        };
        // What does not answer by its id may be listed all the same.
        let found = match (found, id) {
            (None, Some(id)) => self.operations().await?.into_iter().find(|o| o.id == id),
            (found, _) => found,
        };
        Ok(match found {
            None => Progress::Missing,
            Some(operation) => progress(operation),
        })
    }

    async fn verify(&self, _handle: &Value) -> Result<Verdict, Failure> {
        let refresh = &self.refresh;
        let Some(target) = refresh.bap.environment(refresh.target_id()).await? else {
            return Ok(Verdict::NotYet(
                "the target environment is not listed".to_owned(),
            ));
        };
        if let Some(operation) = &target.ongoing_operation {
            let kind = operation.kind.as_deref().unwrap_or("an operation");
            return Ok(Verdict::NotYet(format!(
                "{kind} is still running on the target"
            )));
        }
        if !target.is_ready() {
            return Ok(Verdict::NotYet(format!(
                "the target reads {}",
                target.states()
            )));
        }
        let closed = target.runtime_state.as_deref() == Some("AdminMode")
            && target.background_operations.as_deref() == Some("Disabled");
        let observed = json!({
            "runtime": target.runtime_state,
            "background-operations": target.background_operations,
            "organization": target.dataverse.as_ref().and_then(|d| d.organization_id.clone()),
            "unique-name": target.dataverse.as_ref().and_then(|d| d.unique_name.clone()),
        });
        if closed {
            // The copy brought the source's tables.
            refresh.target.forget_metadata();
            return Ok(Verdict::Proved(observed));
        }
        Ok(Verdict::NotYet(format!(
            "the target is not in administration mode with background operations off ({})",
            target.states()
        )))
    }

    fn expected(&self) -> Duration {
        // Microsoft Learn, *Copy an environment*: up to eight hours, a day with much data.
        Duration::from_hours(8)
    }

    fn timeout(&self) -> Duration {
        self.refresh
            .runbook
            .steps
            .copy_environments
            .common
            .timeout
            .unwrap_or(COPY_TIMEOUT)
    }
}

/// What an operation says, as progress. An unknown state is neither good nor bad: it is shown, and
/// asked after again.
fn progress(operation: Operation) -> Progress {
    match operation.state {
        OperationState::Succeeded => Progress::Succeeded(operation.raw),
        OperationState::Failed => Progress::Failed(
            operation
                .error
                .unwrap_or_else(|| "the service gives no reason".to_owned()),
        ),
        OperationState::Running => {
            Progress::Running(operation.stage.unwrap_or_else(|| "running".to_owned()))
        }
        OperationState::ValidationPassed => {
            Progress::Failed("only a validation ran, not a copy".to_owned())
        }
        OperationState::Unknown(state) => Progress::Running(format!("state '{state}'")),
    }
}
