//! A client's folder under `/proc`.
//!
//! It is opened once and stays with the process: after the process has ended, reading fails, even
//! if another process has its number. Reading may hang in the client's own memory or files.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::string::FromUtf8Error;

use onair_ebpf::process::FileKey;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, StatxFlags, fstat, makedev, openat, statx};
use rustix::io::Errno;

/// Most bytes read of `maps`: 65,530 mappings with short names.
const MAX_MAPS: u64 = 16 << 20;
/// Bytes of a usual `maps`: 300 mappings.
const USUAL_MAPS: usize = 32 << 10;
/// Most listings while threads start and end.
const LISTINGS: usize = 16;
/// Most bytes read of a file under `task/TID`.
const MAX_TASK: u64 = 16 << 10;
/// Bytes of a usual file there: `status` is the longest.
const USUAL_TASK: usize = 2 << 10;

/// One line of `/proc/PID/maps`, proc_pid_maps(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MapLine {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Offset of the start in the file.
    pub(crate) offset: u64,
    /// `rwxp`, with `-` for a missing permission.
    pub(crate) permissions: [u8; 4],
    pub(crate) major: u32,
    pub(crate) minor: u32,
    /// Inode number; 0: no file.
    pub(crate) inode: u64,
}

impl MapLine {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let permissions = fields.next()?.as_bytes().try_into().ok()?;
        let offset = fields.next()?;
        let (major, minor) = fields.next()?.split_once(':')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let part = |text| u32::from_str_radix(text, 16).ok();
        Some(Self {
            start: number(start)?,
            end: number(end)?,
            offset: number(offset)?,
            permissions,
            major: part(major)?,
            minor: part(minor)?,
            inode: fields.next()?.parse().ok()?,
        })
    }

    /// Address of an offset of the file, if this mapping contains it.
    pub(crate) fn address_of(&self, offset: u64) -> Option<u64> {
        let address = self.start.checked_add(offset.checked_sub(self.offset)?)?;
        (address < self.end).then_some(address)
    }
}

/// The mappings of a process, and the thread through which they were read.
pub(crate) struct Mappings {
    /// `None`: the leader.
    pub(crate) thread: Option<u32>,
    pub(crate) lines: Vec<MapLine>,
}

/// The threads of a process, or why they cannot be listed.
pub(crate) enum Threads {
    Listed(Vec<u32>),
    TooMany(u64),
    Restless,
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Folder {
    pid: u32,
    folder: OwnedFd,
}

impl Folder {
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty())?;
        Ok(Self { pid, folder })
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether its process is there. A number is given to another process only when the first one
    /// is gone, and a folder answers only while its process is there: two folders of one number that
    /// answer *after* a look were of the same process during it, if both were opened before.
    pub(crate) fn is_there(&self) -> bool {
        self.file("stat").is_ok()
    }

    fn file(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(openat(&self.folder, path, flags, Mode::empty())?.into())
    }

