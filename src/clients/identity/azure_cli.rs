//! Whoever is signed in with the Azure CLI, through `azure_identity`'s own credential: it runs
//! `az account get-access-token` for every token. A person is as welcome as an application.

use std::ffi::OsStr;
use std::io;
use std::process::Output;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential as _;
use azure_identity::{AzureCliCredential, AzureCliCredentialOptions, Executor};
use secrecy::SecretString;

use super::Fetched;
use super::asking::{Asking, NoToken, first_line};
use super::program::{self, complaint};
use crate::clients::error::{Detail, ErrorKind};
use crate::clients::http::Told;

const NAME: &str = "the Azure CLI";

/// Fetches a token once.
pub(super) async fn fetch(asking: Asking<'_>, tenant: &str) -> Result<Fetched, NoToken> {
    let runner = Arc::new(Runner {
        limit: asking.http.limits().command,
        trouble: Mutex::default(),
    });
    let options = AzureCliCredentialOptions {
        tenant_id: Some(tenant.to_owned()),
        executor: Some(Arc::clone(&runner) as Arc<dyn Executor>),
        subscription: None,
    };
    let sign_in = format!("sign in with `az login --tenant {tenant}`, then run again");
    let credential = AzureCliCredential::new(Some(options)).map_err(|error| {
        let message = first_line(&error.to_string());
        asking.failed(ErrorKind::Configuration, NAME, &message)
    })?;
    match credential.get_token(&[asking.scope], None).await {
        Ok(token) => {
            // Its end is told by this machine's clock, as the CLI reckoned it.
            let now = asking.http.clock().time_of_day().as_second();
            let left = token.expires_on.unix_timestamp().saturating_sub(now);
            Ok(Fetched {
                token: SecretString::from(token.token.secret().to_owned()),
                // An end that lies behind says that the two clocks differ; the service decides.
                life: u64::try_from(left)
                    .ok()
                    .filter(|left| *left > 0)
                    .map(Duration::from_secs),
            })
        }
        Err(error) => match runner.trouble() {
            Some(Trouble::Missing) => Err(asking
                .failed(ErrorKind::NotSignedIn, NAME, "`az` is not on the PATH")
                .or_help("install it, or use another kind of credential under `identity`")),
            Some(Trouble::Said(said)) => {
                let about = Detail {
                    service: NAME.to_owned(),
                    what: asking.what(),
                    ..Detail::default()
                };
                let error = Told::of_text(&said).into_error(ErrorKind::NotSignedIn, about);
                Err(NoToken { error, asked: None }.or_help(sign_in))
            }
            // It ended well and printed something else than a token, which is not shown.
            None => {
                let message = format!("it printed no token: {}", unreadable(&error));
                Err(asking
                    .failed(ErrorKind::NotSignedIn, NAME, &message)
                    .or_help("update it to 2.54 or later, and look what `az account get-access-token -o json` prints"))
            }
        },
    }
}

/// Why the library could not read what was printed. Its text is about the form and quotes a word of
/// it at most; what may be longer is left out.
fn unreadable(error: &azure_core::Error) -> String {
    let text = error.to_string();
    if text.contains("expires_on field not found") {
        "it does not say when the token ends".to_owned()
    } else {
        "it is not the JSON that is expected".to_owned()
    }
}

/// Why no token was printed.
#[derive(Clone, Debug)]
enum Trouble {
    /// There is no such program.
    Missing,
    /// What it complained of, or what became of it.
    Said(String),
}

/// Runs the CLI for the library, with a limit, and remembers what went wrong.
#[derive(Debug)]
struct Runner {
    limit: Duration,
    trouble: Mutex<Option<Trouble>>,
}

impl Runner {
    fn trouble(&self) -> Option<Trouble> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }
}

#[async_trait]
impl Executor for Runner {
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        let ran = program::run(program, arguments, &[], self.limit).await;
        match ran {
            Ok(ran) => {
                // 127: what the shell says of a program that it does not find.
                if ran.status.code() == Some(127) {
                    self.note(Trouble::Missing);
                } else if !ran.status.success() {
                    let said = complaint(&ran.stderr);
                    let said = if said.is_empty() {
                        format!("it ended with {}", ran.status)
                    } else {
                        said
                    };
                    self.note(Trouble::Said(said));
                }
                Ok(Output {
                    status: ran.status,
                    stdout: ran.stdout,
                    stderr: ran.stderr,
                })
            }
            Err(stuck) => {
                self.note(Trouble::Said(stuck.to_string()));
                Err(io::Error::other(stuck.to_string()))
            }
        }
    }
}
