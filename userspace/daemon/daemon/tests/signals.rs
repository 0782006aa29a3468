//! Signals, each test in a process of its own: they are the whole process's.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::thread::JoinHandleExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use onair_ipc::sys::{self, Disposition};
use onair_settings::config::ShutdownConfig;
use onair_stage::in_own_process;
use onaird::shutdown::{Cause, HANDLED, ShutdownCoordinator, SignalError, Signals};
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use signal_hook::consts::{SIGHUP, SIGTERM, SIGUSR1};

/// No test waits longer for anything that is to happen.
const TIMEOUT: Duration = Duration::from_secs(30);

fn coordinator(debounce_ms: u64) -> ShutdownCoordinator {
    ShutdownCoordinator::new(ShutdownConfig {
        debounce_ms,
        ..ShutdownConfig::default()
    })
    .unwrap()
}

fn install(shutdown: &ShutdownCoordinator) -> Signals {
    Signals::install(shutdown, || {}).unwrap()
}

fn send(signal: Signal) {
    kill_process(getpid(), signal).unwrap();
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = onair_stage::Deadline::after(TIMEOUT);
    onair_stage::until(what, deadline, || Ok(done().then_some(()))).unwrap();
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn signal_handler__install__then_handlers_registered() {
    in_own_process!();
    let shutdown = coordinator(60_000);
    let signals = install(&shutdown);
    for signal in HANDLED {
        let now = Disposition::of(signal).unwrap();
        assert!(now.handler() > 1, "signal {signal} has a handler");
        for other in HANDLED {
            assert!(now.blocks(other), "{other} waits while {signal} is handled");
        }
    }
    let second = Signals::install(&shutdown, || {});
    assert!(matches!(second, Err(SignalError::Installed)));
    send(Signal::TERM);
    until("the shutdown to begin", || shutdown.is_shutting_down());
    assert_eq!(shutdown.run().cause, Cause::Signal(SIGTERM));
    signals.restore();
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn signal_handler__sa_restart__then_no_eintr() {
    in_own_process!();
    let shutdown = coordinator(60_000);
    let reloads = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&reloads);
    shutdown.register_reload("test", move || {
        own.fetch_add(1, Ordering::Relaxed);
    });
    let _signals = install(&shutdown);
    assert!(Disposition::of(SIGHUP).unwrap().restarts());
    let (mut reader, mut writer) = UnixStream::pair().unwrap();
    let (sender, tid) = std::sync::mpsc::channel();
    let read = thread::spawn(move || {
        sender.send(sys::gettid()).unwrap();
        let mut byte = [0];
        // Not `read_exact`, which hides an interruption.
        reader.read(&mut byte).map(|count| (count, byte))
    });
    let tid = tid.recv_timeout(TIMEOUT).unwrap();
    let place = format!("/proc/self/task/{tid}/stat");
    until("the thread to sleep in read", || {
        std::fs::read_to_string(&place).unwrap().contains(") S ")
    });
    for number in 1..=20 {
        // To that very thread: it is the one that is interrupted.
        nix::sys::pthread::pthread_kill(read.as_pthread_t(), nix::sys::signal::Signal::SIGHUP)
            .unwrap();
        until("the reload", || reloads.load(Ordering::Relaxed) >= number);
    }
    writer.write_all(&[7]).unwrap();
    assert_eq!(read.join().unwrap().unwrap(), (1, [7]));
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn signal_handler__restore__then_original_handlers() {
    in_own_process!();
    let handlers = || HANDLED.map(|signal| Disposition::of(signal).unwrap().handler());
    let original = handlers();
    for _ in 0..3 {
        let shutdown = coordinator(60_000);
        let signals = install(&shutdown);
        assert!(
            handlers()
                .iter()
                .zip(original)
                .all(|(now, before)| *now != before)
        );
        send(Signal::TERM);
        until("the signal to be taken", || shutdown.is_shutting_down());
        signals.restore();
        assert_eq!(handlers(), original);
    }
}

#[test]
fn signals_storm_then_one_shutdown_forced_and_last_resort() {
    in_own_process!();
    let shutdown = coordinator(200);
    let third = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&third);
    let _signals = Signals::install(&shutdown, move || {
        own.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    shutdown.register_shutdown_waiter("deaf", 0, TIMEOUT, |waiting| {
        while !waiting.is_forced() {
            thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    });
    let runs = {
        let shutdown = shutdown.clone();
        thread::spawn(move || shutdown.run())
    };
    // A storm, before the first is even acknowledged.
    for signal in [Signal::TERM, Signal::INT, Signal::TERM, Signal::INT] {
        send(signal);
    }
    until("the acknowledgement", || shutdown.acknowledged().is_some());
    send(Signal::TERM);
    assert!(!shutdown.is_forced(), "that one belongs to the first");
    until("the debounce to pass", || {
        shutdown
            .acknowledged()
            .is_some_and(|since| since > Duration::from_millis(200))
    });
    until("the force", || {
        send(Signal::TERM);
        shutdown.is_forced()
    });
    let report = runs.join().unwrap();
    assert!(report.status.forced);
    assert_eq!(report.troubled().count(), 0, "it complied");
    until("the last resort", || {
        send(Signal::TERM);
        third.load(Ordering::Relaxed) > 0
    });
    // One that is still on its way would meet the handler that is put back, and end this process.
    until("every signal to have arrived", || !is_any_pending());
}

/// Whether a signal that was sent to this process has not met a handler yet.
fn is_any_pending() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let shared = status.lines().find_map(|it| it.strip_prefix("ShdPnd:"));
    u64::from_str_radix(shared.unwrap().trim(), 16).unwrap() != 0
}

#[test]
fn signals_hup_usr1_and_a_panic_then_reload_dump_and_survival() {
    in_own_process!();
    let shutdown = coordinator(60_000);
    let (reloads, dumps) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    shutdown.register_reload("bad", || panic!("a reload that panics"));
    let own = Arc::clone(&reloads);
    shutdown.register_reload("good", move || {
        own.fetch_add(1, Ordering::Relaxed);
    });
    let own = Arc::clone(&dumps);
    shutdown.register_dump("part", move || {
        own.fetch_add(1, Ordering::Relaxed);
        serde_json::json!({"is": "well"})
    });
    shutdown.register_dump("bad", || panic!("a dump that panics"));
    let _signals = install(&shutdown);
    send(Signal::HUP);
    until("the reload", || reloads.load(Ordering::Relaxed) == 1);
    send(Signal::USR1);
    until("the dump", || dumps.load(Ordering::Relaxed) == 1);
    assert!(!shutdown.is_shutting_down());
    let dump = shutdown.dump();
    assert_eq!(dump["part"]["is"], "well");
    assert_eq!(dump["bad"], "a dump that panics");
    assert_eq!(dump["shutdown"]["phase"], "running");
    shutdown.begin(Cause::Signal(SIGUSR1));
    shutdown.reload();
    assert_eq!(
        reloads.load(Ordering::Relaxed),
        1,
        "not while it shuts down"
    );
}

/// A shell that leaves an orphan behind, which ends when its input does. Its pid.
fn orphan() -> (Pid, std::process::ChildStdin) {
    let mut shell = Command::new("sh")
        .args(["-c", "exec 3<&0; cat <&3 >/dev/null 3<&- & echo $!"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    shell
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut pid)
        .unwrap();
    let input = shell.stdin.take().unwrap();
    shell.wait().unwrap();
    (Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), input)
}

#[test]
fn signals_chld_then_orphans_are_reaped() {
    in_own_process!();
    set_child_subreaper(Some(getpid())).unwrap();
    let shutdown = coordinator(60_000);
    let signals = install(&shutdown);
    // The shell is a child of this test, which waits for it: the handlers are quiet meanwhile.
    signals.restore();
    let (pid, input) = orphan();
    let _signals = install(&shutdown);
    drop(input);
    let place = format!("/proc/{}", pid.as_raw_nonzero());
    until("the orphan to be reaped", || {
        !std::path::Path::new(&place).exists()
    });
    set_child_subreaper(None).unwrap();
}
