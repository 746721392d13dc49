//! Who is notified about a run: webhooks, each with its form and its occasions. The address
//! of a webhook is a secret: everyone who knows it can post there.

use std::fmt;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, Serializer};
use serde_json::json;
use url::Url;

use super::keywords::{Keyword as _, explain_keywords, keywords};
use super::secret::{Secret, secret};
use crate::base::{secrets, text};
use crate::runbook::grammar::keys::section;
use crate::runbook::grammar::kind::{self, Kind, list};
use crate::runbook::grammar::scalars::{is_loopback, keyword};
use crate::runbook::grammar::{Binder, Field};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

/// A shorter part of an address is hidden only in the whole address.
const SHORTEST_PART: usize = 16;

section! {
    /// One webhook.
    pub struct Webhook {
        /// Its address, which is a secret: `{ env: NAME }`, `{ file: PATH }`, or the address itself.
        /// `https:`; `http:` on loopback only.
        "url" url: Located<WebhookUrl> = required(webhook_url());
        /// What it is sent.
        "form" form: Located<NotificationForm> = required(form());
        /// When it is sent something.
        "on" on: Located<Vec<Occasion>> = with_default(occasions(), Occasion::ALL.to_vec());
    }
}

keywords! {
    /// What a webhook is sent.
    pub enum NotificationForm {
        /// An adaptive card, as a webhook of the Teams app Workflows posts it.
        Teams = "teams",
        /// A message of blocks, as an incoming webhook of Slack posts it.
        Slack = "slack",
        /// The facts as one JSON object, for any other receiver.
        Json = "json",
    }
}

keywords! {
    /// The events that a webhook is notified of.
    pub enum Occasion {
        /// The run waits for a person.
        Waiting = "waiting",
        /// The run ended, and did not succeed.
        Failed = "failed",
        /// The run succeeded.
        Finished = "finished",
    }
}

/// The address of a webhook, or where it is.
#[derive(Clone)]
pub enum WebhookUrl {
    /// It is read when the run begins.
    Kept(Secret),
    /// It is in the runbook. It is never shown and never recorded.
    Literal(SecretString),
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(secret) => secret.fmt(formatter),
            Self::Literal(_) => formatter.write_str("an address"),
        }
    }
}

impl Serialize for WebhookUrl {
    /// The place of the address, or its fingerprint.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Kept(secret) => secret.serialize(serializer),
            Self::Literal(url) => {
                serializer.serialize_str(&text::fingerprint_of(url.expose_secret()))
            }
        }
    }
}

