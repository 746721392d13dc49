//! Who signs in to each service: the runbook's credentials, with what this process's environment
//! adds to them.

use std::path::PathBuf;

use secrecy::SecretString;

use super::addresses::Addresses;
use crate::base::secrets;
use crate::clients::{Endpoint, Identity, MachineEndpoint, SignIn, Tokens};
use crate::engine::{Failure, FailureKind};
use crate::rehearsal;
use crate::runbook::{Credential, Gateway, Located, Runbook, Secret, ServiceKey};

/// Reads a variable of the environment.
type Variables<'a> = &'a dyn Fn(&str) -> Option<std::ffi::OsString>;

/// Who signs in.
pub(super) struct Signing {
    /// The Entra tenant: its id or one of its domains.
    pub(super) tenant: String,
    /// The application id of whoever speaks to the target's Dataverse, where it is an application.
    pub(super) application: Option<String>,
}

impl Signing {
    /// Who signs in, by the runbook; the rehearsal tenant's own application where it says nothing.
    pub(super) fn of(runbook: &Runbook) -> Self {
        let Some(identity) = &runbook.identity else {
            return Self {
                tenant: rehearsal::TENANT.to_owned(),
                application: Some(rehearsal::CLIENT.to_owned()),
            };
        };
        let mut signing = Self {
            tenant: identity.tenant.value.clone(),
            application: None,
        };
        // What is wrong with the credential is told when it is needed.
        let target = signing.identity(runbook, ServiceKey::DataverseTarget);
        signing.application = target
            .ok()
            .and_then(|identity| identity.application().map(str::to_owned));
        signing
    }

    /// How each service is signed in to that this runbook speaks to. Takes the addresses that are
    /// known beforehand, and those that were found through the environments.
    pub(super) fn sign_ins(
        &self,
        runbook: &Runbook,
        tokens: &Tokens,
        addresses: &Addresses,
        found: &[(ServiceKey, Option<&str>)],
    ) -> Result<Vec<(ServiceKey, SignIn)>, Failure> {
        let gateway = &runbook.steps.reconfigure_dual_write.options.gateway.value;
        let has_gateway = matches!(gateway, Gateway::AcknowledgedBy(_));
        let fixed = [
            (ServiceKey::PowerPlatform, true),
            (ServiceKey::Bap, true),
            (ServiceKey::Lcs, runbook.lcs.is_some()),
            (ServiceKey::DualWrite, has_gateway),
        ];
        let mut scopes = Vec::new();
        for (key, _) in fixed.into_iter().filter(|(_, spoken_to)| *spoken_to) {
            scopes.push((key, addresses.of(key)?.scope.clone()));
        }
        for (key, url) in found {
            scopes.extend(url.map(|url| (*key, Endpoint::own(url).scope)));
        }
        scopes
            .into_iter()
            .map(|(key, scope)| Ok((key, tokens.sign_in(&self.identity(runbook, key)?, &scope))))
            .collect()
    }

    /// The identity that speaks to a service, whichever it is.
    pub(super) fn identity(&self, runbook: &Runbook, key: ServiceKey) -> Result<Identity, Failure> {
        let Some(identity) = &runbook.identity else {
            // Two services take a person's token only.
            let of_a_person = match key {
                ServiceKey::Lcs => Some(rehearsal::LCS_TOKEN),
                ServiceKey::DualWrite => Some(rehearsal::DUAL_WRITE_TOKEN),
                _ => None,
            };
            if let Some(token) = of_a_person {
                return Ok(Identity::Token(SecretString::from(token.to_owned())));
            }
            return Ok(Identity::ClientSecret {
                tenant: rehearsal::TENANT.to_owned(),
                client: rehearsal::CLIENT.to_owned(),
                secret: SecretString::from(rehearsal::SECRET.to_owned()),
            });
        };
        let credential = identity.credential(key).ok_or_else(|| {
            Failure::new(
                FailureKind::Wrong,
                format!("the runbook names no credential for '{key}'"),
            )
            .with_help("write one under `identity`, or a `default` for all services")
        })?;
        Place {
            runbook,
            credential,
            tenant: &self.tenant,
            variable: &|name| std::env::var_os(name),
        }
        .identity()
    }
}

/// A credential at its place in the runbook, and where the rest of it is found.
struct Place<'a> {
    runbook: &'a Runbook,
    credential: &'a Located<Credential>,
    tenant: &'a str,
    variable: Variables<'a>,
}

