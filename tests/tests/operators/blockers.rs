//! Blocked callers: as the daemon names them, as the kernel does, and as the tool does for when the daemon is wedged.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair_api::{BlockerKind, WaitsIn, Witness};
use onair_tests::{Control, Deadline, Rig, TestClient, blocked, freeze, program, until};
use rustix::process::Signal;
use serde_json::Value;

/// A caller: pid, tid, command.
type Caller = (u32, u32, String);

const CALLERS: usize = 8;

/// Two processes with [`CALLERS`] blocked callers each, the second in two sessions.
struct Scene {
    rig: Rig,
    control: Control,
    clients: Vec<TestClient>,
}

impl Scene {
    fn open(shared_links: bool) -> Result<Self> {
        let rig = Rig::rings_with(|config| config.shared_links = shared_links)?;
        let mut control = rig.control()?;
        for (name, udp) in [("one", 5000), ("two", 5001)] {
            control.receiver(name, udp)?;
        }
        let mut clients = vec![rig.test_client()?, rig.test_client()?];
        clients[0].say("attach one")?;
        clients[0].block(CALLERS)?;
        clients[1].say("attach one")?;
        clients[1].block(CALLERS / 2)?;
        clients[1].say("attach two")?;
        clients[1].block(CALLERS / 2)?;
        Ok(Self {
            rig,
            control,
            clients,
        })
    }

    /// The callers as `/proc/*/task/*/syscall` shows them.
    fn of_the_kernel(&self) -> Result<BTreeSet<Caller>> {
        let mut all = BTreeSet::new();
        for client in &self.clients {
            let pid = client.pid();
            all.extend(
                blocked(pid)?
                    .into_iter()
                    .map(|tid| (pid, tid, "onair-client".into())),
            );
        }
        Ok(all)
    }

    /// The callers as the daemon names them.
    fn of_the_daemon(&mut self) -> Result<BTreeSet<Caller>> {
        let mut all = BTreeSet::new();
        for session in ["one", "two"] {
            for it in self.control.blockers(session)?.blockers {
                assert_eq!(it.kind, BlockerKind::Blocked, "{it:#?}");
                assert_eq!(it.waits_in, Some(WaitsIn::BufferGet), "{it:#?}");
                assert_eq!(it.seen_by, [Witness::W1, Witness::W2], "{it:#?}");
                assert!(it.since.is_some() && it.blocked_for_ms.is_some(), "{it:#?}");
                assert_eq!(
                    (it.thread.as_str(), it.held_frames.len()),
                    ("test_client", 0)
                );
                let fresh = all.insert((it.pid, it.tid.context("tid")?, it.command));
                assert!(fresh, "named twice");
            }
        }
        Ok(all)
    }

    /// The callers as `onair-waiters` lists them.
    fn of_the_tool(&self) -> Result<BTreeSet<Caller>> {
        let output = Command::new(program("onair-waiters")?)
            .arg("--json")
            .arg("--pid")
            .args(self.clients.iter().map(|client| client.pid().to_string()))
            .stdin(Stdio::null())
            .output()?;
        ensure!(
            output.status.success(),
            "onair-waiters: {}, {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        let listing: Value = serde_json::from_slice(&output.stdout)?;
        let rows = listing["waiters"].as_array().context("waiters")?;
        rows.iter()
            .map(|row| {
                let number = |field: &str| {
                    let number = row[field].as_u64().and_then(|it| it.try_into().ok());
                    number.with_context(|| format!("{field} in {row}"))
                };
                let command = row["command"].as_str().context("command")?;
                Ok((number("pid")?, number("tid")?, command.to_owned()))
            })
            .collect()
    }
}

#[test]
fn callers_16_in_2_processes_then_daemon_kernel_and_tool_agree() -> Result<()> {
    named_alike(Scene::open(true)?)
}

fn named_alike(mut scene: Scene) -> Result<()> {
    // The backstop of a wait wakes it once a second for a moment.
    let kernel = until("all callers to sleep", Deadline::seconds(10), || {
        let kernel = scene.of_the_kernel()?;
        Ok((kernel.len() == 2 * CALLERS).then_some(kernel))
    })?;
    assert_eq!(scene.of_the_daemon()?, kernel);
    assert_eq!(scene.of_the_tool()?, kernel);

    // The daemon is wedged: it answers no request, and the tool says the same as before.
    freeze(scene.rig.daemon()?.running())?;
    assert_eq!(scene.of_the_tool()?, kernel);
    scene.rig.daemon()?.running().signal(Signal::CONT)?;

    assert_eq!(scene.of_the_daemon()?, kernel);
    for session in ["one", "two"] {
        scene.control.stop(session)?;
    }
    for client in &mut scene.clients {
        client.returned(CALLERS)?;
    }
    assert!(scene.of_the_daemon()?.is_empty());
    for session in ["one", "two"] {
        scene.control.destroy(session)?;
    }
    Ok(())
}
