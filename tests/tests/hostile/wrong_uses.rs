//! What applications do wrong, from processes of their own: each gets a typed error, and neither
//! the daemon nor another client is harmed.

use std::collections::BTreeSet;

use anyhow::Result;
use onair_api::{BlockerKind, SessionState};
use onair_tests::{Control, Raster, Rig, TestClient, blocked, receive, wait_for};
use serde_json::{Value, json};

/// A daemon, and a client of a session of its own that waits in `buffer_get` all along.
struct Scene {
    rig: Rig,
    control: Control,
    bystander: TestClient,
    waiting: BTreeSet<u32>,
    daemon: u32,
}

impl Scene {
    fn open() -> Result<Self> {
        let (mut rig, mut control) = Rig::with_control()?;
        control.receiver("quiet", 6000)?;
        let mut bystander = rig.user("quiet")?;
        let waiting = bystander.block(2)?;
        let daemon = rig.daemon()?.pid();
        Ok(Self {
            rig,
            control,
            bystander,
            waiting,
            daemon,
        })
    }

    /// A process that has created and attached to session `name` at UDP port `udp`.
    fn owner(&self, name: &str, udp: u16) -> Result<TestClient> {
        let mut owner = self.rig.test_client()?;
        let spec = serde_json::to_value(receive(name, Raster::SMALL, udp))?;
        let about = owner.say(format_args!("create {spec}"))?;
        assert_eq!(
            (&about["owner"], &about["watched"]),
            (&true.into(), &true.into())
        );
        Ok(owner)
    }

    fn user(&self, session: &str) -> Result<TestClient> {
        let user = self.rig.user(session)?;
        Ok(user)
    }

    /// Lets frames come to UDP port `udp`.
    fn frames_to(&mut self, udp: u16) -> Result<()> {
        let name = format!("to-{udp}");
        self.control.pattern(&name, udp)?;
        Ok(())
    }

    /// The daemon is the one that it was and well, and the bystander gets frames.
    fn unharmed(mut self) -> Result<()> {
        assert_eq!(self.control.troubles()?, [""; 0]);
        assert_eq!(self.control.health()?.pid, self.daemon);
        // The backstop of a wait wakes it once a second for a moment.
        wait_for("the bystander to wait", 10, || {
            let waiting = blocked(self.bystander.pid())?;
            Ok(self.waiting.is_subset(&waiting))
        })?;
        self.frames_to(6000)?;
        let frame = self.bystander.say("get 10000")?;
        assert_eq!(frame["bytes_missing"], 0, "{frame}");
        for session in ["to-6000", "quiet"] {
            self.control.stop(session)?;
        }
        self.bystander.all_returned(2, "EAGAIN")?;
        let certificate = self.control.destroy_wait("quiet")?;
        assert!(certificate.reconciled.is_empty(), "{certificate:#?}");
        self.rig.stop_daemon()
    }
}

fn errno(answer: &Value) -> &str {
    answer["error"]["errno"].as_str().unwrap_or_default()
}

#[test]
fn destroy_of_a_running_session_with_callers_names_blockers() -> Result<()> {
    let mut scene = Scene::open()?;
    let mut owner = scene.owner("cam", 5000)?;
    let mut sleeper = scene.user("cam")?;
    let asleep = sleeper.block(2)?;

    let refused = scene.control.try_destroy("cam")?;
    refused.refused(409, "running")?;
    let blockers: Vec<onair_api::Blocker> =
        serde_json::from_value(refused.json["blockers"].clone())?;
    let tids: BTreeSet<u32> = blockers.iter().filter_map(|it| it.tid).collect();
    assert_eq!(tids, asleep, "{blockers:#?}");

    owner.say("stop")?;
    // The owner's stop is its own until it destroys: only then do the others return.
    owner.say("destroy-wait 10000")?;
    sleeper.returned(2)?;
    scene.unharmed()
}

#[test]
fn destroy_before_join_then_busy_and_the_blockers_named() -> Result<()> {
    let mut scene = Scene::open()?;
    let mut owner = scene.owner("cam", 5000)?;
    let mut holder = scene.user("cam")?;
    let mut sleeper = scene.user("cam")?;
    let asleep = sleeper.block(2)?;
    // It cannot leave when it is told to: not joined.
    sleeper.freeze()?;
    scene.frames_to(5000)?;
    holder.say("hold 2")?;

    owner.say("stop")?;
    let refused = owner.ask("destroy")?;
    assert_eq!(errno(&refused), "EBUSY", "{refused}");
    let by_library: Vec<onair_api::Blocker> =
        serde_json::from_value(refused["error"]["blockers"].clone())?;
    // The others' session goes on.
    scene.control.await_state("cam", SessionState::Running)?;
    scene.control.stop("cam")?;
    let by_control = scene.control.try_destroy("cam")?;
    by_control.refused(409, "busy")?;
    let by_http: Vec<onair_api::Blocker> =
        serde_json::from_value(by_control.json["blockers"].clone())?;
    for blockers in [by_library, by_http] {
        assert!(blockers.iter().all(|it| it.command == "onair-client"));
        let of = |pid: u32| blockers.iter().filter(move |it| it.pid == pid);
        let tids: BTreeSet<u32> = of(sleeper.pid()).filter_map(|it| it.tid).collect();
        assert_eq!(tids, asleep, "{blockers:#?}");
        assert!(of(sleeper.pid()).all(|it| it.kind == BlockerKind::Blocked));
        let frames: usize = of(holder.pid()).map(|it| it.held_frames.len()).sum();
        assert_eq!(frames, 2, "{blockers:#?}");
        assert!(of(owner.pid()).next().is_none(), "{blockers:#?}");
    }

    holder.say("put-all")?;
    sleeper.thaw()?;
    sleeper.returned(2)?;
    let done = owner.say("destroy-wait 10000")?;
    assert_eq!(done["certificate"]["reconciled"], json!([]));
    assert_eq!(done["certificate"]["requester"]["pid"], owner.pid());
    scene.unharmed()
}

