//! A file whose reads hang, always or when told to: a file system of the test's own (FUSE, the kernel's
//! `include/uapi/linux/fuse.h`).

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
const ENOSYS: i32 = 38;

/// Node ids.
const ROOT: u64 = 1;
const FILE: u64 = 2;
/// Size of the file whose reads never return, bytes.
const EMPTY_BYTES: u64 = 1 << 20;

/// The mounted file system with its one file. Dropped, it is unmounted, and the reads that hang fail.
#[derive(Debug)]
pub struct HangingFile {
    folder: PathBuf,
    shared: Arc<FileServer>,
    server: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct FileServer {
    /// What the file has; `None`: a read of it never returns.
    contents: Option<Vec<u8>>,
    /// Whether nothing that asks for the file is answered now.
    hangs: AtomicBool,
    /// Requests that wait for an answer.
    waiting: AtomicU64,
    end: AtomicBool,
}

impl HangingFile {
    /// Mounts it on `folder`, which is made. Every user may execute the file, and no read of it returns.
    ///
    /// # Errors
    /// When the kernel has no FUSE, or we may not mount.
    pub fn mount(folder: &Path) -> Result<Self> {
        Self::serve(folder, None)
    }

    /// The same with a copy of `program`, which can be run. It hangs when told to.
    pub fn mount_program(folder: &Path, program: &Path) -> Result<Self> {
        Self::serve(folder, Some(fs::read(program)?))
    }

    fn serve(folder: &Path, contents: Option<Vec<u8>>) -> Result<Self> {
        fs::create_dir(folder)?;
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        // For mount(8).
        fcntl_setfd(&device, FdFlags::empty())?;
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other",
            device.as_raw_fd()
        );
        let mounted = Command::new("mount")
            .args(["-i", "-t", "fuse", "-o", &options, "none"])
            .arg(folder)
            .status()?;
        ensure!(mounted.success(), "mount: {mounted}");
        fcntl_setfd(&device, FdFlags::CLOEXEC)?;
        let shared = Arc::new(FileServer {
            contents,
            hangs: AtomicBool::new(false),
            waiting: AtomicU64::new(0),
            end: AtomicBool::new(false),
        });
        let server = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.serve(device))
        };
        Ok(Self {
            folder: folder.to_owned(),
            shared,
            server: Some(server),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join("file")
    }

    /// From now on nothing that asks for the file returns.
    pub fn hang(&self) {
        self.shared.hangs.store(true, Ordering::Relaxed);
    }

    /// Requests that wait for an answer.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.shared.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for HangingFile {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            // It panics for nothing; the device is closed with it, and every read fails.
            let _ = server.join();
        }
        let unmounted = Command::new("umount").arg("-l").arg(&self.folder).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.folder.display());
        }
    }
}

impl FileServer {
    fn serve(&self, mut device: File) {
        let mut request = vec![0; (1 << 20) + 8192];
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        };
        while !self.end.load(Ordering::Relaxed) {
            let mut ready = [PollFd::new(&device, PollFlags::IN)];
            if !matches!(poll(&mut ready, Some(&pause)), Ok(1)) {
                continue;
            }
            // Interrupted, or unmounted.
            let Ok(length) = device.read(&mut request) else {
                continue;
            };
            let answer = self.answer(&request[..length]).unwrap_or_default();
            // A request that was interrupted takes no answer.
            let told = answer.is_empty() || device.write_all(&answer).is_ok();
            if !told && self.contents.is_none() {
                return;
            }
        }
    }

    fn hangs(&self, operation: u32) -> bool {
        let hangs = self.hangs.load(Ordering::Relaxed);
        match operation {
            READ => hangs || self.contents.is_none(),
            LOOKUP | GETATTR | OPEN => hangs,
            _ => false,
        }
    }

    /// The answer to a request; none for those that are not answered.
    fn answer(&self, request: &[u8]) -> Result<Vec<u8>> {
        let word = |at: usize| -> Result<u32> {
            let bytes = request.get(at..at + 4).context("a whole header")?;
            Ok(u32::from_ne_bytes(bytes.try_into()?))
        };
        let unique = request.get(8..16).context("a whole header")?;
        let node = u64::from(word(16)?);
        let operation = word(4)?;
        if self.hangs(operation) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            return Ok(Vec::new());
        }
        let (error, body) = match operation {
            FORGET | INTERRUPT | BATCH_FORGET => return Ok(Vec::new()),
            READ => {
                // `struct fuse_read_in`.
                let (offset, size) = (u64::from(word(48)?), word(56)?);
                (
                    0,
                    self.read(usize::try_from(offset)?, usize::try_from(size)?),
                )
            }
            INIT => {
                let mut body = vec![0; 64];
                // Version 7.31, and as much at a time as is usual.
                for (at, value) in [(0, 7), (4, 31), (8, 1 << 16), (20, 1 << 16), (24, 1)] {
                    put(&mut body, at, value);
                }
                (0, body)
            }
            LOOKUP => {
                let mut body = vec![0; 40];
                put(&mut body, 0, u32::try_from(FILE)?);
                body.extend(self.attributes(FILE));
                (0, body)
            }
            GETATTR => {
                let mut body = vec![0; 16];
                body.extend(self.attributes(node));
                (0, body)
            }
            OPEN => (0, vec![0; 16]),
            RELEASE => (0, Vec::new()),
            _ => (-ENOSYS, Vec::new()),
        };
        let mut answer = u32::try_from(16 + body.len())?.to_ne_bytes().to_vec();
        answer.extend(error.to_ne_bytes());
        answer.extend(unique);
        answer.extend(body);
        Ok(answer)
    }

    fn read(&self, offset: usize, size: usize) -> Vec<u8> {
        let contents = self.contents.as_deref().unwrap_or_default();
        let rest = contents.get(offset..).unwrap_or_default();
        rest[..size.min(rest.len())].to_vec()
    }

    /// `struct fuse_attr`.
    fn attributes(&self, node: u64) -> Vec<u8> {
        let size = self
            .contents
            .as_ref()
            .map_or(EMPTY_BYTES, |it| it.len() as u64);
        let (size, mode) = match node {
            ROOT => (0, 0o040_755),
            _ => (size, 0o100_755),
        };
        let mut attributes = vec![0; 88];
        attributes[0..8].copy_from_slice(&node.to_ne_bytes());
        attributes[8..16].copy_from_slice(&size.to_ne_bytes());
        put(&mut attributes, 60, mode);
        put(&mut attributes, 64, 1);
        put(&mut attributes, 80, 4096);
        attributes
    }
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}