    /// The text of a file of at most `limit` bytes. The kernel makes it anew for each read: there
    /// are few if `usual` bytes suffice.
    fn read(&self, path: &str, (usual, limit): (usize, u64)) -> io::Result<String> {
        let mut bytes = Vec::with_capacity(usual);
        self.file(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            let text = format!("{path} is longer than {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let lossy = |error: FromUtf8Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
        Ok(String::from_utf8(bytes).unwrap_or_else(lossy))
    }

    /// A file of a thread; `None` when the thread has ended.
    pub(crate) fn of_thread(&self, tid: u32, name: &str) -> io::Result<Option<String>> {
        match self.read(&format!("task/{tid}/{name}"), (USUAL_TASK, MAX_TASK)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if has_ended(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The mappings, read through a thread that still has the address space: the leader may have
    /// exited before the others. Empty after the end of the process.
    pub(crate) fn mappings(&self) -> io::Result<Mappings> {
        let parse = |text: String| text.lines().filter_map(MapLine::parse).collect();
        let lines: Vec<MapLine> = match self.read("maps", (USUAL_MAPS, MAX_MAPS)) {
            Ok(text) => parse(text),
            Err(error) if has_ended(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        if !lines.is_empty() {
            let thread = None;
            return Ok(Mappings { thread, lines });
        }
        for tid in self.listed()? {
            match self.read(&format!("task/{tid}/maps"), (USUAL_MAPS, MAX_MAPS)) {
                Ok(text) if !text.is_empty() => {
                    let (thread, lines) = (Some(tid), parse(text));
                    return Ok(Mappings { thread, lines });
                }
                Ok(_) => {}
                Err(error) if has_ended(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let (thread, lines) = (None, Vec::new());
        Ok(Mappings { thread, lines })
    }

    /// The file behind a mapping, without opening it; `None` if the mapping is gone.
    pub(crate) fn file_of(&self, of: &Mappings, line: &MapLine) -> io::Result<Option<FileKey>> {
        let name = format!("map_files/{:x}-{:x}", line.start, line.end);
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened = match of.thread {
            None => openat(&self.folder, name, flags, Mode::empty()),
            // Threads have no map_files under task/, but /proc answers for their number as well.
            Some(tid) => openat(CWD, format!("/proc/{tid}/{name}"), flags, Mode::empty()),
        };
        let file = match opened {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // The kernel's cached attributes are enough: do not ask the server of a file system.
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let found = statx(&file, "", flags, StatxFlags::INO)?;
        Ok(Some(FileKey {
            device: makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
        }))
    }

    /// Every thread, unless there are more than `limit`. The kernel's listing ends early if its
    /// current thread ends, so it is repeated until its length matches the process.
    pub(crate) fn threads(&self, limit: usize) -> io::Result<Threads> {
        for _ in 0..LISTINGS {
            let tasks = self.file("task")?;
            // `.` and `..` are counted, too.
            let count = fstat(&tasks)?.st_nlink.saturating_sub(2);
            if count > limit as u64 {
                return Ok(Threads::TooMany(count));
            }
            let listed = self.listed()?;
            if listed.len() as u64 == count {
                return Ok(Threads::Listed(listed));
            }
        }
        Ok(Threads::Restless)
    }

    fn listed(&self) -> io::Result<Vec<u32>> {
        let mut tids = Vec::new();
        for entry in Dir::read_from(self.file("task")?)? {
            let name = entry?;
            let name = name.file_name().to_str().ok();
            tids.extend(name.and_then(|name| name.parse::<u32>().ok()));
        }
        Ok(tids)
    }
}

/// Whether reading failed because the thread or the process has ended.
pub(crate) fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_line_of_a_file_or_anonymous_then_its_numbers() {
        let line = "55d0c8a00000-55d0c8a5b000 r-xp 00012000 fd:01 1311 /usr/bin/a b";
        let parsed = MapLine::parse(line).expect("a line");
        assert_eq!((parsed.major, parsed.minor, parsed.inode), (0xfd, 1, 1311));
        assert_eq!(&parsed.permissions, b"r-xp");
        assert_eq!(parsed.address_of(0x12010), Some(0x55d0_c8a0_0010));
        assert_eq!(parsed.address_of(0x11fff), None);
        assert_eq!(parsed.address_of(0x12000 + 0x5b000), None);
        let anonymous = MapLine::parse("1000-2000 rw-p 00000000 00:00 0").expect("a line");
        assert_eq!(anonymous.inode, 0);
        assert_eq!(MapLine::parse("nonsense"), None);
        assert_eq!(MapLine::parse(""), None);
    }

    #[test]
    fn folder_of_this_process_then_its_mappings_files_and_threads() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = Folder::open(std::process::id()).unwrap();
        let program = std::fs::metadata("/proc/self/exe").unwrap();
        let mappings = folder.mappings().unwrap();
        let of_program = mappings
            .lines
            .iter()
            .find(|line| line.inode == program.ino() && line.permissions[2] == b'x');
        let key = folder
            .file_of(&mappings, of_program.expect("text"))
            .unwrap();
        let (device, inode) = (program.dev(), program.ino());
        assert_eq!(key, Some(FileKey { device, inode }));
        assert!(matches!(folder.threads(0).unwrap(), Threads::TooMany(1..)));
        assert!(matches!(folder.threads(4096).unwrap(), Threads::Listed(list) if !list.is_empty()));
        assert_eq!(folder.of_thread(u32::MAX, "syscall").unwrap(), None);
    }
}
