//! The System API of a plant (IS-09).

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use onair_http::{Limits, serve};
use onair_nmos::endpoint::Endpoint;
use onair_nmos::system::{Parameters, ask};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::process::{Running, free_port};
use crate::registration::Bench;
use crate::support::facts::{facts, health};
use crate::support::registry::TestRegistry;

/// A System API that answers with this text.
struct TestSystem {
    endpoint: Endpoint,
    text: Arc<Mutex<String>>,
    _ending: watch::Sender<bool>,
}

impl TestSystem {
    async fn start(text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let text = Arc::new(Mutex::new(text.to_owned()));
        let answer = text.clone();
        let answer = get(async move || answer.lock().unwrap().clone());
        let router = Router::new().route("/x-nmos/system/v1.0/global", answer);
        let (ending, over) = watch::channel(false);
        tokio::spawn(serve((listener, None), router, Limits::default(), over));
        Self {
            endpoint: url.parse().unwrap(),
            text,
            _ending: ending,
        }
    }
}

fn document(interval: u32) -> String {
    json!({"is04": {"heartbeat_interval": interval}, "ptp": {"announce_receipt_timeout": 3, "domain_number": 5}})
        .to_string()
}

#[tokio::test]
async fn first_api_is_of_no_use_then_the_next_is_asked() {
    let good = TestSystem::start(&document(7)).await;
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    for text in ["<html>", &document(0), &long] {
        let bad = TestSystem::start(text).await;
        let all = vec![bad.endpoint.clone(), good.endpoint.clone()];
        let mut found = ask(watch::channel(all).1, PathBuf::new());
        let found = found.wait_for(Option::is_some).await.unwrap().unwrap();
        assert_eq!(found.heartbeat, Duration::from_secs(7));
    }
}

#[tokio::test]
async fn bad_document_then_said_and_asked_again() {
    let system = TestSystem::start(&document(0)).await;
    let (listen, url) = (free_port(), &system.endpoint);
    let settings = format!("listen = \"{listen}\"\nseed = \"s\"\nsystem = \"http://{url}\"\n");
    let running = Running::start(&settings);
    running.until_said("heartbeat_interval is 0").await;
    *system.text.lock().unwrap() = document(2);
    running.until_said("system parameters are taken").await;
}

#[tokio::test]
async fn heartbeat_of_the_plant_then_the_registration_has_it() {
    let registry = TestRegistry::start(0).await;
    let parameters = Parameters {
        heartbeat: Duration::from_secs(1),
        ptp_domain: 0,
    };
    let bench = Bench::start(&[], &[&registry]).await;
    bench.in_step(&registry).await;
    let begun = Instant::now();
    bench.system.send_replace(Some(parameters));
    let beats = |log: &[String]| log.iter().filter(|it| *it == "heartbeat").count();
    registry.until(|it| beats(&it.log) >= 3).await;
    // By its own time it takes 15 s.
    assert!(begun.elapsed() < Duration::from_secs(12));
}

#[test]
fn clock_of_another_domain_then_it_is_told() {
    let of = |ptp: Value| {
        let mut with = health();
        with["clock"]["ptp"] = ptp;
        let mut facts = facts(&[]);
        facts.health = serde_json::from_value(with).unwrap();
        let parameters = Parameters::try_from(document(5).as_bytes()).unwrap();
        parameters.other_domain(&facts)
    };
    let master = health()["clock"]["ptp"].clone();
    let mut ours = master.clone();
    ours["grandmaster"]["domain"] = json!(5);
    assert_eq!(
        (of(master), of(ours), of(json!({"state": "off"}))),
        (Some(127), None, None)
    );
}
