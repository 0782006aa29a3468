//! A daemon whose memory the kernel takes while it dies, as the out-of-memory reaper does: its
//! robust list may be gone before the kernel walks it. Its clients are notified nevertheless.
#![cfg(not(any(loom, shuttle)))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::{BufRead as _, BufReader};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_ipc::caller::{Attachment, Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{Geometry, VERSION};
use onair_ipc::life::OwnerDeathNotifier;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::message::Attached;
use onair_ipc::sys;

const NAME: &str = "daemon_killed_and_its_memory_reaped_then_blocked_callers_are_stale";
/// Marks this process as the daemon.
const DAEMON: &str = "ONAIR_PLAYED_DAEMON";
const SESSION: u64 = 77;
const CALLERS: usize = 4;

fn geometry() -> Geometry {
    Geometry::new(4, 1000).unwrap()
}

/// Prints the numbers of the client's descriptors, and waits to be killed.
fn play_the_daemon() {
    let memory = AttachmentMemory::create(SESSION, 5, geometry()).unwrap();
    let frames = FrameMemory::create(geometry(), true).unwrap();
    let bell = OwnerDeathNotifier::start().unwrap();
    bell.hang(&memory).unwrap();
    memory.open();
    memory.start();
    let (ctl, seg) = memory.for_client().unwrap();
    let frames = frames.for_client().unwrap();
    let (_ours, theirs) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::SEQPACKET,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
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
    let mut daemon = Command::new(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture", "--test-threads", "1"])
        .env(DAEMON, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
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
    let about = Attached {
        session: format!("{SESSION:016x}"),
        name: "test".into(),
        attachment: 5,
        owner: false,
        sends: false,
        version: VERSION,
        geometry: geometry(),
        width: 20,
        height: 25,
        depth: 8,
        rate_numerator: 60,
        rate_denominator: 1,
        watched: false,
    };
    let plain = sys::membarrier_register();
    let client = Attachment::map(&about, SESSION, [ctl, seg, frames], socket, plain).unwrap();
    (daemon, process, client)
}

#[test]
fn daemon_killed_and_its_memory_reaped_then_blocked_callers_are_stale() {
    if std::env::var_os(DAEMON).is_some() {
        play_the_daemon();
    }
    // In some runs the kernel walks the robust list in time.
    for _ in 0..4 {
        let (mut daemon, process, client) = attached();
        let (tell, tids) = std::sync::mpsc::channel();
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (client, tell) = (client.clone(), tell.clone());
                std::thread::spawn(move || {
                    tell.send(sys::gettid()).unwrap();
                    client.get(Deadline::Never)
                })
            })
            .collect();
        for tid in tids.iter().take(CALLERS) {
            let path = format!("/proc/self/task/{tid}/syscall");
            let asleep = format!("{} ", libc::SYS_futex_waitv);
            while !std::fs::read_to_string(&path).unwrap().starts_with(&asleep) {
                std::thread::yield_now();
            }
        }
        daemon.kill().unwrap();
        // Refused if the process is gone: then there is no memory left to take.
        system_call(
            libc::SYS_process_mrelease,
            [process.as_raw_fd().into(), 0, 0],
        );
        daemon.wait().unwrap();
        let start = Instant::now();
        while !callers.iter().all(|it| it.is_finished()) {
            assert!(start.elapsed() < Duration::from_secs(20), "left asleep");
            std::thread::yield_now();
        }
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Err(Refusal::Stale));
        }
    }
}
