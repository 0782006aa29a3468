//! What arrives for no session is named: by the port, and as the reason of a session that gets nothing.

use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};
use onair_api::SessionProblemKind::NoSignal;
use onair_api::operations::RetargetSession;
use onair_api::{ArrivingList, SessionProblem};
use onair_tests::network::packet::rtp;
use onair_tests::{Control, Raster, Rig, onairctl, receive, resolve, wait_for};
use serde_json::json;

const OURS: &str = "10.77.0.2";
const TIMEOUT_S: u64 = 30;

fn problem(control: &mut Control) -> Result<Option<SessionProblem>> {
    let problems = control.show("in")?.problems;
    Ok(problems.into_iter().find(|it| it.problem == NoSignal))
}

#[test]
fn packets_to_another_udp_port_then_named_by_port_and_session() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    resolve(rig.stage(), OURS)?;
    let socket = rig.stage().inside(|| Ok(UdpSocket::bind("10.77.0.9:0")?))?;
    let packet = rtp(&[[640, 3, 0]], 640);
    let send = |strangers: u16| {
        for _ in 0..20 {
            socket.send_to(&packet, (OURS, 5006))?;
        }
        // A stranger, to ever new ports.
        for port in 20_000..20_000 + strangers {
            socket.send_to(&[0; 20], (OURS, port))?;
        }
        Ok::<_, anyhow::Error>(())
    };
    control.create(&receive("in", Raster::SMALL, 5004))?;
    let expected = format!("{OURS}:5006 with payload type 96 arrives on port b since ");
    let mut said = String::new();
    wait_for("the session to name it", TIMEOUT_S, || {
        send(300)?;
        said = problem(&mut control)?.map_or_else(String::new, |it| it.detail);
        Ok(said.contains(&expected))
    })?;
    ensure!(
        said.contains(&format!(
            "this session expects {OURS}:5004 with payload type 96"
        )) && said.contains(&format!(
            "onairctl session retarget in --destination {OURS}:5006"
        )),
        "{said}"
    );
    let listed = onairctl(&rig, "--json port arriving b")?.out;
    let listed: ArrivingList = serde_json::from_str(&listed)?;
    let flow = listed.arriving.first().context("a flow")?;
    assert_eq!(
        (&*flow.port, &*flow.destination, flow.payload_type),
        ("b", "10.77.0.2:5006", Some(96))
    );
    ensure!(
        flow.packets >= 20 && flow.first_seen <= flow.last_seen,
        "{flow:?}"
    );
    assert_eq!(listed.arriving.len(), 64, "the table is bounded");
    let table = onairctl(&rig, "port arriving")?.out;
    ensure!(table.contains("10.77.0.2:5006"), "{table}");
    let refused = onairctl(&rig, "port arriving c")?;
    ensure!(
        refused.err.contains("no port is called \"c\""),
        "{}",
        refused.err
    );

    // Absent from another time on: that of the change.
    let retarget = |control: &mut Control, destination: &str| {
        let flow = json!({"flow": {"destination": destination}});
        control.on::<RetargetSession>("in", flow)
    };
    let before = control.show("in")?.signal.context("a signal")?.since;
    let changed = retarget(&mut control, "10.77.0.2:5008")?;
    let signal = changed.signal.context("a signal")?;
    wait_for("the new reason", TIMEOUT_S, || {
        send(0)?;
        said = problem(&mut control)?.map_or_else(String::new, |it| it.detail);
        Ok(said.contains("since the retarget at "))
    })?;
    ensure!(signal.since > before, "{signal:?}");
    let now = control.show("in")?.signal.context("a signal")?;
    assert_eq!(now.since, signal.since);
    retarget(&mut control, "10.77.0.2:5006")?;
    wait_for("the packets", TIMEOUT_S, || {
        send(0)?;
        Ok(problem(&mut control)?.is_none())
    })?;
    control.end("in")?;
    Ok(())
}
