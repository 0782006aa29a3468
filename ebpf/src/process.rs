//! A client's address space: which files with sites it executes, and where.
//!
//! Everything here may hang, for a client chooses the file system: callers run
//! it on a thread that can be left behind. Paths are for people only: files are opened through
//! `map_files`, which names the mapping itself and not a place in a tree.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::sites::{self, FileSites, Site, SiteError, SiteKind};

/// Largest `/proc/PID/maps` that is read, bytes: 65,530 mappings with short names.
const MAX_MAPS: u64 = 16 << 20;
/// Most files that a process may execute.
const MAX_FILES: usize = 1024;

/// Inode number of the first pid namespace (`PROC_PID_INIT_INO` of the kernel).
const FIRST_PID_NAMESPACE: u64 = 0xeffffffc;

/// This process's pid namespace as [`crate::layout::Settings`] wants it: 0 for the first one.
///
/// # Errors
/// When /proc is not there.
pub fn own_pid_namespace() -> io::Result<u32> {
    let inum = std::fs::metadata("/proc/self/ns/pid")?.ino();
    if inum == FIRST_PID_NAMESPACE {
        return Ok(0);
    }
    u32::try_from(inum).map_err(io::Error::other)
}

/// Why a process cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The process is gone, or has no address space any more.
    #[error("process {pid} has ended")]
    Gone {
        /// As asked for.
        pid: u32,
    },
    /// None of the files that it executes has probe sites.
    #[error(
        "process {pid} executes no file with onair probe sites: \
         is it linked with the onair library of this release?"
    )]
    NoSites {
        /// As asked for.
        pid: u32,
    },
    /// /proc could not be read.
    #[error("{path} cannot be read")]
    Read {
        /// Under /proc.
        path: String,
        /// Why; other users' processes need CAP_SYS_PTRACE and CAP_SYS_ADMIN.
        #[source]
        source: io::Error,
    },
    /// The process maps more than any program does.
    #[error("process {pid} has more than {limit} {what}")]
    TooLarge {
        /// As asked for.
        pid: u32,
        /// Of what.
        what: &'static str,
        /// Ours.
        limit: usize,
    },
    /// A file of the process cannot be watched.
    #[error("{path}, which process {pid} executes, cannot be watched")]
    File {
        /// As asked for.
        pid: u32,
        /// As the process maps it.
        path: String,
        /// Why.
        #[source]
        source: SiteError,
    },
}

/// Device and inode: the file's identity in the kernel while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// As stat has it.
    pub device: u64,
    /// As stat has it.
    pub inode: u64,
}

/// A file with sites that a process executes.
#[derive(Debug)]
pub struct SitedFile {
    /// Open for reading: the very file that is mapped.
    pub file: File,
    /// Its identity.
    pub key: FileKey,
    /// As the process maps it; for people.
    pub path: String,
    /// What was found in it.
    pub found: FileSites,
    /// Where its sites are in the process.
    pub sites: Vec<MappedSite>,
}

/// A site in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedSite {
    /// Which end of a wait.
    pub kind: SiteKind,
    /// In the file.
    pub offset: u64,
    /// In the process.
    pub address: u64,
}

/// A process's memory and the files with sites in it.
#[derive(Debug)]
pub struct Survey {
    /// `/proc/PID/mem`, open for reading. Stays with the address space, reads nothing after its end.
    pub memory: File,
    /// At least one.
    pub files: Vec<SitedFile>,
}

/// An executable mapping of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
}

/// The mappings of one file, by the numbers in `/proc/PID/maps`.
struct Mapped {
    path: String,
    mappings: Vec<Mapping>,
}