#[test]
fn session_used_after_destroy_then_stale_in_every_call() -> Result<()> {
    let mut scene = Scene::open()?;
    let mut owner = scene.owner("cam", 5000)?;
    let mut user = scene.user("cam")?;
    scene.frames_to(5000)?;
    for call in ["hold 1", "put"] {
        user.say(call)?;
    }
    let mut late = scene.user("cam")?;
    let id = scene.control.show("cam")?.id.to_string();
    owner.say("stop")?;
    owner.say("destroy-wait 10000")?;

    // All that is left to do is to let the memory go, and that can be done.
    late.say("detach")?;
    for test_client in [&mut owner, &mut late] {
        assert_eq!(test_client.errno("detach")?, "ESTALE");
    }
    for test_client in [&mut owner, &mut user] {
        for call in ["get never", "poll never", "wait-started never"] {
            assert_eq!(test_client.errno(call)?, "ESTALE", "{call}");
        }
        // These return nothing, and do no harm.
        test_client.say("stop")?;
        test_client.say("start")?;
        assert_eq!(test_client.errno("get 0")?, "ESTALE");
    }
    assert_eq!(owner.errno("destroy")?, "ESTALE");
    assert_eq!(user.errno("destroy")?, "EACCES");
    let again = user.errno("put-again")?;
    assert!(matches!(again.as_str(), "ESTALE" | "EALREADY"), "{again}");

    for (method, path) in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/stop"),
        ("POST", "/start"),
        ("POST", "/destroy"),
        ("GET", "/blockers"),
        ("GET", "/verdict"),
    ] {
        for name in [id.as_str(), "cam"] {
            let path = format!("/v1/sessions/{name}{path}");
            let answer = scene.control.request(method, &path, &Value::Null)?;
            assert_eq!(
                (answer.status, answer.code()),
                (410, "stale_session"),
                "{method} {path}"
            );
        }
    }
    // A session of the same name is another session: the old id stays stale.
    scene.control.receiver("cam", 5001)?;
    let stale = scene.control.try_show(&id)?;
    stale.refused(410, "stale_session")?;
    for test_client in [&mut owner, &mut user] {
        assert_eq!(test_client.errno("get 0")?, "ESTALE");
    }
    assert_eq!(
        scene
            .rig
            .test_client()?
            .errno(format_args!("attach {id}"))?,
        "ESTALE"
    );
    scene.unharmed()
}

#[test]
fn attach_to_what_is_not_there_then_noent_and_what_was_is_stale() -> Result<()> {
    let mut scene = Scene::open()?;
    let mut user = scene.rig.test_client()?;
    assert_eq!(user.errno("attach nobody")?, "ENOENT");
    assert_eq!(user.errno("attach No/Name")?, "EINVAL");
    let id = scene.control.show("quiet")?.id.0;
    let id_of_the_future = format!("{:016x}", id + 1000);
    assert_eq!(
        user.errno(format_args!("attach {id_of_the_future}"))?,
        "ENOENT"
    );
    // High half: an earlier daemon's.
    let id_of_the_past = format!("{:016x}", id - (1 << 32));
    assert_eq!(
        user.errno(format_args!("attach {id_of_the_past}"))?,
        "ESTALE"
    );
    scene.control.receiver("gone", 5000)?;
    scene.control.stop("gone")?;
    scene.control.destroy("gone")?;
    assert_eq!(user.errno("attach gone")?, "ESTALE");
    // It may attach all the same.
    user.say("attach quiet")?;
    scene.unharmed()
}

#[test]
fn attach_twice_from_one_process_then_only_the_first_goes_on() -> Result<()> {
    let mut scene = Scene::open()?;
    scene.control.receiver("cam", 5000)?;
    let mut user = scene.user("cam")?;
    for _ in 0..20 {
        assert_eq!(user.errno("attach cam")?, "EDQUOT");
    }
    scene.frames_to(5000)?;
    user.say("get 10000")?;
    // What was refused has left no reservation: three more processes fit.
    let mut others = Vec::new();
    for _ in 1..scene.control.show("cam")?.max_attachments {
        others.push(scene.user("cam")?);
    }
    assert_eq!(scene.rig.test_client()?.errno("attach cam")?, "EDQUOT");
    user.say("detach")?;
    user.say("attach cam")?;
    user.say("get 10000")?;
    scene.unharmed()
}
