//! What a program of the customer's is started as, and the environment variables that it gets.

use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::RunCommand;
use crate::domain::custom_steps::{invalid, secret_text};
use crate::engine::{Failure, JournalView};
use crate::runbook::{Keyword as _, Located, TokenService, VariableValue};

/// The variables of this process that every program needs and that hold no secret. Others may: a
/// program gets them only if the runbook names them.
const PASSED_ON: [&str; 22] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    // Windows.
    "TMP",
    "TEMP",
    "SYSTEMROOT",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "USERNAME",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "PROGRAMFILES",
];

/// The name of the variable with the token of a service: `IOMCOPY_TOKEN_DATAVERSE_TARGET`.
fn token_variable(service: TokenService) -> String {
    let service = service.keyword().to_ascii_uppercase().replace('-', "_");
    format!("IOMCOPY_TOKEN_{service}")
}

impl RunCommand {
    /// The program and its arguments. A name is searched on the path; a path is relative to the
    /// runbook, not to the current directory.
    pub(super) fn resolve(
        &self,
        words: &[Located<String>],
    ) -> Result<(PathBuf, Vec<OsString>), Failure> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(self.invalid_program(words, "no program is named"));
        };
        let program = if program.contains('/') {
            let path = self.refresh.runbook.folder().join(&program.value);
            std::path::absolute(&path).unwrap_or(path)
        } else {
            PathBuf::from(&program.value)
        };
        let arguments = arguments.iter().map(|word| word.value.clone().into());
        Ok((program, arguments.collect()))
    }

    /// A mistake in the runbook, at the program's name.
    pub(super) fn invalid_program(&self, words: &[Located<String>], message: &str) -> Failure {
        let span = words.first().map_or(self.step.span, |word| word.span);
        let help = "write the name of a program on the path, or its path relative to the runbook; \
                    it must be executable";
        invalid(&self.refresh, span, message, help)
    }

    /// Fails unless both programs are there.
    pub(super) fn require_programs(&self) -> Result<(), Failure> {
        for words in [&self.options.run, &self.options.check] {
            let (program, _) = self.resolve(words)?;
            let is_there = if program.is_absolute() {
                program.is_file()
            } else {
                let path = (self.refresh.process_variables)("PATH").unwrap_or_default();
                std::env::split_paths(&path).any(|folder| is_program(&folder.join(&program)))
            };
            if !is_there {
                let message = format!("the program '{}' was not found", program.display());
                return Err(self.invalid_program(words, &message));
            }
        }
        Ok(())
    }

    /// The environment of both programs.
    pub(super) async fn variables(
        &self,
        journal: &JournalView,
    ) -> Result<Vec<(OsString, OsString)>, Failure> {
        let refresh = &self.refresh;
        let mut variables: Vec<(OsString, OsString)> = PASSED_ON
            .iter()
            .filter_map(|name| Some(((*name).into(), (refresh.process_variables)(name)?)))
            .collect();
        let dataverse = refresh.target.environment.dataverse.as_ref();
        let finance = refresh.target.environment.finance_operations.as_ref();
        let own = [
            ("IOMCOPY_STEP", Some(self.step.name.value.clone())),
            ("IOMCOPY_RUN", journal.run()),
            (
                "IOMCOPY_TARGET_ENVIRONMENT",
                Some(refresh.target_id().to_string()),
            ),
            (
                "IOMCOPY_TARGET_DATAVERSE_URL",
                dataverse.and_then(|dataverse| dataverse.url.clone()),
            ),
            (
                "IOMCOPY_TARGET_FINANCE_URL",
                finance.and_then(|finance| finance.url.clone()),
            ),
        ];
        let own = own
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        variables.extend(own.map(|(name, value)| (name.into(), value.into())));
        if let Some(path) = journal.state_file() {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            variables.push(("IOMCOPY_STATE".into(), path.into()));
        }
        for (name, value) in &self.options.variables {
            let value = match &value.value {
                VariableValue::Text(text) => text.clone(),
                VariableValue::Secret(secret) => secret_text(refresh, value.span, secret)?,
            };
            variables.push((name.into(), value.into()));
        }
        for service in &self.options.services {
            let token = self.token(service).await?;
            variables.push((token_variable(service.value).into(), token.into()));
        }
        Ok(variables)
    }

    /// A token for a service that the runbook names.
    async fn token(&self, service: &Located<TokenService>) -> Result<String, Failure> {
        let sign_ins = &self.refresh.caller.sign_ins;
        let key = service.value.key();
        let Some((_, sign_in)) = sign_ins.iter().find(|(known, _)| *known == key) else {
            let message = format!("this runbook does not use the service `{}`", service.value);
            let help = "remove it, or write its section, such as `lcs`";
            return Err(invalid(&self.refresh, service.span, &message, help));
        };
        let token = sign_in.token().await?;
        Ok(token.expose_secret().to_owned())
    }
}

/// Is there a program at this path, or on Windows with an extension of programs?
fn is_program(path: &std::path::Path) -> bool {
    path.is_file()
        || ["exe", "cmd", "bat"]
            .iter()
            .any(|extension| path.with_extension(extension).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_name_of_its_service() {
        assert_eq!(
            token_variable(TokenService::DataverseTarget),
            "IOMCOPY_TOKEN_DATAVERSE_TARGET"
        );
    }

    #[test]
    fn no_variable_that_is_passed_on_holds_a_secret() {
        for name in PASSED_ON {
            for part in [
                "SECRET",
                "TOKEN",
                "PASSWORD",
                "CREDENTIAL",
                "PROXY",
                "AZURE",
            ] {
                assert!(!name.contains(part), "{name}");
            }
        }
    }
}
