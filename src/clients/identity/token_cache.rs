//! One token for each identity and scope, on the program's clock.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::ExposeSecret as _;

use super::asking::{Asking, NoToken, authority_name};
use super::claims::{Claims, same_audience};
use super::sign_in::SignIn;
use super::{
    Fetched, Identity, azure_cli, azure_pipelines, client_secret, github_oidc, managed_identity,
    token_command, workload_identity,
};
use crate::base::secrets;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Backoff, Http, Origin, Wait, WaitReason};

/// How long before its end a token is renewed, so that none ends on its way.
const RENEWED_BEFORE: Duration = Duration::from_mins(5);

/// How long a token is used at least before another one is asked for, whatever its life: a sign-in
/// service that gives short lives is not asked again for every request. Where the token ends before,
/// the service that is asked refuses it, and that renews it.
const USED_AT_LEAST: Duration = Duration::from_mins(1);

/// No token is believed to live longer.
const LONGEST_LIFE: Duration = Duration::from_hours(24 * 365);

/// The tokens of a run. Services with the same identity and scope share one.
pub struct Tokens {
    http: Arc<Http>,
    authority: Origin,
    sources: Mutex<HashMap<(String, String), Arc<TokenSource>>>,
}

impl Tokens {
    /// Takes what all services share and the authority that tokens are asked of, such as
    /// `https://login.microsoftonline.com`. Fails, as a configuration error, where that is not an
    /// origin.
    pub fn new(http: &Arc<Http>, authority: &str) -> Result<Self, Error> {
        let authority = Origin::parse(authority).map_err(|error| {
            let why = format!("'{authority}' is not its address: {error}");
            Error::new(
                ErrorKind::Configuration,
                "the sign-in service",
                "a token",
                &why,
            )
            .with_help("mend `authority` under `endpoints` in the runbook")
        })?;
        Ok(Self {
            http: Arc::clone(http),
            authority,
            sources: Mutex::default(),
        })
    }

    pub(crate) fn http(&self) -> &Arc<Http> {
        &self.http
    }

    /// How this identity signs in to a service whose tokens are asked for with this scope.
    pub fn sign_in(&self, identity: &Identity, scope: &str) -> SignIn {
        SignIn::new(self.source(identity, scope))
    }

    /// The source of this identity's tokens for this scope.
    pub(crate) fn source(&self, identity: &Identity, scope: &str) -> Arc<TokenSource> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let source = sources
            .entry((identity.key(), scope.to_owned()))
            .or_insert_with(|| {
                Arc::new(TokenSource {
                    http: Arc::clone(&self.http),
                    authority: self.authority.clone(),
                    identity: identity.clone(),
                    scope: scope.to_owned(),
                    held: tokio::sync::Mutex::default(),
                })
            });
        Arc::clone(source)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// Where the tokens of one identity for one scope come from.
pub(crate) struct TokenSource {
    http: Arc<Http>,
    authority: Origin,
    identity: Identity,
    scope: String,
    /// Locked during a fetch: one at a time, and whoever waited finds its result.
    held: tokio::sync::Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Living>,
    /// Counts the fetched tokens, to tell a refused one from its successor.
    fetched: u64,
}

struct Living {
    token: Token,
    /// On the program's clock; none where nobody says when it ends.
    renewed_at: Option<Duration>,
    ends_at: Option<Duration>,
}

/// A token, ready for the wire. Its header is marked sensitive, so that no debug text shows it.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    header: HeaderValue,
    number: u64,
}

impl Token {
    /// The value of the `Authorization` header, marked sensitive.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// What it says of itself, if it is a JSON web token.
    pub(super) fn claims(&self) -> Option<Claims> {
        Claims::read(self.header.to_str().ok()?.strip_prefix("Bearer ")?)
    }
}

impl TokenSource {
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    /// The resource that the scope names.
    pub(super) fn audience(&self) -> &str {
        self.scope.strip_suffix("/.default").unwrap_or(&self.scope)
    }

    /// How long the token that is held still lives, where it is known.
    pub(super) async fn left(&self) -> Option<Duration> {
        let ends_at = self.held.lock().await.token.as_ref()?.ends_at?;
        Some(ends_at.saturating_sub(self.http.clock().elapsed()))
    }

    /// How long it is until this second since 1970, by the services' own time; nothing before any
    /// of them has answered.
    pub(super) fn until(&self, end: u64) -> Option<Duration> {
        let now = self.http.service_time()?;
        Some(Duration::from_secs(end).saturating_sub(now))
    }

