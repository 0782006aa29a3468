//! A daemon whose memory the kernel takes while it dies, as the out-of-memory reaper does: its
//! robust list may be gone before the kernel walks it. Its clients are notified nevertheless.
#![cfg(not(any(loom, shuttle)))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod rig;

use std::io::{BufRead as _, BufReader};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::process::{Child, Stdio};
use std::sync::Arc;

use onair_ipc::caller::{Attachment, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::life::OwnerDeathNotifier;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::sys;

use rig::SESSION;
use rig::threads::{Sleeper, again, is_child};

const NAME: &str = "daemon_killed_and_its_memory_reaped_then_blocked_callers_are_stale";
const CALLERS: usize = 4;

fn geometry() -> Geometry {
    Geometry::new(4, 1000).unwrap()
}

/// Prints the numbers of the client's descriptors, and waits to be killed.
fn play_the_daemon() {
    let memory = AttachmentMemory::create(SESSION, 5, geometry()).unwrap();
    let frames = FrameMemory::create(geometry(), true).unwrap();
    let notifier = OwnerDeathNotifier::start().unwrap();
    notifier.hang(&memory).unwrap();
    memory.open();
    memory.start();
    let (ctl, seg) = memory.for_client().unwrap();
    let frames = frames.for_client().unwrap();
    let (_ours, theirs) = rig::connection();
    let numbers = [&ctl, &seg, &frames, &theirs].map(|it| it.as_raw_fd().to_string());
    println!("\ndescriptors {}", numbers.join(" "));
    loop {
        std::thread::park();
    }
}

fn system_call(number: libc::c_long, arguments: [libc::c_long; 3]) -> libc::c_long {
    let [one, two, three] = arguments;
    // SAFETY: only called for calls that take numbers.
    unsafe { libc::syscall(number, one, two, three) }
}

fn descriptor(number: libc::c_long) -> OwnedFd {
    assert!(number >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: a new descriptor, as the kernel has just reported.
    unsafe { OwnedFd::from_raw_fd(RawFd::try_from(number).unwrap()) }
}

/// A client of a process that acts as the daemon, and a descriptor of that process.
fn attached() -> (Child, OwnedFd, Arc<Attachment>) {
    let mut daemon = again(NAME).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
    let told = lines.find_map(|line| Some(line.unwrap().strip_prefix("descriptors ")?.to_owned()));
    let told = told.unwrap();
    let pid = libc::c_long::from(daemon.id());
    let process = descriptor(system_call(libc::SYS_pidfd_open, [pid, 0, 0]));
    let mut files = told.split(' ').map(|number| {
        let asked = [process.as_raw_fd().into(), number.parse().unwrap(), 0];
        descriptor(system_call(libc::SYS_pidfd_getfd, asked))
    });
    let [ctl, seg, frames, socket] = std::array::from_fn(|_| files.next().unwrap());
    drop(files);
    let about = rig::attached(5, false, geometry());
    let plain = sys::membarrier_register();
    let client = Attachment::map(&about, SESSION, [ctl, seg, frames], socket, plain).unwrap();
    (daemon, process, client)
}

#[test]
fn daemon_killed_and_its_memory_reaped_then_blocked_callers_are_stale() {
    if is_child() {
        play_the_daemon();
    }
    // In some runs the kernel walks the robust list in time.
    for _ in 0..4 {
        let (mut daemon, process, client) = attached();
        let callers = [(); CALLERS].map(|()| Sleeper::<()>::call(&client));
        daemon.kill().unwrap();
        // Refused if the process is gone: then there is no memory left to take.
        system_call(
            libc::SYS_process_mrelease,
            [process.as_raw_fd().into(), 0, 0],
        );
        daemon.wait().unwrap();
        for caller in callers {
            caller.until_done();
            assert_eq!(caller.join(), Err(Refusal::Stale));
        }
    }
}
