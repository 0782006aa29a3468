//! Helpers of the tests.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use onair_api::RecordingEnd;
use onair_record::{Manifest, Recording, Spec};
use tempfile::TempDir;

use super::pcapng::{self, Capture};

/// Deadline of any wait in a test.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// A packet recording named `rec`, with small rings.
pub(crate) fn spec(folder: &Path) -> Spec {
    let mut spec = Spec::new(folder, "rec".parse().unwrap());
    spec.ring_bytes = 1 << 20;
    spec.snap_length = 96;
    spec.min_free_bytes = 0;
    spec
}

pub(crate) fn start(change: impl FnOnce(&mut Spec)) -> (TempDir, Recording) {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(folder.path());
    change(&mut spec);
    let recording = Recording::start(spec).unwrap();
    (folder, recording)
}

/// Stops the threads of a test, also when it fails.
pub(crate) struct Stop(pub(crate) AtomicBool);

impl Stop {
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the flag when the returned guard is dropped.
    pub(crate) fn guard(&self) -> impl Drop + '_ {
        struct Guard<'a>(&'a AtomicBool);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        Guard(&self.0)
    }
}

/// Packet `number` of producer `producer`; its bytes contain both.
pub(crate) fn packet(producer: u32, number: u64) -> [u8; 96] {
    let mut packet = [0x55; 96];
    packet[..4].copy_from_slice(&producer.to_le_bytes());
    packet[4..12].copy_from_slice(&number.to_le_bytes());
    packet
}

pub(crate) fn number(packet: &[u8]) -> (u32, u64) {
    let producer = u32::from_le_bytes(packet[..4].try_into().unwrap());
    (
        producer,
        u64::from_le_bytes(packet[4..12].try_into().unwrap()),
    )
}

/// Ends it, checks that the counts balance and that no unfinished file is left.
pub(crate) fn finish(recording: &mut Recording) -> Manifest {
    let manifest = recording.finish(RecordingEnd::Stopped, soon()).unwrap();
    assert!(manifest.totals.balance(), "{:?}", manifest.totals);
    assert_eq!(manifest.totals.pending, 0);
    for producer in &manifest.producers {
        assert!(producer.counts.balance(), "{producer:?}");
    }
    let folder = &recording.spec().folder;
    let written = std::fs::read(recording.manifest_path()).unwrap();
    assert_eq!(
        serde_json::from_slice::<Manifest>(&written).unwrap(),
        manifest
    );
    assert!(
        names(folder).iter().all(|it| !it.contains(".part")),
        "{:?}",
        names(folder)
    );
    for file in &manifest.files {
        check_sum(&folder.join(&file.name), file.sha256.as_deref().unwrap());
        assert_eq!(
            std::fs::metadata(folder.join(&file.name)).unwrap().len(),
            file.bytes
        );
    }
    manifest
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Checks the sum with an independent tool.
pub(crate) fn check_sum(file: &Path, expected: &str) {
    let said = run("sha256sum", &[&file.to_string_lossy()]);
    assert_eq!(
        said.split_whitespace().next(),
        Some(expected),
        "{}",
        file.display()
    );
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output();
    let done =
        done.unwrap_or_else(|error| panic!("{program}: {error}: `cargo xtask setup --for test`"));
    assert!(
        done.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

/// Reads a packet file strictly; tshark counts it too.
pub(crate) fn capture(file: &Path) -> Capture {
    let capture = pcapng::read(&std::fs::read(file).unwrap()).unwrap();
    let path = file.to_string_lossy();
    let lines = run(
        "tshark",
        &["-n", "-r", &path, "-T", "fields", "-e", "frame.number"],
    );
    assert_eq!(
        lines.lines().count(),
        capture.packets.len(),
        "as tshark counts {path}"
    );
    capture
}
