//! A daemon whose memory the kernel takes while it dies, as the out-of-memory reaper does: its
//! robust list may be gone before the kernel walks it. Its clients are notified nevertheless.
#![cfg(not(feature = "loom"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod rig;

use std::os::fd::AsRawFd as _;

use onair_ipc::caller::Refusal;

use rig::daemon::{Daemon, play, system_call};
use rig::threads::{Sleeper, again, is_child};

const NAME: &str = "daemon_killed_and_its_memory_reaped_then_callers_are_stale";
const CALLERS: usize = 4;

#[test]
fn daemon_killed_and_its_memory_reaped_then_callers_are_stale() {
    if is_child() {
        play(|| {
            loop {
                std::thread::park();
            }
        });
    }
    // In some runs the kernel walks the robust list in time.
    for _ in 0..4 {
        let mut daemon = Daemon::start(&mut again(NAME));
        let callers = [(); CALLERS].map(|()| Sleeper::<()>::call(&daemon.client));
        daemon.child.kill().unwrap();
        // Refused if the process is gone: then there is no memory left to take.
        system_call(
            libc::SYS_process_mrelease,
            [daemon.process.as_raw_fd().into(), 0, 0],
        );
        daemon.child.wait().unwrap();
        for caller in callers {
            caller.until_done();
            assert_eq!(caller.join(), Err(Refusal::Stale));
        }
    }
}
