//! The end of the daemon under load, again and again: nothing is lost, nothing is left.

use std::time::Duration;

use anyhow::Result;
use onair_api::{SessionOutcome, Source};
use onair_stage::Config;
use onair_tests::{
    Dice, Footprint, Raster, Rig, ended_in_order, in_order, own_memory, receive, send, signal,
};
use rustix::process::Signal;

/// Cycles after which caches and pools have grown.
const WARM: u64 = 20;
/// Bytes by which the daemon may have grown. A leak first fills what its start has left free in the heap, some
/// MiB: 64 KiB a cycle show.
const GROWTH: u64 = 1 << 20;

#[test]
fn sessions_64_terminated_at_random_moments_then_each_is_clean() -> Result<()> {
    // As many as CI has time for; 50 with the variable set.
    let rounds = std::env::var("ONAIR_SHUTDOWN_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(16);
    let mut dice = Dice::new(0x5eed_0064);
    let mut rig = Rig::rings_and("[timeouts]\ngraceful_ms = 60000\n")?;
    for round in 0..rounds {
        let mut control = rig.control()?;
        let mut clients = Vec::new();
        for number in 0..60 {
            let name = format!("cam-{number}");
            control.create(&receive(&name, Raster::new(32, 16, 60, 8), 6000 + number))?;
        }
        for number in 0..4 {
            let (cam, source) = (format!("tv-{number}"), format!("source-{number}"));
            let raster = Raster::new(64, 32, 60, 8);
            control.create(&receive(&cam, raster, 5000 + number))?;
            control.create(&send(&source, raster, 5000 + number, Source::Pattern))?;
        }
        // One process for many sessions, each with a blocked caller.
        for first in [0, 20, 40] {
            let mut client = rig.test_client()?;
            for number in first..first + 20 {
                client.say(format_args!("attach cam-{number}"))?;
                client.block(1)?;
            }
            clients.push(client);
        }
        let moment = dice.roll(300);
        std::thread::sleep(Duration::from_millis(moment));
        let (status, summary) = rig.terminated()?;
        assert_eq!(status, 0, "round {round}, after {moment} ms: {summary:#?}");
        in_order(&summary);
        let destroyed = summary.sessions.iter();
        let destroyed = destroyed.filter(|it| it.outcome == SessionOutcome::Destroyed);
        assert_eq!(destroyed.count(), 68);
        for client in &mut clients {
            // A session is destroyed only when they have left: each sees that it stops.
            client.all_returned(20, "EAGAIN")?;
        }
        rig.start_daemon()?;
    }
    Ok(())
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown__memory_usage__then_no_leaks() -> Result<()> {
    // More with the variable set.
    let cycles = std::env::var("ONAIR_LEAK_CYCLES")
        .ok()
        .and_then(|cycles| cycles.parse().ok())
        .unwrap_or(200);
    // Certificates are kept in memory, as many as this.
    let mut rig = Rig::rings_with(|config| config.state.push_str("certificates = 10\n"))?;
    let cycle = |rig: &Rig| -> Result<()> {
        let mut control = rig.control()?;
        control.receiver("cam", 5000)?;
        let mut client = rig.user("cam")?;
        client.block(1)?;
        control.stop("cam")?;
        client.returned(1)?;
        client.leave()?;
        control.destroy_wait("cam")?;
        Ok(())
    };
    // What is kept for the next one is kept once.
    for _ in 0..WARM {
        cycle(&rig)?;
    }
    let pid = rig.daemon()?.pid();
    let memory = own_memory(pid)?;
    let mut before = Footprint::of(pid)?;
    // A look at a client's files has a thread of its own, for as long as another may follow.
    before.threads += 2;
    for _ in 0..cycles {
        cycle(&rig)?;
    }
    before.wait_regained(pid)?;
    let grown = own_memory(pid)?.saturating_sub(memory);
    println!("{memory} bytes of its own, {grown} more after {cycles} cycles");
    assert!(grown <= GROWTH, "the daemon has grown by {grown} bytes");
    signal(&mut rig, Signal::TERM)?;
    let summary = ended_in_order(&mut rig)?;
    assert_eq!(summary.destroyed, cycles + WARM);
    for socket in [
        Config::control_socket(rig.stage()),
        Config::attach_socket(rig.stage()),
    ] {
        assert!(!socket.exists(), "{} is left", socket.display());
    }
    Ok(())
}
