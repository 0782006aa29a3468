//! Parts of a whole daemon panic, one after the other: it goes on as long as it can, and then ends in
//! order, as it is configured.

use std::any::Any;

use onair_api::{PartOutcome, ShutdownPhase};
use onair_dataplane::{Command, PollerTask};
use onair_stage::in_own_process;
use onaird::real_machine::RealMachine;
use onaird::shutdown::Exit;
use serde_json::{Value, json};

use crate::in_process::InProcess;

#[test]
fn daemon_a_task_the_probe_and_a_poller_panic_then_it_serves() {
    in_own_process!();
    let more = "[shutdown]\non_poller_death = \"drain\"\n[timeouts]\npatrol_ms = 10\n";
    let daemon = InProcess::start(more, |_| ());
    let spec = json!({
        "name": "cam", "direction": "receive", "port": "a",
        "video": {"width": 64, "height": 32, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": "10.9.2.1:5004"},
    });
    assert_eq!(daemon.ask("POST", "/v1/sessions", &spec).0, 201);
    let health = daemon.until("/v1/health", |it| it["status"] == "ok");
    assert_eq!(health["probe"]["state"], "watching", "{health:#}");

    // A task beside those that serve the sockets: it is its own affair.
    daemon.started.on_the_control_thread(|_| {
        drop(tokio::task::spawn_local(async { panic!("on purpose") }));
    });
    daemon.until("/v1/health", |it| it["status"] == "ok");

    // The probe: what it cannot see any more is not destroyed.
    daemon.started.on_the_control_thread(|services| {
        let machine: &dyn Any = &*services.machine;
        let machine = machine.downcast_ref::<RealMachine>().unwrap();
        let probe = machine.probe.probe().expect("it runs");
        probe.on_its_thread(|| panic!("on purpose"));
    });
    let health = daemon.until("/v1/health", |it| it["probe"]["state"] == "blind");
    assert_eq!(health["status"], "probe_blind", "{health:#}");
    let reason = health["probe"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("its thread panicked (on purpose)"),
        "{reason}"
    );
    assert_eq!(
        daemon.ask("POST", "/v1/sessions/cam/stop", &Value::Null).0,
        200
    );
    let (_, refused) = daemon.ask("POST", "/v1/sessions/cam/destroy", &Value::Null);
    assert_eq!(refused["code"], "probe_blind", "{refused:#}");
    assert!(!daemon.coordinator.is_shutting_down());

    // The poller: the daemon is told to end with it, and does so in order.
    daemon.started.on_the_control_thread(|services| {
        services.command(0, Command::Run(PollerTask::new(|| panic!("on purpose"))));
    });
    let coordinator = daemon.coordinator.clone();
    let summary = daemon.ended();
    assert_eq!(coordinator.phase(), ShutdownPhase::Shutdown);
    assert_eq!(summary.cause, "poller p0 has ended: on purpose");
    assert_eq!(summary.exit_status, Exit::Failed.status(), "{summary:#?}");
    for part in &summary.parts {
        assert_eq!(part.outcome, PartOutcome::Done, "{part:?}");
    }
    for thread in &summary.threads {
        let panic = (thread.name == "onair-p0").then_some("on purpose");
        assert!(
            thread.stopped && thread.panic.as_deref() == panic,
            "{thread:?}"
        );
    }
    // There is no proof that it was off air.
    assert_eq!(summary.sessions[0].outcome.as_str(), "abandoned");
}
