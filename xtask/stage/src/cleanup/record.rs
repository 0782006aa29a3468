//! What stands on the machine because of us, written down *before* it is put up.
//!
//! One JSON file a run in [`FOLDER`]. A run that ends well removes its own; the file of a run that
//! was killed tells the next one what to take down. The folder's lock is held while the machine's
//! shared settings are changed, so that two runs do not undo each other.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::cleanup::run::Run;
use crate::machine::disk;
use crate::machine::folder::{FOLDER, Folder};
use crate::machine::hugepages::Hugepages;
use crate::machine::namespace;
use crate::machine::sysctl::Sysctl;
use crate::process::ProcessId;
use crate::until::{Deadline, until};

/// One thing that a run put up, or was about to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StageResource {
    /// A network namespace, by its name under `/run/netns`, with all that is in it.
    Namespace(String),
    /// A folder and all that is in it.
    Directory(PathBuf),
    /// A file system, by where it is mounted.
    Mount(PathBuf),
    /// A cgroup, by its folder.
    Cgroup(PathBuf),
    /// Hugepages that were added.
    Hugepages(Hugepages),
    /// A setting of the kernel that was changed.
    Sysctl(Sysctl),
}

impl StageResource {
    /// Takes it down. A thing that is not there, or not there any more, is no error.
    pub(crate) fn undo(&self, folder: &Folder) -> Result<()> {
        match self {
            Self::Namespace(name) => namespace::remove(folder, name),
            Self::Directory(path) => match fs::remove_dir_all(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("removing {}", path.display()))
                }
                _ => Ok(()),
            },
            Self::Mount(place) => disk::undo(place),
            Self::Cgroup(path) => remove_cgroup(path),
            Self::Hugepages(added) => added.give_back(),
            Self::Sysctl(changed) => changed.restore(),
        }
    }
}

impl std::fmt::Display for StageResource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Namespace(name) => write!(f, "network namespace {name}"),
            Self::Directory(path) => write!(f, "folder {}", path.display()),
            Self::Mount(place) => write!(f, "file system on {}", place.display()),
            Self::Cgroup(path) => write!(f, "cgroup {}", path.display()),
            Self::Hugepages(added) => write!(f, "{added}"),
            Self::Sysctl(changed) => write!(f, "{changed}"),
        }
    }
}

/// What one run put up, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Whose it is.
    pub(crate) run: Run,
    /// In the order in which they were put up.
    #[serde(rename = "things")]
    pub(crate) resources: Vec<StageResource>,
}

impl Folder {
    /// All records that are there.
    pub(crate) fn records(&self) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(FOLDER)? {
            let path = entry?.path();
            if path.extension().is_none_or(|kind| kind != "json") {
                continue;
            }
            let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            records.push(serde_json::from_slice(&text).with_context(|| {
                format!(
                    "{} is not a record of this version: take down by hand what it names, then remove it",
                    path.display()
                )
            })?);
        }
        Ok(records)
    }

    /// Writes `record`, whole or not at all.
    pub(crate) fn save(&self, record: &Record) -> Result<()> {
        let path = file(record.run);
        let fresh = path.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(record)?)
            .and_then(|()| fs::rename(&fresh, &path))
            .with_context(|| format!("writing {}", path.display()))
    }

    /// Removes the record of `run`.
    pub(crate) fn forget(&self, run: Run) -> Result<()> {
        match fs::remove_file(file(run)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// What other runs, whose owners live, have put up.
#[derive(Debug, Default)]
pub(crate) struct Others {
    /// Names of their namespaces and folders, and of the places that all runs share.
    pub(crate) names: BTreeSet<String>,
    /// Hugepages that they have added.
    pub(crate) hugepages: u64,
}

impl Others {
    pub(crate) fn look() -> Result<Self> {
        let me = ProcessId::me()?;
        let mut others = Self::default();
        if !Path::new(FOLDER).exists() {
            return Ok(others);
        }
        for record in Folder::open()?.records()? {
            if record.run.owner == me || !record.run.owner.alive() {
                continue;
            }
            others
                .names
                .extend(["onair-xtask".to_owned(), "netns".to_owned()]);
            for resource in &record.resources {
                match resource {
                    StageResource::Namespace(name) => others.names.extend([name.clone()]),
                    StageResource::Directory(path) => {
                        let name = path
                            .file_name()
                            .map(|name| name.to_string_lossy().into_owned());
                        others.names.extend(name);
                    }
                    StageResource::Hugepages(pages) => others.hugepages += pages.given(),
                    StageResource::Mount(_)
                    | StageResource::Cgroup(_)
                    | StageResource::Sysctl(_) => {}
                }
            }
        }
        Ok(others)
    }
}

/// A process that has ended may be in its cgroup still, for a moment.
fn remove_cgroup(path: &Path) -> Result<()> {
    until(
        "the cgroup to be empty",
        Deadline::seconds(10),
        || match fs::remove_dir(path) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => Ok(None),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(Some(())),
        },
    )
}

fn file(run: Run) -> PathBuf {
    PathBuf::from(FOLDER).join(format!("{run}.json"))
}