impl WebhookUrl {
    /// The address. `base` is the runbook's folder; `variable` looks a name up in the process
    /// environment. From then on the address is hidden in everything that is printed or recorded.
    /// An error names its place, never the address.
    pub fn read(
        &self,
        base: &Path,
        variable: &dyn Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Url, String> {
        let (found, place) = match self {
            Self::Kept(secret) => {
                let found = secret.read(base, variable);
                (found.map_err(|error| error.to_string())?, secret.place())
            }
            Self::Literal(url) => (url.clone(), "`url`".to_owned()),
        };
        let found = found.expose_secret().trim();
        let url = parse_address(found).ok_or_else(|| {
            format!("{place} is not the address of a webhook: it must begin with `https://`")
        })?;
        secrets::register_secret(found);
        hide_parts(&url);
        Ok(url)
    }
}

/// Hides the secret parts of an address in every text in which a receiver repeats them. A short
/// part may be an ordinary word, so it is not hidden.
fn hide_parts(url: &Url) {
    let path = url.path().trim_start_matches('/');
    let values = url.query_pairs().map(|(_, value)| value.into_owned());
    let values: Vec<String> = values.collect();
    let parts = [Some(path), url.query()].into_iter().flatten();
    let parts = parts.chain(path.split('/'));
    for part in parts.chain(values.iter().map(String::as_str)) {
        if part.len() >= SHORTEST_PART {
            secrets::register_secret(part);
        }
    }
}

/// The webhooks of a runbook.
pub(super) fn webhooks() -> Kind<Vec<Webhook>> {
    let item = kind::section("{ url: { env: NAME }, form: teams }");
    list(item, "write `[{ url: { env: NAME }, form: teams }]`")
}

/// A valid word is not a secret, but text next to it may be.
fn form() -> Kind<Located<NotificationForm>> {
    keyword().and_then(|binder, field, form| {
        binder.hidden.reveal(field.node.span);
        Some(form)
    })
}

fn occasions() -> Kind<Located<Vec<Occasion>>> {
    let help = "write `[waiting, failed, finished]`, or leave the key out";
    list(keyword::<Occasion>().value(), help)
        .and_then(move |binder, field, occasions: Vec<Occasion>| {
            if occasions.is_empty() {
                let message = format!("{} is an empty list", field.title());
                return binder.refuse(field.node.span, message, help);
            }
            binder.hidden.reveal(field.node.span);
            Some(occasions)
        })
        .described_by(|| {
            let items = keyword::<Occasion>().schema();
            json!({ "type": "array", "items": items, "minItems": 1 })
        })
        .with_keywords(explain_keywords::<Occasion>)
        .at_key()
}

const URL_HELP: &str = "write `{ env: NAME }`, or an address that begins with `https://`";

/// The address of a webhook, or where it is. A wrong one is never shown: it may be half a secret.
fn webhook_url() -> Kind<Located<WebhookUrl>> {
    let schema = || {
        let address = json!({ "type": "string", "pattern": ADDRESS });
        json!({ "anyOf": [secret().schema(), address] })
    };
    Kind::new(read_webhook_url, schema).with_example("{ env: NAME }")
}

/// An address of a webhook for the schema: what [`parse_address`] accepts.
const ADDRESS: &str = "^(?:[hH][tT][tT][pP][sS]://[A-Za-z0-9][A-Za-z0-9.-]*\
                       |[hH][tT][tT][pP]://(?:localhost|127(?:\\.[0-9]{1,3}){3}|\\[::1\\]))\
                       (?::[0-9]{1,5})?(?:[/?][!\"$-~]*)?$";

fn read_webhook_url(binder: &mut Binder, field: Field<'_>) -> Option<Located<WebhookUrl>> {
    let Content::Text { text, .. } = &field.node.content else {
        let place = match field.node.content {
            Content::Map(_) => secret().read(binder, field)?,
            _ => return binder.wrong_type(field, "an address or its place", URL_HELP),
        };
        return Some(Located::new(WebhookUrl::Kept(place.value), place.span));
    };
    let span = field.node.span;
    binder.hidden.hide(span);
    if parse_address(text).is_none() {
        let message = format!("{} is not the address of a webhook", field.title());
        return binder.refuse(span, message, URL_HELP);
    }
    Some(Located::new(WebhookUrl::Literal(text.clone().into()), span))
}

/// An address that may be called: `https:`, or this machine's own; without a user.
fn parse_address(given: &str) -> Option<Url> {
    let url = Url::parse(given).ok()?;
    let is_plain = given.bytes().all(|byte| byte.is_ascii_graphic());
    let has_user = !url.username().is_empty() || url.password().is_some();
    let is_safe = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        _ => false,
    };
    (is_safe && is_plain && !has_user && url.fragment().is_none()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_addresses() {
        for given in [
            "https://prod-1.westeurope.logic.azure.com:443/workflows/0f/triggers/x?sig=a-B_1",
            "https://hooks.slack.com/services/T0/B0/x",
            "http://127.0.0.1:8080/x",
            "http://localhost/x",
        ] {
            assert!(parse_address(given).is_some(), "{given}");
        }
        for given in [
            "http://hooks.example/x",
            "https://user:word@hooks.example/x",
            "https://hooks.example/a b",
            "https://hooks.example/a#b",
            "hooks.example/x",
            "ftp://hooks.example",
            "",
        ] {
            assert!(parse_address(given).is_none(), "{given}");
        }
    }

    #[test]
    fn an_address_is_in_no_text_and_hidden_once_it_is_read() {
        let address =
            "https://hooks.example/services/T0/B0/s3cr3tpart-long-1?sig=s3cr3t-query-long";
        let url = WebhookUrl::Literal(address.into());
        let texts = [format!("{url:?}"), serde_json::to_string(&url).unwrap()];
        assert!(texts.iter().all(|it| !it.contains("hooks")), "{texts:?}");
        let read = url.read(Path::new(""), &|_| None).unwrap();
        assert_eq!(read.as_str(), address);
        for text in [address, "s3cr3tpart-long-1", "s3cr3t-query-long"] {
            let shown = secrets::hide(text).into_owned();
            assert!(!shown.contains("s3cr3t"), "{shown}");
        }
        let kept = WebhookUrl::Kept(Secret::Variable("HOOK".to_owned()));
        let missing = kept.read(Path::new(""), &|_| None).unwrap_err();
        assert!(missing.contains("`HOOK` is not set"), "{missing}");
        let wrong = kept.read(Path::new(""), &|_| {
            Some("http://hooks.example/s3cr3t".into())
        });
        let wrong = wrong.unwrap_err();
        assert!(
            !wrong.contains("s3cr3t") && wrong.contains("HOOK"),
            "{wrong}"
        );
    }
}
