//! A stage and its end, with real namespaces and real signals. Needs root.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use onair_stage::{Deadline, Running, Snapshot, Stage, wait_for};
use rustix::process::Signal;

/// A clean-up of one test would take down what another has just killed: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A `cargo xtask stage` that is up.
struct HeldStage {
    running: Running,
    _stdin: ChildStdin,
    namespace: String,
}

fn hold() -> HeldStage {
    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["stage", "--hugepages", "16"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take().unwrap();
    let mut namespace = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut namespace)
        .unwrap();
    let running = Running::new("stage", child).unwrap();
    let namespace = namespace.trim().to_owned();
    assert!(is_up(&namespace), "{namespace:?}");
    HeldStage {
        running,
        _stdin: stdin,
        namespace,
    }
}

fn is_up(namespace: &str) -> bool {
    let named = PathBuf::from("/run/netns").join(namespace).exists();
    let folder = std::env::temp_dir().join(namespace).exists();
    assert_eq!(named, folder, "half of {namespace} is there");
    named
}

fn clean_up() -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("clean-up")
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    said
}

#[test]
fn stage_sigterm_and_sigint_then_taken_down_and_ended_by_them() {
    let _alone = alone();
    for signal in [Signal::TERM, Signal::INT] {
        let mut held = hold();
        held.running.signal(signal).unwrap();
        let status = held.running.wait(Deadline::seconds(30)).unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()));
        assert!(!is_up(&held.namespace));
    }
}

#[test]
fn stage_end_of_stdin_then_taken_down() {
    let _alone = alone();
    let HeldStage {
        mut running,
        _stdin: stdin,
        namespace,
    } = hold();
    drop(stdin);
    assert!(running.wait(Deadline::seconds(30)).unwrap().success());
    assert!(!is_up(&namespace));
}

#[test]
fn stage_sigkill_then_the_next_run_takes_it_down_and_says_so() {
    let _alone = alone();
    let mut held = hold();
    let other = hold();
    held.running.kill().unwrap();
    assert!(is_up(&held.namespace), "no process could take it down yet");

    let said = clean_up();

    assert!(said.contains(&held.namespace), "{said}");
    assert!(!is_up(&held.namespace));
    assert!(
        is_up(&other.namespace),
        "its owner lives: it must be left alone"
    );
    drop(other);
    clean_up();
}

#[test]
fn process_of_a_dead_run_clean_up_then_ended() {
    let _alone = alone();
    // The run's owner is a process that cannot be: pid 1 with another start time.
    let child = Command::new("sleep")
        .arg("600")
        .env(onair_stage::RUN_VARIABLE, "1-99999999999-0")
        .spawn()
        .unwrap();
    let mut sleep = Running::new("sleep", child).unwrap();
    wait_for("its exec", 10, || {
        let command = fs::read_to_string(format!("/proc/{}/comm", sleep.pid()))?;
        Ok(command.trim() == "sleep")
    })
    .unwrap();

    let said = clean_up();

    assert!(said.contains("(sleep)"), "{said}");
    let status = sleep.wait(Deadline::seconds(10)).unwrap();
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn snapshot_own_stage_up_and_down_then_named_and_then_gone() {
    let _alone = alone();
    let before = Snapshot::take().unwrap();
    let stage = Stage::open("test").unwrap();
    let name = stage.namespace().to_owned();
    let up = about(&name, &before);
    assert_eq!(up.len(), 2, "the namespace and the folder: {up:?}");
    stage.take_down().unwrap();
    assert_eq!(about(&name, &before), Vec::<String>::new());
}

#[test]
fn snapshot_stage_of_another_process_then_named_once_it_is_dead() {
    let _alone = alone();
    let before = Snapshot::take().unwrap();
    let mut held = hold();
    assert_eq!(about(&held.namespace, &before), Vec::<String>::new());
    held.running.kill().unwrap();
    assert_eq!(about(&held.namespace, &before).len(), 2);
    clean_up();
    assert_eq!(about(&held.namespace, &before), Vec::<String>::new());
}

/// What has changed since `before` and has `name` in it.
fn about(name: &str, before: &Snapshot) -> Vec<String> {
    let changed = before.difference(Deadline::after(Duration::ZERO)).unwrap();
    changed
        .more
        .into_iter()
        .filter(|line| line.contains(name))
        .collect()
}
