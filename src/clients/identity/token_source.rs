//! The tokens of one identity for one scope, on the program's clock.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::ExposeSecret as _;
use tracing::Instrument as _;

use super::claims::{Claims, is_same_audience};
use super::credential_kind::CredentialLifetime;
use super::kinds::Identity;
use super::sign_in_transport::authority_name;
use super::token_cache::TokenCache;
use super::token_request::{FetchedToken, TokenError, TokenRequest, describe_request};
use crate::base::secrets;
use crate::base::sync::lock;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Backoff, Http, NOT_REACHED, Origin, Wait, WaitReason};

/// The tokens of one identity for one scope.
pub(crate) struct TokenSource {
    http: Arc<Http>,
    authority: Origin,
    identity: Identity,
    scope: String,
    cache: Mutex<TokenCache>,
    /// Locked during a fetch: one at a time, and requests that waited use its result.
    fetching: tokio::sync::Mutex<()>,
}

/// A token as an `Authorization` header.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(super) header: HeaderValue,
    /// How many tokens had been fetched with it.
    pub(super) number: u64,
}

impl Token {
    /// The value of the `Authorization` header, marked sensitive so that no debug text shows it.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// Its claims, if it is a JSON web token.
    pub(super) fn claims(&self) -> Option<Claims> {
        Claims::parse(self.header.to_str().ok()?.strip_prefix("Bearer ")?)
    }
}

