//! An application that trusts the issuer of a token in a file: `azure_identity`'s own credential,
//! as Microsoft Entra Workload ID gives it to a pod. The file is read again for each token, because
//! its issuer replaces it before it expires.

use std::path::PathBuf;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential as _;
use azure_identity::{
    ClientAssertionCredentialOptions, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::credential_kind::{CredentialKind, KindFacts};
use super::token_request::{FetchedToken, TokenError, TokenRequest};
use crate::base::files;
use crate::clients::error::ErrorKind;

/// An application that trusts the issuer of a token in a file.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct WorkloadIdentity {
    /// The tenant: its id or one of its domains.
    pub tenant: String,
    /// The application's id.
    pub client: String,
    /// The file with the assertion.
    pub token_file: PathBuf,
}

const UNREADABLE: &str = "check `token-file` under `identity` or AZURE_FEDERATED_TOKEN_FILE, and the \
                          workload identity of the pod's service account";

#[async_trait]
impl CredentialKind for WorkloadIdentity {
    fn facts(&self) -> KindFacts<'_> {
        KindFacts::application("workload-identity", Some(&self.client))
    }

    async fn fetch(&self, request: TokenRequest<'_>) -> Result<FetchedToken, TokenError> {
        let transport = request.transport(Vec::new());
        let options = WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions {
                client_options: request.client_options(&transport),
            },
            client_id: Some(self.client.clone()),
            tenant_id: Some(self.tenant.clone()),
            token_file_path: Some(self.token_file.clone()),
        };
        // Opened here too: the library's message does not contain the system's, and the library
        // would wait for a FIFO.
        if let Err(error) = files::open(&self.token_file) {
            let file = self.token_file.display();
            let message = format!("the federated token's file {file} cannot be read: {error}");
            let service = request.authority_name();
            return Err(request
                .error(ErrorKind::Configuration, &service, &message)
                .with_source(error)
                .or_help(UNREADABLE));
        }
        let credential = WorkloadIdentityCredential::new(Some(options))
            .map_err(|error| request.invalid_credential(&request.authority_name(), &error))?;
        let result = credential.get_token(&[request.scope], None).await;
        request.finish(result, &transport)
    }
}
