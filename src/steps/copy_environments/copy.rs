//! The environment copy: a launch of the admin API.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::join;

use super::requester::{OwnRequest, describe_request};
use super::{database_refresh, manual_refresh};
use crate::clients::{
    CopyRequest, CopyType, Environment, Operation, OperationError, OperationHandle, OperationState,
    Reachability,
};
use crate::domain::RefreshContext;
use crate::domain::environments::finance_replacement::{
    FINANCE_BEFORE, finance_before, finance_replaced,
};
use crate::domain::environments::{copy_key, is_guided, is_lcs_managed, is_open, refresh_key};
use crate::domain::failure::launch_error;
use crate::domain::operation_progress::operation_progress;
use crate::domain::verdict::Answer;
use crate::engine::{
    Action, Barrier, Change, Failure, Found, JournalView, Launch, Note, Progress, Proof, Repeat,
    Started, Survey, TargetComparison, WriteError,
};
use crate::runbook::{CopyApi, SecurityGroup, ServiceKey};

/// How long a copy may take if the runbook sets no timeout (Microsoft Learn, *Copy an
/// environment*: up to 24 hours with much data).
const COPY_TIMEOUT: Duration = Duration::from_hours(24);

/// Finds the copy, and the database refresh next to it, while they are still to be done.
pub(super) struct CopySurvey(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for CopySurvey {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let mut changes = Vec::new();
        let is_automatic = is_lcs_managed(refresh) && !is_guided(refresh);
        if is_automatic && !journal.is_launch_proved(&refresh_key(refresh)) {
            changes.extend(database_refresh::refresh_change(refresh));
        }
        let key = copy_key(refresh);
        if journal.is_launch_proved(&key) {
            return Ok(changes);
        }
        let request = copy_request(refresh);
        let organization = organization_id(&refresh.target.environment);
        let source = &refresh.source.environment;
        changes.push(Change {
            key,
            name: format!(
                "copy '{}' onto '{}'",
                source.display_name.as_deref().unwrap_or("the source"),
                refresh.runbook.target.name
            ),
            before: json!({ "organization": organization }).into(),
            after: json!({
                "source": request.source.to_string(),
                "type": "full",
                "transactionless": request.transactionless,
                "skip-audit-data": request.skip_audit_data,
                "name": request.name,
                "security-group": request.security_group,
            })
            .into(),
            follows: Vec::new(),
            action: Action::Launch(Arc::new(EnvironmentCopy {
                refresh: Arc::clone(refresh),
                request,
                awaits: is_automatic.then(|| refresh_key(refresh)),
            })),
        });
        Ok(changes)
    }

    async fn barrier(&self, journal: &JournalView) -> Result<Barrier, Failure> {
        let refresh = &self.0;
        if !is_lcs_managed(refresh) {
            return Ok(Barrier::Passed);
        }
        if is_guided(refresh)
            && let Barrier::Holds(awaited) =
                manual_refresh::refresh_barrier(refresh, journal).await?
        {
            return Ok(Barrier::Holds(awaited));
        }
        finance_barrier(refresh).await
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let refresh = &self.0;
        if !is_lcs_managed(refresh) {
            return untouched_finance(refresh, journal).await;
        }
        let (copy, database) = (copy_key(refresh), refresh_key(refresh));
        let target = &refresh.runbook.target.name;
        let (replaced, unchanged) =
            if journal.is_launch_proved(&copy) && journal.has_launch_failed(&database) {
                ("Dataverse", "its Finance and Operations database")
            } else if journal.is_launch_proved(&database) && journal.has_launch_failed(&copy) {
                ("its Finance and Operations database", "Dataverse")
            } else {
                return Ok(Vec::new());
            };
        let pair = format!(
            "a mismatched pair: in '{target}', {replaced} is now the source's, and {unchanged} is not"
        );
        let remedy = "do not let anybody work in it. The next run starts only the failed half, after a \
                      new confirmation; that half will contain changes that were made in the source \
                      after the other half was copied";
        Ok(vec![Note::new(pair, remedy)])
    }
}

