//! What is read of an entity of Finance and Operations, or why it cannot be read: then it may act.

use super::super::super::scope::Scope;
use super::super::super::surface::{Closing, Surface, SurfaceState};
use crate::clients::{ErrorKind, Query, Row};
use crate::domain::view::View;
use crate::engine::{Failure, FailureKind};

/// What a kind reads of one entity.
pub(super) struct EntityRead {
    /// The entity set.
    pub(super) set: &'static str,
    /// The fields; never a field with a secret (`DecryptedAzureAppSecret` can be read).
    pub(super) fields: &'static [&'static str],
}

/// The rows of an entity; why they cannot be read; or nothing, because the environment has no
/// Finance and Operations.
#[derive(Debug)]
pub(super) enum EntityRows {
    /// There is nothing to read.
    NoFinance,
    /// The rows.
    Read(Vec<Row>),
    /// It cannot be read; why.
    NotRead(String),
}

/// Has the environment that the scope shows Finance and Operations?
pub(super) fn has_finance(scope: &Scope<'_>) -> bool {
    let refresh = scope.refresh;
    let environment = match scope.view {
        View::AfterCopy(_) => &refresh.source.environment,
        View::AsIs(_) => &refresh.target.environment,
    };
    let app = environment.finance_operations.as_ref();
    app.is_some_and(|app| app.url.is_some() || app.id.is_some())
}

/// The rows of an entity set of the environment that the scope shows. A set that does not exist
/// shows nothing of what it would list, so that is not the same as no rows.
pub(super) async fn rows(scope: &Scope<'_>, entity: &EntityRead) -> Result<EntityRows, Failure> {
    let refresh = scope.refresh;
    let finance = match scope.view {
        View::AfterCopy(_) => refresh.source.finance.as_ref(),
        View::AsIs(_) => refresh.target.finance.as_deref(),
    };
    let Some(finance) = finance else {
        return Ok(if has_finance(scope) {
            EntityRows::NotRead(NOT_REACHED.to_owned())
        } else {
            EntityRows::NoFinance
        });
    };
    let read = finance
        .list(entity.set, &Query::new().select(entity.fields))
        .await;
    match read {
        Ok(rows) => Ok(EntityRows::Read(rows)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(EntityRows::NotRead(format!(
            "it has no entity `{}`",
            entity.set
        ))),
        Err(error) => match Failure::from(error) {
            failure
                if matches!(
                    failure.kind,
                    FailureKind::Temporary | FailureKind::Interrupted
                ) =>
            {
                Err(failure)
            }
            // Its own checks say what is wrong with the access; here it only cannot be read.
            failure => Ok(EntityRows::NotRead(failure.message)),
        },
    }
}

/// The reason if an environment has Finance and Operations, and no client can read it.
const NOT_REACHED: &str = "its address is not shown, or the token under `identity` is another \
                           environment's";

/// The surface for an entity that could not be read. It may act, so a person decides while
/// administration mode has not ended yet.
pub(super) fn unread(
    scope: &Scope<'_>,
    kind: &'static str,
    name: &str,
    why: String,
) -> Vec<Surface> {
    let policy = &scope.policy;
    let allowed = policy
        .allows_name(name)
        .or_else(|| policy.keeps_everything());
    let is_asked = scope.is_before_opening && matches!(scope.view, View::AsIs(_));
    let (state, closing) = unread_state(allowed, is_asked, name, why);
    vec![Surface {
        kind,
        id: "not-read".to_owned(),
        name: name.to_owned(),
        reach: "cannot be read in Finance and Operations".to_owned(),
        state,
        closing,
    }]
}

/// Its state, and what closes it. Takes by what it is allowed, and whether a person is asked now.
fn unread_state(
    allowed: Option<String>,
    is_asked: bool,
    name: &str,
    why: String,
) -> (SurfaceState, Closing) {
    match allowed {
        Some(by) => (SurfaceState::Allowed(by), Closing::Nothing),
        None if is_asked => {
            let closing = Closing::Ask {
                advice: Vec::new(),
                instructions: vec![
                    format!("Finance and Operations did not give its {name}: {why}."),
                    format!(
                        "Look in Finance and Operations of the target whether its {name} can act, \
                         and give the caller read access there; or write '{name}' under \
                         `containment.allow` in the runbook; then run again."
                    ),
                ],
                evidence: format!(
                    "the {name} of Finance and Operations can be read, or the runbook allows '{name}'"
                ),
            };
            (SurfaceState::Open, closing)
        }
        None => {
            let remedy = format!(
                "give the caller read access in Finance and Operations; the run waits for a person \
                 while it cannot be read. Or write '{name}' under `containment.allow`"
            );
            (SurfaceState::Unclear(why), Closing::Finding(remedy))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_entity_is_a_manual_task_while_the_target_is_closed() {
        let of = |allowed: Option<&str>, is_asked| {
            let allowed = allowed.map(str::to_owned);
            unread_state(allowed, is_asked, "batch jobs", "403".to_owned())
        };
        let (state, closing) = of(None, true);
        assert_eq!(state, SurfaceState::Open);
        assert!(matches!(closing, Closing::Ask { .. }), "{closing:?}");
        let (state, closing) = of(None, false);
        assert!(matches!(state, SurfaceState::Unclear(_)), "{state:?}");
        assert!(matches!(closing, Closing::Finding(_)), "{closing:?}");
        let (state, _) = of(Some("containment.allow: batch jobs"), true);
        assert!(matches!(state, SurfaceState::Allowed(_)), "{state:?}");
    }
}
