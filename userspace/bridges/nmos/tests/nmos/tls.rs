//! TLS as BCP-003-01 has it: the program's APIs, and registries.

use std::fs;
use std::time::Duration;

use onair_http::Limits;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::process::{Running, free_port};
use crate::registration::Bench;
use crate::support::facts::every_session;
use crate::support::http::ask_on;
use crate::support::registry::TestRegistry;
use crate::support::site::Site;
use crate::support::tls::{acceptor, certificate, connect, path};

#[tokio::test]
async fn either_version_then_the_first_suite_of_the_bcp() {
    for (name, is_new, suite) in [
        ("ec.pem", true, "TLS13_AES_128_GCM_SHA256"),
        ("rsa.pem", true, "TLS13_AES_128_GCM_SHA256"),
        ("ec.pem", false, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        ("rsa.pem", false, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ] {
        let site = Site::secure(name, Limits::default()).await;
        let stream = connect(site.address, is_new).await;
        let taken = stream.get_ref().1.negotiated_cipher_suite().unwrap();
        assert_eq!(taken.suite().as_str(), Some(suite), "{name}");
        assert_eq!(ask_on(stream, "GET", "/", b"").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn plain_http_to_tls_then_closed_at_once() {
    let site = Site::secure("ec.pem", Limits::default()).await;
    let mut plain = TcpStream::connect(site.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    plain.write_all(request).await.unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest).await;
    // An alert of TLS at most.
    assert!(rest.len() <= 7, "{rest:?}");
}

#[tokio::test]
async fn handshake_that_stalls_then_its_place_is_free_in_time() {
    let limits = Limits {
        connections: 1,
        handshake: Duration::from_millis(200),
        ..Limits::default()
    };
    let site = Site::secure("ec.pem", limits).await;
    let mut silent = TcpStream::connect(site.address).await.unwrap();
    silent.write_all(b"\x16\x03\x01").await.unwrap();
    let stream = connect(site.address, true);
    let stream = timeout(Duration::from_secs(20), stream).await.unwrap();
    assert_eq!(ask_on(stream, "GET", "/", b"").await.unwrap().status, 200);
    // The end waits for no handshake, either.
    let silent = TcpStream::connect(site.address).await.unwrap();
    site.ending.send_replace(true);
    site.served.await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn new_certificate_then_in_use_unless_it_is_broken() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("nmos.pem");
    fs::copy(path("ec.pem"), &file).unwrap();
    let listen = free_port();
    let file_of = file.display();
    let running = Running::start(&format!(
        "listen = \"{listen}\"\nhost = \"localhost\"\nseed = \"s\"\n\
         [[nmos.tls]]\ncertificate = \"{file_of}\"\nkey = \"{file_of}\"\n",
    ));
    running.ready();
    let stream = connect(listen, true).await;
    let answer = ask_on(stream, "GET", "/x-nmos/node/v1.3/self/", b"")
        .await
        .unwrap();
    let (node, port) = (answer.json(), listen.port());
    assert_eq!(node["href"], format!("https://localhost:{port}/"));
    assert_eq!(node["api"]["endpoints"][0]["protocol"], "https");
    assert_eq!(
        answer.headers["strict-transport-security"],
        "max-age=31536000"
    );
    let shown = async || {
        let stream = connect(listen, true).await;
        let chain = stream.get_ref().1.peer_certificates();
        chain.unwrap()[0].clone().into_owned()
    };
    let until = async |wanted: CertificateDer<'_>| {
        while shown().await != wanted {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert_eq!(shown().await, certificate("ec.pem"));
    fs::copy(path("ca.pem"), &file).unwrap();
    running.until_said("stay in use").await;
    assert_eq!(shown().await, certificate("ec.pem"));
    fs::copy(path("rsa.pem"), &file).unwrap();
    let changed = until(certificate("rsa.pem"));
    timeout(Duration::from_secs(60), changed).await.unwrap();
}

#[tokio::test]
async fn registry_over_tls_then_only_with_a_trusted_authority() {
    for (ca, is_trusted) in [("ca.pem", true), ("ec.pem", false), ("absent.pem", false)] {
        let secure = TestRegistry::over(0, Some(("localhost", acceptor("ec.pem")))).await;
        let plain = TestRegistry::start(10).await;
        let bench = Bench::trusting(path(ca), &every_session(), &[&secure, &plain]).await;
        let (has, other) = match is_trusted {
            true => (&secure, &plain),
            false => (&plain, &secure),
        };
        bench.in_step(has).await;
        assert!(other.books().log.is_empty());
    }
}

#[tokio::test]
async fn registry_with_the_name_of_another_then_not_registered() {
    let wrong = ("other.example", acceptor("rsa.pem"));
    let wrong = TestRegistry::over(0, Some(wrong)).await;
    let right = TestRegistry::start(10).await;
    let bench = Bench::trusting(path("ca.pem"), &[], &[&wrong, &right]).await;
    bench.in_step(&right).await;
    assert!(wrong.books().log.is_empty());
}
