//! Certificates of the tests' own authority `ca.pem`: made by `openssl req` and `openssl x509`, valid until 2126 for
//! `localhost`, 127.0.0.1 and `*.plant.test`. `ec.pem` and `rsa.pem` have their keys, too.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use onair_http::tls::{Certificates, KeyFiles};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nmos/certificates");
    folder.join(name)
}

/// The certificate of this file, alone.
pub(crate) fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path(name)).unwrap()
}

/// Of a server with the certificate of this file.
pub(crate) fn acceptor(name: &str) -> TlsAcceptor {
    let files = KeyFiles {
        certificate: path(name),
        key: path(name),
    };
    Arc::new(Certificates::read(&[files]).unwrap()).acceptor()
}

/// A connection of a client that takes TLS 1.3 or 1.2 only.
pub(crate) async fn connect(to: SocketAddr, is_new: bool) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[if is_new { &TLS13 } else { &TLS12 }])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(to).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let name = "localhost".try_into().unwrap();
    connector.connect(name, stream).await.unwrap()
}
