//! A daemon in a process of its own, with one client in the test's.

use std::io::{BufRead as _, BufReader, Lines};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use onair_ipc::caller::Attachment;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::life::OwnerDeathNotifier;
use onair_ipc::membarrier;
use onair_ipc::memory::AttachmentMemory;

use super::{SESSION, attached, connection};

fn geometry() -> Geometry {
    Geometry::new(4, 1000).unwrap()
}

/// The child's side: a session with one client, whose descriptors it prints. Then calls `serve`, and
/// ends when that returns.
pub(crate) fn play(serve: impl FnOnce()) {
    let memory = AttachmentMemory::create(SESSION, 5, geometry()).unwrap();
    let frames = FrameMemory::create(geometry(), true).unwrap();
    let notifier = OwnerDeathNotifier::start().unwrap();
    notifier.hang(&memory).unwrap();
    memory.open();
    memory.start();
    let (ctl, seg) = memory.for_client().unwrap();
    let frames = frames.for_client().unwrap();
    let (_ours, theirs) = connection();
    let numbers = [&ctl, &seg, &frames, &theirs].map(|it| it.as_raw_fd().to_string());
    println!("\ndescriptors {}", numbers.join(" "));
    serve();
}

/// The test's side.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    /// Its pidfd.
    pub(crate) process: OwnedFd,
    pub(crate) client: Arc<Attachment>,
    said: Lines<BufReader<ChildStdout>>,
}

impl Daemon {
    /// Starts `again`, which calls [`play`].
    pub(crate) fn start(again: &mut Command) -> Self {
        let mut child = again.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = heard(&mut said, "descriptors");
        let pid = libc::c_long::from(child.id());
        let process = descriptor(system_call(libc::SYS_pidfd_open, [pid, 0, 0]));
        let mut files = told.split(' ').map(|number| {
            let asked = [process.as_raw_fd().into(), number.parse().unwrap(), 0];
            descriptor(system_call(libc::SYS_pidfd_getfd, asked))
        });
        let [ctl, seg, frames, socket] = std::array::from_fn(|_| files.next().unwrap());
        drop(files);
        let about = attached(5, false, geometry());
        let plain = membarrier::register();
        let client = Attachment::map(&about, SESSION, [ctl, seg, frames], socket, plain).unwrap();
        Self {
            child,
            process,
            client,
            said,
        }
    }

    /// What follows `word` on the next line that begins with it.
    pub(crate) fn heard(&mut self, word: &str) -> String {
        heard(&mut self.said, word)
    }

    /// Kills it and waits for it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn heard(said: &mut Lines<BufReader<ChildStdout>>, word: &str) -> String {
    let of = |line: String| Some(line.strip_prefix(word)?.trim_start().to_owned());
    said.find_map(|line| of(line.unwrap())).unwrap()
}

pub(crate) fn system_call(number: libc::c_long, arguments: [libc::c_long; 3]) -> libc::c_long {
    let [one, two, three] = arguments;
    // SAFETY: only called for calls that take numbers.
    unsafe { libc::syscall(number, one, two, three) }
}

fn descriptor(number: libc::c_long) -> OwnedFd {
    assert!(number >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: a new descriptor, as the kernel has just reported.
    unsafe { OwnedFd::from_raw_fd(RawFd::try_from(number).unwrap()) }
}
