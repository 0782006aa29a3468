//! A daemon that may use no other core than that of its poller.

use std::fs;

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_tests::{Config, Raster, Rig, send};
use rustix::thread::{CpuSet, sched_setaffinity};

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
