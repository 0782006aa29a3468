//! Signals of every kind, and the end on request.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{SessionOutcome, ShutdownPhase};
use onair_stage::Config;
use onair_tests::{
    Deadline, Rig, await_drain, ended_in_order, holding, in_order, shutdown_status, signal, until,
};
use rustix::process::Signal;
use serde_json::Value;

/// A uid and gid that no user has.
const OTHER_USER: u32 = 54_321;

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown__concurrent_signals__then_single_shutdown() -> Result<()> {
    let mut rig = Rig::rings_and("[shutdown]\ndebounce_ms = 60000\n")?;
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
    let pid = rig.daemon()?.pid();
    let storm = "while kill -TERM $0 2>/dev/null && kill -INT $0 2>/dev/null; do :; done";
    let mut senders = Vec::new();
    for _ in 0..8 {
        let sender = Command::new("timeout")
            .args(["60", "sh", "-c", storm, &pid.to_string()])
            .spawn()
            .context("a sender of signals")?;
        senders.push(sender);
    }
    await_drain(&mut control)?;
    // These land after the first one: the daemon lives, drains, and has taken each of them at the end.
    for _ in 0..100 {
        signal(&mut rig, Signal::TERM)?;
        signal(&mut rig, Signal::INT)?;
    }
    let status = shutdown_status(&mut control)?;
    assert!(status.phase == ShutdownPhase::Draining && !status.forced);
    client.say("put-all")?;
    let ended = rig.daemon_ends();
    for sender in &mut senders {
        sender.wait()?;
    }
    let (status, summary) = ended?;
    assert_eq!(status, 0, "{summary:#?}");
    in_order(&summary);
    assert!(!summary.forced);
    let log = rig.last_log();
    assert_eq!(log.matches("shutdown phase=draining").count(), 1, "{log}");
    Ok(())
}

#[test]
fn signals_second_after_the_first_then_forced_with_its_status() -> Result<()> {
    let mut rig =
        Rig::rings_and("[shutdown]\ndebounce_ms = 10\n[timeouts]\ngraceful_ms = 600000\n")?;
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
    client.freeze()?;
    signal(&mut rig, Signal::TERM)?;
    await_drain(&mut control)?;
    // The acknowledgement came before the drain; this is ten times the debounce.
    std::thread::sleep(Duration::from_millis(100));
    let (status, summary) = rig.terminated()?;
    assert_eq!(status, 5, "{summary:#?}");
    assert!(summary.forced && summary.us < 600_000_000);
    let abandoned = summary
        .sessions
        .iter()
        .find(|it| it.outcome == SessionOutcome::Abandoned);
    let abandoned = abandoned.context("it was still in use")?;
    assert_eq!(abandoned.name.as_str(), "cam");
    assert!(rig.last_log().contains("second signal"));
    client.thaw()?;
    assert_eq!(client.errno("get 0")?, "ESTALE");
    Ok(())
}

#[test]
fn signals_usr1_then_sessions_and_their_users_on_standard_error() -> Result<()> {
    let (mut rig, mut control) = Rig::with_cam()?;
    let mut client = rig.user("cam")?;
    client.block(1)?;
    signal(&mut rig, Signal::USR1)?;
    let dump: Value = until("the dump", Deadline::seconds(30), || {
        let log = rig.daemon()?.log();
        let mut lines = log.lines();
        let dump = lines.find_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(dump.filter(|dump| !dump["control"].is_null()))
    })?;
    assert_eq!(dump["shutdown"]["phase"], "running");
    assert_eq!(dump["control"]["health"]["live"], true);
    let [cam] = &dump["control"]["sessions"].as_array().context("sessions")?[..] else {
        panic!("one: {dump:#}");
    };
    assert_eq!(cam["session"]["name"], "cam");
    assert_eq!(cam["blockers"][0]["pid"], client.pid(), "{cam:#}");
    assert_eq!(control.show("cam")?.name.as_str(), "cam", "it serves on");
    Ok(())
}

/// curl, as an operator types it: status and body.
fn curl(rig: &Rig, uid: Option<u32>, method: &str) -> Result<(u16, Value)> {
    let mut command = Command::new("curl");
    command
        .args(["-s", "-w", "\n%{http_code}", "-X", method, "--unix-socket"])
        .arg(Config::control_socket(rig.stage()))
        .arg("http://localhost/v1/shutdown");
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    let output = command.output().context("curl")?;
    ensure!(output.status.success(), "curl: {output:?}");
    let text = String::from_utf8(output.stdout)?;
    let (body, code) = text.rsplit_once('\n').context("two parts")?;
    Ok((code.parse()?, serde_json::from_str(body)?))
}

/// Lets every user connect, whatever the directories above say: by a link of their own.
fn open_to_all(rig: &Rig) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let socket = Config::control_socket(rig.stage());
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666))?;
    let mut folder = rig.stage().directory();
    loop {
        let mode = std::fs::metadata(folder)?.permissions().mode();
        ensure!(
            mode & 0o001 != 0 || folder == rig.stage().directory(),
            "{}",
            folder.display()
        );
        if mode & 0o001 == 0 {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode | 0o001))?;
        }
        match folder.parent() {
            Some(parent) => folder = parent,
            None => return Ok(()),
        }
    }
}

#[test]
fn request_by_another_user_then_forbidden_and_by_root_accepted() -> Result<()> {
    let mut rig = Rig::rings()?;
    open_to_all(&rig)?;
    let (code, problem) = curl(&rig, Some(OTHER_USER), "POST")?;
    assert_eq!((code, problem["code"].as_str()), (403, Some("forbidden")));
    let (code, before) = curl(&rig, Some(OTHER_USER), "GET")?;
    assert_eq!((code, before["phase"].as_str()), (200, Some("running")));
    let (code, begun) = curl(&rig, None, "POST")?;
    assert_eq!(code, 202, "{begun}");
    let summary = ended_in_order(&mut rig)?;
    assert!(summary.cause.contains("curl"), "{}", summary.cause);
    Ok(())
}
