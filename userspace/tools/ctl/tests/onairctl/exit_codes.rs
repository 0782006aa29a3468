//! The exit codes that `--help` promises.

use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use onair_api::{Problem, ProblemCode};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use serde_json::json;

use crate::support::{Played, blocker, onairctl, ran};

#[test]
fn exit_code_each_problem_then_as_help_says() {
    for &code in ProblemCode::ALL {
        let expected = match code {
            ProblemCode::Busy | ProblemCode::DeadlinePassed | ProblemCode::Quarantined => 4,
            ProblemCode::NoSuchSession
            | ProblemCode::NoSuchAttachment
            | ProblemCode::NoSuchRecording
            | ProblemCode::NoSuchGroup
            | ProblemCode::StaleSession
            | ProblemCode::NotFound => 5,
            _ => 1,
        };
        let daemon = Played::code(code);
        let ran = daemon.run("session destroy cam1");
        assert_eq!(ran.code, expected, "{code}: {ran:?}");
        assert!(ran.out.is_empty(), "{ran:?}");
        assert!(ran.err.contains(&format!("it was so [{code}]")), "{ran:?}");
        // Its advice is the operation's.
        let is_own = code == ProblemCode::DeadlinePassed;
        assert!(is_own || ran.err.contains(code.advice()), "{ran:?}");
        let ran = daemon.run("--json session destroy cam1");
        assert_eq!(ran.code, expected, "{code}: {ran:?}");
        let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(document["code"], code.as_str());
    }
}

#[test]
fn deadline_passed_then_advice_for_what_was_asked_for() {
    let daemon = Played::code(ProblemCode::DeadlinePassed);
    for (args, advice) in [
        (
            "session destroy cam1 --wait 1ms",
            "the session stays stopped",
        ),
        ("session flush cam1", "the flush has changed nothing"),
        ("record stop cam1", "the recording finishes"),
    ] {
        let said = daemon.run(args).err;
        let (_, said) = said.split_once("What to do: ").unwrap();
        assert!(said.contains(advice), "{said}");
    }
    let mut stopped = blocker();
    stopped["kernel_state"] = json!("stopped");
    let blockers = serde_json::from_value(json!([stopped, stopped, blocker()])).unwrap();
    let problem = Problem {
        blockers,
        ..Problem::new(ProblemCode::DeadlinePassed, "it was so")
    };
    let said = Played::problem(&problem)
        .run("session destroy cam1 --wait 1ms")
        .err;
    assert!(said.contains("`kill -CONT 4711`."), "{said}");
}

#[test]
fn exit_code_daemon_not_reachable_then_3_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("none.sock");
    let stale = folder.path().join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    for (socket, advice) in [(nowhere, "start onaird"), (stale, "no process listens")] {
        let ran = ran(onairctl("health --socket").arg(&socket));
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.err.contains(advice), "{ran:?}");
        assert!(ran.err.contains(socket.to_str().unwrap()), "{ran:?}");
    }
}

#[test]
fn certificate_of_an_unknown_session_then_the_list_is_hinted_at() {
    let daemon = Played::code(ProblemCode::NoSuchSession);
    for args in [
        "certificate verify nix",
        "certificate show nix",
        "session certificate nix",
    ] {
        let ran = daemon.run(args);
        assert!(ran.err.contains("`onairctl certificate list`"), "{ran:?}");
        assert!(!ran.err.contains("live sessions"), "{ran:?}");
    }
}

#[test]
fn exit_code_daemon_says_nothing_then_3() {
    let ran = Played::new(None).run("--timeout 50ms session list");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("did not answer within 50ms"), "{ran:?}");
}

#[test]
fn exit_code_daemon_has_no_place_in_its_queue_then_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let full = socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
    bind(&full, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&full, 0).unwrap();
    let _first = UnixStream::connect(&path).unwrap();
    let ran = ran(onairctl("--timeout 50ms health --socket").arg(&path));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("did not answer within 50ms"), "{ran:?}");
}

#[test]
fn exit_code_something_else_listens_then_1() {
    for answer in [
        (200, "text/html", "<html>"),
        (404, "text/html", "<html>"),
        (200, "application/json", "{}"),
    ] {
        let (status, kind, body) = answer;
        let ran = Played::new(Some((status, kind, body.to_owned()))).run("session list");
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("does not match this API"), "{ran:?}");
    }
}

#[test]
fn exit_code_wrong_usage_then_2() {
    for args in [
        "",
        "session",
        "session stop",
        "session stop UPPER",
        "session create x",
        "nonsense",
    ] {
        assert_eq!(ran(&mut onairctl(args)).code, 2, "{args:?}");
    }
    let ran = ran(&mut onairctl("session create --file /nonexistent.json"));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("/nonexistent.json"), "{ran:?}");
}

#[test]
fn exit_code_verdict_then_4_when_a_destroy_would_not_pass() {
    for (destroyable, code) in [(true, 0), (false, 4)] {
        let verdict = json!({"destroyable": destroyable, "disagreement": false, "reason": "r",
            "at": "2025-11-20T07:36:00Z", "readings": []});
        assert_eq!(
            Played::document(200, &verdict)
                .run("session verdict cam1")
                .code,
            code
        );
    }
}

#[test]
fn output_reader_leaves_then_no_complaint() {
    let daemon = Played::document(200, &json!({"certificates": []}));
    let mut command = daemon.command("certificate list");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn help_read_then_exit_codes_and_examples_are_there() {
    let ran = ran(&mut onairctl("--help"));
    assert_eq!(ran.code, 0);
    for word in [
        "Examples:",
        "Exit codes:",
        "  4  the session is in use",
        "  6  a certificate is invalid",
        "  7  a recording has ended, and packets are missing in it",
        "ONAIR_SOCKET",
    ] {
        assert!(ran.out.contains(word), "{word}: {}", ran.out);
    }
}
