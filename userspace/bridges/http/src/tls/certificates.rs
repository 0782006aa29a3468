//! The server's certificates.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::Deserialize;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::provider;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(5);

/// A certificate and its key: files in PEM, which may be one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFiles {
    /// The certificate, then those that lead to the authority.
    pub certificate: PathBuf,
    /// The private key, which is not encrypted.
    pub key: PathBuf,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {path}: {problem}")]
pub struct TlsError {
    path: PathBuf,
    problem: String,
}

/// A certificate file and its key's, as they were read.
type Texts = Vec<[Vec<u8>; 2]>;
type Keys = Vec<Arc<CertifiedKey>>;

/// The certificates of a server. Each client gets the first one whose signatures it can check.
#[derive(Debug)]
pub struct Certificates {
    files: Vec<KeyFiles>,
    keys: ArcSwap<Keys>,
}

impl Certificates {
    /// Reads the files, of which there is at least one pair.
    ///
    /// # Errors
    /// A file cannot be read, or is no certificate or key, or the two do not belong together.
    pub fn read(files: &[KeyFiles]) -> Result<Self, TlsError> {
        let keys = keys(files, &texts(files)?)?;
        let files = files.to_owned();
        let keys = ArcSwap::from_pointee(keys);
        Ok(Self { files, keys })
    }

    /// Begins TLS on a connection of a client.
    ///
    /// # Panics
    /// Never: the cipher suites are of both versions.
    #[must_use]
    pub fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("suites of both versions");
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        config.ignore_client_order = true;
        TlsAcceptor::from(Arc::new(config))
    }

    /// Reads the files again whenever they have changed, for ever. Those that cannot be used change nothing.
    pub async fn follow(self: Arc<Self>) {
        let mut last = None;
        loop {
            let files = self.files.clone();
            let Ok(now) = spawn_blocking(move || texts(&files)).await else {
                return;
            };
            if last.as_ref() != Some(&now) {
                let read = now.as_ref().map_err(Clone::clone);
                match read.and_then(|it| keys(&self.files, it)) {
                    Ok(keys) => {
                        self.keys.store(Arc::new(keys));
                        tracing::info!("the certificates are in use");
                    }
                    Err(error) => tracing::warn!(%error, "the certificates of before stay in use"),
                }
            }
            last = Some(now);
            sleep(LOOK).await;
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let known = hello.signature_schemes();
        let keys = self.keys.load();
        let fits = |it: &&Arc<CertifiedKey>| it.key.choose_scheme(known).is_some();
        keys.iter().find(fits).cloned()
    }
}

fn wrong(path: &Path, problem: impl Display) -> TlsError {
    TlsError {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

fn texts(files: &[KeyFiles]) -> Result<Texts, TlsError> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| wrong(path, error));
    let pair = |it: &KeyFiles| Ok([read(&it.certificate)?, read(&it.key)?]);
    files.iter().map(pair).collect()
}

fn keys(files: &[KeyFiles], texts: &Texts) -> Result<Keys, TlsError> {
    let provider = provider();
    let pair = |(files, [certificate, key]): (&KeyFiles, &[Vec<u8>; 2])| {
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| wrong(&files.certificate, error))?;
        if chain.is_empty() {
            return Err(wrong(&files.certificate, "it has no certificate in PEM"));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| wrong(&files.key, "it has no key in PEM that is not encrypted"))?;
        let key = CertifiedKey::from_der(chain, key, &provider);
        key.map(Arc::new).map_err(|error| wrong(&files.key, error))
    };
    files.iter().zip(texts).map(pair).collect()
}
