//! Callers under a seccomp filter that forbids the system calls for sleeping, or gettid. Each test
//! runs in a child process, under real filters.
#![cfg(not(feature = "loom"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod rig;

use std::time::Duration;

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::layout::OWN_SLOTS;

use rig::Session;
use rig::threads::{again, is_child, is_readable, until};

/// Observation time of a caller. A sleeping caller uses almost no processor time.
const WINDOW: Duration = Duration::from_millis(600);
/// Most processor time during the observation.
const MOST: Duration = Duration::from_millis(50);

/// Runs the test `name` again in a child process, where it is `play`.
fn in_a_process_of_its_own(name: &str, play: impl FnOnce()) {
    if is_child() {
        play();
        return;
    }
    let out = again(name).output().unwrap();
    assert!(out.status.success(), "{out:#?}");
}

/// From now on the kernel returns `errno` for `call` to the calling thread and its new threads.
fn refuse(call: libc::c_long, errno: i32) {
    const NUMBER: u32 = 0;
    let line = |code: u32, k: u32, jf: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf,
        k,
    };
    let answer = libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap();
    let mut lines = [
        line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER, 0),
        line(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            u32::try_from(call).unwrap(),
            1,
        ),
        line(libc::BPF_RET | libc::BPF_K, answer, 0),
        line(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(lines.len()).unwrap(),
        filter: lines.as_mut_ptr(),
    };
    // SAFETY: the program and its lines live through the calls.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let set = libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        );
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }
}

/// Time on a processor.
fn used(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec for the kernel to write.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}

#[test]
fn futex_waitv_refused_with_any_errno_then_callers_still_wake() {
    in_a_process_of_its_own(
        "futex_waitv_refused_with_any_errno_then_callers_still_wake",
        || {
            for errno in [libc::ENOSYS, libc::EPERM, libc::EACCES, libc::EINVAL] {
                let mut session = Session::receiving();
                let client = session.client.clone();
                let memory = session.memory.clone();
                let caller = std::thread::spawn(move || {
                    refuse(libc::SYS_futex_waitv, errno);
                    let before = used(libc::CLOCK_THREAD_CPUTIME_ID);
                    let first = client.get(Deadline::Never);
                    let used = used(libc::CLOCK_THREAD_CPUTIME_ID) - before;
                    let started = client.wait_started(Deadline::Never);
                    (first, used, started, client.get(Deadline::Never))
                });
                until("the caller is inside", || memory.users().len() == 1);
                // The test observes the thread and does not join it.
                std::thread::sleep(WINDOW);
                memory.stop();
                until("the caller has left", || memory.users().is_empty());
                memory.start();
                session.publish([1]);
                let (first, used, started, second) = caller.join().unwrap();
                assert_eq!((first, started), (Err(Refusal::Again), Ok(())));
                assert_eq!(second.unwrap().frame(), 1);
                assert!(used < MOST, "errno {errno}: {used:?} of {WINDOW:?}");
            }
        },
    );
}

#[test]
fn futex_waitv_refused_to_a_descriptor_thread_then_it_tells() {
    in_a_process_of_its_own(
        "futex_waitv_refused_to_a_descriptor_thread_then_it_tells",
        || {
            let mut session = Session::receiving();
            let client = session.client.clone();
            // Its thread inherits the filter.
            let watch = std::thread::spawn(move || {
                refuse(libc::SYS_futex_waitv, libc::ENOSYS);
                client.watch().unwrap()
            });
            let watch = watch.join().unwrap();
            watch.clear();
            let before = used(libc::CLOCK_PROCESS_CPUTIME_ID);
            std::thread::sleep(WINDOW);
            let used = used(libc::CLOCK_PROCESS_CPUTIME_ID) - before;
            assert!(used < MOST, "{used:?} of {WINDOW:?}");
            session.publish([1]);
            assert!(is_readable(&watch, Duration::from_secs(10)));
        },
    );
}

#[test]
fn gettid_refused_then_counted_in_the_shared_slot() {
    in_a_process_of_its_own("gettid_refused_then_counted_in_the_shared_slot", || {
        let mut session = Session::receiving();
        let client = session.client.clone();
        let (returned, first_returned) = std::sync::mpsc::channel();
        let caller = std::thread::spawn(move || {
            refuse(libc::SYS_gettid, libc::EPERM);
            let first = client.get(Deadline::Now);
            returned.send(()).unwrap();
            (first, client.slot_of_caller(), client.get(Deadline::Never))
        });
        let memory = session.memory.clone();
        first_returned.recv().unwrap();
        until("the caller is inside", || memory.users().len() == 1);
        assert_eq!(memory.users()[0].index, OWN_SLOTS);
        session.publish([2]);
        let (first, slot, second) = caller.join().unwrap();
        assert_eq!((first, slot), (Err(Refusal::TimedOut), OWN_SLOTS));
        assert_eq!(second.unwrap().frame(), 2);
    });
}
