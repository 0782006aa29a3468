//! What one user or one process may take of what belongs to all: it is told when it has its share, the
//! others go on, and health says who it is.

use anyhow::{Context as _, Result};
use onair_api::HealthStatus;
use onair_tests::{Config, Control, Raster, Rig, User, receive, wait_for};
use serde_json::Value;

const GROUP: u32 = 54_330;
/// Has no right but the way to the sockets.
const OTHER_USER: User = User::new(54_321, 54_321);
const OTHER: User = User::new(54_323, GROUP);

fn scene(change: impl FnOnce(&mut Config)) -> Result<(Rig, Control)> {
    let rig = Rig::rings_with(|config| {
        config.control = format!("group = \"{GROUP}\"\ngroup_role = \"operate\"\n");
        change(config);
    })?;
    User::let_in(rig.stage())?;
    let mut control = rig.control()?;
    let mut spec = receive("cam", Raster::SMALL, 5000);
    spec.max_attachments = Some(32);
    control.create(&spec)?;
    Ok((rig, control))
}

/// The problem in health that has all these words.
fn problem(control: &mut Control, words: &[&str]) -> Result<String> {
    let health = control.health()?;
    let all = health.problems.clone();
    let found = all
        .into_iter()
        .find(|it| words.iter().all(|word| it.contains(word)));
    let found = found.with_context(|| format!("{words:?} in {:?}", health.problems))?;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert!(health.ready);
    Ok(found)
}

/// Waits until health has no problem any more.
fn well_again(control: &mut Control) -> Result<()> {
    wait_for("health to be well", 30, || {
        Ok(control.troubles()?.is_empty())
    })
}

fn logged(rig: &mut Rig, words: &[&str]) -> Result<()> {
    wait_for(format!("{words:?} in the log"), 30, || {
        let log = rig.daemon()?.log();
        let has_all = |line: &str| words.iter().all(|word| line.contains(word));
        Ok(log.lines().any(has_all))
    })
}

#[test]
fn attach_socket_taken_by_silent_connections_then_others_attach() -> Result<()> {
    let (mut rig, mut control) = scene(|config| {
        config.more += "[limits]\nconnections = 20\n[timeouts]\nhello_ms = 600000\n";
    })?;
    let socket = Config::attach_socket(rig.stage());
    let mut other = OTHER_USER.test_client(rig.stage())?;
    other.say(format_args!("connect seqpacket 40 {}", socket.display()))?;
    // It has its share, and no more.
    wait_for("the others to be closed", 30, || {
        let open = other.say("open-connections")?["open"].as_u64();
        Ok(open == Some(9))
    })?;
    for user in [OTHER, User::new(0, 0)] {
        user.test_client(rig.stage())?.say("attach cam")?;
    }
    let said = problem(&mut control, &["limits.connections", "uid 54321"])?;
    assert!(said.contains("may only fill 9"), "{said}");
    logged(&mut rig, &["limits.connections", "54321"])?;
    drop(other);
    well_again(&mut control)
}

#[test]
fn attach_socket_client_says_no_hello_then_closed_and_logged() -> Result<()> {
    let (mut rig, mut control) = scene(|config| config.more += "[timeouts]\nhello_ms = 200\n")?;
    let socket = Config::attach_socket(rig.stage());
    let mut welcomed = rig.user("cam")?;
    let mut other = OTHER_USER.test_client(rig.stage())?;
    other.say(format_args!("connect seqpacket 5 {}", socket.display()))?;
    wait_for("all to be closed", 30, || {
        let open = other.say("open-connections")?["open"].as_u64();
        Ok(open == Some(0))
    })?;
    logged(&mut rig, &["hello", "54321"])?;
    let log = rig.daemon()?.log();
    let lines = log.lines().filter(|line| line.contains("hello")).count();
    assert_eq!(lines, 1, "one line for all of them:\n{log}");
    assert_eq!(welcomed.errno("get 0")?, "ETIMEDOUT");
    assert_eq!(control.show("cam")?.attachments.len(), 1);
    well_again(&mut control)
}

/// The table of rights: `settings/src/access/authority.rs`, and `engine/tests/simulated/shares.rs`.
#[test]
fn roles_of_groups_and_users_then_each_may_do_what_it_says() -> Result<()> {
    const OWNER: User = User::new(54_325, 54_325);
    let (rig, mut control) = scene(|config| {
        config.control = config.control.replace("operate", "attach");
        for (user, role) in [(OTHER, "operate"), (OWNER, "own")] {
            let uid = user.uid;
            config.control += &format!("[[control.role]]\nuser = \"{uid}\"\nrole = \"{role}\"\n");
        }
    })?;
    let stage = rig.stage();
    let post = |user: User, path: &str, body: &Value| user.ask(stage, "POST", path, body);
    let spec = |name: &str, udp: u16| serde_json::to_value(receive(name, Raster::SMALL, udp));
    let member = User::new(54_322, GROUP);
    for (user, stops, creates, attaches) in [
        (OTHER_USER, 403, 403, "EACCES"),
        (member, 403, 403, ""),
        (OWNER, 403, 201, "EACCES"),
        (OTHER, 200, 201, ""),
    ] {
        let udp = 5001 + u16::try_from(user.uid - OTHER_USER.uid)?;
        let own = spec(&format!("of-{}", user.uid), udp)?;
        let (status, answer) = post(user, "/v1/sessions", &own)?;
        assert_eq!(status, creates, "{user:?}: {answer}");
        let (status, answer) = post(user, "/v1/sessions/cam/stop", &Value::Null)?;
        assert_eq!(status, stops, "{user:?}: {answer}");
        let mut client = user.test_client(stage)?;
        assert_eq!(client.errno("attach cam")?, attaches, "{user:?}");
        for path in ["/v1/shutdown", "/v1/config/reload"] {
            assert_eq!(post(user, path, &Value::Null)?.0, 403, "{user:?} {path}");
        }
    }
    control.end("cam").map(drop)
}