    /// A token that lives, fetched if need be.
    pub(crate) async fn current(&self) -> Result<Token, Error> {
        let mut held = self.held.lock().await;
        let now = self.http.clock().elapsed();
        let is_before = |time: Option<Duration>| time.is_none_or(|time| now < time);
        if let Some(living) = &held.token
            && is_before(living.renewed_at)
        {
            return Ok(living.token.clone());
        }
        match self.fetch(held.fetched > 0).await {
            Ok(fetched) => {
                held.fetched += 1;
                // The life is counted from before the fetch, so that it is never overrated.
                let living = self.living(&fetched, held.fetched, now)?;
                let token = living.token.clone();
                held.token = Some(living);
                Ok(token)
            }
            Err(error) => match &held.token {
                // The old one still lives: it serves until the sign-in service is back.
                Some(living) if error.is_temporary() && self.lives(living) => {
                    Ok(living.token.clone())
                }
                _ => Err(error),
            },
        }
    }

    /// A service did not accept this token, and said this. Another one is fetched with the next
    /// request, once, however many requests were refused; where none can be had, that is the error.
    pub(crate) async fn refused(&self, token: &Token, error: Error) -> Result<(), Error> {
        if matches!(self.identity, Identity::Token(_)) {
            let error = error.with_help(
                "the token that was given has ended, or is another service's: give a new one",
            );
            return Err(self.explained(token, error));
        }
        let mut held = self.held.lock().await;
        if held.fetched == token.number {
            held.token = None;
        }
        Ok(())
    }

    /// The same refusal, with what the token itself tells of its cause.
    pub(crate) fn explained(&self, token: &Token, error: Error) -> Error {
        let kind = self.identity.kind();
        let Some(claims) = token.claims() else {
            return error;
        };
        let wanted = self.audience();
        // The others ask for this very scope; and an audience may also be told by its id.
        let is_given = matches!(
            self.identity,
            Identity::Token(_) | Identity::TokenCommand { .. }
        );
        if let Some(audience) = claims.audience.as_deref().filter(|it| it.contains("://"))
            && is_given
            && !same_audience(audience, wanted)
        {
            return error.with_help(format!(
                "its `{kind}` gives a token for {audience}, and here one for {wanted} is needed: a \
                 token serves one service; write a credential of its own for this service under \
                 `identity`"
            ));
        }
        match claims.expires.and_then(|end| self.until(end)) {
            Some(left) if left.is_zero() => error.with_help(format!(
                "the token that its `{kind}` gives has ended: give a new one, or use a kind of \
                 credential that is renewed"
            )),
            _ => error,
        }
    }

    fn lives(&self, living: &Living) -> bool {
        let now = self.http.clock().elapsed();
        living.ends_at.is_none_or(|end| now < end)
    }

    fn living(&self, fetched: &Fetched, number: u64, now: Duration) -> Result<Living, Error> {
        let token = fetched.token.expose_secret();
        if fetched.life.is_some_and(|life| life.is_zero()) {
            let why = "the token that it gave has ended already: its life is 0 seconds";
            let error = Error::new(ErrorKind::NotSignedIn, &self.name(), &self.what(), why);
            return Err(error.with_help(
                "look at the clock of whoever gives the token, and at the token lifetime policies of \
                 the tenant; then run again",
            ));
        }
        secrets::token(token);
        let text = format!("Bearer {token}");
        let mut header = HeaderValue::try_from(text).map_err(|_| {
            let why = "the token has characters that no header may have";
            Error::new(ErrorKind::Configuration, &self.name(), &self.what(), why)
        })?;
        header.set_sensitive(true);
        // A token of a short life is renewed halfway, or it would be renewed for every request.
        let renewed_at = |life: Duration| {
            now + life
                .saturating_sub(RENEWED_BEFORE.min(life / 2))
                .max(USED_AT_LEAST)
        };
        let life = fetched.life.map(|life| life.min(LONGEST_LIFE));
        Ok(Living {
            token: Token { header, number },
            renewed_at: life.map(renewed_at),
            ends_at: life.map(|life| now + life),
        })
    }

    /// Fetches a token, again after each passing failure. Asking twice for a token is harmless.
    async fn fetch(&self, before: bool) -> Result<Fetched, Error> {
        let mut backoff = Backoff::new(self.http.limits().tries);
        let mut attempt = 1;
        loop {
            let fetched = tokio::select! {
                biased;
                () = self.http.cancellation().on_insist() => {
                    return Err(Error::cancelled(&self.name(), &self.what()));
                }
                fetched = self.fetch_once(before) => fetched,
            };
            let NoToken { error, asked } = match fetched {
                Ok(fetched) => return Ok(fetched),
                Err(no_token) => no_token,
            };
            if !error.is_temporary() {
                return Err(error);
            }
            let message = error.message.clone();
            let wait = Wait {
                service: error.service.clone(),
                reason: WaitReason::TokenRenewal,
                duration: backoff.after(asked, error)?,
                attempt,
                message,
            };
            self.http.pause(wait, &self.what()).await?;
            attempt += 1;
        }
    }

