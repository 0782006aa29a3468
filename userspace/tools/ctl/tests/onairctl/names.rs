//! Names of the daemon's: candidates for a shell, and what a wrong name may have meant.

use onair_api::{Problem, ProblemCode};
use serde_json::json;

use crate::support::{Played, listed, onairctl, ran, session};

/// What a shell gets for the last word of `args`, which may be empty.
fn candidates(daemon: &Played, args: &str) -> Vec<String> {
    let words: Vec<_> = ["onairctl"].into_iter().chain(args.split(' ')).collect();
    let mut command = daemon.command("--");
    command
        .args(&words)
        .env("ONAIRCTL_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    let ran = ran(&mut command);
    assert_eq!((ran.code, &*ran.err), (0, ""), "{args}");
    ran.out.lines().map(str::to_owned).collect()
}

fn daemon() -> Played {
    let mut second = listed();
    second["name"] = json!("studio");
    let mut studio = session();
    studio["attachments"][0]["attachment"] = json!(7);
    let certificate = json!({"session": "6920a1c300000009", "name": "gone", "operation": "abort",
        "requester": crate::support::who(), "issued_at": crate::support::AT,
        "memory": {"state": "pending", "bytes": 1, "held_by": []}, "reconciled": 0, "disagreements": 0});
    let unknown = |code, detail| serde_json::to_value(Problem::new(code, detail)).unwrap();
    Played::script(&[
        ("GET /v1/sessions", json!({"sessions": [listed(), second]})),
        ("GET /v1/sessions/studio", studio),
        (
            "GET /v1/recordings",
            json!({"recordings": [crate::recordings::recording("recording")]}),
        ),
        (
            "GET /v1/certificates",
            json!({"certificates": [certificate]}),
        ),
        (
            "GET /v1/groups",
            json!({"groups": [{"name": "studio1", "members": [listed()]}]}),
        ),
        (
            "POST /v1/groups/stduio1/stop",
            unknown(
                ProblemCode::NoSuchGroup,
                "no session is a member of a group stduio1",
            ),
        ),
        (
            "POST /v1/sessions/stduio/stop",
            unknown(ProblemCode::NoSuchSession, "no session is called stduio"),
        ),
        (
            "POST /v1/sessions/other/stop",
            unknown(ProblemCode::NoSuchSession, "no session is called other"),
        ),
        (
            "GET /v1/recordings/take3",
            unknown(ProblemCode::NoSuchRecording, "there is no recording take3"),
        ),
    ])
}

#[test]
fn completion_each_argument_then_the_names_that_the_daemon_has() {
    let daemon = daemon();
    for (args, names) in [
        ("session stop ", &["cam1", "studio"][..]),
        ("--json session stop st", &["studio"]),
        ("events --session c", &["cam1"]),
        ("session evict studio --attachment ", &["7"]),
        ("record show ", &["take2"]),
        ("group show ", &["studio1"]),
        ("certificate verify g", &["gone"]),
        ("session bl", &["blockers"]),
        ("session create x --direction s", &["send"]),
    ] {
        let mut found = candidates(&daemon, args);
        found.retain(|it| !it.starts_with('-'));
        assert_eq!(found, names, "{args}");
    }
    let elsewhere = candidates(&daemon, "--socket /nowhere session stop ");
    assert!(elsewhere.iter().all(|it| it.starts_with('-')));
    // It answers nothing: the shell gets its prompt back.
    let silent = candidates(&Played::new(None), "session stop ");
    assert!(silent.iter().all(|it| it.starts_with('-')), "{silent:?}");
}

#[test]
fn completion_script_of_each_shell_asks_this_program() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = ran(&mut onairctl(&format!("completions {shell}")));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("ONAIRCTL_COMPLETE"), "{ran:?}");
    }
}

#[test]
fn name_unknown_then_the_nearest_is_offered() {
    let daemon = daemon();
    for (args, meant) in [
        ("session stop stduio", Some("Did you mean studio?")),
        ("session stop other", None),
        ("record show take3", Some("Did you mean take2?")),
        ("group stop stduio1", Some("Did you mean studio1?")),
    ] {
        let ran = daemon.run(args);
        assert_eq!(ran.code, 5, "{ran:?}");
        let last = ran.err.lines().last().unwrap();
        assert_eq!(Some(last).filter(|it| it.starts_with("Did")), meant);
    }
}
