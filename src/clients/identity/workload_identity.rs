//! An application that trusts whoever wrote a file: `azure_identity`'s own credential, as Microsoft
//! Entra Workload ID gives it to a pod. The file is read again for each token, because whoever writes
//! it writes it anew before it ends.

use std::path::Path;

use azure_core::credentials::TokenCredential as _;
use azure_identity::{
    ClientAssertionCredentialOptions, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::Fetched;
use super::asking::{Asking, NoToken, first_line};
use crate::base::files;
use crate::clients::error::ErrorKind;

/// Fetches a token once.
pub(super) async fn fetch(
    asking: Asking<'_>,
    (tenant, client, token_file): (&str, &str, &Path),
) -> Result<Fetched, NoToken> {
    let transport = asking.transport(Vec::new());
    let options = WorkloadIdentityCredentialOptions {
        credential_options: ClientAssertionCredentialOptions {
            client_options: asking.options(&transport),
        },
        client_id: Some(client.to_owned()),
        tenant_id: Some(tenant.to_owned()),
        token_file_path: Some(token_file.to_owned()),
    };
    // Opened here too: the library's own words do not say what the system said, and the library
    // would wait for a FIFO.
    if let Err(error) = files::open(token_file) {
        let file = token_file.display();
        let message = format!("the federated token's file {file} cannot be read: {error}");
        let failed = asking.failed(ErrorKind::Configuration, &asking.authority_name(), &message);
        return Err(failed.or_help(
            "look at `token-file` under `identity` or at AZURE_FEDERATED_TOKEN_FILE, and whether the \
             pod's service account is set up for workload identity",
        ));
    }
    let credential = WorkloadIdentityCredential::new(Some(options)).map_err(|error| {
        let message = first_line(&error.to_string());
        asking.failed(ErrorKind::Configuration, &asking.authority_name(), &message)
    })?;
    let result = credential.get_token(&[asking.scope], None).await;
    asking.settle(result, &transport)
}
