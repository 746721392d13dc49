//! The identity that signs in to each service: the runbook's credentials, completed by environment
//! variables.

use std::path::PathBuf;

use super::addresses::Addresses;
use super::rehearsal::{default_identity, default_tenant};
use crate::base::secrets;
use crate::clients::{
    AzureCli, AzurePipelines, ClientSecret, CredentialSecret, GithubOidc, GivenToken, Identity,
    MachineEndpoint, ManagedIdentity, ServiceEndpoint, SignIn, TokenCommand, Tokens,
    WorkloadIdentity,
};
use crate::domain::failure_at;
use crate::engine::{Failure, FailureKind};
use crate::runbook::{Credential, Gateway, Located, Runbook, Secret, ServiceKey};

/// Reads an environment variable.
type Variables<'a> = &'a dyn Fn(&str) -> Option<std::ffi::OsString>;

/// The credentials of a runbook.
pub(super) struct Credentials {
    /// The Entra tenant: its id or one of its domains.
    pub(super) tenant: String,
    /// The application id that signs in to the target's Dataverse; `None` for a person.
    pub(super) application: Option<String>,
}

impl Credentials {
    /// The runbook's credentials; without `identity`, the rehearsal tenant's own application.
    pub(super) fn new(runbook: &Runbook) -> Self {
        let Some(identity) = &runbook.identity else {
            let (tenant, application) = default_tenant();
            return Self {
                tenant,
                application,
            };
        };
        let mut credentials = Self {
            tenant: identity.tenant.value.clone(),
            application: None,
        };
        // An invalid credential is reported when it is used.
        let target = credentials.identity(runbook, ServiceKey::DataverseTarget);
        credentials.application = target
            .ok()
            .and_then(|identity| identity.application().map(str::to_owned));
        credentials
    }

    /// The sign-in of each service that this runbook uses. Takes the addresses that are known
    /// before the first request, and those that were found through the environments.
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
        for (key, _) in fixed.into_iter().filter(|(_, is_used)| *is_used) {
            scopes.push((key, addresses.of(key)?.scope.clone()));
        }
        for (key, url) in found {
            scopes.extend(url.map(|url| (*key, ServiceEndpoint::with_own_scope(url).scope)));
        }
        scopes
            .into_iter()
            .map(|(key, scope)| Ok((key, tokens.sign_in(&self.identity(runbook, key)?, &scope))))
            .collect()
    }

    /// The identity for a service.
    pub(super) fn identity(&self, runbook: &Runbook, key: ServiceKey) -> Result<Identity, Failure> {
        let Some(identity) = &runbook.identity else {
            return default_identity(key);
        };
        let credential = identity.credential(key).ok_or_else(|| {
            Failure::new(
                FailureKind::InvalidInput,
                format!("the runbook has no credential for '{key}'"),
            )
            .with_help("add one under `identity`, or a `default` for all services")
        })?;
        CredentialReader {
            runbook,
            credential,
            tenant: &self.tenant,
            variable: &|name| std::env::var_os(name),
        }
        .identity()
    }
}

/// A credential of the runbook, and what completes it.
struct CredentialReader<'a> {
    runbook: &'a Runbook,
    credential: &'a Located<Credential>,
    tenant: &'a str,
    variable: Variables<'a>,
}