/// Looks at a process. `pid` is in our own pid namespace.
///
/// # Errors
/// See [`SurveyError`].
pub fn survey(pid: u32) -> Result<Survey, SurveyError> {
    // Opened first: this descriptor stays with today's address space, whatever is executed later.
    let (folder, maps) = living_thread(pid)?;
    let memory = open(pid, &format!("{folder}/mem"))?;
    // Read again, now that the address space is held: an exec in between would leave the two apart.
    let maps = match read_maps(pid, &format!("{folder}/maps"))? {
        again if again.is_empty() => maps,
        again => again,
    };

    let mut files = Vec::new();
    for mapped in executed_files(pid, &maps)? {
        if let Some(sited) = sited_file(pid, &folder, mapped)? {
            files.push(sited);
        }
    }
    if files.is_empty() {
        return Err(SurveyError::NoSites { pid });
    }
    Ok(Survey { memory, files })
}

/// A thread that still has the address space: the leader may have exited before the others.
fn living_thread(pid: u32) -> Result<(String, String), SurveyError> {
    let folder = format!("/proc/{pid}");
    // Empty on older kernels and ESRCH on newer ones when the leader has no memory any more.
    match read_maps(pid, &format!("{folder}/maps")) {
        Ok(maps) if !maps.is_empty() => return Ok((folder, maps)),
        Ok(_) | Err(SurveyError::Gone { .. }) => {}
        Err(error) => return Err(error),
    }
    let tasks = format!("{folder}/task");
    let entries = std::fs::read_dir(&tasks).map_err(|error| process_error(pid, &tasks, error))?;
    for entry in entries.filter_map(Result::ok) {
        let Some(tid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // Threads have no map_files under task/, but /proc answers for their number as well.
        let folder = format!("/proc/{tid}");
        match read_maps(pid, &format!("{folder}/maps")) {
            Ok(maps) if !maps.is_empty() => return Ok((folder, maps)),
            Ok(_) | Err(SurveyError::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(SurveyError::Gone { pid })
}

fn read_maps(pid: u32, path: &str) -> Result<String, SurveyError> {
    let mut text = Vec::new();
    let file = open(pid, path)?;
    let read = file.take(MAX_MAPS + 1).read_to_end(&mut text);
    read.map_err(|error| process_error(pid, path, error))?;
    if text.len() as u64 > MAX_MAPS {
        let limit = usize::try_from(MAX_MAPS).unwrap_or(usize::MAX);
        return Err(SurveyError::TooLarge {
            pid,
            what: "bytes of mappings",
            limit,
        });
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Groups the executable mappings by file.
fn executed_files(pid: u32, maps: &str) -> Result<Vec<Mapped>, SurveyError> {
    let mut files: Vec<Mapped> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for line in maps.lines() {
        let Some((identity, path, mapping)) = executable_mapping(line) else {
            continue;
        };
        let place = *places.entry(identity).or_insert(files.len());
        match files.get_mut(place) {
            Some(file) => file.mappings.push(mapping),
            None => files.push(Mapped {
                path: path.to_owned(),
                mappings: vec![mapping],
            }),
        }
        if files.len() > MAX_FILES {
            return Err(SurveyError::TooLarge {
                pid,
                what: "executed files",
                limit: MAX_FILES,
            });
        }
    }
    Ok(files)
}

/// `start-end perms offset dev inode path`, if it is executable and of a file.
fn executable_mapping(line: &str) -> Option<((&str, &str), &str, Mapping)> {
    let mut fields = line.splitn(6, ' ');
    let (range, permissions, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let (device, inode) = (fields.next()?, fields.next()?);
    let path = fields.next().unwrap_or_default().trim_start();
    if !permissions.contains('x') || inode == "0" {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let mapping = Mapping {
        start: number(start)?,
        end: number(end)?,
        offset: number(offset)?,
    };
    Some(((device, inode), path, mapping))
}

/// Opens a mapped file and looks for sites that are mapped.
fn sited_file(pid: u32, folder: &str, mapped: Mapped) -> Result<Option<SitedFile>, SurveyError> {
    let Some(Mapping { start, end, .. }) = mapped.mappings.first() else {
        return Ok(None);
    };
    let link = format!("{folder}/map_files/{start:x}-{end:x}");
    let Some(file) = open_regular(&link).map_err(|error| process_error(pid, &link, error))? else {
        return Ok(None);
    };
    let metadata = file
        .metadata()
        .map_err(|error| process_error(pid, &link, error))?;
    let found = match sites::find(&file) {
        Ok(found) => found,
        Err(SiteError::NotElf | SiteError::WrongMachine { .. }) => return Ok(None),
        Err(source) => {
            return Err(SurveyError::File {
                pid,
                path: mapped.path,
                source,
            });
        }
    };
    let sites: Vec<MappedSite> = found
        .sites
        .iter()
        .flat_map(|&Site { kind, offset }| {
            let addresses = mapped
                .mappings
                .iter()
                .filter_map(move |m| m.address_of(offset));
            addresses.map(move |address| MappedSite {
                kind,
                offset,
                address,
            })
        })
        .collect();
    if sites.is_empty() {
        return Ok(None);
    }
    let key = FileKey {
        device: metadata.dev(),
        inode: metadata.ino(),
    };
    Ok(Some(SitedFile {
        file,
        key,
        path: mapped.path,
        found,
        sites,
    }))
}

impl Mapping {
    /// Where an offset of the file is in the process.
    fn address_of(&self, offset: u64) -> Option<u64> {
        let address = self.start.checked_add(offset.checked_sub(self.offset)?)?;
        (address < self.end).then_some(address)
    }
}

/// Opens only what is a regular file: opening a device may act on it, a FIFO blocks.
/// `None` for anything else, and for a mapping that is gone by now.
fn open_regular(link: &str) -> io::Result<Option<File>> {
    let path_only = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_CLOEXEC)
        .open(link);
    let path_only = match path_only {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !path_only.metadata()?.file_type().is_file() {
        return Ok(None);
    }
    let itself = format!("/proc/self/fd/{}", path_only.as_raw_fd());
    std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(Path::new(&itself))
        .map(Some)
}

fn open(pid: u32, path: &str) -> Result<File, SurveyError> {
    File::open(path).map_err(|error| process_error(pid, path, error))
}

fn process_error(pid: u32, path: &str, source: io::Error) -> SurveyError {
    if source.kind() == io::ErrorKind::NotFound || source.raw_os_error() == Some(libc::ESRCH) {
        SurveyError::Gone { pid }
    } else {
        SurveyError::Read {
            path: path.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "55d0c8a00000-55d0c8a5b000 r-xp 00012000 fd:01 1311 /usr/bin/a b";

    #[test]
    fn executable_mapping_of_a_file_then_numbers_and_path() {
        let (identity, path, mapping) = executable_mapping(LINE).expect("executable");
        assert_eq!(identity, ("fd:01", "1311"));
        assert_eq!(path, "/usr/bin/a b");
        assert_eq!(mapping.address_of(0x12010), Some(0x55d0c8a00010));
        assert_eq!(mapping.address_of(0x11fff), None);
        assert_eq!(mapping.address_of(0x12000 + 0x5b000), None);
    }

    #[test]
    fn executable_mapping_data_anonymous_or_nonsense_then_none() {
        for line in [
            "55d0c8a00000-55d0c8a5b000 r--p 00012000 fd:01 1311 /usr/bin/a",
            "7ffd0000-7ffd1000 r-xp 00000000 00:00 0 [vdso]",
            "nonsense",
            "",
            "1-2 r-xp zz fd:01 5 /a",
        ] {
            assert!(executable_mapping(line).is_none(), "{line}");
        }
    }

    #[test]
    fn executed_files_two_mappings_of_one_then_grouped() {
        let maps = format!("{LINE}\n{}", LINE.replace("55d0", "66d0"));
        let files = executed_files(1, &maps).expect("within limits");
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].mappings.len(), 2);
    }
}