    async fn fetch_once(&self, before: bool) -> Result<Fetched, NoToken> {
        let asking = Asking {
            http: &self.http,
            authority: &self.authority,
            scope: &self.scope,
            before,
        };
        match &self.identity {
            Identity::ClientSecret {
                tenant,
                client,
                secret,
            } => client_secret::fetch(asking, (tenant, client, secret)).await,
            Identity::WorkloadIdentity {
                tenant,
                client,
                token_file,
            } => workload_identity::fetch(asking, (tenant, client, token_file)).await,
            Identity::ManagedIdentity { client, endpoint } => {
                managed_identity::fetch(asking, client.as_deref(), endpoint).await
            }
            Identity::AzurePipelines {
                tenant,
                client,
                service_connection,
                request_url,
                access_token,
            } => {
                let connection = azure_pipelines::Connection {
                    tenant,
                    client,
                    id: service_connection,
                    request_url,
                    access_token,
                };
                azure_pipelines::fetch(asking, connection).await
            }
            Identity::GithubOidc {
                tenant,
                client,
                audience,
                request_url,
                request_token,
            } => {
                let job = github_oidc::Job {
                    tenant,
                    client,
                    audience,
                    request_url,
                    request_token,
                };
                github_oidc::fetch(asking, job).await
            }
            Identity::AzureCli { tenant } => azure_cli::fetch(asking, tenant).await,
            Identity::TokenCommand { program, arguments } => {
                token_command::fetch(asking, program, arguments).await
            }
            Identity::Token(token) => Ok(Fetched {
                token: token.clone(),
                life: None,
            }),
        }
    }

    fn name(&self) -> String {
        authority_name(&self.authority)
    }

    fn what(&self) -> String {
        format!("a token for {}", self.scope)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("identity", &self.identity)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup, application, authority};

    fn source(setup: &Setup, authority: &str) -> Arc<TokenSource> {
        let tokens = Tokens::new(&setup.http, authority).unwrap();
        tokens.source(&application(), "https://org.crm.dynamics.com/.default")
    }

    fn bearer(token: &Token) -> &str {
        token.header().to_str().unwrap()
    }

    #[tokio::test]
    async fn the_library_itself_asks_the_authority() {
        let setup = Setup::new(1.0);
        let authority = authority(3_600).await;
        let token = source(&setup, &authority.url).current().await.unwrap();
        assert_eq!(bearer(&token), "Bearer token-1");
        assert!(token.header().is_sensitive());
        let request = &authority.received()[0];
        assert_eq!(request.path, "/contoso.onmicrosoft.com/oauth2/v2.0/token");
        let agent = request.header("user-agent").unwrap();
        assert!(agent.starts_with("azsdk-rust-identity/"), "{agent}");
        assert!(
            request
                .body
                .contains("scope=https%3A%2F%2Forg.crm.dynamics.com%2F.default")
        );
        assert!(request.body.contains("grant_type=client_credentials"));
    }

    #[tokio::test]
    async fn a_token_is_renewed_five_minutes_early_on_the_programs_clock() {
        let setup = Setup::new(3_000.0);
        let authority = authority(3_600).await;
        let source = source(&setup, &authority.url);
        let first = setup.http.clock().elapsed();
        source.current().await.unwrap();
        let minutes = |minutes| Duration::from_mins(minutes);
        let sleep_until = async |since: Duration| {
            let left = (first + since).saturating_sub(setup.http.clock().elapsed());
            setup.http.clock().sleep(left).await;
        };
        sleep_until(minutes(40)).await;
        assert_eq!(bearer(&source.current().await.unwrap()), "Bearer token-1");
        sleep_until(minutes(58)).await;
        assert_eq!(bearer(&source.current().await.unwrap()), "Bearer token-2");
        assert_eq!(authority.count(), 2);
    }

    #[tokio::test]
    async fn many_requests_wait_for_one_fetch() {
        let setup = Setup::new(1.0);
        let authority = authority(3_600).await;
        let tokens = Tokens::new(&setup.http, &authority.url).unwrap();
        let scope = "https://service.powerapps.com/.default";
        let sources: Vec<_> = (0..6)
            .map(|_| tokens.source(&application(), scope))
            .collect();
        let fetches = sources.iter().map(|source| source.current());
        for token in futures_util::future::join_all(fetches).await {
            assert_eq!(bearer(&token.unwrap()), "Bearer token-1");
        }
        assert_eq!(authority.count(), 1);
        tokens
            .source(&application(), "another")
            .current()
            .await
            .unwrap();
        assert_eq!(authority.count(), 2);
    }

