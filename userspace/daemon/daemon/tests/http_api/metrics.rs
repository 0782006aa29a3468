//! Numbers for Prometheus, on both sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use onair_settings::config::Config;
use onaird::control::metrics;
use prometheus_parse::{Scrape, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::http_api::served::client::{Served, served, soon};
use crate::http_api::sessions::create;

/// What stands for the running sessions in `text`, which must hold as a whole.
fn running(text: &str) -> f64 {
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    match scrape.samples[..] {
        [ref one] if one.metric == "onair_sessions" && &one.labels["state"] == "running" => {
            match one.value {
                Value::Gauge(value) => value,
                ref other => panic!("{other:?}"),
            }
        }
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn metrics_on_the_control_socket_then_prometheus_reads_them() {
    let api = served();
    create(&api, "cam1").await;
    let answer = api.get("/metrics").await;
    assert_eq!(answer.status, 200);
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4"));
    assert!((running(&answer.text) - 1.0).abs() < 1e-9);
    assert_eq!(
        api.ask("POST", "/metrics", None).await.code(),
        "method_not_allowed"
    );
    assert_eq!(api.get("/metrics?all=1").await.code(), "invalid_request");
}

#[tokio::test]
async fn metrics_asked_again_and_again_then_made_once_a_second() {
    let api = served();
    create(&api, "cam1").await;
    let over_tcp = OverTcp::of(&api);
    let made = Instant::now();
    let first = api.get("/metrics").await.text;
    create(&api, "cam2").await;
    let again = api.get("/metrics").await.text;
    let tcp = over_tcp.ask("GET /metrics").await;
    let is_old = made.elapsed() >= Duration::from_millis(900);
    assert!(is_old || again == first && tcp.ends_with(&first), "{again}");
    let until_new =
        async { while (running(&api.get("/metrics").await.text) - 2.0).abs() > 1e-9 {} };
    soon(until_new).await;
}

/// The socket that `metrics.listen` names.
struct OverTcp {
    address: SocketAddr,
    server: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

impl OverTcp {
    fn of(api: &Served) -> Self {
        let listener = metrics::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let limits = metrics::limits(&Config::default());
        let server = tokio::spawn(metrics::serve(
            listener,
            api.handle.clone(),
            limits,
            async {
                drop(ended.await);
            },
        ));
        Self {
            address,
            server,
            end,
        }
    }

    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        soon(stream.read_to_string(&mut text)).await.unwrap();
        text
    }
}

#[tokio::test]
async fn metrics_over_tcp_then_these_and_nothing_else() {
    let api = served();
    let tcp = OverTcp::of(&api);
    let answer = tcp.ask("GET /metrics").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(running(body).abs() < 1e-9, "{body}");
    for (request, status) in [
        ("GET /v1/sessions", 404),
        ("GET /v1/events", 404),
        ("POST /v1/sessions/cam1/stop", 404),
        ("POST /metrics", 405),
    ] {
        let answer = tcp.ask(request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}: {answer}"
        );
    }
    drop(tcp.end);
    soon(tcp.server).await.unwrap();
    assert!(TcpStream::connect(tcp.address).await.is_err());
}

#[tokio::test]
async fn metrics_over_tcp_by_too_many_then_the_rest_waits_for_a_place() {
    let api = served();
    let tcp = OverTcp::of(&api);
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(tcp.address).await.unwrap());
    }
    // All eight are accepted before the ninth, which is answered as soon as one of them is gone.
    let mut ninth = TcpStream::connect(tcp.address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    ninth.write_all(request).await.unwrap();
    let mut first = [0; 12];
    let waits = Duration::from_millis(100);
    let early = tokio::time::timeout(waits, ninth.read_exact(&mut first)).await;
    assert!(early.is_err(), "it had no place");
    // Operators are not touched by any of it.
    assert_eq!(api.get("/v1/health").await.status, 200);
    idle.pop();
    soon(ninth.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
}
