//! One life: the actor in its world.

pub(crate) mod client;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use onair_api::operations::ApiOperation;
use onair_api::{
    NewSession, NewSessionDocument, Problem, SessionRef, Timestamp, Versions, Via, Who,
};
use onair_dataplane::{
    DataplaneConfig, Idle, PollerSpec, PortAddresses, PortJournal, PortSpec, Rest,
};
use onair_engine::actor::Actor;
use onair_engine::inputs::AttachAction;
use onair_engine::inputs::Input;
use onair_engine::inputs::{Action, Asked};
use onair_engine::inputs::{ActorCommand, Drain, Drained};
use onair_engine::machine::EndCause;
use onair_engine::services::reply::{Awaited, Reply};
use onair_engine::services::{Identity, Services};
use onair_probe::share::Rank;
use onair_settings::access::authority::{Caller, Grant};
use onair_settings::config::Config;
use onair_sim_machine::{World, open_archive, open_store};
use serde_json::json;
use tempfile::TempDir;

use self::client::Connection;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(100);
/// Longest step of the clock: pollers look at it between two.
const STEP: Duration = Duration::from_millis(10);

/// The actor, on a simulated machine with the ports `a`, `b` and `c`.
pub(crate) struct Life {
    actor: Actor,
    pub(crate) world: World,
    pub(crate) connections: Vec<Connection>,
    /// Connections that were opened.
    pub(crate) opened: u64,
    folder: TempDir,
    /// More of the configuration.
    more: String,
    drained: Option<Receiver<Drained>>,
    /// All sessions were ended at a shutdown.
    is_over: bool,
}

#[derive(Debug)]
struct NoJournal;

impl PortJournal for NoJournal {
    fn before_open(&self, _: &PortSpec) {}
    fn after_open(&self, _: &PortSpec) {}
}

fn plane() -> DataplaneConfig {
    let port = |name: &str, poller, address: &str| PortSpec {
        name: name.into(),
        device: String::new(),
        netns: None,
        xdp: Default::default(),
        mtu: None,
        rx_ring: None,
        addresses: PortAddresses {
            ipv4: Some((address.parse().unwrap(), 24)),
            ..PortAddresses::default()
        },
        vlan: None,
        pollers: vec![poller],
    };
    let poller = |(core, name): (usize, &str)| PollerSpec {
        name: name.into(),
        core,
        idle: Idle::Busy,
        rest: Rest::default(),
    };
    DataplaneConfig {
        without_iommu: false,
        ports: vec![
            port("a", 0, "10.9.1.1"),
            port("b", 1, "10.9.2.1"),
            port("c", 0, "10.9.3.1"),
        ],
        pollers: ["p0", "p1"].into_iter().enumerate().map(poller).collect(),
        port_busy: Duration::ZERO,
        journal: Arc::new(NoJournal),
    }
}

fn config(more: &str) -> Config {
    let text = "[[poller]]\nname = \"p0\"\nconverts = true\n[[poller]]\nname = \"p1\"\n\
                [[port]]\nname = \"a\"\ndevice = \"\"\npoller = \"p0\"\n\
                [[port]]\nname = \"b\"\ndevice = \"\"\npoller = \"p1\"\n\
                [[port]]\nname = \"c\"\ndevice = \"\"\npoller = \"p0\"\n";
    toml::from_str(&format!("{text}{more}")).unwrap()
}

impl Life {
    pub(crate) fn begin() -> Self {
        Self::with("")
    }

    /// A daemon with this in its configuration, too.
    pub(crate) fn with(more: &str) -> Self {
        Self::of(tempfile::tempdir().unwrap(), 1, more.to_owned())
    }

    /// The life of the next daemon on the same state directory.
    pub(crate) fn again(self) -> Self {
        self.again_after(|_| {})
    }

    /// As [`Self::again`], after a change of the state directory.
    pub(crate) fn again_after(self, change: impl FnOnce(&Path)) -> Self {
        let Self {
            actor,
            folder,
            more,
            ..
        } = self;
        drop(actor);
        change(folder.path());
        Self::of(folder, 2, more)
    }

    /// The state directory.
    pub(crate) fn state(&self) -> &Path {
        self.folder.path()
    }

    fn of(folder: TempDir, incarnation: u32, more: String) -> Self {
        let (world, machine) = World::start(&plane()).unwrap();
        let identity = Identity {
            incarnation,
            boot_id: "simulated".into(),
            versions: Versions {
                onaird: String::new(),
                dpdk: String::new(),
                kernel: String::new(),
            },
            started_at: world.clock().wall(),
        };
        let archive = open_archive(folder.path()).unwrap();
        let store = open_store(folder.path(), &who(0, 1)).unwrap();
        let config = config(&more);
        let graceful = Duration::from_millis(config.timeouts.graceful_ms);
        world.shutdown().configure(config.shutdown, graceful);
        let services = Services::new(config, identity, Box::new(machine), archive, store);
        let mut actor = Actor::new(services);
        actor.restore();
        Self {
            actor,
            world,
            connections: Vec::new(),
            opened: 0,
            folder,
            more,
            drained: None,
            is_over: false,
        }
    }

    /// The daemon is told to end: its users have until then.
    pub(crate) fn shut_down(&mut self, graceful: Duration) {
        let cause = EndCause::Request(who(0, 1));
        self.world.shutdown().begin(cause);
        self.take(Input::Command(ActorCommand::Announce));
        let (reply, drained) = sync_channel(1);
        self.drained = Some(drained);
        let deadline = self.world.clock().now() + graceful;
        let drain = Drain { deadline, reply };
        self.take(Input::Command(ActorCommand::Drain(drain)));
    }