/// A note unless it is proved that a unified copy, which reported success, replaced Finance and
/// Operations as well.
async fn untouched_finance(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<Note>, Failure> {
    let target = &refresh.runbook.target.name;
    Ok(match finance_replaced(refresh, journal).await? {
        None | Some(Answer::Pass(_)) => Vec::new(),
        Some(Answer::Fail(found)) => vec![Note::new(
            format!(
                "a mismatched pair: the copy reports success, and Finance and Operations of \
                 '{target}' was not replaced: {found}. Dataverse is now the source's"
            ),
            format!(
                "do not let anybody work in '{target}'. Microsoft does not support every pair ('Copy \
                 an LCS environment to a unified environment'): from a unified environment for \
                 developers onto a unified sandbox this usually happens"
            ),
        )],
        Some(Answer::Unknown(found)) => vec![Note::new(
            format!(
                "it is not proved that the copy replaced Finance and Operations of '{target}' \
                 ({found})"
            ),
            format!(
                "check there whether its data are the source's; `iomcopy verify {}` tries again",
                refresh.runbook.as_argument()
            ),
        )],
    })
}

/// Waits until Finance and Operations answers again. A refusal of the caller is an answer.
async fn finance_barrier(refresh: &RefreshContext) -> Result<Barrier, Failure> {
    let Some(finance) = &refresh.target.finance else {
        return Ok(Barrier::Passed);
    };
    Ok(match finance.reachability().await? {
        Reachability::NotReady(message) => {
            Barrier::Holds(format!("{} does not answer yet: {message}", finance.name()))
        }
        _ => Barrier::Passed,
    })
}

/// The copy that the runbook describes. It always sends the target's own display name and group.
fn copy_request(refresh: &RefreshContext) -> CopyRequest {
    let options = &refresh.runbook.steps.copy_environments.options;
    let target = refresh.target.environment.dataverse.as_ref();
    let kept = target.and_then(|dataverse| dataverse.security_group.clone());
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

struct EnvironmentCopy {
    refresh: Arc<RefreshContext>,
    request: CopyRequest,
    /// The key of the database refresh that must be accepted first, if there is one.
    awaits: Option<String>,
}

impl EnvironmentCopy {
    fn by_power_platform(&self) -> bool {
        let options = &self.refresh.runbook.steps.copy_environments.options;
        options.api.value == CopyApi::PowerPlatform
    }

    /// What the intent records of this run's own request.
    async fn describe_request(&self) -> [(&'static str, Value); 2] {
        let key = if self.by_power_platform() {
            ServiceKey::PowerPlatform
        } else {
            ServiceKey::Bap
        };
        let mut sign_ins = self.refresh.caller.sign_ins.iter();
        let sign_in = sign_ins.find(|(known, _)| *known == key);
        let at = self.refresh.services.power_platform.service_time();
        describe_request(sign_in.map(|(_, sign_in)| sign_in), at).await
    }

    async fn target(&self) -> Result<Option<Environment>, Failure> {
        let target = self.refresh.target_id();
        Ok(self.refresh.services.bap.environment(target).await?)
    }

    async fn operations(&self) -> Result<Vec<Operation>, Failure> {
        let (services, target) = (&self.refresh.services, self.refresh.target_id());
        Ok(if self.by_power_platform() {
            services.power_platform.operations(target).await?
        } else {
            services.bap.operations(target).await?
        })
    }

    /// Reads whether the target shows the end of the copy. Takes the organization that the target had
    /// before, if the operation reported success: then an open target with another one proves it too.
    async fn read_end(&self, before: Option<&Value>) -> Result<Proof, Failure> {
        let Some(target) = self.target().await? else {
            return Ok(Proof::NotYet("the target is not listed".to_owned()));
        };
        if let Some(why) = why_not_ready(&target) {
            return Ok(Proof::NotYet(why));
        }
        let organization = organization_id(&target);
        let is_new = organization.is_some() && before.is_some_and(|it| *it != json!(organization));
        if !(is_closed(&target) || is_open(&target) && is_new) {
            return Ok(Proof::NotYet(why_not_ended(&target)));
        }
        // The target now has the source's tables.
        self.refresh.target.dataverse.clear_metadata();
        Ok(Proof::Proved(json!({
            "runtime": target.runtime_state,
            "background-operations": target.background_operations,
            "organization": organization,
            "unique-name": target.dataverse.as_ref().and_then(|d| d.unique_name.clone()),
        })))
    }

    /// Why a copy failed, with the reason that Finance and Operations gives: the operation itself
    /// says no more than that it failed. Takes when the operation started.
    async fn with_finance_errors(&self, why: String, started: Option<&str>) -> String {
        let refresh = &self.refresh;
        let has_finance = refresh.target.environment.finance_operations.is_some();
        if is_lcs_managed(refresh) || !has_finance {
            return why;
        }
        let platform = &refresh.services.power_platform;
        let errors = match platform.operation_errors(refresh.target_id()).await {
            Ok(errors) => errors,
            Err(error) => {
                return format!(
                    "{why}; the errors of its Finance and Operations could not be read: {error}"
                );
            }
        };
        let of_copy: Vec<String> = errors
            .iter()
            .filter(|error| may_be_of(error, started))
            .take(SHOWN_ERRORS)
            .map(OperationError::line)
            .collect();
        if of_copy.is_empty() {
            return why;
        }
        format!(
            "{why}; its Finance and Operations reports: {}",
            of_copy.join("; ")
        )
    }
}

/// How many errors of Finance and Operations are shown.
const SHOWN_ERRORS: usize = 3;

/// May an error be of the operation that started then? Only an earlier one is certainly not.
fn may_be_of(error: &OperationError, started: Option<&str>) -> bool {
    let time = |text: Option<&str>| text?.parse::<jiff::Timestamp>().ok();
    match (time(error.failed_at.as_deref()), time(started)) {
        (Some(failed), Some(started)) => failed >= started,
        _ => true,
    }
}

/// The members of the intent's detail: the operations that were listed before the copy, and the
/// target's organization.
const OPERATIONS_BEFORE: &str = "operations-before";
const ORGANIZATION_BEFORE: &str = "organization-before";

/// The id of an environment's organization.
fn organization_id(environment: &Environment) -> Option<String> {
    let dataverse = environment.dataverse.as_ref();
    dataverse.and_then(|dataverse| dataverse.organization_id.clone())
}

/// The operation that runs on an environment, or its state if it is not ready.
fn why_not_ready(environment: &Environment) -> Option<String> {
    if let Some(operation) = &environment.ongoing_operation {
        let kind = operation.kind.as_deref().unwrap_or("an operation");
        return Some(format!("{kind} is running on the target"));
    }
    let is_ready = environment.is_ready();
    (!is_ready).then(|| format!("the target's state is {}", environment.describe_states()))
}

/// Is administration mode on, and are background operations off? A copy leaves its target so.
fn is_closed(target: &Environment) -> bool {
    target.runtime_state.as_deref() == Some("AdminMode")
        && target.background_operations.as_deref() == Some("Disabled")
}

/// What the target still lacks to show the end of a copy; for a person, if only a person can change
/// it.
fn why_not_ended(target: &Environment) -> String {
    let states = target.describe_states();
    if is_open(target) {
        return format!(
            "the target is OPEN ({states}): put it into administration mode and turn background \
             operations off (admin center > Environments), then run again"
        );
    }
    format!("the target is not in administration mode with background operations off ({states})")
}

/// Is it certain that this operation is not a copy? These known kinds leave the target's content
/// unchanged; an unknown kind may be a copy under another name.
fn is_certainly_not_a_copy(operation: &Operation) -> bool {
    const HARMLESS: [&str; 5] = ["edit", "backup", "convert", "enable", "disable"];
    let kind = operation.kind.as_deref().map(str::to_ascii_lowercase);
    kind.is_some_and(|kind| HARMLESS.contains(&kind.as_str()))
}

/// Operations, one of which may be this run's, each with what contradicts that.
fn describe_unclear(operations: &[(&Operation, Vec<String>)]) -> String {
    let described = operations.iter().map(|(operation, contradictions)| {
        let kind = operation.kind.as_deref().unwrap_or("operation");
        match contradictions.as_slice() {
            [] => format!("{kind} {}", operation.id),
            why => format!("{kind} {} ({})", operation.id, why.join("; ")),
        }
    });
    let described: Vec<String> = described.collect();
    let is_contradicted = operations.iter().any(|(_, why)| !why.is_empty());
    let possibilities = if is_contradicted {
        ": either this run's request began nothing and somebody else is overwriting the target, or the \
         service shows this run's copy in another way"
    } else {
        ""
    };
    described.join(", ") + possibilities
}

/// Is it a copy, by its kind? The kinds are not published, so any that contains the word counts.
fn is_copy(operation: &Operation) -> bool {
    operation
        .kind
        .as_deref()
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("copy"))
}

#[async_trait]
impl Launch for EnvironmentCopy {
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
        let (operations, target, finance) = join!(
            self.operations(),
            self.target(),
            finance_before(&self.refresh),
        );
        let operations = operations?;
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
        let listed: Vec<&str> = operations.iter().map(|one| one.id.as_str()).collect();
        let target = target?;
        let organization = target.as_ref().and_then(organization_id);
        let mut probed = json!({ OPERATIONS_BEFORE: listed, ORGANIZATION_BEFORE: organization });
        for (member, value) in self.describe_request().await {
            probed[member] = value;
        }
        if let Some(before) = finance? {
            probed[FINANCE_BEFORE] = before;
        }
        Ok(probed)
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let (services, target) = (&self.refresh.services, self.refresh.target_id());
        let accepted = if self.by_power_platform() {
            services.power_platform.copy(target, &self.request).await
        } else {
            services.bap.copy_to(target, &self.request).await
        };
        let accepted = accepted.map_err(launch_error)?;
        match accepted.handle {
            Some(handle) => Ok(Started {
                handle: json!(handle),
                service_date: accepted.service_date,
            }),
            // A success status without an operation does not prove that the copy was accepted, so
            // the copy is looked for.
            None => Err(WriteError::InDoubt(Failure::temporary(
                match accepted.refused_link {
                    Some(link) => {
                        format!("the response names an operation on another host: {link}")
                    }
                    None => "the response names no operation".to_owned(),
                },
            ))),
        }
    }

    async fn find(&self, probed: &Value) -> Result<Found, Failure> {
        let before: Vec<&str> = probed[OPERATIONS_BEFORE]
            .as_array()
            .map(|ids| ids.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let operations = self.operations().await?;
        let new: Vec<&Operation> = operations
            .iter()
            .filter(|operation| !before.contains(&operation.id.as_str()))
            .filter(|operation| !is_certainly_not_a_copy(operation))
            .collect();
        let request = OwnRequest::from_intent(probed, self.request.source);
        let new: Vec<(&Operation, Vec<String>)> = new
            .into_iter()
            .map(|operation| (operation, request.contradictions(operation)))
            .collect();
        Ok(match new.as_slice() {
            [] => Found::Absent,
            [(one, contradictions)] if is_copy(one) && contradictions.is_empty() => {
                Found::Operation(json!({ "id": one.id }))
            }
            several => Found::Ambiguous(describe_unclear(several)),
        })
    }

    fn probed_with(&self, probed: &Value, handle: &Value) -> Option<Value> {
        let mut probed = probed.clone();
        let listed = probed[OPERATIONS_BEFORE].as_array_mut()?;
        listed.push(handle.get("id")?.clone());
        Some(probed)
    }

    async fn compare_target(&self, probed: &Value) -> Result<TargetComparison, Failure> {
        let Some(target) = self.target().await? else {
            return Ok(TargetComparison::Changed(
                "the target is not listed".to_owned(),
            ));
        };
        if let Some(why) = why_not_ready(&target) {
            return Ok(TargetComparison::Changed(why));
        }
        // A copy gives the target another organization. Intents of older programs did not record
        // it.
        let Some(before) = probed.get(ORGANIZATION_BEFORE) else {
            return Ok(TargetComparison::NothingRecorded);
        };
        let now = json!(organization_id(&target));
        Ok(if *before == now {
            TargetComparison::Same
        } else {
            TargetComparison::Changed(format!(
                "the target's organization was {before} and is now {now}"
            ))
        })
    }

    async fn aftermath(&self) -> Option<String> {
        let target = &self.refresh.runbook.target.name;
        let state = match self.target().await {
            Ok(Some(now)) if now.ongoing_operation.is_some() => {
                "an operation is still running on it".to_owned()
            }
            Ok(Some(now)) => format!("its state is {}", now.describe_states()),
            Ok(None) => "it is not listed".to_owned(),
            Err(_) => "its state is unknown".to_owned(),
        };
        Some(format!(
            "do not use '{target}': the failed copy may have overwritten part of it ({state}). The \
             source is unchanged, and the state file holds everything to restore, so it is safe to \
             copy again. First remove the cause that the service names"
        ))
    }

    async fn poll(&self, handle: &Value) -> Result<Progress, Failure> {
        let (services, target) = (&self.refresh.services, self.refresh.target_id());
        let id = handle["id"].as_str();
        let found = match serde_json::from_value::<OperationHandle>(handle.clone()) {
            Ok(handle) if !self.by_power_platform() => services.bap.operation(&handle).await?,
            Ok(OperationHandle { id: Some(id), .. }) => {
                services.power_platform.operation(target, &id).await?
            }
            Ok(_) | Err(_) => None,
        };
        // An operation that is not found by its id may still be in the list.
        let found = match (found, id) {
            (None, Some(id)) => self.operations().await?.into_iter().find(|o| o.id == id),
            (found, _) => found,
        };
        Ok(match found {
            None => Progress::Missing,
            Some(operation) if operation.state == OperationState::ValidationPassed => {
                Progress::Failed("only a validation ran, not a copy".to_owned())
            }
            Some(operation) => {
                let started = operation.started.clone();
                match operation_progress(operation) {
                    Progress::Failed(why) => {
                        Progress::Failed(self.with_finance_errors(why, started.as_deref()).await)
                    }
                    progress => progress,
                }
            }
        })
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        self.read_end(None).await
    }

    /// After the operation's success, the new organization proves the copy also if somebody has
    /// opened the target since: step 2 then closes what can act, and reports it.
    async fn verify_success(&self, probed: &Value, _handle: &Value) -> Result<Proof, Failure> {
        self.read_end(probed.get(ORGANIZATION_BEFORE)).await
    }

    fn service_duration(&self, reported: &Value, _observed: &Value) -> Option<Duration> {
        Operation::from_value(reported)?.duration()
    }

    fn expected_duration(&self) -> Duration {
        super::COPY_TAKES
    }

    fn timeout(&self) -> Duration {
        let common = &self.refresh.runbook.steps.copy_environments.common;
        common.timeout.unwrap_or(COPY_TIMEOUT)
    }
}