impl TokenSource {
    pub(super) fn new(
        http: Arc<Http>,
        authority: Origin,
        identity: Identity,
        scope: String,
    ) -> Self {
        Self {
            http,
            authority,
            identity,
            scope,
            cache: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    /// The audience that the scope names.
    pub(super) fn audience(&self) -> &str {
        self.scope.strip_suffix("/.default").unwrap_or(&self.scope)
    }

    /// The remaining lifetime of the cached token, if known.
    pub(super) fn remaining(&self) -> Option<Duration> {
        lock(&self.cache).remaining(self.http.clock().elapsed())
    }

    /// The time until a moment (seconds since 1970), by the services' own time; `None` before any
    /// service has responded.
    pub(super) fn time_until(&self, end: u64) -> Option<Duration> {
        let now = self.http.server_time()?;
        Some(Duration::from_secs(end).saturating_sub(now))
    }

    /// A valid token, fetched if necessary. A token that will expire soon is renewed in the
    /// background, so that no request waits for it.
    pub(crate) async fn current(self: &Arc<Self>) -> Result<Token, Error> {
        if let Some(token) = self.usable() {
            return Ok(token);
        }
        let turn = self.fetching.lock().await;
        if let Some(token) = self.usable() {
            return Ok(token);
        }
        let renewed = self.renew().await;
        drop(turn);
        renewed.or_else(|error| {
            // The old token is still valid: it is used until the sign-in service is back.
            let valid = lock(&self.cache).valid(self.http.clock().elapsed());
            valid.filter(|_| error.is_temporary()).ok_or(error)
        })
    }

    /// The cached token, if requests may be sent with it. Begins its renewal if that is due.
    fn usable(self: &Arc<Self>) -> Option<Token> {
        let now = self.http.clock().elapsed();
        let mut cache = lock(&self.cache);
        let token = cache.usable(now)?;
        let runtime = tokio::runtime::Handle::try_current();
        if let Ok(runtime) = runtime
            && cache.begin_renewal_ahead(now)
        {
            let source = Arc::clone(self);
            let renewal = async move {
                let turn = source.fetching.lock().await;
                // What fails is tried again, and reported once a request has to wait for it.
                let _result = source.renew().await;
                drop(turn);
                lock(&source.cache).end_renewal_ahead(source.http.clock().elapsed());
            };
            runtime.spawn(renewal.in_current_span());
        }
        Some(token)
    }

    /// Fetches a token, and keeps it.
    async fn renew(&self) -> Result<Token, Error> {
        let began = self.http.clock().elapsed();
        let fetched_before = lock(&self.cache).fetched() > 0;
        let fetched = self.fetch(fetched_before).await?;
        let header = self.header(&fetched)?;
        Ok(lock(&self.cache).keep(header, began, fetched.lifetime))
    }

    /// A service refused this token with this error. The next request fetches a new one, once, for
    /// any number of refused requests. Fails with the error if the token cannot be renewed.
    pub(crate) fn on_refused(&self, token: &Token, error: Error) -> Result<(), Error> {
        if self.identity.lifetime() == CredentialLifetime::SingleToken {
            let error = error.with_help(
                "the given token has expired, or is for another service: provide a new one",
            );
            let error = self.explain_refusal(token, error);
            return Err(self.with_place(error));
        }
        lock(&self.cache).forget(token);
        Ok(())
    }

    /// The same refusal, explained by the token's own claims if they show the cause.
    pub(crate) fn explain_refusal(&self, token: &Token, error: Error) -> Error {
        let kind = self.identity.kind();
        let Some(claims) = token.claims() else {
            return error;
        };
        let expected = self.audience();
        // Other kinds ask for this exact scope; and a token may name its audience by id.
        let may_differ = self.identity.facts().may_ignore_scope;
        if let Some(audience) = claims.audience.as_deref().filter(|it| it.contains("://"))
            && may_differ
            && !is_same_audience(audience, expected)
        {
            return error.with_help(format!(
                "`{kind}` provides a token for {audience}, but this service needs one for {expected}: \
                 give this service its own credential under `identity`"
            ));
        }
        match claims.expires.and_then(|end| self.time_until(end)) {
            Some(remaining) if remaining.is_zero() => error.with_help(format!(
                "the token that `{kind}` provides has expired: provide a new one, or use a credential \
                 kind that is renewed"
            )),
            _ => error,
        }
    }

    /// The same error, whose help about a secret or a token says where that one was read.
    fn with_place(&self, mut error: Error) -> Error {
        let place = self.identity.facts().secret_place;
        let is_about_it = |help: &&mut String| help.contains("secret") || help.contains("token");
        if let Some(place) = place
            && let Some(help) = error.help.as_mut().filter(is_about_it)
        {
            *help = format!("{help} (it was read from {place})");
        }
        error
    }

    /// The `Authorization` header of a fetched token.
    fn header(&self, fetched: &FetchedToken) -> Result<HeaderValue, Error> {
        let token = fetched.token.expose_secret();
        if fetched.lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            let why = "its token has already expired: the lifetime is 0 seconds";
            return Err(self.error(ErrorKind::NotSignedIn, why).with_help(
                "check the clock of the token's issuer and the token lifetime policies of the tenant, \
                 then run again",
            ));
        }
        secrets::register_token(token);
        let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| {
            let why = "the token contains characters that a header does not allow";
            self.error(ErrorKind::Configuration, why).with_source(error)
        })?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// Fetches a token, with retries. Asking twice for a token is harmless.
    async fn fetch(&self, fetched_before: bool) -> Result<FetchedToken, Error> {
        let request = TokenRequest {
            http: &self.http,
            authority: &self.authority,
            scope: &self.scope,
            fetched_before,
        };
        let what = request.describe();
        let mut backoff = Backoff::new(self.http.limits().tries);
        let mut attempt = 1;
        loop {
            let fetched = tokio::select! {
                biased;
                () = self.http.cancellation().wait_for_immediate_stop() => {
                    return Err(Error::cancelled(&request.authority_name(), &what));
                }
                fetched = self.identity.credential().fetch(request) => fetched,
            };
            let TokenError { error, retry_after } = match fetched {
                Ok(fetched) => return Ok(fetched),
                Err(failed) if failed.error.kind == ErrorKind::Unavailable => {
                    failed.or_help(NOT_REACHED)
                }
                Err(failed) => failed,
            };
            if !error.is_temporary() {
                return Err(self.with_place(error));
            }
            let message = error.message.clone();
            let wait = Wait {
                service: error.service.clone(),
                reason: WaitReason::TokenRenewal,
                duration: backoff.next_delay(retry_after, error)?,
                attempt,
                message,
            };
            self.http.pause(wait, &what).await?;
            attempt += 1;
        }
    }

    fn error(&self, kind: ErrorKind, why: &str) -> Error {
        let what = describe_request(&self.scope);
        Error::new(kind, &authority_name(&self.authority), &what, why)
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
    use crate::clients::identity::{ClientSecret, CredentialSecret, Tokens};
    use crate::clients::testing::{
        FAST, Listener, Reply, Setup, application, authority, silent_limits,
    };

    fn source(setup: &Setup, authority: &str) -> Arc<TokenSource> {
        let tokens = Tokens::new(&setup.http, authority).unwrap();
        tokens.source(&application(), "https://org.crm.dynamics.com/.default")
    }

    fn bearer(token: &Token) -> &str {
        token.header().to_str().unwrap()
    }

    #[tokio::test]
    async fn the_library_itself_sends_the_request() {
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

    /// A renewal that requests waited for would stop all of them for its time, several times an hour.
    #[tokio::test]
    async fn a_token_is_renewed_in_the_background_before_a_request_has_to_wait_for_it() {
        let setup = Setup::new(3_000.0);
        let authority = authority(3_600).await;
        let source = source(&setup, &authority.url);
        source.current().await.unwrap();
        setup.http.clock().sleep(Duration::from_mins(46)).await;
        // Its successor is fetched although nothing asks for a token again.
        source.current().await.unwrap();
        for _ in 0..1_000 {
            if authority.count() == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(authority.count(), 2);
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
        let fetches = sources.iter().map(TokenSource::current);
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
    async fn an_invalid_secret_is_explained_and_sent_once() {
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
    async fn an_invalid_secret_is_explained_with_the_place_where_it_was_read() {
        let setup = Setup::new(1_000.0);
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys for app '1' are expired.","error_codes":[7000222]}"#;
        let authority = Listener::replying(vec![Reply::json(401, body)]).await;
        let secret = CredentialSecret::from("x".to_owned());
        let identity = Identity::ClientSecret(ClientSecret {
            tenant: "contoso.onmicrosoft.com".to_owned(),
            client: "0f0f0f0f-0000-4000-8000-000000000000".to_owned(),
            secret: secret.read_from("the environment variable MY_SECRET".to_owned()),
        });
        let tokens = Tokens::new(&setup.http, &authority.url).unwrap();
        let source = tokens.source(&identity, "https://org.crm.dynamics.com/.default");
        let help = source.current().await.unwrap_err().help.unwrap();
        assert!(help.contains("has expired"), "{help}");
        assert!(
            help.contains("the environment variable MY_SECRET"),
            "{help}"
        );
    }

    #[tokio::test]
    async fn an_unavailable_authority_is_retried_and_each_wait_is_reported() {
        let setup = Setup::new(1_000.0);
        let good = r#"{"token_type":"Bearer","expires_in":"3599","access_token":"t"}"#;
        // The library expects a number here; its refusal of a text must not block us.
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
    async fn an_authority_that_does_not_answer_is_named_with_its_port() {
        let setup = Setup::with_limits(FAST, silent_limits());
        let authority = Listener::replying(vec![Reply::Silence]).await;
        drop(source(&setup, &authority.url).current().await.unwrap_err());
        let address = authority.url.trim_start_matches("http://");
        assert_eq!(
            setup.waits.silent(),
            [format!("the sign-in service 127.0.0.1 at {address}")]
        );
    }

    #[tokio::test]
    async fn an_authority_that_refuses_a_connection_is_named_with_its_port() {
        let setup = Setup::new(1_000.0);
        let authority = Listener::replying(Vec::new()).await;
        let url = authority.url.clone();
        drop(authority);
        let error = source(&setup, &url).current().await.unwrap_err();
        let address = url.trim_start_matches("http://");
        let named = format!("no connection to {address}: ");
        assert!(error.to_string().contains(&named), "{error}");
    }

    #[tokio::test]
    async fn the_old_token_is_used_while_the_authority_is_unavailable() {
        let setup = Setup::new(300.0);
        let body = r#"{"token_type":"Bearer","expires_in":600,"access_token":"old"}"#;
        let authority =
            Listener::replying(vec![Reply::json(200, body), Reply::json(500, "")]).await;
        let source = source(&setup, &authority.url);
        source.current().await.unwrap();
        setup.http.clock().sleep(Duration::from_secs(301)).await;
        assert_eq!(bearer(&source.current().await.unwrap()), "Bearer old");
        assert!(authority.count() > 1, "a renewal was attempted");
    }

    #[tokio::test]
    async fn no_lifetime_panics_or_causes_a_fetch_per_request() {
        for lifetime in [
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
                r#"{{"token_type":"Bearer","expires_in":{lifetime},"ext_expires_in":{lifetime},"access_token":"a-token-of-any-lifetime"}}"#
            );
            let authority = Listener::replying(vec![Reply::json(200, body)]).await;
            let source = source(&setup, &authority.url);
            for _ in 0..20 {
                let token = source.current().await.unwrap();
                assert_eq!(bearer(&token), "Bearer a-token-of-any-lifetime");
            }
            assert_eq!(authority.count(), 1, "{lifetime}");
        }
    }

    #[tokio::test]
    async fn an_expired_token_is_an_error_that_names_its_issuer() {
        for lifetime in ["0", "-5", "\"0\""] {
            let setup = Setup::new(1.0);
            let body =
                format!(r#"{{"token_type":"Bearer","expires_in":{lifetime},"access_token":"t"}}"#);
            let authority = Listener::replying(vec![Reply::json(200, body)]).await;
            let error = source(&setup, &authority.url).current().await.unwrap_err();
            assert!(!error.is_temporary(), "{error}");
            assert!(
                error.to_string().contains("the sign-in service 127.0.0.1"),
                "{error}"
            );
            assert_eq!(authority.count(), 1, "{lifetime}");
        }
    }

    #[tokio::test]
    async fn a_response_without_a_lifetime_is_malformed() {
        let setup = Setup::new(1.0);
        let body = r#"{"token_type":"Bearer","access_token":"t"}"#;
        let authority = Listener::replying(vec![Reply::json(200, body)]).await;
        let error = source(&setup, &authority.url).current().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
    }

    #[test]
    fn no_debug_text_contains_a_secret() {
        let setup = Setup::new(1.0);
        let tokens = Tokens::new(&setup.http, "https://login.microsoftonline.com").unwrap();
        let source = tokens.source(&application(), "s");
        let shown = format!("{source:?} {tokens:?} {:?}", application());
        assert!(!shown.contains("not a secret"), "{shown}");
    }
}
