//! `--host`: commands against a daemon behind a real sshd.

mod host;

use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{Played, all_in, health, listed, onairctl, ran};
use host::{Host, open};

/// Lets the user of another host connect.
fn open_to_all(daemon: &Played) -> String {
    open(daemon.socket.parent().unwrap());
    open(&daemon.socket);
    daemon.socket.display().to_string()
}

#[test]
fn daemon_of_another_host_then_its_answer_and_nothing_left() {
    let (host, list) = (Host::new(), json!({"sessions": [listed()]}));
    let daemon = Played::script(&[("GET /v1/health", health(true)), ("GET /v1/sessions", list)]);
    let socket = open_to_all(&daemon);
    let args = format!("--host studio session list --socket {socket}");
    let by_flag = ran(&mut host.command(&args));
    assert_eq!(by_flag.code, 0, "{by_flag:?}");
    all_in(&by_flag.out, &["cam1", "running"]);
    host.assert_ssh_gone();
    let mut command = host.command("session show cam9");
    let by_variable = ran(command
        .env("ONAIR_HOST", "studio")
        .env("ONAIR_SOCKET", &socket));
    assert_eq!(by_variable.code, 5, "{by_variable:?}");
    host.assert_ssh_gone();
    assert_eq!(host.left(), 0);
}

#[test]
fn onairctl_killed_by_any_signal_then_ssh_is_gone() {
    let host = Host::new();
    let daemon = Played::new(None);
    let args = format!("--host studio health --socket {}", open_to_all(&daemon));
    for (signal, code) in [
        (Signal::TERM, Some(143)),
        (Signal::INT, Some(130)),
        (Signal::KILL, None),
    ] {
        let mut command = host.command(&args);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        daemon.requests.recv().unwrap();
        kill_process(pid(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), code);
        host.assert_ssh_gone();
        assert_eq!(host.left(), usize::from(signal == Signal::KILL));
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap()).unwrap()
}

#[test]
fn no_login_or_no_daemon_then_3_and_what_to_do() {
    let host = Host::new();
    for (args, said) in [
        (
            "--host studio health --socket /nonexistent/control.sock",
            "no daemon answers at studio:/nonexistent/control.sock: check that onaird runs there",
        ),
        ("--host wall health", "check that `ssh wall` logs in"),
    ] {
        let ran = ran(&mut host.command(args));
        assert_eq!(ran.code, 3, "{ran:?}");
        all_in(&ran.err, &[said]);
        host.assert_ssh_gone();
    }
    assert_eq!(host.left(), 0);
}

#[test]
fn command_of_its_own_machine_then_refused() {
    for (args, command) in [
        ("doctor", "doctor"),
        ("upgrade", "upgrade"),
        ("pipe cam1", "pipe"),
        ("export take.json --format raw", "export"),
        ("analyze take.pcap", "analyze"),
    ] {
        let ran = ran(&mut onairctl(&format!("--host studio {args}")));
        assert_eq!(ran.code, 2, "{ran:?}");
        all_in(
            &ran.err,
            &[&format!("run `ssh studio onairctl {command} …`")],
        );
    }
    let ran = ran(&mut onairctl("--host studio health --socket relative"));
    assert_eq!(ran.code, 2, "{ran:?}");
    all_in(
        &ran.err,
        &["ssh cannot forward relative: give the absolute path"],
    );
    let ran = onairctl("--host studio completions bash").output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
}

#[test]
fn wall_of_another_host_then_its_daemon_answers_it() {
    let host = Host::new();
    let daemon = Played::script(&[("GET /v1/health", health(true))]);
    // What the wall is given, and what answers it there.
    let asks = "curl -sf --unix-socket \"$2\" http://localhost/v1/health";
    host.program(
        "onair-wall",
        &format!("#!/bin/sh\necho \"$@\"\n{asks}\nexit 3\n"),
    );
    let socket = open_to_all(&daemon);
    let args = format!("--host studio --socket {socket} wall --listen 127.0.0.1:1");
    let wall = ran(&mut host.command(&args));
    assert_eq!(wall.code, 3, "{wall:?}");
    all_in(&wall.out, &["--remote --listen 127.0.0.1:1", "\"version\""]);
    host.assert_ssh_gone();
    assert_eq!(host.left(), 0);
}
