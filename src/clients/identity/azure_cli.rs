//! The account that is signed in with the Azure CLI, through `azure_identity`'s own credential: it
//! runs `az account get-access-token` for each token. The account may be a person's or an
//! application's.

use std::ffi::OsStr;
use std::io;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential as _;
use azure_identity::{AzureCliCredential, AzureCliCredentialOptions, Executor};
use secrecy::SecretString;

use super::credential_kind::{CredentialKind, KindFacts};
use super::program::{self, summarize_stderr};
use super::token_request::{FetchedToken, TokenError, TokenRequest};
use crate::base::sync::lock;
use crate::clients::error::ErrorKind;

/// The account that is signed in with the Azure CLI.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct AzureCli {
    /// The tenant: its id or one of its domains; `None` for the tenant of the signed-in account.
    pub tenant: Option<String>,
}

const NAME: &str = "the Azure CLI";

const NOT_INSTALLED: &str = "install it, or use another kind of credential under `identity`";

const OUTDATED: &str = "update it to 2.54 or later, and check the output of `az account get-access-token \
                        -o json`";

#[async_trait]
impl CredentialKind for AzureCli {
    fn facts(&self) -> KindFacts<'_> {
        KindFacts::new("azure-cli")
    }

    async fn fetch(&self, request: TokenRequest<'_>) -> Result<FetchedToken, TokenError> {
        let runner = Arc::new(Runner {
            limit: request.http.limits().command,
            problem: Mutex::default(),
        });
        let options = AzureCliCredentialOptions {
            tenant_id: self.tenant.clone(),
            executor: Some(Arc::clone(&runner) as Arc<dyn Executor>),
            subscription: None,
        };
        let credential = AzureCliCredential::new(Some(options))
            .map_err(|error| request.invalid_credential(NAME, &error))?;
        let error = match credential.get_token(&[request.scope], None).await {
            Ok(token) => {
                // The expiry is a time of this machine's clock, as the CLI calculated it.
                let now = request.http.clock().time_of_day().as_second();
                let left = token.expires_on.unix_timestamp().saturating_sub(now);
                return Ok(FetchedToken {
                    token: SecretString::from(token.token.secret().to_owned()),
                    // An expiry in the past means that the two clocks differ; the service decides.
                    lifetime: u64::try_from(left)
                        .ok()
                        .filter(|left| *left > 0)
                        .map(Duration::from_secs),
                });
            }
            Err(error) => error,
        };
        Err(match lock(&runner.problem).take() {
            Some(Problem::NotInstalled) => request
                .error(ErrorKind::NotSignedIn, NAME, "`az` is not on the PATH")
                .or_help(NOT_INSTALLED),
            Some(Problem::Failed(message)) => {
                let tenant = self.tenant.as_ref();
                let tenant = tenant.map(|tenant| format!(" --tenant {tenant}"));
                request.program_error(NAME, &message).or_help(format!(
                    "sign in with `az login{}`, then run again",
                    tenant.unwrap_or_default()
                ))
            }
            // It succeeded and printed something else than a token, which is not shown.
            None => {
                let message = format!("it printed no token: {}", describe_output_error(&error));
                request
                    .error(ErrorKind::NotSignedIn, NAME, &message)
                    .or_help(OUTDATED)
            }
        })
    }
}

/// Why the library could not parse the output. The library's own message may quote the output, so
/// it is not shown.
fn describe_output_error(error: &azure_core::Error) -> &'static str {
    if error.to_string().contains("expires_on field not found") {
        "its output does not say when the token expires"
    } else {
        "its output is not the expected JSON"
    }
}

/// Why no token was printed.
#[derive(Debug)]
enum Problem {
    /// The program does not exist.
    NotInstalled,
    /// Its error output, or how it ended.
    Failed(String),
}

/// Runs the CLI for the library, with a timeout, and remembers the problem.
#[derive(Debug)]
struct Runner {
    limit: Duration,
    problem: Mutex<Option<Problem>>,
}

impl Runner {
    fn record(&self, problem: Problem) {
        *lock(&self.problem) = Some(problem);
    }
}

#[async_trait]
impl Executor for Runner {
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        let ran = program::run(program, arguments, &[], self.limit).await;
        match ran {
            Ok(ran) => {
                // 127: the shell did not find the program.
                if ran.status.code() == Some(127) {
                    self.record(Problem::NotInstalled);
                } else if !ran.status.success() {
                    let stderr = summarize_stderr(&ran.stderr);
                    let message = if stderr.is_empty() {
                        format!("it ended with {}", ran.status)
                    } else {
                        stderr
                    };
                    self.record(Problem::Failed(message));
                }
                Ok(Output {
                    status: ran.status,
                    stdout: ran.stdout,
                    stderr: ran.stderr,
                })
            }
            Err(error) => {
                self.record(Problem::Failed(error.to_string()));
                Err(io::Error::other(error))
            }
        }
    }
}