impl Place<'_> {
    fn identity(&self) -> Result<Identity, Failure> {
        let tenant = || self.tenant.to_owned();
        Ok(match &self.credential.value {
            Credential::ClientSecret { client, secret } => Identity::ClientSecret {
                tenant: tenant(),
                client: client.to_string(),
                secret: self.secret(secret)?,
            },
            Credential::Token(secret) => Identity::Token(self.secret(secret)?),
            Credential::TokenCommand(words) => self.command(words)?,
            Credential::AzureCli => Identity::AzureCli { tenant: tenant() },
            Credential::WorkloadIdentity { client, token_file } => Identity::WorkloadIdentity {
                tenant: tenant(),
                client: match client {
                    Some(client) => client.to_string(),
                    None => self.required("AZURE_CLIENT_ID", WORKLOAD)?,
                },
                token_file: match token_file {
                    Some(file) => self.runbook.folder().join(file),
                    None => PathBuf::from(self.required("AZURE_FEDERATED_TOKEN_FILE", WORKLOAD)?),
                },
            },
            Credential::ManagedIdentity { client } => Identity::ManagedIdentity {
                client: client.map(|client| client.to_string()),
                endpoint: self.machine(),
            },
            Credential::AzurePipelines {
                client,
                service_connection,
                access_token,
            } => Identity::AzurePipelines {
                tenant: tenant(),
                client: client.to_string(),
                service_connection: service_connection.clone(),
                request_url: self.required("SYSTEM_OIDCREQUESTURI", PIPELINES)?,
                access_token: self.secret(access_token)?,
            },
            Credential::GithubOidc { client, audience } => Identity::GithubOidc {
                tenant: tenant(),
                client: client.to_string(),
                audience: audience.clone(),
                request_url: self.required("ACTIONS_ID_TOKEN_REQUEST_URL", GITHUB)?,
                request_token: {
                    let token = self.required("ACTIONS_ID_TOKEN_REQUEST_TOKEN", GITHUB)?;
                    secrets::token(&token);
                    token.into()
                },
            },
        })
    }

    fn command(&self, words: &[String]) -> Result<Identity, Failure> {
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| self.wrong("`token-command` names no program", None))?;
        // A name is looked for on the path, as a shell does; a path is relative to the runbook. Made
        // absolute, or the system would take it as relative to wherever the program was started.
        let program = if program.contains('/') {
            let path = self.runbook.folder().join(program);
            std::path::absolute(&path).unwrap_or(path)
        } else {
            PathBuf::from(program)
        };
        Ok(Identity::TokenCommand {
            program,
            arguments: arguments.to_vec(),
        })
    }

    /// Where this machine hands out tokens: App Service sets two variables, a virtual machine none.
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST` moves the metadata service, as for Microsoft's own
    /// libraries.
    fn machine(&self) -> MachineEndpoint {
        match self.text("IDENTITY_ENDPOINT") {
            Some(address) if self.text("IDENTITY_HEADER").is_some() => {
                MachineEndpoint::AppService(address)
            }
            _ => MachineEndpoint::Metadata(self.text("AZURE_POD_IDENTITY_AUTHORITY_HOST")),
        }
    }

    fn secret(&self, secret: &Secret) -> Result<SecretString, Failure> {
        secret
            .read(self.runbook.folder(), self.variable)
            .map_err(|error| self.wrong(&error.to_string(), None))
    }

    /// A variable that is set to something, as text.
    fn text(&self, name: &str) -> Option<String> {
        let value = (self.variable)(name)?.into_string().ok()?;
        (!value.is_empty()).then_some(value)
    }

    fn required(&self, name: &str, help: &str) -> Result<String, Failure> {
        self.text(name).ok_or_else(|| {
            let kind = self.credential.kind();
            let message =
                format!("`{kind}` needs the environment variable `{name}`, which is not set");
            self.wrong(&message, Some(help))
        })
    }

    fn wrong(&self, message: &str, help: Option<&str>) -> Failure {
        let block = self.runbook.diagnostic(self.credential.span, message, help);
        Failure::new(FailureKind::Wrong, block.to_string())
    }
}

const WORKLOAD: &str = "Kubernetes sets it in a pod whose service account is set up for workload \
                        identity; elsewhere write `client` and `token-file`";
const PIPELINES: &str = "Azure Pipelines sets it in each job; run it there, or use another kind";
const GITHUB: &str = "GitHub sets it in a job with `permissions: id-token: write`";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const CLIENT: &str = "0f0f0f0f-0000-4000-8000-000000000000";

    /// The identity of a credential, with these variables set.
    fn of(credential: &str, variables: &[(&str, &str)]) -> Result<Identity, Failure> {
        let text = format!(
            "runbook: 1\nname: test\ncloud: public\n\
             identity:\n  tenant: contoso.onmicrosoft.com\n  default: {credential}\n\
             source: {{ environment: 11111111-1111-1111-1111-111111111111 }}\n\
             target: {{ environment: 22222222-2222-2222-2222-222222222222, name: UAT }}\n\
             steps:\n  - copy-environments: {{}}\n  - exit-administration-mode: {{}}\n  \
             - reconfigure-connections: {{ skip: test }}\n  - activate-flows: {{}}\n  \
             - detach-provider-actions: {{}}\n  - reinstall-providers: {{}}\n  \
             - restore-provider-actions: {{}}\n  - reconfigure-dual-write: {{}}\n"
        );
        let runbook = crate::runbook::parse("books/test.yaml", &text)
            .unwrap_or_else(|error| panic!("{error}"));
        let identity = runbook.identity.as_ref().unwrap();
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        Place {
            runbook: &runbook,
            credential: identity.credential(ServiceKey::Bap).unwrap(),
            tenant: &identity.tenant.value,
            variable: &|name| variables.get(name).map(Into::into),
        }
        .identity()
    }

    #[test]
    fn what_a_job_or_a_pod_sets_is_found() {
        let pod = [
            ("AZURE_CLIENT_ID", CLIENT),
            ("AZURE_FEDERATED_TOKEN_FILE", "/var/token"),
        ];
        let identity = of("{ workload-identity: {} }", &pod).unwrap();
        assert_eq!(identity.application(), Some(CLIENT));
        let Identity::WorkloadIdentity { token_file, .. } = identity else {
            panic!("{identity:?}");
        };
        assert_eq!(token_file, PathBuf::from("/var/token"));
        let job = [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x/y"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret"),
        ];
        let credential = format!("{{ github-oidc: {{ client: {CLIENT} }} }}");
        let identity = of(&credential, &job).unwrap();
        assert!(!format!("{identity:?}").contains("secret"));
        let Identity::GithubOidc { audience, .. } = identity else {
            panic!("{identity:?}");
        };
        assert_eq!(audience, "api://AzureADTokenExchange");
    }

    #[test]
    fn what_a_runbook_writes_goes_before_what_is_set() {
        let set = [
            ("AZURE_CLIENT_ID", "other"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/other"),
        ];
        let credential =
            format!("{{ workload-identity: {{ client: {CLIENT}, token-file: token.txt }} }}");
        let identity = of(&credential, &set).unwrap();
        assert_eq!(identity.application(), Some(CLIENT));
        let Identity::WorkloadIdentity { token_file, .. } = identity else {
            panic!("{identity:?}");
        };
        assert_eq!(token_file, PathBuf::from("books/token.txt"));
    }

    #[test]
    fn a_missing_variable_is_told_at_its_credential() {
        let pipelines =
            format!("{{ azure-pipelines: {{ client: {CLIENT}, service-connection: abc }} }}");
        let github = format!("{{ github-oidc: {{ client: {CLIENT} }} }}");
        for (credential, variable) in [
            ("{ workload-identity: {} }", "AZURE_CLIENT_ID"),
            (pipelines.as_str(), "SYSTEM_OIDCREQUESTURI"),
            (github.as_str(), "ACTIONS_ID_TOKEN_REQUEST_URL"),
        ] {
            let failure = of(credential, &[(variable, "")]).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Wrong);
            assert!(failure.message.contains(variable), "{}", failure.message);
            assert!(
                failure.message.contains("test.yaml:6:"),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn a_command_with_a_slash_is_beside_the_runbook() {
        let program = |words: &str| match of(&format!("{{ token-command: {words} }}"), &[]) {
            Ok(Identity::TokenCommand { program, .. }) => program,
            other => panic!("{other:?}"),
        };
        let beside = program("[./token.sh, lcs]");
        assert!(
            beside.is_absolute() && beside.ends_with("books/token.sh"),
            "{beside:?}"
        );
        assert_eq!(program("[/opt/token]"), PathBuf::from("/opt/token"));
        assert_eq!(program("[az, account]"), PathBuf::from("az"));
    }

    #[test]
    fn a_machines_tokens_are_where_its_variables_say() {
        let endpoint = |variables: &[(&str, &str)]| match of("{ managed-identity: {} }", variables)
        {
            Ok(Identity::ManagedIdentity { endpoint, .. }) => endpoint,
            other => panic!("{other:?}"),
        };
        assert_eq!(endpoint(&[]), MachineEndpoint::Metadata(None));
        let service = ("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token");
        let of_service = MachineEndpoint::AppService(service.1.to_owned());
        assert_eq!(endpoint(&[service, ("IDENTITY_HEADER", "x")]), of_service);
        assert_eq!(endpoint(&[service]), MachineEndpoint::Metadata(None));
    }
}
