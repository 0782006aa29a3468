//! The tool against the daemon's probe and against `/proc`, with real callers. Needs root.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, not in their helpers"
)]

#[path = "../../../gate/probe/tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::process::{Command, Output};

use common::{Client, SESSION, probe, registered};
use serde_json::Value;

fn tool(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onair-waiters"))
        .args(arguments)
        .output()
        .unwrap()
}

fn listing(output: &Output) -> Value {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rows(listing: &Value) -> &[Value] {
    listing["waiters"].as_array().unwrap()
}

fn tids(rows: &[Value]) -> BTreeSet<u64> {
    rows.iter()
        .map(|row| row["tid"].as_u64().unwrap())
        .collect()
}

fn set(tids: &[u32]) -> BTreeSet<u64> {
    tids.iter().copied().map(u64::from).collect()
}

#[test]
fn tool_callers_from_before_it_started_then_listed_from_proc() {
    let mut client = Client::start();
    let expected = client.block(SESSION, 7, 5);
    let output = tool(&[
        "--json",
        "--observe",
        "0",
        "--pid",
        &client.pid().to_string(),
    ]);
    let listing = listing(&output);
    // The main thread sleeps in read, and is no caller.
    assert_eq!(tids(rows(&listing)), set(&expected));
    for row in rows(&listing) {
        assert_eq!(
            (&row["source"], &row["session"], &row["attachment"]),
            (&"proc".into(), &format!("{SESSION:016x}").into(), &7.into())
        );
        assert!(row["thread"].as_str().unwrap().starts_with("sleeper"));
        assert_eq!(row["command"], "probe-client");
    }
}

#[test]
fn tool_callers_of_a_wedged_daemon_then_the_same_as_its_reading() {
    let probe = probe();
    let (mut client, _armed, _) = registered(&probe, 7);
    client.block(SESSION, 7, 3);
    let listing = listing(&tool(&[
        "--json",
        "--observe",
        "0",
        "--pid",
        &client.pid().to_string(),
    ]));
    let reading = probe.reading(SESSION).unwrap();
    let seen: Vec<u32> = reading.blocked.iter().map(|waiter| waiter.ns_tid).collect();
    assert_eq!(tids(rows(&listing)), set(&seen));
    for row in rows(&listing) {
        assert_eq!(row["source"], "onaird");
        assert_eq!(row["session"], format!("{SESSION:016x}"));
        assert_eq!(row["attachment"], 7);
    }
}

#[test]
fn tool_callers_come_while_it_looks_then_its_probe_lists_them() {
    let mut client = Client::start();
    let early = client.block(SESSION, 7, 1);
    let pid = client.pid().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_onair-waiters"))
        .args(["--json", "--watch", "0.1", "--pid", &pid])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(tids(rows(&next())), set(&early));
    let late = client.block(SESSION + 1, 8, 2);
    let listing = common::until("the late ones", || {
        let listing = next();
        (rows(&listing).len() == 3).then_some(listing)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    for row in rows(&listing) {
        let tid = u32::try_from(row["tid"].as_u64().unwrap()).unwrap();
        if early.contains(&tid) {
            assert_eq!(row["source"], "proc");
        } else {
            assert!(late.contains(&tid), "{row}");
            assert_eq!(
                (&row["source"], &row["attachment"]),
                (&"probe".into(), &8.into())
            );
            assert_eq!(row["session"], format!("{:016x}", SESSION + 1));
            assert!(row["blocked_seconds"].as_f64().unwrap() < common::DEADLINE.as_secs_f64());
            assert!(row["since"].as_str().unwrap() <= listing["at"].as_str().unwrap());
        }
    }
}

#[test]
fn tool_all_then_finds_the_process_by_its_sites() {
    let mut client = Client::start();
    let expected = client.block(SESSION, 7, 2);
    let output = tool(&["--json", "--observe", "0"]);
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = tids(rows(&listing));
    assert!(set(&expected).is_subset(&all), "{listing}");
    // A machine may have processes that not even root can inspect.
    let complete = listing["missing"].as_array().unwrap().is_empty();
    assert_eq!(output.status.code(), Some(if complete { 0 } else { 3 }));
}

#[test]
fn tool_text_then_a_table_and_wrong_use_is_told() {
    let mut client = Client::start();
    let tids = client.block(SESSION, 7, 1);
    let pid = client.pid().to_string();
    let output = tool(&["--observe", "0", "--no-probe", "--pid", &pid]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in [
        "1 blocked in 1 processes",
        &tids[0].to_string(),
        "sleeper0",
        "proc",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let mut other = Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    common::until("its exec", || {
        let comm = std::fs::read_to_string(format!("/proc/{}/comm", other.id()));
        comm.is_ok_and(|comm| comm.trim() == "cat").then_some(())
    });
    let refused = tool(&["--pid", &other.id().to_string()]);
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("no file with onair probe sites")
    );
    assert_eq!(tool(&["--pid"]).status.code(), Some(2));
}

/// Leaves a finished wait's frames below the caller's.
#[inline(never)]
fn waited_before() {
    let hole = std::hint::black_box([0_u64; 64]);
    onair_ipc::site::between(SESSION, 7, &mut || {
        std::hint::black_box(&hole);
    });
}

/// Its frame has a hole where the finished wait's frames were.
#[inline(never)]
fn sleeps_above_what_is_left(sleep: &mut dyn FnMut()) {
    let hole = std::hint::black_box(std::mem::MaybeUninit::<[u64; 512]>::uninit());
    sleep();
    std::hint::black_box(&hole);
}

#[test]
fn tool_threads_of_a_rust_client_then_only_the_waiting_ones() {
    use std::sync::mpsc::{Receiver, channel};
    let tid = || {
        rustix::thread::gettid()
            .as_raw_nonzero()
            .get()
            .unsigned_abs()
    };
    let (told, tids) = channel();
    let start = |inside: bool| {
        let (stop, stopped): (_, Receiver<()>) = channel();
        let told = told.clone();
        let thread = std::thread::spawn(move || {
            told.send(tid()).unwrap();
            // All sleep in futex; only one of them in the library's wait.
            let mut sleep = || {
                let _ = stopped.recv();
            };
            if inside {
                onair_ipc::site::between(SESSION, 7, &mut sleep);
            } else {
                waited_before();
                sleeps_above_what_is_left(&mut sleep);
            }
        });
        let thread_id = tids.recv().unwrap();
        let pid = std::process::id();
        common::until("its sleep", || {
            common::is_asleep(pid, thread_id).then_some(())
        });
        (stop, thread, thread_id)
    };
    let (inside, outside) = (start(true), start(false));
    let pid = std::process::id().to_string();
    let listing = listing(&tool(&[
        "--json",
        "--observe",
        "0",
        "--no-probe",
        "--pid",
        &pid,
    ]));
    let seen = tids_of(&listing);
    assert!(seen.contains(&u64::from(inside.2)), "{listing}");
    assert!(!seen.contains(&u64::from(outside.2)), "{listing}");
    for (stop, thread, _) in [inside, outside] {
        drop(stop);
        thread.join().unwrap();
    }
}

fn tids_of(listing: &Value) -> BTreeSet<u64> {
    tids(rows(listing))
}
