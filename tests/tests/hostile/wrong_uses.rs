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
