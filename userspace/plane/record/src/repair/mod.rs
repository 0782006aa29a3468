//! Repair of recordings that a killed process left.
//!
//! An interrupted recording has an unlocked manifest `NAME.json.part`. Repair truncates its
//! unfinished files to their complete part, appends what tools need to open them, and renames them;
//! then it completes the manifest. It writes its plan down first, so that an interrupted repair can
//! run again. Files that are not surely this recorder's are left unchanged and reported.

mod claim;
mod file;
mod packets;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use onair_api::RecordingEnd;

use crate::files::{Folder, ManifestFile};
use crate::manifest::{Manifest, Repair, RepairedFile, Stage, Time};
use crate::spec::{RecordName, UNFINISHED};
use crate::totals::{Counts, ProducerCounts};
use claim::{Claim, Claimed};
use file::FoundFile;

/// Result of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// An interrupted recording: its files open now, and its manifest says what is missing.
    Repaired(Box<Manifest>),
    /// A name reserved for a recording that never began: it is free again.
    Freed(String),
    /// A file that looks like a recording's, left unchanged.
    LeftAlone(LeftAlone),
}

/// A file left unchanged, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// Its name in the folder.
    pub name: String,
    /// The reason.
    pub reason: String,
}

/// Repairs what killed processes left in `folder`. A lock shows which files a living process
/// writes.
///
/// # Errors
/// The folder cannot be read. A missing folder is not an error.
pub fn repair(folder: &Path) -> io::Result<Vec<Repaired>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // This recorder's names are UTF-8.
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    let ending = format!(".json.{UNFINISHED}");
    let mut all = Vec::new();
    for name in &names {
        if let Some(stem) = name.strip_suffix(&ending) {
            all.extend(one(folder, stem, name, &names));
        }
    }
    all.extend(orphans(folder, &names));
    Ok(all)
}

/// Repairs the recording `stem`.
fn one(path: &Path, stem: &str, name: &str, names: &[String]) -> Option<Repaired> {
    let left = |reason: String| {
        let name = name.to_owned();
        Some(Repaired::LeftAlone(LeftAlone { name, reason }))
    };
    let Ok(stem) = stem.parse::<RecordName>() else {
        return left("its name is not a recording's name".to_owned());
    };
    let claim = match Claim::take(path, &stem) {
        Ok(Claimed::Cut(claim)) => claim,
        Ok(Claimed::Empty(text)) => return Some(Repaired::Freed(text)),
        Ok(Claimed::Complete) => return None,
        Err(reason) => return left(reason.to_string()),
    };
    match complete(*claim, path, names) {
        Ok(manifest) => Some(Repaired::Repaired(Box::new(manifest))),
        Err(error) => left(format!(
            "repair failed: {error}; the next start tries again"
        )),
    }
}

fn complete(claim: Claim, path: &Path, names: &[String]) -> io::Result<Manifest> {
    let Claim { mut manifest, lock } = claim;
    let stem = manifest.name.as_str().to_owned();
    let folder = Folder::new(path, &stem, manifest.format.extension(), false, 0);
    let mut manifest_file = ManifestFile::resume(&folder, &stem, lock);
    let last_known = manifest.as_of;
    let before = manifest.repair.take();
    let at = before.as_ref().map_or_else(Time::now, |it| it.at);
    let planned = before.map(|it| it.files).unwrap_or_default();

    // Collect the files and the plan: nothing is changed yet.
    let mut found = Vec::new();
    let files = file::of_recording(&manifest, names);
    for (_, name, is_open) in &files {
        // A complete file beside an unfinished one with its name is foreign.
        let has_unfinished = files.iter().any(|(_, other, open)| *open && other == name);
        if has_unfinished && !is_open {
            continue;
        }
        let plan = planned.iter().find(|it| it.name == *name);
        found.push(FoundFile::look(
            &folder,
            &manifest,
            (name, *is_open),
            plan,
            at,
        )?);
    }
    let plans: Vec<_> = found.iter().filter_map(FoundFile::plan).collect();
    manifest.repair = Some(Repair {
        at,
        files: plans.clone(),
        says: String::new(),
    });
    manifest_file.update(&text(&manifest))?;

    for found in &mut found {
        found.mend(&folder)?;
    }
    write(&mut manifest, &found, plans, at, last_known);
    manifest_file.finish(&text(&manifest))?;
    Ok(manifest)
}