    #[tokio::test]
    async fn a_wrong_secret_is_explained_and_asked_once() {
        let setup = Setup::new(1_000.0);
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1","error_codes":[7000215],"correlation_id":"c-1"}"#;
        let authority = Listener::replying(vec![Reply::json(401, body)]).await;
        let error = source(&setup, &authority.url).current().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotSignedIn);
        assert_eq!(error.code.as_deref(), Some("AADSTS7000215"));
        assert_eq!(error.request_id.as_deref(), Some("c-1"));
        assert!(
            error
                .help
                .as_deref()
                .unwrap()
                .contains("its value, not its id")
        );
        assert!(
            error.to_string().contains("the sign-in service 127.0.0.1"),
            "{error}"
        );
        assert_eq!(authority.count(), 1);
    }

    #[tokio::test]
    async fn an_authority_that_is_away_is_waited_for_and_each_wait_is_told() {
        let setup = Setup::new(1_000.0);
        let good = r#"{"token_type":"Bearer","expires_in":"3599","access_token":"t"}"#;
        // The library reads a number here; that a text is refused by it must not hang us.
        let number = good.replace("\"3599\"", "3599");
        let replies = vec![
            Reply::json(503, ""),
            Reply::HangUp,
            Reply::json(429, "").with("retry-after", "7"),
            Reply::json(200, number),
        ];
        let authority = Listener::replying(replies).await;
        let token = source(&setup, &authority.url).current().await.unwrap();
        assert_eq!(bearer(&token), "Bearer t");
        let waits = setup.waits.all();
        assert_eq!(waits.len(), 3);
        assert!(
            waits
                .iter()
                .all(|wait| wait.reason == WaitReason::TokenRenewal)
        );
        assert!(waits[2].duration >= Duration::from_secs(7));
    }

    #[tokio::test]
    async fn the_old_token_serves_while_the_authority_is_away() {
        let setup = Setup::new(300.0);
        let body = r#"{"token_type":"Bearer","expires_in":600,"access_token":"old"}"#;
        let authority =
            Listener::replying(vec![Reply::json(200, body), Reply::json(500, "")]).await;
        let source = source(&setup, &authority.url);
        source.current().await.unwrap();
        setup.http.clock().sleep(Duration::from_secs(301)).await;
        assert_eq!(bearer(&source.current().await.unwrap()), "Bearer old");
        assert!(authority.count() > 1, "it was tried to be renewed");
    }

    #[tokio::test]
    async fn no_number_of_seconds_panics_or_asks_again_and_again() {
        for life in [
            "9223372036854775807",
            "9223372036854775000",
            "18446744073709551615",
            "1e300",
            "253402300800",
            "1",
            "59",
        ] {
            let setup = Setup::new(1.0);
            let body = format!(
                r#"{{"token_type":"Bearer","expires_in":{life},"ext_expires_in":{life},"access_token":"a-token-of-any-life"}}"#
            );
            let authority = Listener::replying(vec![Reply::json(200, body)]).await;
            let source = source(&setup, &authority.url);
            for _ in 0..20 {
                let token = source.current().await.unwrap();
                assert_eq!(bearer(&token), "Bearer a-token-of-any-life");
            }
            assert_eq!(authority.count(), 1, "{life}");
        }
    }

    #[tokio::test]
    async fn a_token_that_has_ended_already_is_an_error_that_names_who_gave_it() {
        for life in ["0", "-5", "\"0\""] {
            let setup = Setup::new(1.0);
            let body =
                format!(r#"{{"token_type":"Bearer","expires_in":{life},"access_token":"t"}}"#);
            let authority = Listener::replying(vec![Reply::json(200, body)]).await;
            let error = source(&setup, &authority.url).current().await.unwrap_err();
            assert!(!error.is_temporary(), "{error}");
            assert!(
                error.to_string().contains("the sign-in service 127.0.0.1"),
                "{error}"
            );
            assert_eq!(authority.count(), 1, "{life}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_a_life_is_refused() {
        let setup = Setup::new(1.0);
        let body = r#"{"token_type":"Bearer","access_token":"t"}"#;
        let authority = Listener::replying(vec![Reply::json(200, body)]).await;
        let error = source(&setup, &authority.url).current().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
    }

    #[test]
    fn a_secret_is_in_no_debug_text() {
        let setup = Setup::new(1.0);
        let tokens = Tokens::new(&setup.http, "https://login.microsoftonline.com").unwrap();
        let source = tokens.source(&application(), "s");
        let shown = format!("{source:?} {tokens:?} {:?}", application());
        assert!(!shown.contains("not a secret"), "{shown}");
    }
}
