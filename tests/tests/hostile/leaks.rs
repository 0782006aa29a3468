//! Nothing grows: not in the daemon, not in a client, not in the kernel.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use onair_tests::{
    Control, Footprint, Raster, Rig, TestClient, bpf_objects, output, own_memory, receive,
    still_there, wait_for,
};

const CYCLES: usize = 200;
/// After so many, caches and pools have grown, and the daemon keeps as many events as it ever does. Its heap
/// grows for about 900 cycles, by 100 KiB in all, and then no more.
const WARM: usize = 1000;

/// Bytes of its heap that a process may use more of after each cycle.
const LEAK: u64 = 200;
/// Bytes that a process may have grown by after [`CYCLES`]. A leak first fills what the start has left free in
/// the heap, some MiB.
const GROWTH: u64 = 1 << 20;

/// Bytes in use of the heaps of the daemon and of a client: the least of some readings, since work that is about
/// to end has memory, too.
fn heaps(rig: &Rig, client: &mut TestClient) -> Result<[u64; 2]> {
    let mut least = [u64::MAX; 2];
    for _ in 0..10 {
        let metrics = rig.scrape()?;
        let mut lines = metrics.lines();
        let daemon = lines.find_map(|line| line.strip_prefix("onair_heap_bytes "));
        let client = client.say("heap")?["bytes"].as_u64();
        let now = [
            daemon.context("the metric")?.parse()?,
            client.context("bytes")?,
        ];
        least = [0, 1].map(|at| least[at].min(now[at]));
    }
    Ok(least)
}

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
fn sessions_made_and_destroyed_200_times_then_nothing_grows() -> Result<()> {
    // Certificates are kept in memory, as many as this.
    let mut rig = Rig::rings_with(|config| config.state.push_str("certificates = 10\n"))?;
    let daemon = rig.daemon()?.pid();
    let mut control = rig.control()?;
    let mut client = rig.test_client()?;
    for _ in 0..WARM {
        cycle(&mut control, &mut client)?;
    }
    let pids = [daemon, client.pid()];
    let resident_before = [own_memory(daemon)?, own_memory(client.pid())?];
    let before = [Footprint::of(daemon)?, Footprint::of(client.pid())?];
    let objects = bpf_objects(daemon)?;
    let heaps_before = heaps(&rig, &mut client)?;
    for _ in 0..CYCLES {
        cycle(&mut control, &mut client)?;
    }
    before[0].wait_regained(daemon)?;
    before[1].wait_regained(client.pid())?;
    assert_eq!(bpf_objects(daemon)?, objects);
    let heaps = heaps(&rig, &mut client)?;
    for (at, pid) in pids.into_iter().enumerate() {
        let leaked = heaps[at].saturating_sub(heaps_before[at]);
        let grown = own_memory(pid)?.saturating_sub(resident_before[at]);
        println!(
            "process {pid}: {leaked} bytes more of its heap than {}, {grown} resident ones more than {}",
            heaps_before[at], resident_before[at]
        );
        ensure!(
            leaked <= LEAK * CYCLES as u64,
            "process {pid} leaks {leaked} bytes"
        );
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
fn daemon_started_and_stopped_5_times_then_nothing_stays() -> Result<()> {
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
