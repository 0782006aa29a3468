//! What one user or one process may take of what belongs to all: it is told when it has its share, the
//! others go on, and health says who it is.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{
    HealthStatus, Memory, RecordingState, SessionProblemKind, SessionState, SpecDocument,
};
use onair_tests::recordings::recorded::Recorder;
use onair_tests::{
    ClientFiles, Config, Control, Deadline, HangingFile, Raster, Rig, Stage, TestClient, User,
    receive, wait_for,
};
use serde_json::{Value, json};

const GROUP: u32 = 54_330;
/// Has no right but the way to the sockets.
const OTHER_USER: User = User::new(54_321, 54_321);
/// Two members of the group.
const GREEDY: User = User::new(54_322, GROUP);
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
fn files_one_user_takes_its_share_then_other_programs_attach() -> Result<()> {
    let (rig, mut control) = scene(|config| config.probe_keys += "max_files = 8\n")?;
    let stage = rig.stage();
    let mut greedy: Vec<TestClient> = Vec::new();
    let mut refusal = None;
    for number in 0..8 {
        let program = User::copy_of_test_client(stage, &format!("program-{number}"))?;
        let mut client = GREEDY.test_client_as(stage, &program)?;
        let answer = client.ask("attach cam")?;
        if answer["error"].is_null() {
            greedy.push(client);
        } else {
            refusal = Some(answer["error"].clone());
            break;
        }
    }
    let refusal = refusal.context("it got all that it asked for")?;
    assert_eq!(refusal["errno"], "EDQUOT", "{refusal}");
    let message = refusal["message"].as_str().unwrap_or_default();
    for words in ["probe.max_files", "uid 54322", "5 of 5"] {
        assert!(message.contains(words), "{words} in {message}");
    }
    problem(&mut control, &["probe.max_files", "uid 54322"])?;
    // A program that is watched already takes no place.
    greedy[0].say("detach")?;
    greedy[0].say("attach cam")?;
    let mut other = OTHER.test_client_as(
        stage,
        &User::copy_of_test_client(stage, "program-of-other")?,
    )?;
    other.say("attach cam")?;
    let _roots = rig.user("cam")?;
    drop(greedy);
    well_again(&mut control)
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

#[test]
fn attach_socket_filled_without_a_role_then_a_role_attaches() -> Result<()> {
    let rig = Rig::rings_with(|config| {
        config.control = format!("group = \"{GROUP}\"\ngroup_role = \"attach\"\n");
        config.more += "[limits]\nconnections = 40\n[timeouts]\nhello_ms = 600000\n";
    })?;
    let mut control = rig.control()?;
    User::let_in(rig.stage())?;
    control.receiver("cam", 5000)?;
    let socket = Config::attach_socket(rig.stage());
    let mut strangers = Vec::new();
    for uid in [54_321, 54_324, 54_325] {
        let mut stranger = User::new(uid, uid).test_client(rig.stage())?;
        stranger.say(format_args!("connect seqpacket 40 {}", socket.display()))?;
        strangers.push(stranger);
    }
    wait_for("those without a place to be closed", 30, || {
        let open = strangers.iter_mut().map(|it| {
            let answer = it.say("open-connections")?;
            answer["open"].as_u64().context("a number")
        });
        Ok(open.sum::<Result<u64>>()? == 18)
    })?;
    OTHER.test_client(rig.stage())?.say("attach cam")?;
    problem(&mut control, &["limits.connections", "no role", "18"])?;
    drop(strangers);
    well_again(&mut control)
}

#[test]
fn attach_socket_client_says_only_hello_then_closed_in_time() -> Result<()> {
    let (mut rig, mut control) = scene(|config| config.more += "[timeouts]\nhello_ms = 400\n")?;
    let idle = rig.raw_client()?;
    let mut good = rig.user("cam")?;
    // What it asks for in vain gives it no more time.
    let unknown = json!({ "type": "attach", "session": "none" }).to_string();
    let deadline = Deadline::seconds(30);
    // The end of the connection may overtake its reason.
    while idle.send(unknown.as_bytes()).is_ok() && idle.receive().is_ok_and(|it| it.is_some()) {
        ensure!(!deadline.passed(), "it is served still");
        thread::sleep(Duration::from_millis(50));
    }
    logged(&mut rig, &["no attach"])?;
    assert_eq!(good.errno("get 0")?, "ETIMEDOUT");
    // Without an attachment again, it has as long again.
    good.say("detach")?;
    good.say("attach cam")?;
    well_again(&mut control)
}

#[test]
fn control_socket_taken_by_silent_peers_then_root_is_served() -> Result<()> {
    let (mut rig, mut control) = scene(|config| {
        config.more += "[limits]\nhttp_connections = 20\n[timeouts]\nhttp_head_ms = 600000\n";
    })?;
    let socket = Config::control_socket(rig.stage());
    let mut others = Vec::new();
    // Two of them, without a role: together they have half of what is free.
    for uid in [54_321, 54_324] {
        let mut other = User::new(uid, uid).test_client(rig.stage())?;
        other.say(format_args!("connect stream 40 {}", socket.display()))?;
        others.push(other);
    }
    for _ in 0..3 {
        for user in [User::new(0, 0), OTHER] {
            let (status, health) =
                user.ask(rig.stage(), "GET", "/v1/health", &Default::default())?;
            assert_eq!(status, 200, "{user:?}: {health}");
        }
    }
    problem(
        &mut control,
        &["limits.http_connections", "no role", "only fill 9"],
    )?;
    logged(&mut rig, &["limits.http_connections", "5432"])?;
    drop(others);
    well_again(&mut control)
}

#[test]
fn memory_kept_by_one_changing_process_then_only_it_is_refused() -> Result<()> {
    let (rig, mut control) = scene(|_| {})?;
    let mut greedy = GREEDY.test_client(rig.stage())?;
    let answer = greedy.say("come-and-go 100 cam")?;
    let refused = &answer["refused"];
    assert_eq!(refused["code"], "limit_reached", "{answer}");
    let message = refused["message"].as_str().context("a message")?;
    let process = format!("process {}", greedy.pid());
    for words in ["limits.departed", &process, "64 of 64"] {
        assert!(message.contains(words), "{words} in {message}");
    }
    assert!(control.show("cam")?.attachments.is_empty());
    problem(&mut control, &["limits.departed", "cam", "uid 54322"])?;
    // Another process of the same user, another user, and root.
    for user in [GREEDY, OTHER, User::new(0, 0)] {
        user.test_client(rig.stage())?.say("attach cam")?;
    }
    let certificate = control.end("cam")?;
    let Memory::Pending { held_by, .. } = &certificate.memory else {
        panic!("{:?}", certificate.memory);
    };
    assert_eq!(held_by, &[greedy.pid()]);
    greedy.kill()?;
    well_again(&mut control)
}

#[test]
fn arming_files_of_one_user_hang_then_clients_of_others_attach() -> Result<()> {
    const CONNECTIONS: usize = 8;
    // Longer than the test takes.
    let (rig, mut control) = scene(|config| config.more += "[timeouts]\nprobe_arm_ms = 60000\n")?;
    let stage = rig.stage();
    let hanging = HangingFile::mount(&stage.directory().join("hanging"))?;
    let mut slow = GREEDY.mapper(stage, &hanging.path(), "cam", CONNECTIONS)?;
    slow.event("asked", Deadline::seconds(30))?;
    wait_for("a look to hang", 30, || Ok(hanging.waiting() > 0))?;
    let mut others = Vec::new();
    for user in [OTHER, User::new(0, 0)] {
        let mut client = user.test_client(stage)?;
        client.say("attach cam")?;
        others.push(client);
    }
    let answered = slow.event("answered", Deadline::seconds(0));
    assert!(
        answered.is_err(),
        "the others waited for its looks: {answered:?}"
    );
    let health = control.health()?;
    let looks = health.shares.iter().find(|it| it.key == "probe.max_looks");
    let looks = looks.context("looks")?;
    assert_eq!(looks.greatest_uid, Some(GREEDY.uid), "{looks:?}");
    assert!(looks.used > 0, "{looks:?}");
    drop(hanging);
    for _ in 0..CONNECTIONS {
        slow.event("answered", Deadline::seconds(30))?;
    }
    well_again(&mut control)
}

/// A daemon whose group has the role `own`.
fn scene_of_owners(more: &str) -> Result<(Rig, Control)> {
    let rig = Rig::rings_with(|config| {
        config.control = format!("group = \"{GROUP}\"\ngroup_role = \"own\"\n");
        config.more += more;
    })?;
    User::let_in(rig.stage())?;
    let control = rig.control()?;
    Ok((rig, control))
}

/// `user` asks for a session at UDP port `udp` that has 2 + 4 x `quota` frames.
fn ask_session(rig: &Rig, user: User, udp: u16, quota: u32) -> Result<(u16, Value)> {
    let spec = SpecDocument {
        quota: Some(quota),
        max_attachments: Some(4),
        ..receive(&format!("s-{udp}"), Raster::SMALL, udp)
    };
    let spec = serde_json::to_value(spec)?;
    user.ask(rig.stage(), "POST", "/v1/sessions", &spec)
}

/// Takes what `user` gets; returns how many, and the refusal.
fn take_all(mut ask: impl FnMut(u16) -> Result<(u16, Value)>) -> Result<(u16, String)> {
    for number in 0..30 {
        let (status, answer) = ask(number)?;
        if status == 429 {
            assert_eq!(answer["code"], "limit_reached", "{answer}");
            let detail = answer["detail"].as_str().context("a detail")?;
            return Ok((number, detail.to_owned()));
        }
        assert_eq!(status, 201, "{answer}");
    }
    anyhow::bail!("it got all that it asked for")
}

#[test]
fn sessions_and_recordings_of_one_user_then_others_have_theirs() -> Result<()> {
    let (rig, mut control) = scene_of_owners(
        "[limits]\nsessions = 10\n[recorder]\nmax_recordings = 4\nmin_free_mb = 1\nring_mb = 16\n",
    )?;
    let (count, refusal) = take_all(|number| ask_session(&rig, GREEDY, 5000 + number, 1))?;
    assert_eq!(count, 7, "{refusal}");
    for words in ["limits.sessions", "uid 54322 has 7 of 7", "destroy"] {
        ensure!(refusal.contains(words), "{words} in {refusal}");
    }
    for (user, udp) in [(OTHER, 5020), (User::new(0, 0), 5021)] {
        let (status, answer) = ask_session(&rig, user, udp, 1)?;
        assert_eq!(status, 201, "{answer}");
    }
    let record = |user: User, session: &str| {
        let path = format!("/v1/sessions/{session}/recordings");
        user.ask(rig.stage(), "POST", &path, &json!({ "format": "pcapng" }))
    };
    let (count, refusal) = take_all(|number| record(GREEDY, &format!("s-{}", 5000 + number)))?;
    assert_eq!(count, 2, "{refusal}");
    for words in ["recorder.max_recordings", "uid 54322 has 2 of 2", "stop"] {
        ensure!(refusal.contains(words), "{words} in {refusal}");
    }
    for (user, session) in [(OTHER, "s-5020"), (User::new(0, 0), "s-5021")] {
        let (status, answer) = record(user, session)?;
        assert_eq!(status, 201, "{answer}");
    }
    for key in ["limits.sessions", "recorder.max_recordings"] {
        let shares = control.health()?.shares;
        let share = shares.iter().find(|it| it.key == key).context(key)?;
        assert_eq!((share.greatest_uid, share.refused), (Some(GREEDY.uid), 1));
    }
    Ok(())
}

#[test]
fn frame_memory_pinned_by_one_user_then_only_it_is_refused() -> Result<()> {
    // The frames of a session are 9 MiB.
    const QUOTA: u32 = 20;
    let (rig, mut control) = scene_of_owners("[limits]\nframe_memory_mb = 60\n")?;
    let (count, refusal) = take_all(|number| ask_session(&rig, GREEDY, 5000 + number, QUOTA))?;
    assert_eq!(count, 4, "{refusal}");
    for words in ["limits.frame_memory_mb", "uid 54322", "of 44 MiB", "quota"] {
        ensure!(refusal.contains(words), "{words} in {refusal}");
    }
    let mut client = GREEDY.test_client(rig.stage())?;
    client.say("attach s-5000")?;
    let ClientFiles { sockets, memory } = ClientFiles::of(client.pid())?;
    drop(sockets);
    client.leave()?;
    let certificate = control.end("s-5000")?;
    ensure!(matches!(certificate.memory, Memory::Pending { .. }));
    // What it pins stays charged to it.
    let (status, answer) = ask_session(&rig, GREEDY, 5010, QUOTA)?;
    assert_eq!(status, 429, "{answer}");
    for (user, udp) in [(OTHER, 5020), (User::new(0, 0), 5021)] {
        let (status, answer) = ask_session(&rig, user, udp, QUOTA)?;
        assert_eq!(status, 201, "{answer}");
    }
    drop(memory);
    control.completed(certificate.session)?;
    let (status, answer) = ask_session(&rig, GREEDY, 5010, QUOTA)?;
    assert_eq!(status, 429, "only reserved memory is left: {answer}");
    control.end("s-5021")?;
    let (status, answer) = ask_session(&rig, GREEDY, 5010, QUOTA)?;
    assert_eq!(status, 201, "{answer}");
    Ok(())
}

#[test]
fn operator_changes_roots_session_often_then_its_lines_are_few() -> Result<()> {
    /// More than the lines that a user may cause at once.
    const PAIRS: usize = 2_000;
    let (mut rig, mut control) = scene(|config| {
        config.more += "[recorder]\nmin_free_mb = 1\nring_mb = 16\n";
    })?;
    OTHER.repeat(rig.stage(), "v1/sessions/cam/{stop,start}", PAIRS, None)?;
    let short = json!({ "format": "pcapng", "duration_ms": 1 }).to_string();
    OTHER.repeat(rig.stage(), "v1/sessions/cam/recordings", 80, Some(&short))?;
    // Those of root are all written.
    for _ in 0..3 {
        control.stop("cam")?;
        control.start("cam")?;
    }
    control.end("cam")?;
    logged(&mut rig, &["destroyed", "cam"])?;
    let log = rig.daemon()?.log();
    let count = |word: &str| log.lines().filter(|it| it.contains(word)).count();
    let (started, recordings) = (count(" started "), count("format=pcapng"));
    ensure!(started > 3 && started < PAIRS - 100, "{started}");
    ensure!(recordings > 3 && recordings < 70, "{recordings}");
    let roots = log.rsplit_once("format=pcapng").context("one")?.1;
    let roots = roots.lines().filter(|it| it.contains(" started ")).count();
    assert_eq!(roots, 3, "{log}");
    Ok(())
}

#[test]
fn health_for_a_user_without_a_role_names_no_others_session() -> Result<()> {
    let (rig, mut control) = scene(|_| {})?;
    let body = json!({ "name": "cam-v210", "convert": { "from": "cam", "layout": "UYVY" } });
    let (status, answer) = User::new(0, 0).ask(rig.stage(), "POST", "/v1/sessions", &body)?;
    assert_eq!(status, 201, "{answer}");
    control.start("cam-v210")?;
    control.end("cam")?;
    // The converted session has no source any more.
    control.await_problem("cam-v210", SessionProblemKind::SourceGone)?;
    problem(&mut control, &["session cam-v210"])?;
    let (_, seen) = OTHER_USER.ask(rig.stage(), "GET", "/v1/health", &Value::Null)?;
    let text = seen.to_string();
    ensure!(!text.contains("cam"), "{text}");
    assert_eq!(seen["status"], "degraded", "{text}");
    ensure!(text.contains("does not let you read: 1"), "{text}");
    Ok(())
}

/// Every request that ends, begins or records others' use of `session`, or makes a session.
fn changes(session: &str, attachment: u64) -> Vec<(String, Value)> {
    let wait = json!({ "deadline_ms": 0 });
    let of = |what: &str| format!("/v1/sessions/{session}/{what}");
    let spec = serde_json::to_value(receive("more", Raster::SMALL, 5009)).unwrap_or_default();
    vec![
        (of("stop"), Value::Null),
        (of("start"), Value::Null),
        (of("flush"), wait.clone()),
        (of("destroy"), Value::Null),
        (of("destroy_wait"), wait),
        (of("evict"), Value::Null),
        (of(&format!("attachments/{attachment}/evict")), Value::Null),
        (of("abort"), Value::Null),
        (of("quarantine"), Value::Null),
        (of("recordings"), json!({ "format": "pcapng" })),
        ("/v1/recordings/ours/stop".into(), Value::Null),
        ("/v1/sessions".into(), spec),
        ("/v1/shutdown".into(), Value::Null),
        ("/v1/config/reload".into(), Value::Null),
    ]
}

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
    let mut roots = rig.user("cam")?;
    roots.block(1)?;
    let attachment = control.show("cam")?.attachments[0].attachment;
    control.record("cam", "ours", "pcapng", &Value::Null)?;
    let forbidden = |user: User, session: &str| -> Result<()> {
        for (path, body) in changes(session, attachment) {
            let is_create = path == "/v1/sessions";
            if is_create && user.uid == OWNER.uid {
                continue;
            }
            let (status, problem) = user.ask(stage, "POST", &path, &body)?;
            assert_eq!(
                (status, &problem["code"]),
                (403, &json!("forbidden")),
                "{path}: {problem}"
            );
        }
        Ok(())
    };

    // Attach: sees and uses every session, and ends none.
    let attach_only = GREEDY;
    forbidden(attach_only, "cam")?;
    assert_eq!(
        attach_only
            .ask(stage, "GET", "/v1/sessions/cam", &Value::Null)?
            .0,
        200
    );
    let mut client = attach_only.test_client(stage)?;
    client.say("attach cam")?;
    for request in ["destroy", "destroy-wait 0", "abort"] {
        assert_eq!(client.errno(request)?, "EACCES", "{request}");
    }
    let spec = serde_json::to_string(&receive("more", Raster::SMALL, 5009))?;
    assert_eq!(client.errno(format_args!("create {spec}"))?, "EACCES");

    // Own: everything with its own, nothing with another's.
    forbidden(OWNER, "cam")?;
    let (status, shown) = OWNER.ask(stage, "GET", "/v1/recordings/ours", &Value::Null)?;
    assert_eq!(status, 403, "{shown}");
    assert_eq!(OWNER.test_client(stage)?.errno("attach cam")?, "EACCES");
    let mine = serde_json::to_value(receive("mine", Raster::SMALL, 5001))?;
    assert_eq!(OWNER.ask(stage, "POST", "/v1/sessions", &mine)?.0, 201);
    let convert = |name: &str, from: &str| json!({ "name": name, "convert": { "from": from, "layout": "UYVY" } });
    let (status, problem) = OWNER.ask(stage, "POST", "/v1/sessions", &convert("spy", "cam"))?;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")));
    let own = convert("mine-uyvy", "mine");
    assert_eq!(OWNER.ask(stage, "POST", "/v1/sessions", &own)?.0, 201);
    forbidden(attach_only, "mine")?;
    for what in ["stop", "start", "evict", "stop", "destroy"] {
        let path = format!("/v1/sessions/mine/{what}");
        let (status, answer) = OWNER.ask(stage, "POST", &path, &Value::Null)?;
        assert_eq!(status, 200, "{what}: {answer}");
    }

    // The name is free now. What another user makes under it is not the converted session's source.
    control.receiver("mine", 5001)?;
    for what in ["stop", "start"] {
        let path = format!("/v1/sessions/mine-uyvy/{what}");
        assert_eq!(OWNER.ask(stage, "POST", &path, &Value::Null)?.0, 200);
    }
    control.await_view("mine-uyvy", "without a source", |it| {
        let mut problems = it.problems.iter();
        problems.any(|it| it.detail.contains("another user's"))
    })?;
    assert_eq!(control.show("mine")?.converted_sessions, 0);

    // Nothing of all that reached the session.
    let cam = control.show("cam")?;
    assert_eq!(
        (cam.state, cam.attachments.len()),
        (SessionState::Running, 2)
    );
    assert_eq!(control.recording("ours")?.state, RecordingState::Recording);
    assert!(roots.event_now("returned").is_none());

    may_operate(stage, attachment)
}

/// Everything but the daemon's own.
fn may_operate(stage: &Stage, attachment: u64) -> Result<()> {
    for (path, body) in [
        ("/v1/recordings/ours/stop".to_owned(), Value::Null),
        (
            format!("/v1/sessions/cam/attachments/{attachment}/evict"),
            Value::Null,
        ),
        ("/v1/sessions/cam/stop".into(), Value::Null),
        ("/v1/sessions/cam/abort".into(), Value::Null),
    ] {
        let (status, answer) = OTHER.ask(stage, "POST", &path, &body)?;
        assert_eq!(status, 200, "{path}: {answer}");
    }
    for path in ["/v1/shutdown", "/v1/config/reload"] {
        assert_eq!(
            OTHER.ask(stage, "POST", path, &Value::Null)?.0,
            403,
            "{path}"
        );
    }
    Ok(())
}