impl CredentialReader<'_> {
    fn identity(&self) -> Result<Identity, Failure> {
        let tenant = || self.tenant.to_owned();
        Ok(match &self.credential.value {
            Credential::ClientSecret { client, secret } => Identity::ClientSecret(ClientSecret {
                tenant: tenant(),
                client: client.to_string(),
                secret: self.secret(secret)?,
            }),
            Credential::Token(secret) => Identity::Token(GivenToken(self.secret(secret)?)),
            Credential::TokenCommand(words) => self.token_command(words)?,
            Credential::AzureCli => Identity::AzureCli(AzureCli {
                tenant: Some(tenant()),
            }),
            Credential::WorkloadIdentity { client, token_file } => {
                Identity::WorkloadIdentity(WorkloadIdentity {
                    tenant: tenant(),
                    client: match client {
                        Some(client) => client.to_string(),
                        None => self.required_variable("AZURE_CLIENT_ID", WORKLOAD)?,
                    },
                    token_file: match token_file {
                        Some(file) => self.runbook.folder().join(file),
                        None => PathBuf::from(
                            self.required_variable("AZURE_FEDERATED_TOKEN_FILE", WORKLOAD)?,
                        ),
                    },
                })
            }
            Credential::ManagedIdentity { client } => Identity::ManagedIdentity(ManagedIdentity {
                client: client.map(|client| client.to_string()),
                endpoint: self.machine_endpoint(),
            }),
            Credential::AzurePipelines {
                client,
                service_connection,
                access_token,
            } => Identity::AzurePipelines(AzurePipelines {
                tenant: tenant(),
                client: client.to_string(),
                service_connection: service_connection.clone(),
                request_url: self.required_variable("SYSTEM_OIDCREQUESTURI", PIPELINES)?,
                access_token: self.secret(access_token)?,
            }),
            Credential::GithubOidc { client, audience } => Identity::GithubOidc(GithubOidc {
                tenant: tenant(),
                client: client.to_string(),
                audience: audience.clone(),
                request_url: self.required_variable("ACTIONS_ID_TOKEN_REQUEST_URL", GITHUB)?,
                request_token: {
                    let token = self.required_variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", GITHUB)?;
                    secrets::register_token(&token);
                    token.into()
                },
            }),
        })
    }

    fn token_command(&self, words: &[String]) -> Result<Identity, Failure> {
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| self.invalid("`token-command` names no program", None))?;
        // A name is searched on the PATH, as in a shell; a path is relative to the runbook, not to
        // the current directory.
        let program = if program.contains('/') {
            let path = self.runbook.folder().join(program);
            std::path::absolute(&path).unwrap_or(path)
        } else {
            PathBuf::from(program)
        };
        Ok(Identity::TokenCommand(TokenCommand {
            program,
            arguments: arguments.to_vec(),
        }))
    }

    /// The token endpoint of this machine: App Service sets two variables, a virtual machine none.
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST` overrides the metadata service, as in Microsoft's
    /// libraries.
    fn machine_endpoint(&self) -> MachineEndpoint {
        match self.variable_text("IDENTITY_ENDPOINT") {
            Some(address) if self.variable_text("IDENTITY_HEADER").is_some() => {
                MachineEndpoint::AppService(address)
            }
            _ => MachineEndpoint::Metadata(self.variable_text("AZURE_POD_IDENTITY_AUTHORITY_HOST")),
        }
    }

    fn secret(&self, secret: &Secret) -> Result<CredentialSecret, Failure> {
        secret
            .read(self.runbook.folder(), self.variable)
            .map(|value| CredentialSecret::from(value).read_from(secret.place()))
            .map_err(|error| self.invalid(&error.to_string(), error.help()))
    }

    /// The value of a variable; `None` if it is empty or not Unicode.
    fn variable_text(&self, name: &str) -> Option<String> {
        let value = (self.variable)(name)?.into_string().ok()?;
        (!value.is_empty()).then_some(value)
    }

    fn required_variable(&self, name: &str, help: &str) -> Result<String, Failure> {
        self.variable_text(name).ok_or_else(|| {
            let kind = self.credential.kind();
            let message =
                format!("`{kind}` needs the environment variable `{name}`, which is not set");
            self.invalid(&message, Some(help))
        })
    }

    fn invalid(&self, message: &str, help: Option<&str>) -> Failure {
        let block = self.runbook.diagnostic(self.credential.span, message, help);
        failure_at(FailureKind::InvalidInput, &block)
    }
}

const WORKLOAD: &str = "Kubernetes sets it in a pod whose service account is set up for workload \
                        identity; elsewhere add `client` and `token-file`";
const PIPELINES: &str = "Azure Pipelines sets it in each job; run it there, or use another kind";
const GITHUB: &str = "GitHub sets it in a job with `permissions: id-token: write`";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const CLIENT: &str = "0f0f0f0f-0000-4000-8000-000000000000";

    /// The identity of a credential, with these variables set.
    fn identity_of(credential: &str, variables: &[(&str, &str)]) -> Result<Identity, Failure> {
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
        CredentialReader {
            runbook: &runbook,
            credential: identity.credential(ServiceKey::Bap).unwrap(),
            tenant: &identity.tenant.value,
            variable: &|name| variables.get(name).map(Into::into),
        }
        .identity()
    }

    #[test]
    fn variables_of_a_job_or_a_pod_complete_a_credential() {
        let pod = [
            ("AZURE_CLIENT_ID", CLIENT),
            ("AZURE_FEDERATED_TOKEN_FILE", "/var/token"),
        ];
        let identity = identity_of("{ workload-identity: {} }", &pod).unwrap();
        assert_eq!(identity.application(), Some(CLIENT));
        let Identity::WorkloadIdentity(WorkloadIdentity { token_file, .. }) = identity else {
            panic!("{identity:?}");
        };
        assert_eq!(token_file, PathBuf::from("/var/token"));
        let job = [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x/y"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret"),
        ];
        let credential = format!("{{ github-oidc: {{ client: {CLIENT} }} }}");
        let identity = identity_of(&credential, &job).unwrap();
        assert!(!format!("{identity:?}").contains("secret"));
        let Identity::GithubOidc(GithubOidc { audience, .. }) = identity else {
            panic!("{identity:?}");
        };
        assert_eq!(audience, "api://AzureADTokenExchange");
    }

    #[test]
    fn the_runbook_takes_precedence_over_variables() {
        let set = [
            ("AZURE_CLIENT_ID", "other"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/other"),
        ];
        let credential =
            format!("{{ workload-identity: {{ client: {CLIENT}, token-file: token.txt }} }}");
        let identity = identity_of(&credential, &set).unwrap();
        assert_eq!(identity.application(), Some(CLIENT));
        let Identity::WorkloadIdentity(WorkloadIdentity { token_file, .. }) = identity else {
            panic!("{identity:?}");
        };
        assert_eq!(token_file, PathBuf::from("books/token.txt"));
    }

    #[test]
    fn a_missing_variable_is_reported_at_its_credential() {
        let pipelines =
            format!("{{ azure-pipelines: {{ client: {CLIENT}, service-connection: abc }} }}");
        let github = format!("{{ github-oidc: {{ client: {CLIENT} }} }}");
        for (credential, variable) in [
            ("{ workload-identity: {} }", "AZURE_CLIENT_ID"),
            (pipelines.as_str(), "SYSTEM_OIDCREQUESTURI"),
            (github.as_str(), "ACTIONS_ID_TOKEN_REQUEST_URL"),
        ] {
            let failure = identity_of(credential, &[(variable, "")]).unwrap_err();
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            assert!(failure.message.contains(variable), "{}", failure.message);
            assert!(
                failure.message.contains("test.yaml:6:"),
                "{}",
                failure.message
            );
            // With its place, the message is shown without a second head.
            assert_eq!(failure.marks.len(), 1);
        }
        let failure = identity_of("{ token: { env: MISSING } }", &[]).unwrap_err();
        let parts = ["`MISSING` is not set\n", "= help: set it, then run again"];
        for part in parts {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        assert_eq!(failure.marks.len(), 1);
    }

    #[test]
    fn a_command_with_a_slash_is_relative_to_the_runbook() {
        let program = |words: &str| match identity_of(&format!("{{ token-command: {words} }}"), &[])
        {
            Ok(Identity::TokenCommand(TokenCommand { program, .. })) => program,
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
    fn variables_decide_the_token_endpoint_of_a_machine() {
        let endpoint =
            |variables: &[(&str, &str)]| match identity_of("{ managed-identity: {} }", variables) {
                Ok(Identity::ManagedIdentity(ManagedIdentity { endpoint, .. })) => endpoint,
                other => panic!("{other:?}"),
            };
        assert_eq!(endpoint(&[]), MachineEndpoint::Metadata(None));
        let service = ("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token");
        let of_service = MachineEndpoint::AppService(service.1.to_owned());
        assert_eq!(endpoint(&[service, ("IDENTITY_HEADER", "x")]), of_service);
        assert_eq!(endpoint(&[service]), MachineEndpoint::Metadata(None));
    }
}
