//! The daemon's end, as it is asked for and shown.

use onair_api::{ShutdownPhase, ShutdownStatus};
use onaird::shutdown::Cause;
use serde_json::json;

use crate::http_api::served::client::served;
use crate::http_api::sessions::{create, spec};

#[tokio::test]
async fn shutdown_asked_for_then_accepted_once_and_shown() {
    let api = served();
    let before: ShutdownStatus =
        serde_json::from_value(api.get("/v1/shutdown").await.json()).unwrap();
    assert_eq!(before.phase, ShutdownPhase::Running);
    assert_eq!((before.cause, before.operations), (None, 1));
    assert!(!api.shutdown.is_shutting_down());

    let answer = api.post("/v1/shutdown", &json!({})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(api.shutdown.is_shutting_down());
    let cause = answer.json()["cause"].as_str().unwrap().to_owned();
    assert!(cause.contains("uid 0"), "{cause}");

    let again = api.post("/v1/shutdown", &json!({})).await;
    assert_eq!(again.status, 202);
    assert_eq!(again.json()["cause"], cause, "it has begun once");
    assert!(!api.shutdown.is_forced(), "asking twice forces nothing");
    let report = tokio::task::spawn_blocking({
        let shutdown = api.shutdown.clone();
        move || shutdown.run()
    });
    assert_eq!(report.await.unwrap().troubled().count(), 0);
    let after = api.get("/v1/shutdown").await.json();
    assert_eq!(after["phase"], "shutdown");
    assert_eq!(after["phases"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn shutdown_if_idle_then_refused_while_a_session_runs() {
    let api = served();
    create(&api, "cam1").await;
    let refused = api.post("/v1/shutdown_if_idle", &json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "busy"));
    assert!(!api.shutdown.is_shutting_down(), "nothing has changed");
    api.post("/v1/sessions/cam1/stop", &json!({})).await;
    let begun = api.post("/v1/shutdown_if_idle", &json!({})).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    assert!(begun.json()["phase"].is_string(), "{begun:?}");
}

#[tokio::test]
async fn upgrade_of_a_demo_then_refused_and_it_serves_on() {
    let api = served();
    let refused = api.post("/v1/upgrade", &json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "not_replaced"));
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("--demo")
    );
    assert!(!api.shutdown.is_shutting_down(), "nothing has changed");
}

#[tokio::test]
async fn shutdown_begun_then_new_work_is_refused_and_reads_are_not() {
    let api = served();
    create(&api, "cam1").await;
    api.shutdown.begin(Cause::Signal(15));
    let late = api.post("/v1/sessions", &spec("cam2")).await;
    assert_eq!((late.status, late.code()), (503, "shutting_down"));
    let late = api.post("/v1/sessions/cam1/start", &json!({})).await;
    assert_eq!((late.status, late.code()), (503, "shutting_down"));
    assert_eq!(api.get("/v1/sessions/cam1").await.status, 200);
    // What helps it to end is allowed.
    let stop = api.post("/v1/sessions/cam1/stop", &json!({})).await;
    assert_eq!(stop.status, 200);
    assert_eq!(api.shutdown.operations_refused(), 2);
    assert_eq!(api.shutdown.operations(), 0);
}
