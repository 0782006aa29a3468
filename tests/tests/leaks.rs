//! Nothing grows: not in the daemon, not in a client, not in the kernel.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use onair_tests::{
    Control, Footprint, Raster, Rig, TestClient, bpf_objects, output, own_memory, receive,
    still_there, wait_for,
};

const CYCLES: usize = 200;
/// Caches and pools have grown by then.
const WARM: usize = 20;

/// Bytes that a process may have grown by after [`CYCLES`]. A leak first fills what the start has left free in
/// the heap, some MiB.
const GROWTH: u64 = 1 << 20;

fn cycle(control: &mut Control, client: &mut TestClient) -> Result<()> {
    control.receiver("cam", 5000)?;
    client.say("attach cam")?;
    control.stop("cam")?;
    client.say("detach")?;
    // The handle, too: it has the connection.
    client.say("drop")?;
    control.destroy_wait("cam")?;
    Ok(())
}

#[test]
fn sessions_created_used_and_destroyed_200_times_then_daemon_and_client_hold_what_they_held()
-> Result<()> {
    // Certificates are kept in memory, as many as this.
    let mut rig = Rig::rings_with(|config| config.state.push_str("certificates = 10\n"))?;
    let daemon = rig.daemon()?.pid();
    let mut control = rig.control()?;
    let mut client = rig.test_client()?;
    for _ in 0..WARM {
        cycle(&mut control, &mut client)?;
    }
    let resident_before = [own_memory(daemon)?, own_memory(client.pid())?];
    let before = [Footprint::of(daemon)?, Footprint::of(client.pid())?];
    let objects = bpf_objects(daemon)?;
    for _ in 0..CYCLES {
        cycle(&mut control, &mut client)?;
    }
    before[0].wait_regained(daemon)?;
    before[1].wait_regained(client.pid())?;
    assert_eq!(bpf_objects(daemon)?, objects);
    for (pid, before) in [daemon, client.pid()].into_iter().zip(resident_before) {
        let grown = own_memory(pid)?.saturating_sub(before);
        println!("process {pid}: {before} bytes of its own, {grown} more after {CYCLES} cycles");
        ensure!(grown <= GROWTH, "process {pid} has grown by {grown} bytes");
    }
    Ok(())
}

/// Names of the interfaces in the rig's namespace, with their flags and XDP programs.
fn links(rig: &Rig) -> Result<String> {
    let text = output(
        "ip",
        &[
            "-details",
            "-oneline",
            "-n",
            rig.stage().namespace(),
            "link",
            "show",
        ],
    )?;
    // All but statistics of the queues, which change.
    let words = text.split_whitespace();
    Ok(words
        .filter(|word| !word.starts_with("qlen"))
        .collect::<Vec<_>>()
        .join(" "))
}

fn files(folder: &Path) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        all.insert(entry.path().display().to_string());
        if entry.file_type()?.is_dir() {
            all.extend(files(&entry.path())?);
        }
    }
    Ok(all)
}

#[test]
fn daemon_started_and_stopped_5_times_then_kernel_and_disk_are_as_before() -> Result<()> {
    let mut rig = Rig::pair()?;
    rig.stop_daemon()?;
    let before = (links(&rig)?, files(rig.stage().directory())?);
    for round in 0..5 {
        rig.start_daemon()?;
        let pid = rig.daemon()?.pid();
        let mut client = rig.test_client()?;
        rig.control()?
            .create(&receive("cam", Raster::SMALL, 5000))?;
        client.say("attach cam")?;
        let objects = bpf_objects(pid)?;
        assert!(
            objects.iter().any(|(kind, _)| *kind == "link"),
            "{objects:?}"
        );
        client.leave()?;
        // Killed in between: the next one takes away what it left.
        if round == 2 {
            rig.kill_daemon()?;
        } else {
            rig.stop_daemon()?;
        }
        wait_for("its BPF objects to go", 20, || {
            let left = still_there(&objects);
            // Of a killed one the XDP programs stay on their interfaces until the next start.
            Ok(left.is_empty() || round == 2)
        })?;
    }
    let mut after = (links(&rig)?, files(rig.stage().directory())?);
    // Of each orderly end a certificate is kept.
    after.1.retain(|path| !path.contains("/certificates/"));
    let mut expected = before;
    expected.1.retain(|path| !path.contains("/certificates/"));
    assert_eq!(after, expected);
    Ok(())
}
