//! Phase `admit`: the caller is a user of the copied organization, which holds the source's rows.
//!
//! A copied organization refuses the caller for some minutes, until it has provisioned that user.
//! It refuses permanently if the source does not know the caller, because the copy replaces the
//! target's users with the source's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use crate::clients::{Error, ErrorKind};
use crate::domain::copied_content::require_sources_content;
use crate::domain::environments::has_opened;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys, service_fields};
use crate::engine::{
    Action, Barrier, Change, Failure, FailureKind, JournalView, Reading, Set, Survey, WriteError,
    Written,
};

/// How long a copied organization may take to provision a caller that the copy brought.
const PROVISIONING_TIMEOUT: Duration = Duration::from_mins(5);

/// Why the organization refuses the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// The caller is not a user of the organization, or has no role in it.
    NoUser,
    /// Administration mode keeps the caller out, because it is not an administrator.
    AdministrationMode,
    /// Another reason.
    Other,
    /// The error is not a refusal.
    NotRefused,
}

/// Classifies an error by the table of refusals.
pub(super) fn classify_refusal(error: &Error) -> Refusal {
    if error.kind != ErrorKind::Forbidden {
        Refusal::NotRefused
    } else if error.is_unknown_user() {
        Refusal::NoUser
    } else if error.is_administration_mode() {
        Refusal::AdministrationMode
    } else {
        Refusal::Other
    }
}

/// Finds whether the caller must be added.
pub(super) struct Admit(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Admit {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        if let View::AfterCopy(_) = refresh.view(journal) {
            // Preflight stops the run before the copy if the source does not know the caller.
            return Ok(Vec::new());
        }
        // A plan waits too: the later phases cannot be read before.
        let admitted = refresh
            .target
            .dataverse
            .wait_until_provisioned(PROVISIONING_TIMEOUT);
        let Err(error) = admitted.await else {
            return Ok(Vec::new());
        };
        match (classify_refusal(&error), &refresh.caller.application) {
            (Refusal::NoUser, Some(client)) => Ok(vec![add_application_user(refresh, client)]),
            (Refusal::NoUser | Refusal::AdministrationMode | Refusal::Other, _) => {
                Err(refusal_failure(error))
            }
            (Refusal::NotRefused, _) => Err(error.into()),
        }
    }

    /// Once the organization answers: nothing is changed or opened in a target with another content.
    async fn barrier(&self, journal: &JournalView) -> Result<Barrier, Failure> {
        let refresh = &self.0;
        if let View::AsIs(_) = refresh.view(journal)
            && !has_opened(refresh, journal)
        {
            require_sources_content(refresh, journal).await?;
        }
        Ok(Barrier::Passed)
    }
}

/// The failure of a caller that the organization refuses. A caller without a user or a role lacks
/// them in both environments, because the copy brings the source's; a firewall differs by
/// environment.
pub(super) fn refusal_failure(error: Error) -> Failure {
    let refusal = classify_refusal(&error);
    let mut failure = Failure::from(error);
    let help = failure
        .help
        .get_or_insert_with(|| "give the caller access to the target".to_owned());
    if matches!(refusal, Refusal::NoUser | Refusal::AdministrationMode) {
        help.push_str(
            "; the copy brought the source's users and roles, so give the caller System \
             Administrator in the source too, or the next copy removes the access again",
        );
    }
    failure
}

fn add_application_user(refresh: &Arc<RefreshContext>, client: &str) -> Change {
    Change {
        key: keys::application_user(client),
        name: format!(
            "add application {client} as a user of '{}'",
            refresh.runbook.target.name
        ),
        before: json!({ "admitted": false }).into(),
        after: json!({ "admitted": true }).into(),
        follows: Vec::new(),
        action: Action::Set(Arc::new(ApplicationUser {
            refresh: Arc::clone(refresh),
            client: client.to_owned(),
        })),
    }
}

struct ApplicationUser {
    refresh: Arc<RefreshContext>,
    client: String,
}

#[async_trait]
impl Set for ApplicationUser {
    async fn read(&self) -> Result<Reading, Failure> {
        let admitted = match self.refresh.target.dataverse.who_am_i().await {
            Ok(_) => true,
            Err(error) => match classify_refusal(&error) {
                Refusal::NoUser => false,
                Refusal::NotRefused => return Err(error.into()),
                // The user exists now, and waiting does not make it an administrator.
                Refusal::AdministrationMode | Refusal::Other => return Err(refusal_failure(error)),
            },
        };
        Ok(Reading::of(json!({ "admitted": admitted })))
    }

    fn only_people_write(&self, member: &str) -> bool {
        service_fields::only_people_write(member)
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let added = self
            .refresh
            .services
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

    fn settle_timeout(&self) -> Duration {
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
    fn a_missing_user_is_distinguished_from_administration_mode_and_other_refusals() {
        let classify = |kind, code| classify_refusal(&error(kind, code));
        let forbidden = ErrorKind::Forbidden;
        assert_eq!(classify(forbidden, "0x80072560"), Refusal::NoUser);
        assert_eq!(classify(forbidden, "0x80042f09"), Refusal::NoUser);
        assert_eq!(
            classify(forbidden, "0x8004a113"),
            Refusal::AdministrationMode
        );
        assert_eq!(classify(forbidden, "0x80040220"), Refusal::Other);
        assert_eq!(
            classify(ErrorKind::Unavailable, "0x80072560"),
            Refusal::NotRefused
        );
    }

    #[test]
    fn the_help_for_a_refused_caller_names_the_source_too() {
        let failure = refusal_failure(error(ErrorKind::Forbidden, "0x8004a113"));
        assert_eq!(failure.kind, FailureKind::NotAllowed);
        assert!(
            failure
                .help
                .is_some_and(|help| help.contains("in the source too"))
        );
        // A firewall keeps the caller out, even with the right roles.
        let failure = refusal_failure(error(ErrorKind::Forbidden, "0x80095ffe"));
        assert_eq!(failure.kind, FailureKind::NotAllowed);
        assert!(!failure.help.is_some_and(|help| help.contains("role")));
    }
}
