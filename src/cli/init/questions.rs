//! The questions of `init` at a terminal. Each accepts what its flag accepts, and asks again after an
//! answer that cannot be used. Ctrl-C and the end of the input end the command before it writes.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::file_exists;
use crate::base::text::escape;
use crate::cli::connect::display_name;
use crate::cli::environment_lookup::find_environment;
use crate::cli::run::read_line;
use crate::cli::session::Session;
use crate::clients::Environment;
use crate::engine::{Failure, FailureKind};
use crate::runbook::{Starter, is_user};

/// How many environments are listed.
const LISTED: usize = 100;

/// Asks the person at the terminal.
pub(super) struct Questions<'s> {
    session: &'s Session,
}

impl<'s> Questions<'s> {
    /// Asks if there is a terminal to ask at.
    pub(super) fn at_terminal(session: &'s Session) -> Option<Self> {
        Session::can_prompt().then_some(Self { session })
    }

    /// Asks one question; an answer may be empty.
    async fn ask(&self, question: &str) -> Result<String, Failure> {
        self.session.printer.prompt(&format!("{question}: "));
        let answer = read_line(std::io::stdin(), &self.session.cancellation).await;
        let answer = answer.map_err(|stopped| stopped.with_help("nothing was written"))?;
        // A line that was typed has its line break; the end of the input has none.
        let answer = answer.filter(|line| !line.is_empty());
        let Some(answer) = answer else {
            let message = "the input ended before the last question; nothing was written";
            return Err(Failure::new(FailureKind::InvalidInput, message)
                .with_help("flags answer the questions: `iomcopy help init` lists them"));
        };
        Ok(answer.trim().to_owned())
    }

    /// Says why an answer cannot be used.
    fn refuse(&self, failure: &Failure) {
        let help = failure.help.as_deref();
        // After a list, on a line of its own.
        let is_list = failure.message.contains('\n');
        let before = if is_list { "\n  " } else { "; " };
        let help = help.map_or_else(String::new, |help| format!("{before}{help}"));
        let message = format!("  {}{help}", failure.message);
        self.session.printer.error(&message);
    }

    /// Says what an answer must be.
    fn refuse_answer(&self, why: &str) {
        self.refuse(&Failure::new(FailureKind::InvalidInput, why));
    }

    /// Asks for the tenant to sign in to.
    pub(super) async fn tenant(&self) -> Result<String, Failure> {
        loop {
            let answer = self
                .ask("Tenant to sign in to (its id or a domain, such as contoso.com)")
                .await?;
            if !answer.is_empty() && !answer.contains(char::is_whitespace) {
                return Ok(answer);
            }
            self.refuse_answer("a tenant is an id or a domain without spaces");
        }
    }

    /// Shows the environments, each with its number.
    pub(super) fn list(&self, all: &[Environment]) {
        let printer = &self.session.printer;
        printer.error("Environments that this sign-in can see:");
        for (at, environment) in all.iter().take(LISTED).enumerate() {
            printer.error(&list_line(at + 1, environment));
        }
        if all.len() > LISTED {
            let more = all.len() - LISTED;
            printer.error(&format!("  … and {more} more: use the name, id or address"));
        }
    }

    /// Asks for one of the environments until `check` accepts the answer.
    pub(super) async fn environment<'e>(
        &self,
        all: &'e [Environment],
        what: &str,
        check: impl Fn(&Environment) -> Result<(), Failure>,
    ) -> Result<&'e Environment, Failure> {
        loop {
            let answer = self
                .ask(&format!("{what} (its number, name, id or address)"))
                .await?;
            if answer.is_empty() {
                continue;
            }
            let chosen = choose(all, &answer);
            match chosen.and_then(|chosen| check(chosen).map(|()| chosen)) {
                Ok(chosen) => return Ok(chosen),
                Err(failure) => self.refuse(&failure),
            }
        }
    }

    /// Asks for what the tenant does not say. A person may leave it out; then it is to fill in.
    pub(super) async fn complete(&self, starter: &mut Starter) -> Result<(), Failure> {
        while starter.act_as.is_none() {
            let answer = self
                .ask("Owner of the flows and connections, such as svc-iom@contoso.com (Enter: later)")
                .await?;
            if answer.is_empty() {
                break;
            }
            starter.act_as = Some(answer).filter(|answer| is_user(answer));
            if starter.act_as.is_none() {
                self.refuse_answer(
                    "a user is a user principal name, such as svc-iom@contoso.com, or an object id (a GUID)",
                );
            }
        }
        let Some(lcs) = &mut starter.lcs else {
            return Ok(());
        };
        while lcs.project.is_none() {
            let answer = self
                .ask("Number of the project in Lifecycle Services (Enter: later)")
                .await?;
            if answer.is_empty() {
                break;
            }
            lcs.project = answer.parse().ok().filter(|number| *number > 0);
            if lcs.project.is_none() {
                self.refuse_answer(
                    "the project is a whole number, such as 1234567: it is in the address of the \
                     project's page",
                );
            }
        }
        Ok(())
    }

    /// Asks for the file to write; `None` if stdout goes elsewhere than to the terminal.
    pub(super) async fn file(&self, name: &str) -> Result<Option<PathBuf>, Failure> {
        if !std::io::stdout().is_terminal() {
            return Ok(None);
        }
        let default = format!("{name}.yaml");
        loop {
            let answer = self.ask(&format!("File to write [{default}]")).await?;
            let path = if answer.is_empty() {
                PathBuf::from(&default)
            } else {
                PathBuf::from(answer)
            };
            if !path.exists() {
                return Ok(Some(path));
            }
            self.refuse(&file_exists(&path));
        }
    }
}

/// An environment as the list shows it: `  2  Contoso UAT (Sandbox, https://…)`.
fn list_line(number: usize, environment: &Environment) -> String {
    let kind = environment.sku.as_deref().unwrap_or("unknown kind");
    let dataverse = environment.dataverse.as_ref();
    let url = dataverse.and_then(|dataverse| dataverse.url.as_deref());
    format!(
        "  {number:>2}  {} ({}, {})",
        display_name(environment),
        escape(kind),
        escape(url.unwrap_or("no Dataverse"))
    )
}

/// The environment with this number, name, id or address. A name that is a number comes first.
fn choose<'e>(all: &'e [Environment], answer: &str) -> Result<&'e Environment, Failure> {
    let named = |environment: &Environment| environment.display_name.as_deref() == Some(answer);
    if !all.iter().any(named)
        && let Ok(number) = answer.parse::<usize>()
    {
        let chosen = number.checked_sub(1).and_then(|at| all.get(at));
        return chosen.ok_or_else(|| {
            let message = format!("the numbers are 1 to {}", all.len());
            Failure::new(FailureKind::InvalidInput, message)
        });
    }
    find_environment(all, "the answer", answer)
}
