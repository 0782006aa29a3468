//! What a killed process left behind, made whole.
//!
//! A recording that was cut off has a manifest `NAME.json.part` that nobody has locked. Its
//! unfinished files are cut back to what is whole in them, get what makes them open, and their
//! names; then the manifest is completed. What is to be done is written down first, so that repair
//! itself may be cut off and run again. Whatever is not surely ours is left alone, and named.

mod claim;
mod file;
mod frames;
mod packets;
mod verdict;

use std::io;
use std::path::Path;

use crate::files::{Folder, ManifestFile, UNFINISHED};
use crate::manifest::{Manifest, Repair, Time};
use crate::spec::RecordName;

use claim::{Claim, Claimed};
use file::Found;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// A recording that was cut off: its files open now, and its manifest says what is missing.
    Repaired(Box<Manifest>),
    /// A name that was taken for a recording that never began: it is free again.
    Freed(String),
    /// Something that looks like one, and was left alone.
    LeftAlone(LeftAlone),
}

/// What was left alone, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// Its name in the folder.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Makes whole what killed processes left in `folder`. What a living process writes there is
/// recognised by its lock.
///
/// # Errors
/// The folder cannot be read. One that is not there has nothing to repair.
pub fn repair(folder: &Path) -> io::Result<Vec<Repaired>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is no text is none of ours.
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

/// The recording `stem`.
fn one(path: &Path, stem: &str, name: &str, names: &[String]) -> Option<Repaired> {
    let left = |reason: String| {
        let name = name.to_owned();
        Some(Repaired::LeftAlone(LeftAlone { name, reason }))
    };
    let Ok(stem) = stem.parse::<RecordName>() else {
        return left("its name is not that of a recording".to_owned());
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
            "repair failed, and is tried at the next start: {error}"
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

    // What there is, and what is to be done: nothing is changed yet.
    let mut found = Vec::new();
    let files = file::of_recording(&manifest, names);
    for (_, name, is_open) in &files {
        // A complete file beside an unfinished one of its name is somebody else's.
        let has_unfinished = files.iter().any(|(_, other, open)| *open && other == name);
        if has_unfinished && !is_open {
            continue;
        }
        let plan = planned.iter().find(|it| it.name == *name);
        found.push(Found::look(&folder, &manifest, (name, *is_open), plan, at)?);
    }
    let plans: Vec<_> = found.iter().filter_map(Found::plan).collect();
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

/// Unfinished files of packets or frames that no manifest speaks for.
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
                reason: format!("there is no {stem}.json.{UNFINISHED} that speaks for it"),
            }));
        }
    }
    all
}
