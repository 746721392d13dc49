//! Phase `admit`: the caller is a user of the copied organization.
//!
//! A copied organization refuses for some minutes, until it has provisioned the caller. It refuses
//! for good where the source did not know the caller: the copy replaces the target's users by the
//! source's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use crate::clients::{Error, ErrorKind};
use crate::domain::view::View;
use crate::domain::{Refresh, service_fields};
use crate::engine::{
    Action, Change, Failure, FailureKind, Known, Reading, Set, Survey, WriteError, Written,
};

/// How long a copied organization may take to provision a caller whom the copy brought.
const PROVISIONING: Duration = Duration::from_mins(5);

/// Why the organization refuses the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Admission {
    /// The caller is no user of it, or has no role in it: it will be, or must be added.
    NoUser,
    /// Administration mode keeps the caller out: it is no administrator.
    Closed,
    /// It is refused for another reason.
    Refused,
    /// It is no refusal at all.
    Unknown,
}

/// Tells refusals apart by Dataverse's published codes: 0x80072560 (no user), 0x80042f09 (no role),
/// 0x8004a113 (administration mode).
pub(super) fn admission(error: &Error) -> Admission {
    if error.kind != ErrorKind::Forbidden {
        return Admission::Unknown;
    }
    match error.code.as_deref() {
        Some("0x80072560" | "0x80042f09") => Admission::NoUser,
        Some("0x8004a113") => Admission::Closed,
        _ => Admission::Refused,
    }
}

/// Finds whether the caller must be added.
pub(super) struct Admit(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Admit {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        if let View::AfterCopy(_) = refresh.view(known) {
            // A caller whom the source does not know stops the run before the copy.
            return Ok(Vec::new());
        }
        // A plan waits too: what follows could not be read before.
        let Err(error) = refresh.target.wait_until_admitted(PROVISIONING).await else {
            return Ok(Vec::new());
        };
        match (admission(&error), &refresh.application) {
            (Admission::NoUser, Some(client)) => Ok(vec![add(refresh, client)]),
            (Admission::NoUser | Admission::Closed | Admission::Refused, _) => Err(kept_out(error)),
            (Admission::Unknown, _) => Err(error.into()),
        }
    }
}

/// The copy brings the source's users and roles, so what is missing is missing in both.
fn kept_out(error: Error) -> Failure {
    let failure = Failure::from(error);
    let known = failure.help.clone();
    failure.with_help(format!(
        "{}; the copy brought the source's users and roles, so give the caller System \
         Administrator in the source too, or the next copy takes it away again",
        known
            .as_deref()
            .unwrap_or("give the caller access to the target")
    ))
}

fn add(refresh: &Arc<Refresh>, client: &str) -> Change {
    Change {
        key: format!("application-user/{client}"),
        name: format!(
            "add application {client} as a user of '{}'",
            refresh.runbook.target.name
        ),
        before: json!({ "admitted": false }),
        after: json!({ "admitted": true }),
        follows: Vec::new(),
        action: Action::Set(Arc::new(ApplicationUser {
            refresh: Arc::clone(refresh),
            client: client.to_owned(),
        })),
    }
}

struct ApplicationUser {
    refresh: Arc<Refresh>,
    client: String,
}

#[async_trait]
impl Set for ApplicationUser {
    async fn read(&self) -> Result<Reading, Failure> {
        let admitted = match self.refresh.target.who_am_i().await {
            Ok(_) => true,
            Err(error) if admission(&error) == Admission::NoUser => false,
            // The user is there now, and waiting does not make it an administrator.
            Err(error) if admission(&error) != Admission::Unknown => return Err(kept_out(error)),
            Err(error) => return Err(error.into()),
        };
        Ok(Reading::of(json!({ "admitted": admitted })))
    }

    fn only_people_write(&self, member: &str) -> bool {
        service_fields::only_people_write(member)
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let added = self
            .refresh
            .bap
            .add_application_user(self.refresh.target_id(), &self.client)
            .await;
        match added.map_err(WriteError::from) {
            Ok(()) => Ok(Written::default()),
            Err(WriteError::Refused(failure)) if failure.kind == FailureKind::NotAllowed => {
                Err(WriteError::Refused(failure.with_help(
                    "add the application user in the admin center (environment > Settings > \
                     Users + permissions > Application users), then run again",
                )))
            }
            Err(error) => Err(error),
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_mins(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Detail;

    fn error(kind: ErrorKind, code: &str) -> Error {
        let detail = Detail {
            code: Some(code.to_owned()),
            ..Detail::default()
        };
        Error::from_detail(kind, detail, None)
    }

    #[test]
    fn a_missing_user_is_told_from_administration_mode_and_from_other_refusals() {
        let of = |kind, code| admission(&error(kind, code));
        assert_eq!(of(ErrorKind::Forbidden, "0x80072560"), Admission::NoUser);
        assert_eq!(of(ErrorKind::Forbidden, "0x80042f09"), Admission::NoUser);
        assert_eq!(of(ErrorKind::Forbidden, "0x8004a113"), Admission::Closed);
        assert_eq!(of(ErrorKind::Forbidden, "0x80040220"), Admission::Refused);
        assert_eq!(of(ErrorKind::Unavailable, "0x80072560"), Admission::Unknown);
    }

    #[test]
    fn whoever_is_kept_out_is_told_to_look_at_the_source_too() {
        let failure = kept_out(error(ErrorKind::Forbidden, "0x8004a113"));
        assert_eq!(failure.kind, FailureKind::NotAllowed);
        assert!(
            failure
                .help
                .is_some_and(|help| help.contains("in the source too"))
        );
    }
}