fn text(manifest: &Manifest) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(manifest).expect("a manifest is plain data");
    text.push(b'\n');
    text
}

/// Unfinished files of packets without a manifest.
fn orphans(folder: &Path, names: &[String]) -> Vec<Repaired> {
    let has_manifest = |stem: &str| {
        let name = folder.join(format!("{stem}.json.{UNFINISHED}"));
        name.symlink_metadata().is_ok()
    };
    let mut all = Vec::new();
    for name in names {
        let Some((stem, _, _)) = file::parse(name).filter(|(_, _, is_open)| *is_open) else {
            continue;
        };
        let is_there = folder.join(name).symlink_metadata().is_ok();
        if is_there && !has_manifest(&stem) {
            all.push(Repaired::LeftAlone(LeftAlone {
                name: name.clone(),
                reason: format!("its manifest {stem}.json.{UNFINISHED} is missing"),
            }));
        }
    }
    all
}

fn write(
    manifest: &mut Manifest,
    found: &[FoundFile],
    files: Vec<RepairedFile>,
    at: Time,
    last_known: Time,
) {
    let known = manifest.totals;
    for file in &manifest.files {
        let is_there = found.iter().any(|it| {
            it.known
                .as_ref()
                .is_some_and(|known| known.name == file.name)
        });
        if !is_there {
            let text = format!("{} was missing when the recording was repaired", file.name);
            manifest.problems.push(text);
        }
    }
    let troubles = found.iter().filter_map(FoundFile::trouble);
    manifest.problems.extend(troubles);
    manifest.files = found.iter().map(FoundFile::report).collect();
    settle(manifest, found);
    count_by_producer(manifest, found);
    manifest.stage = Stage::Repaired;
    manifest.cause = Some(RecordingEnd::Killed);
    manifest.as_of = at;
    let cut: u64 = files.iter().map(|it| it.cut_bytes).sum();
    let events: u64 = manifest.files.iter().map(|it| it.events).sum();
    let says = format!(
        "{events} events are in the files, {cut} incomplete bytes were removed. The last known counts are of \
         {last_known}: at least {} arrived, {} accepted, {} dropped. What came after that, and how \
         much of it was lost, is not known.",
        known.arrived,
        known.accepted,
        known.dropped.total()
    );
    manifest.repair = Some(Repair { at, files, says });
}

/// A later repair does not read a complete file again: its report has the counts of each producer.
fn count_by_producer(manifest: &mut Manifest, found: &[FoundFile]) {
    for (report, file) in manifest.files.iter_mut().zip(found) {
        let of = |name: &str| {
            let events = file.contents.events.iter();
            events.filter(|it| it.0 == name).map(|it| it.1).sum()
        };
        let producers = manifest.producers.iter();
        report.by_producer = producers.map(|it| of(&it.name)).collect();
    }
}

/// The counts: arrived as last known, written as found; the difference is lost.
fn settle(manifest: &mut Manifest, found: &[FoundFile]) {
    let mut written: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, count) in found.iter().flat_map(|it| &it.contents.events) {
        *written.entry(name).or_default() += count;
    }
    let named: Vec<_> = manifest
        .producers
        .iter()
        .map(|it| it.name.clone())
        .collect();
    for (name, _) in written
        .iter()
        .filter(|(name, _)| !named.iter().any(|it| it == *name))
    {
        manifest.producers.push(ProducerCounts {
            name: (*name).to_owned(),
            counts: Counts::default(),
        });
    }
    for producer in &mut manifest.producers {
        // Producers with the same name share what is found under it: the first one gets it.
        let found = written.remove(producer.name.as_str()).unwrap_or_default();
        producer.counts.written = found;
    }
    manifest.totals = Counts::default();
    for producer in &mut manifest.producers {
        let counts = &mut producer.counts;
        let settled = counts.written + counts.lost.total();
        counts.accepted = counts.accepted.max(settled);
        counts.arrived = counts.accepted + counts.dropped.total();
        counts.lost.killed += counts.accepted - settled;
        counts.pending = 0;
        manifest.totals.add(counts);
    }
}
