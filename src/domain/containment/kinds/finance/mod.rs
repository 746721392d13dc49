//! Finance and Operations: batch jobs, e-mail, end points of business events, printing.
//!
//! A database refresh by Lifecycle Services withholds all batch jobs, empties the mail relay,
//! removes the end points of business events and the print settings (Microsoft Learn, *Database
//! refresh*). No page lists what a unified copy does to them, so a forecast of one is unclear, and
//! afterwards they are read. The program writes nothing there: which batch job is a system job that
//! must run is not published. Everything that is still on when the copy has ended is a manual task,
//! before administration mode ends. What was read and is off has a line too, because `preflight`
//! warned of it.
//!
//! ```text
//! reading.rs     what is read of an entity, or why it cannot be read
//! batch_jobs.rs  batch jobs that are not withheld
//! email.rs       the mail relay, and other mailers
//! events.rs      end points of business events that are active
//! printing.rs    print settings, which no service shows
//! ```

mod batch_jobs;
mod email;
mod events;
mod printing;
mod reading;

pub(crate) use self::batch_jobs::BatchJobs;
pub(crate) use self::email::MailRelay;
pub(crate) use self::events::BusinessEvents;
pub(crate) use self::printing::Printing;

use super::super::scope::Scope;
use super::super::surface::{Closing, Surface, SurfaceState};
use crate::domain::environments::is_lcs_managed;
use crate::domain::view::View;

/// Something of Finance and Operations that may act.
struct Acting<'a> {
    kind: &'static str,
    name: &'a str,
    reach: String,
    hosts: &'a [String],
    /// What a person can do about it.
    remedy: &'a str,
}

/// Its surface, judged: allowed, or open, or unclear in a forecast.
fn judged(scope: &Scope<'_>, acting: Acting<'_>) -> Surface {
    let Acting {
        kind,
        name,
        reach,
        hosts,
        remedy,
    } = acting;
    let allowed = scope.policy.allows(name, hosts);
    let is_forecast = matches!(scope.view, View::AfterCopy(_));
    let state = match allowed.or_else(|| scope.policy.keeps_everything()) {
        Some(by) => SurfaceState::Allowed(by),
        None if is_forecast && is_lcs_managed(scope.refresh) => {
            SurfaceState::Closed("the database refresh turns it off".to_owned())
        }
        None if is_forecast => SurfaceState::Unclear(
            "what a unified copy does to it is not documented; it is read again afterwards, and the \
             run waits for a person if it is still on"
                .to_owned(),
        ),
        None => SurfaceState::Open,
    };
    let closing = match &state {
        // Batch jobs run without Dataverse, so a person decides before administration mode ends.
        SurfaceState::Open if scope.is_before_opening => Closing::Ask {
            advice: Vec::new(),
            instructions: vec![
                format!("'{name}' could act on the outside world: {reach}."),
                format!("In Finance and Operations of the target: {remedy}; then run again."),
            ],
            evidence: format!("'{name}' can no longer act, or the runbook allows it"),
        },
        SurfaceState::Open | SurfaceState::Unclear(_) => Closing::Finding(remedy.to_owned()),
        _ => Closing::Nothing,
    };
    Surface {
        kind,
        id: name.to_owned(),
        name: name.to_owned(),
        reach,
        state,
        closing,
    }
}

/// The line of a kind of which the target was read and nothing is on; how that was seen. Nothing in a
/// forecast, and nothing if step 2 recorded something that was on: that is closed then.
fn off(
    scope: &Scope<'_>,
    kind: &'static str,
    name: &str,
    (reach, how): (&str, String),
) -> Vec<Surface> {
    let is_forecast = matches!(scope.view, View::AfterCopy(_));
    let mut recorded = scope.sealed.iter().filter(|sealed| sealed.kind == kind);
    if is_forecast || recorded.any(|sealed| sealed.id != name) {
        return Vec::new();
    }
    vec![Surface {
        kind,
        id: name.to_owned(),
        name: name.to_owned(),
        reach: reach.to_owned(),
        state: SurfaceState::Closed(how),
        closing: Closing::Nothing,
    }]
}
