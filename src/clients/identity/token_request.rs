//! One fetch of a token, and its outcome.
//!
//! Each fetch creates a new `azure_identity` credential: the library's cache follows the wall
//! clock, and would return a token that has expired on the program's clock, or one that was just
//! refused. Its retries are off, because every wait must be reported to the observer. The authority
//! is always set, so that no environment variable can choose another.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::AccessToken;
use azure_core::http::{ClientOptions, HttpClient, RetryOptions, Transport};
use secrecy::SecretString;
use serde_json::Value;

use super::sign_in_transport::{
    Exchange, ExchangeError, Outcome, Route, SignInResponse, SignInTransport, authority_name,
};
use super::token_times::response_lifetime;
use crate::clients::error::{Detail, Error, ErrorKind, presentable};
use crate::clients::http::{
    Http, Origin, ServiceError, is_untrusted_certificate, retry_after, untrusted_certificate_help,
};

/// A token as it was fetched.
#[derive(Debug)]
pub(super) struct FetchedToken {
    pub(super) token: SecretString,
    /// How long it is valid from its fetch; `None` if unknown.
    pub(super) lifetime: Option<Duration>,
}

/// Why a fetch returned no token.
#[derive(Debug)]
pub(super) struct TokenError {
    pub(super) error: Error,
    /// How long the service asks to wait, if it says so.
    pub(super) retry_after: Option<Duration>,
}

impl TokenError {
    /// The same error with a hint, if it has none yet.
    pub(super) fn or_help(mut self, help: impl Into<String>) -> Self {
        self.error.help.get_or_insert_with(|| help.into());
        self
    }

    /// The same error with the error that caused it.
    pub(super) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.error = self.error.with_source(source);
        self
    }
}

/// One fetch: the connections, the authority, and the scope.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenRequest<'a> {
    pub(super) http: &'a Arc<Http>,
    pub(super) authority: &'a Origin,
    pub(super) scope: &'a str,
    /// Whether a token has been fetched before from the same source.
    pub(super) fetched_before: bool,
}

/// The description of a request for a token, in errors.
pub(super) fn describe_request(scope: &str) -> String {
    format!("a token for {scope}")
}

impl TokenRequest<'_> {
    /// The description of the request, in errors.
    pub(super) fn describe(&self) -> String {
        describe_request(self.scope)
    }

    /// The name of the authority, in errors.
    pub(super) fn authority_name(&self) -> String {
        authority_name(self.authority)
    }

    /// An error of this fetch. Takes the name of the service that was asked.
    pub(super) fn error(&self, kind: ErrorKind, service: &str, message: &str) -> TokenError {
        TokenError {
            error: Error::new(kind, service, &self.describe(), message),
            retry_after: None,
        }
    }

    /// The library refuses to create the credential. The first line is its message; further lines
    /// are advice with links to its manual.
    pub(super) fn invalid_credential(
        &self,
        service: &str,
        error: &azure_core::Error,
    ) -> TokenError {
        self.error(ErrorKind::Configuration, service, &first_line(error))
    }

    /// An error in the output of a program, whose code is the sign-in service's number in it.
    pub(super) fn program_error(&self, service: &str, message: &str) -> TokenError {
        let detail = Detail {
            service: service.to_owned(),
            what: self.describe(),
            ..Detail::default()
        };
        TokenError {
            error: ServiceError::from_text(message).into_error(ErrorKind::NotSignedIn, detail),
            retry_after: None,
        }
    }

    /// The transport to the authority and to these other routes.
    pub(super) fn transport(&self, others: Vec<Route>) -> Arc<SignInTransport> {
        let mut routes = others;
        routes.extend(Route::to_authority(self.authority));
        SignInTransport::new(Arc::clone(self.http), routes)
    }

    /// The options of a credential that is used once.
    pub(super) fn client_options(&self, transport: &Arc<SignInTransport>) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = self.authority.with_https().to_string();
        let transport = Arc::clone(transport) as Arc<dyn HttpClient>;
        ClientOptions {
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
            transport: Some(Transport::new(transport)),
            ..ClientOptions::default()
        }
    }

    /// The outcome of a fetch: the library's result, judged by the last response.
    pub(super) fn finish(
        &self,
        result: azure_core::Result<AccessToken>,
        transport: &SignInTransport,
    ) -> Result<FetchedToken, TokenError> {
        let Some(Exchange { service, outcome }) = transport.last() else {
            // The library did not send a request.
            let service = self.authority_name();
            let message = result.err().map_or_else(
                || "a token was returned without a request".to_owned(),
                |error| first_line(&error),
            );
            return Err(self.error(ErrorKind::Configuration, &service, &message));
        };
        match (result, outcome) {
            (_, Outcome::Failed(error)) => Err(self.no_response(&service, &error)),
            (Ok(token), Outcome::Responded(response)) => {
                // The library counts the lifetime from the wall clock; ours counts from the fetch.
                let lifetime =
                    response_lifetime(&response.headers, &response.body).ok_or_else(|| {
                        let why = "the response does not say how long the token is valid";
                        self.error(ErrorKind::Malformed, &service, why)
                    })?;
                Ok(FetchedToken {
                    token: SecretString::from(token.token.secret().to_owned()),
                    lifetime: Some(lifetime),
                })
            }
            (Err(_), Outcome::Responded(response)) => Err(self.refused(&service, &response)),
        }
    }

    /// The error of an exchange without a response.
    pub(super) fn no_response(&self, service: &str, error: &Arc<ExchangeError>) -> TokenError {
        let message = error.to_string();
        let source = Arc::clone(error);
        if is_untrusted_certificate(&message) {
            self.error(ErrorKind::Configuration, service, &message)
                .with_source(source)
                .or_help(untrusted_certificate_help())
        } else {
            self.error(ErrorKind::Unavailable, service, &message)
                .with_source(source)
        }
    }

    /// The error of a response without a token.
    pub(super) fn refused(&self, service: &str, response: &SignInResponse) -> TokenError {
        let kind = match response.status {
            429 => ErrorKind::Throttled,
            408 | 500..=599 => ErrorKind::Unavailable,
            200..=299 => ErrorKind::Malformed,
            _ => ErrorKind::NotSignedIn,
        };
        let body: Option<Value> = serde_json::from_slice(&response.body).ok();
        // A 2xx response of an unexpected shape may contain a token: it is not shown.
        let is_malformed = kind == ErrorKind::Malformed;
        let shown: &[u8] = if is_malformed {
            b"the response contains no token"
        } else {
            &response.body
        };
        let shown_json = body.as_ref().filter(|_| !is_malformed);
        let detail = Detail {
            service: service.to_owned(),
            what: self.describe(),
            status: Some(response.status),
            request_id: body
                .as_ref()
                .and_then(|body| body["correlation_id"].as_str())
                .map(presentable),
            ..Detail::default()
        };
        TokenError {
            error: ServiceError::parse(shown_json, shown).into_error(kind, detail),
            retry_after: retry_after(&response.headers),
        }
    }
}

/// Not kept as a source: the library's errors may quote a response, which may contain a token.
fn first_line(error: &azure_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
