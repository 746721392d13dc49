//! TLS: a root certificate that the program must trust, and a certificate for this machine. Both
//! are created with a new world and stored in it, so that clients still trust a restarted tenant.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why TLS cannot be set up. No user error can be the cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

/// A tenant's certificates in PEM.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Certificates {
    /// The root certificate, which clients must trust.
    pub(crate) root: String,
    certificate: String,
    key: String,
}

impl Certificates {
    /// Creates certificates for the loopback interface.
    pub(crate) fn make() -> Result<Self, TlsError> {
        make().map_err(|error| TlsError(error.to_string()))
    }

    /// Accepts connections with these certificates.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let tls_error = |error: &dyn std::fmt::Display| TlsError(error.to_string());
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes())
            .map_err(|e| tls_error(&e))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|e| tls_error(&e))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| tls_error(&e))?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(|e| tls_error(&e))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn make() -> Result<Certificates, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "iomcopy rehearsal");
    let root_key = KeyPair::generate()?;
    let root = params.self_signed(&root_key)?;
    let issuer = Issuer::new(params, root_key);
    let key = KeyPair::generate()?;
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    Ok(Certificates {
        root: root.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_survive_a_round_trip() {
        let made = Certificates::make().unwrap();
        let kept: Certificates =
            serde_json::from_value(serde_json::to_value(&made).unwrap()).unwrap();
        assert!(kept.acceptor().is_ok());
        assert!(kept.root.starts_with("-----BEGIN CERTIFICATE-----"));
        let broken = Certificates {
            key: kept.root.clone(),
            ..kept
        };
        assert!(broken.acceptor().is_err());
    }
}
