//! TLS for clients and servers, from files in PEM.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::{fs, io};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// All that is spoken over TLS here.
const PROTOCOL: &[u8] = b"http/1.1";

/// A file in PEM is not larger.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// For clients that trust whom browsers trust.
static FOR_CLIENTS: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| client(public_roots()));

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} has no {what} in PEM", path.display())]
    Missing { path: PathBuf, what: &'static str },
    #[error("{} is not PEM: {source}", path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("{} has a certificate that cannot be used: {source}", path.display())]
    Certificate { path: PathBuf, source: rustls::Error },
    #[error("the certificate in {} and its key do not work: {source}", path.display())]
    Pair { path: PathBuf, source: rustls::Error },
}

/// For a client that trusts whom browsers trust, and those whose certificates are in this file. Paths
/// are relative to a folder, and named without it.
pub(super) fn for_client(
    folder: &Path,
    trusted: Option<&Path>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let Some(path) = trusted else { return Ok(FOR_CLIENTS.clone()) };
    let mut roots = public_roots();
    for certificate in certificates(folder, path)? {
        let wrong = |source| TlsError::Certificate { path: path.to_owned(), source };
        roots.add(certificate).map_err(wrong)?;
    }
    Ok(client(roots))
}

/// For a server with this certificate, and those that vouch for it, and its private key.
pub(super) fn for_server(
    folder: &Path,
    cert: &Path,
    key: &Path,
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(folder, cert)?;
    let wrong = |source| TlsError::Pair { path: cert.to_owned(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_single_cert(chain, private_key(folder, key)?)
        .map_err(wrong)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Arc::new(config))
}

fn client(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the protocol's versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Arc::new(config)
}

fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

fn certificates(folder: &Path, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(folder, path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
    if chain.is_empty() {
        return Err(TlsError::Missing { path: path.to_owned(), what: "certificate" });
    }
    Ok(chain)
}

fn private_key(folder: &Path, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let path = path.to_owned();
    PrivateKeyDer::from_pem_slice(&read(folder, &path)?).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::Missing { path, what: "private key" },
        source => TlsError::Pem { path, source },
    })
}

fn read(folder: &Path, path: &Path) -> Result<Vec<u8>, TlsError> {
    let unread = |source| TlsError::File { path: path.to_owned(), source };
    let file = folder.join(path);
    let bytes = fs::metadata(&file).map_err(unread)?.len();
    if bytes > PEM_BYTES_MAX {
        let limit = format!("it has more than {PEM_BYTES_MAX} bytes");
        return Err(unread(io::Error::new(io::ErrorKind::FileTooLarge, limit)));
    }
    fs::read(file).map_err(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_works_with_its_own_key_only() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["one", "other"] {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(folder.path().join(name), made.cert.pem()).unwrap();
            let key = made.signing_key.serialize_pem();
            fs::write(folder.path().join(format!("{name}.key")), key).unwrap();
        }
        let server = |cert: &str, key: &str| {
            for_server(folder.path(), Path::new(cert), Path::new(key)).map(drop)
        };
        server("one", "one.key").unwrap();
        for_client(folder.path(), Some(Path::new("other"))).unwrap();
        assert!(matches!(server("one", "other.key"), Err(TlsError::Pair { .. })));
        for (cert, key, expected) in [
            ("one.key", "one.key", "one.key has no certificate in PEM"),
            ("one", "one", "one has no private key in PEM"),
            ("one", "none", "cannot read none: No such file or directory (os error 2)"),
        ] {
            assert_eq!(server(cert, key).unwrap_err().to_string(), expected);
        }
    }
}