    /// Lives until all sessions were ended, or given up; what came of them.
    pub(crate) fn end(&mut self) -> Drained {
        let until = self.world.clock().now() + PATIENCE;
        while !self.is_over {
            assert!(self.world.clock().now() < until, "no end");
            self.step_to(until);
            self.settle();
        }
        self.actor.end();
        self.drained.take().unwrap().recv().unwrap()
    }

    /// Asks as root, and lives until the answer.
    pub(crate) fn ask<O: ApiOperation>(
        &mut self,
        target: O::Target,
        input: O::Input,
    ) -> Result<O::Answer, Problem>
    where
        Action: From<Asked<O>>,
    {
        self.ask_as::<O>(&root(), target, input)
    }

    /// Asks, and lives until the answer.
    pub(crate) fn ask_as<O: ApiOperation>(
        &mut self,
        caller: &Caller,
        target: O::Target,
        input: O::Input,
    ) -> Result<O::Answer, Problem>
    where
        Action: From<Asked<O>>,
    {
        let answer = self.begin_to_ask::<O>(caller, target, input);
        self.wait(answer)
    }

    /// Asks, and lives on.
    pub(crate) fn begin_to_ask<O: ApiOperation>(
        &mut self,
        caller: &Caller,
        target: O::Target,
        input: O::Input,
    ) -> Awaited<O::Answer>
    where
        Action: From<Asked<O>>,
    {
        let (reply, answer) = Reply::new();
        let asked = Asked {
            caller: caller.clone(),
            target,
            input,
            at: self.world.clock().now(),
            reply,
        };
        self.take(Input::Action(Action::from(asked)));
        answer
    }

    /// Gives the actor a request of a connection, and lives until it answers.
    pub(crate) fn attach_action<T>(
        &mut self,
        action: impl FnOnce(Reply<T>) -> AttachAction,
    ) -> Result<T, Problem> {
        let (reply, answer) = Reply::new();
        self.take(Input::Attach(action(reply)));
        self.wait(answer)
    }

    /// Lives until the answer.
    pub(crate) fn wait<T>(&mut self, mut answer: Awaited<T>) -> Result<T, Problem> {
        let until = self.world.clock().now() + PATIENCE;
        loop {
            if let Some(answer) = answer.try_recv().expect("the actor answers") {
                return answer;
            }
            assert!(self.world.clock().now() < until, "no answer");
            self.step_to(until);
            self.settle();
        }
    }

    /// Gives the actor an input.
    pub(crate) fn take(&mut self, input: Input) {
        self.actor.take(input);
        self.settle();
    }

    /// Lives for so long.
    pub(crate) fn live(&mut self, time: Duration) {
        let until = self.world.clock().now() + time;
        while self.world.clock().now() < until {
            self.settle();
            self.step_to(until);
        }
        self.settle();
    }

    /// Works until nothing is left to do now.
    fn settle(&mut self) {
        while self.turn() {}
    }

    fn turn(&mut self) -> bool {
        self.actor.work();
        let mut worked = self.world.turn();
        let found = self.world.take_findings().into_iter();
        let mut inputs: VecDeque<Input> = found.map(Input::Finding).collect();
        let recorded = self.world.take_recorder_events().into_iter();
        inputs.extend(recorded.map(Input::Recorder));
        let kicks = self.connections.iter().flat_map(Connection::kicks);
        inputs.extend(kicks);
        worked |= !inputs.is_empty();
        for input in inputs {
            self.actor.take(input);
        }
        while self.actor.take(Input::Pollers) {
            worked = true;
        }
        self.actor.examine_due();
        self.is_over |= self.actor.is_over();
        worked
    }

    fn step_to(&mut self, until: Instant) {
        let now = self.world.clock().now();
        let wake = self.actor.wake_at().max(now + Duration::from_millis(1));
        self.world.advance(wake.min(until).min(now + STEP));
    }

    /// Users that the shutdown waits for.
    pub(crate) fn users(&self) -> u64 {
        self.world.shutdown().status().users
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.clock().wall()
    }
}

pub(crate) fn who(uid: u32, pid: u32) -> Who {
    Who {
        uid,
        gid: uid,
        pid,
        command: "test".into(),
        via: Via::Control,
    }
}

pub(crate) fn root() -> Caller {
    Caller {
        who: who(0, 1),
        grant: Grant::Any,
        attach: Grant::Any,
        rank: Rank::Root,
        if_match: Vec::new(),
    }
}

/// A user that may do with its own sessions what it likes, and with those of others what `grant` says.
pub(crate) fn user(uid: u32, grant: Grant) -> Caller {
    Caller {
        who: who(uid, uid),
        grant,
        attach: grant,
        rank: Rank::Other,
        if_match: Vec::new(),
    }
}

/// A user that may do with its own sessions what it likes, and nothing with those of others.
pub(crate) fn owner(uid: u32) -> Caller {
    user(uid, Grant::OwnedBy(uid))
}

pub(crate) fn cam() -> SessionRef {
    "cam".parse().unwrap()
}

/// The specification of a session of small frames, in this direction, with more fields.
pub(crate) fn session(name: &str, direction: &str, more: serde_json::Value) -> NewSession {
    let mut body = json!({
        "name": name, "direction": direction, "port": "a",
        "video": {"width": 320, "height": 180, "frame_rate": "50/1", "depth": 8},
        "flow": {"destination": "239.9.1.1:5004"},
    });
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    let document: NewSessionDocument = serde_json::from_value(body).unwrap();
    document.try_into().unwrap()
}

/// The specification of the session `name` of the frames of `from` in a layout.
pub(crate) fn converted(name: &str, from: &str, layout: &str) -> NewSession {
    let body = json!({"name": name, "convert": {"from": from, "layout": layout}});
    let document: NewSessionDocument = serde_json::from_value(body).unwrap();
    document.try_into().unwrap()
}
