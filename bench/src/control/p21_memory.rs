//! P21: what a session and an attachment cost the daemon (and an attachment its client): resident
//! memory, descriptors, mappings. With 1,024 sessions of small frames.

use std::fs;

use anyhow::{Context as _, Result};
use onair_api::SpecDocument;
use onair_stage::{Rig, receive};

use crate::load::users::{self, Wanted};
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::rig::{self, TINY};
use crate::run::Run;

const UDP: u16 = 5004;
const COUNT: u16 = 1_024;
/// Sessions that one client process attaches to.
const OF_A_CLIENT: usize = 64;

/// Of a process.
#[derive(Clone, Copy, Debug, Default)]
struct Footprint {
    /// KiB of its pages that are in memory.
    resident: u64,
    descriptors: u64,
    mappings: u64,
}

impl Footprint {
    /// Of process `pid`: `/proc/PID/smaps_rollup`, `fd` and `maps`.
    fn of(pid: u32) -> Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_to_string(&path).with_context(|| format!("reading {path}"))
        };
        let rollup = read("smaps_rollup")?;
        let maps = read("maps")?;
        Ok(Self {
            resident: kib(&rollup, "Rss:").context("no Rss")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64,
            mappings: maps.lines().count() as u64,
        })
    }

    /// What each of `count` added since `before`, in the order of [`PARTS`].
    fn each(&self, before: &Self, count: u16) -> [f64; 3] {
        // To a tenth: the daemon's own come and go.
        let tenth = |value: f64| (10.0 * value).round() / 10.0;
        let of = |now: u64, before: u64| tenth((float(now) - float(before)) / f64::from(count));
        [
            of(self.resident, before.resident),
            of(self.descriptors, before.descriptors),
            of(self.mappings, before.mappings),
        ]
    }
}

/// `Rss:     1234 kB` (proc_pid_smaps(5)).
fn kib(rollup: &str, name: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// What is looked at, and its unit.
const PARTS: [(&str, &str); 3] = [
    ("resident memory", "KiB"),
    ("descriptors", "count"),
    ("mappings", "count"),
];
/// Whose, and the most that each may be.
const MOST: [(&str, [f64; 3]); 3] = [
    ("a session", [128.0, 1.0, 1.0]),
    ("an attachment", [96.0, 7.0, 3.0]),
    ("an attachment in its client", [16.0, 1.0, 3.0]),
];

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    run.case("sessions", 1);
    let mut rows = vec![];
    let mut rig = rig::rings_with("[limits]\nsessions = 1024\n")?;
    let done = one(&mut rig, COUNT);
    for ((whose, most), found) in MOST.iter().zip(rig.end(done)?) {
        for (((part, unit), value), most) in PARTS.iter().zip(found).zip(most) {
            let variant = format!("{part} of {whose}, N = {COUNT}");
            let row = Row::of("P21", variant, unit, &Samples::from_iter([value]));
            let row = row.pinned("none");
            rows.push(row.target(format!("≤ {most}"), |row| row.p50_at_most(*most)));
        }
    }
    run.step();
    Ok(rows)
}

/// In the order of [`MOST`].
fn one(rig: &mut Rig, count: u16) -> Result<[[f64; 3]; 3]> {
    let mut control = rig.control()?;
    let daemon = rig.daemon()?.pid();
    // A daemon's first session and first client have costs of their own.
    let first = tiny("first", UDP - 1);
    control.create(&first)?;
    drop(clients(rig, &["first".to_owned()])?);
    control.end("first")?;
    let names: Vec<_> = (0..count).map(|at| format!("bench{at}")).collect();
    let empty = Footprint::of(daemon)?;
    for (name, at) in names.iter().zip(0..) {
        control.create(&tiny(name, UDP + at))?;
    }
    let created = Footprint::of(daemon)?;
    let alone = clients(rig, &names[..1])?;
    let client_of_one = Footprint::of(alone[0].pid())?;
    drop(alone);
    control.deserted(&names[0])?;
    let without = Footprint::of(daemon)?;
    let attached = clients(rig, &names)?;
    let with = Footprint::of(daemon)?;
    let client = Footprint::of(attached[0].pid())?;
    let more = u16::try_from(names.len().min(OF_A_CLIENT))? - 1;
    Ok([
        created.each(&empty, count),
        with.each(&without, count),
        client.each(&client_of_one, more),
    ])
}

fn clients(rig: &Rig, names: &[String]) -> Result<Vec<onair_stage::Actor>> {
    let attach = rig.attach_socket();
    let started = names
        .chunks(OF_A_CLIENT)
        .map(|names| users::start(rig.stage(), &attach, names, Wanted::default()));
    started.collect()
}

fn tiny(name: &str, udp: u16) -> SpecDocument {
    SpecDocument {
        quota: Some(1),
        max_attachments: Some(1),
        ..receive(name, TINY, udp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn footprint_of_me_then_grows_by_a_mapping_and_its_pages() {
        let before = Footprint::of(std::process::id()).unwrap();
        let files: Vec<_> = (0..8)
            .map(|_| fs::File::open("/proc/self/stat").unwrap())
            .collect();
        let memory = std::hint::black_box(vec![1_u8; 8 << 20]);
        let after = Footprint::of(std::process::id()).unwrap();
        let [resident, descriptors, _] = after.each(&before, 8);
        assert!(resident > 900.0, "{resident} KiB of {}", memory.len());
        assert!(descriptors >= 1.0, "{descriptors} of {}", files.len());
        assert_eq!(kib("Pss:    12 kB\nRss:     7 kB\n", "Rss:"), Some(7));
    }
}
