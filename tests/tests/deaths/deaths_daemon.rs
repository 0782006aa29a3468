//! Daemons that are terminated or killed with callers inside.

use anyhow::{Context as _, Result};
use onair_tests::{Rig, blocked, wait_for};

#[test]
fn daemon_killed_with_callers_inside_then_the_next_serves_them() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut clients = Vec::new();
    {
        let mut control = rig.control()?;
        control.receiver("cam", 5000)?;
        for _ in 0..3 {
            let mut client = rig.user("cam")?;
            client.block(4)?;
            clients.push(client);
        }
        control.receiver("spare", 5001)?;
        control.stop("spare")?;
        let mut waiter = rig.user("spare")?;
        waiter.send("wait-started never")?;
        wait_for("wait_started to sleep", 10, || {
            Ok(!blocked(waiter.pid())?.is_empty())
        })?;
        clients.push(waiter);
    }
    rig.kill_daemon()?;
    let mut waiter = clients.pop().context("the last one")?;
    assert_eq!(waiter.answer("wait-started")?["error"]["errno"], "ESTALE");
    for client in &mut clients {
        client.all_returned(4, "ESTALE")?;
    }
    clients.push(waiter);
    for client in &mut clients {
        for call in ["get never", "poll never", "detach"] {
            assert_eq!(client.errno(call)?, "ESTALE", "{call}");
        }
    }

    // On the same sockets, which the dead one left behind.
    rig.start_daemon()?;
    let mut control = rig.control()?;
    control.receiver("cam", 5000)?;
    control.pattern("source", 5000)?;
    for client in &mut clients {
        client.say("attach cam")?;
        client.say("get 10000")?;
    }
    let certificate = control.end("cam")?;
    assert!(certificate.reconciled.is_empty());
    Ok(())
}
