//! E-mail of Finance and Operations: the mail relay, and mailers that need none.
//!
//! With an empty relay, Exchange can still send: Microsoft's script for a copied database sets the
//! mailer to SMTP for that reason. A refresh by Lifecycle Services empties the relay; nothing is said
//! of the mailer.

use async_trait::async_trait;

use super::reading::{EntityRead, EntityRows, rows, unread};
use super::{Acting, judged, off};
use crate::clients::Row;
use crate::domain::containment::hosts::hosts_of_address;
use crate::domain::containment::kind::SurfaceKind;
use crate::domain::containment::{Closing, Scope, Surface, SurfaceState};
use crate::engine::Failure;

/// The kind.
pub(crate) struct MailRelay;

const NAME: &str = "e-mail parameters";

const ENTITY: EntityRead = EntityRead {
    set: "EmailParameters",
    fields: &["ID", "SMTPRelayServerName", "MailerNonInteractive"],
};

/// The mailer that sends by the relay.
const SMTP: &str = "SMTP";

const REMEDY: &str = "empty the SMTP relay and set the batch mailer to SMTP (System administration > \
                      Setup > Email > Email parameters), or write `e-mail parameters` or the relay's \
                      host under `containment.allow`";

/// By what the parameters send.
#[derive(Debug, Eq, PartialEq)]
enum Sender {
    /// By the relay, or a mailer that needs none; in words, and the relay.
    Acts(String, Option<String>),
    /// By SMTP, and no relay is set.
    Nothing,
    /// The mailer is not shown, and no relay is set.
    NotShown,
}

fn sender(parameters: &Row) -> Sender {
    let set = |field: &str| {
        let value = parameters.string(field).unwrap_or_default().trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let mailer = set("MailerNonInteractive");
    let other = mailer
        .as_deref()
        .filter(|mailer| !mailer.eq_ignore_ascii_case(SMTP));
    match (set("SMTPRelayServerName"), other) {
        (Some(relay), None) => Sender::Acts(relay.clone(), Some(relay)),
        (Some(relay), Some(other)) => Sender::Acts(format!("{other} and {relay}"), Some(relay)),
        (None, Some(other)) => Sender::Acts(other.to_owned(), None),
        (None, None) if mailer.is_some() => Sender::Nothing,
        (None, None) => Sender::NotShown,
    }
}

#[async_trait]
impl SurfaceKind for MailRelay {
    fn key(&self) -> &'static str {
        "mail-relay"
    }

    fn title(&self) -> &'static str {
        "e-mail of Finance and Operations"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let parameters = match rows(scope, &ENTITY).await? {
            EntityRows::NoFinance => return Ok(Vec::new()),
            EntityRows::NotRead(why) => return Ok(unread(scope, self.key(), NAME, why)),
            EntityRows::Read(parameters) => parameters,
        };
        let mut surfaces = Vec::new();
        for parameters in &parameters {
            match sender(parameters) {
                Sender::Acts(by, relay) => {
                    let hosts = relay.iter().flat_map(|relay| hosts_of_address(relay));
                    // Another mailer sends without the relay, so its host does not allow that.
                    let is_relay_alone = relay.as_deref() == Some(by.as_str());
                    let hosts: Vec<String> = hosts.filter(|_| is_relay_alone).collect();
                    let acting = Acting {
                        kind: self.key(),
                        name: NAME,
                        reach: format!("sends e-mail by {by}"),
                        hosts: &hosts,
                        remedy: REMEDY,
                    };
                    surfaces.push(judged(scope, acting));
                }
                Sender::NotShown => surfaces.push(self.unclear(scope)),
                Sender::Nothing => {}
            }
        }
        if surfaces.is_empty() {
            let how = "no SMTP relay is set, and no other mailer".to_owned();
            return Ok(off(scope, self.key(), NAME, ("sends e-mail", how)));
        }
        Ok(surfaces)
    }
}

impl MailRelay {
    /// The surface of parameters that do not show the mailer.
    fn unclear(&self, scope: &Scope<'_>) -> Surface {
        let policy = &scope.policy;
        let allowed = policy.allows_name(NAME);
        let (state, closing) = match allowed.or_else(|| policy.keeps_everything()) {
            Some(by) => (SurfaceState::Allowed(by), Closing::Nothing),
            None => (
                SurfaceState::Unclear(
                    "no SMTP relay is set, but the mailer is not shown".to_owned(),
                ),
                Closing::Finding(REMEDY.to_owned()),
            ),
        };
        let reach = "may send e-mail without a relay".to_owned();
        self.surface(&NAME, NAME.to_owned(), reach, (state, closing))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mailer_that_needs_no_relay_sends_although_the_relay_is_empty() {
        let of = |relay: &str, mailer: &str| {
            let value = json!({ "SMTPRelayServerName": relay, "MailerNonInteractive": mailer });
            sender(&Row {
                etag: None,
                text: String::new(),
                value: value.as_object().unwrap().clone(),
            })
        };
        let acts =
            |by: &str, relay: Option<&str>| Sender::Acts(by.to_owned(), relay.map(str::to_owned));
        let relay = "smtp.contoso.com";
        assert_eq!(of(relay, "SMTP"), acts(relay, Some(relay)));
        assert_eq!(of(" ", "Exchange"), acts("Exchange", None));
        let both = acts("Exchange and smtp.contoso.com", Some(relay));
        assert_eq!(of(relay, "Exchange"), both);
        assert_eq!(of("", "SMTP"), Sender::Nothing);
        assert_eq!(of("", ""), Sender::NotShown);
    }
}
