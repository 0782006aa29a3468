//! The client's side of TLS: it trusts the authorities of one file.

use std::path::Path;
use std::sync::Arc;

use onair_http::tls::provider;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Begins TLS with the server `name`, whose certificate an authority of the file `ca` has signed. The file is read anew, so
/// that an authority that is put in or taken out counts from the next connection on.
pub(crate) async fn connect(
    stream: TcpStream,
    name: &str,
    ca: &Path,
) -> Result<TlsStream<TcpStream>, String> {
    let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let ca = ca.to_owned();
    let roots = spawn_blocking(move || roots(&ca)).await;
    let roots = roots.map_err(|error| error.to_string())??;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
    connected.await.map_err(|error| format!("TLS: {error}"))
}

fn roots(ca: &Path) -> Result<RootCertStore, String> {
    let problem = |it: &dyn std::fmt::Display| format!("cannot use {}: {it}", ca.display());
    let text = std::fs::read(ca).map_err(|error| problem(&error))?;
    let mut roots = RootCertStore::empty();
    // One that is too old for this library does not make the others useless.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok));
    match roots.is_empty() {
        true => Err(problem(&"it has no certificate in PEM")),
        false => Ok(roots),
    }
}
