//! Repair of recordings that a killed process left.
//!
//! An interrupted recording has an unlocked manifest `NAME.json.part`. Repair truncates its
//! unfinished files to their complete part, appends what tools need to open them, and renames them;
//! then it completes the manifest. It writes its plan down first, so that an interrupted repair can
//! run again. Files that are not surely this recorder's are left unchanged and reported.

mod claim;
mod contents;
mod file;
mod packets;
mod verdict;

use std::io;
use std::path::Path;

use crate::files::{Folder, ManifestFile};
use crate::manifest::{Manifest, Repair, Time};
use crate::spec::{RecordName, UNFINISHED};

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
    verdict::write(&mut manifest, &found, plans, at, last_known);
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
