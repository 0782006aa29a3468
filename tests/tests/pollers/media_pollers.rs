//! Ports with two pollers: each session runs on one of them, and gets every packet of its own,
//! whichever queue the device puts it into.

use std::fs;

use anyhow::{Context as _, Result};
use onair_api::{PortHealth, PortSteering, Source};
use onair_tests::{
    Backend, Config, Control, Deadline, Raster, Rig, Viewer, onairctl, send, wait_for,
};
use rustix::thread::{CpuSet, sched_setaffinity};

const FLOWS: u16 = 4;

fn rig(backend: Backend) -> Result<Rig> {
    let config = Config {
        pollers: 2,
        ..Config::pair(backend)
    };
    Rig::with(config, |_| {})
}

/// The sessions `in0` …: all run.
fn receivers(control: &mut Control) -> Result<()> {
    for at in 0..FLOWS {
        let name = format!("in{at}");
        control.ample(&name, Raster::SMALL, 6000 + at)?;
    }
    Ok(())
}

/// The sessions `out0` …: all run.
fn senders(control: &mut Control) -> Result<()> {
    for at in 0..FLOWS {
        let (name, udp) = (format!("out{at}"), 6000 + at);
        control.create(&send(&name, Raster::SMALL, udp, Source::Pattern))?;
    }
    Ok(())
}

fn port(control: &mut Control, name: &str) -> Result<PortHealth> {
    let ports = control.health()?.dataplane.ports;
    let port = ports.into_iter().find(|port| port.name == name);
    port.with_context(|| format!("port {name}"))
}

/// How many of the sessions `{way}0` … run on `poller`.
fn on(control: &mut Control, way: &str, poller: &str) -> Result<usize> {
    let mut count = 0;
    for at in 0..FLOWS {
        count += usize::from(control.show(format!("{way}{at}"))?.poller == poller);
    }
    Ok(count)
}

/// Ends all: every packet that was sent has come, in whole frames, and the viewers of the first
/// sessions have seen each.
fn end(control: &mut Control, viewers: Vec<Viewer>) -> Result<()> {
    let mut viewers = viewers.into_iter();
    for at in 0..FLOWS {
        let sent = control.end(format!("out{at}"))?.frames;
        let name = format!("in{at}");
        wait_for("what was sent to be received", 20, || {
            Ok(control.show(&name)?.counters.packets >= sent.packets)
        })
        .with_context(|| format!("{name}: {sent:?}, {:?}", port(control, "b")))?;
        if let Some(viewer) = viewers.next() {
            let seen = viewer.finish(control, Deadline::seconds(20))?;
            assert_eq!(seen.len() as u64, sent.frames_sent);
            for frame in seen {
                assert!(frame.complete, "{frame:?}");
                assert_eq!(frame.pattern_number(), Some(frame.number), "{frame:?}");
            }
        }
        control.stop(&name)?;
        let came = control.destroy_wait(&name)?.frames;
        assert_eq!(
            (came.packets, came.frames_complete, came.frames_incomplete),
            (sent.packets, sent.frames_sent, 0),
            "{name}"
        );
    }
    Ok(())
}

fn each_session_gets_its_own(backend: Backend, queues: u16) -> Result<()> {
    let mut rig = rig(backend)?;
    let mut control = rig.control()?;
    receivers(&mut control)?;
    // One on each poller.
    let mut viewers = vec![Viewer::start(&rig, "in0")?, Viewer::start(&rig, "in1")?];
    senders(&mut control)?;
    // Two each, also of the senders where both pollers have a queue to send from.
    let places = if queues == 2 { [2, 2] } else { [4, 0] };
    assert_eq!(
        [
            on(&mut control, "out", "p0")?,
            on(&mut control, "out", "p1")?
        ],
        places
    );
    assert_eq!(
        [on(&mut control, "in", "p0")?, on(&mut control, "in", "p1")?],
        [2, 2]
    );
    for viewer in &mut viewers {
        viewer.wait(100, Deadline::seconds(40))?;
    }
    let port = port(&mut control, "b")?;
    assert_eq!(
        (port.pollers, port.queues),
        (vec!["p0".to_owned(), "p1".to_owned()], queues)
    );
    assert_eq!(port.steering, PortSteering::HandOver);
    assert_eq!(port.rx_missed, 0);
    assert!(port.rx_handed_over > 0 || queues == 2);
    let table = onairctl(&rig, "port list")?.out;
    assert!(table.contains(&format!("{queues} of ")), "{table}");
    assert!(table.contains("hand-over ("), "{table}");
    end(&mut control, viewers)?;
    // A daemon that ends with sessions on both.
    receivers(&mut control)?;
    senders(&mut control)?;
    let (code, summary) = rig.terminated()?;
    assert_eq!((code, summary.sessions.len()), (0, 2 * usize::from(FLOWS)));
    Ok(())
}

#[test]
fn two_pollers_on_two_queues_then_each_session_gets_its_own() -> Result<()> {
    each_session_gets_its_own(Backend::AfPacket, 2)
}

#[test]
fn two_pollers_on_one_queue_then_each_session_gets_its_own() -> Result<()> {
    each_session_gets_its_own(Backend::AfXdp, 1)
}

/// The nice value of the daemon's poller (proc_pid_stat(5)).
fn nice(rig: &mut Rig) -> Result<i32> {
    let pid = rig.daemon()?.pid();
    let tid = onair_stage::threads_named(pid, "onair-p0")?;
    let tid = tid.first().context("it runs")?;
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("a name in brackets")?.1;
    let value = after_name.split_whitespace().nth(16);
    Ok(value.context("a nice value")?.parse()?)
}

/// A daemon with a poller of this kind that answers, and may use the first core only if it is `confined`.
fn answers(idle: &'static str, confined: bool) -> Result<i32> {
    // A child has the cores of the thread that starts it.
    let daemon = move || {
        if confined {
            let mut first = CpuSet::new();
            first.set(0);
            sched_setaffinity(None, &first)?;
        }
        let keys = format!("idle = \"{idle}\"\n");
        Rig::rings_with(|config: &mut Config| config.poller_keys = keys)
    };
    let started = std::thread::spawn(daemon).join();
    let mut rig = started.expect("it does not panic")?;
    let mut control = rig.control()?;
    control.receiver("in", 5004)?;
    control.create(&send("out", Raster::SMALL, 5004, Source::Pattern))?;
    control.await_view("in", "frames", |it| it.counters.frames_complete > 10)?;
    let nice = nice(&mut rig)?;
    rig.stop_daemon()?;
    Ok(nice)
}

#[test]
fn daemon_confined_to_the_core_of_its_busy_poller_then_answers() -> Result<()> {
    assert_eq!(answers("busy", true)?, 0);
    assert_eq!(answers("adaptive", true)?, -20, "it sleeps");
    assert_eq!(answers("busy", false)?, -20, "there are other cores");
    Ok(())
}
