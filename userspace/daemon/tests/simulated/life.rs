//! One life: the actor in its world.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use onair_api::operations::ApiOperation;
use onair_api::{NewSession, NewSessionDocument, Problem, Timestamp, Versions, Via, Who};
use onair_dataplane::{
    DataplaneConfig, Idle, PollerSpec, PortAddresses, PortJournal, PortSpec, Rest,
};
use onair_engine::services::reply::{Awaited, Reply};
use onair_engine::services::{Identity, Services};
use onair_probe::share::Rank;
use onair_settings::access::authority::{Caller, Grant};
use onair_settings::config::{Config, ShutdownConfig};
use onair_sim_machine::{World, open_archive, open_store};
use onair_workers::ThreadRegistry;
use onaird::control::action::{Action, Asked};
use onaird::control::actor::Actor;
use onaird::control::attach::AttachAction;
use onaird::control::command::{ActorCommand, Drain};
use onaird::control::inputs::Input;
use onaird::recorder::{Live, Recorder};
use onaird::shutdown::{Cause, ShutdownCoordinator};
use serde_json::json;
use tempfile::TempDir;

use crate::client::Connection;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(100);
/// Longest step of the clock: pollers look at it between two.
const STEP: Duration = Duration::from_millis(10);

/// The actor, on a simulated machine with the ports `a` and `b`.
pub(crate) struct Life {
    actor: Actor,
    pub(crate) world: World,
    pub(crate) connections: Vec<Connection>,
    folder: TempDir,
    shutdown: ShutdownCoordinator,
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
        dma: None,
    };
    DataplaneConfig {
        eal: Default::default(),
        ports: vec![port("a", 0, "10.9.1.1"), port("b", 1, "10.9.2.1")],
        pollers: ["p0", "p1"].into_iter().enumerate().map(poller).collect(),
        port_busy: Duration::ZERO,
        journal: Arc::new(NoJournal),
    }
}

fn config() -> Config {
    let text = "[[poller]]\nname = \"p0\"\n[[poller]]\nname = \"p1\"\n\
                [[port]]\nname = \"a\"\ndevice = \"\"\npoller = \"p0\"\n\
                [[port]]\nname = \"b\"\ndevice = \"\"\npoller = \"p1\"\n";
    toml::from_str(text).unwrap()
}

impl Life {
    pub(crate) fn begin() -> Self {
        Self::of(tempfile::tempdir().unwrap(), 1)
    }

    /// The life of the next daemon on the same state directory.
    pub(crate) fn again(self) -> Self {
        let Self { actor, folder, .. } = self;
        drop(actor);
        Self::of(folder, 2)
    }

    fn of(folder: TempDir, incarnation: u32) -> Self {
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
        let services = Services::new(config(), identity, Box::new(machine), archive, store);
        let threads = ThreadRegistry::default();
        let recordings = folder.path().join("recordings");
        let recorder = Recorder::new(recordings, Live::default(), threads, incarnation);
        let shutdown = ShutdownCoordinator::new(ShutdownConfig::default()).unwrap();
        let mut actor = Actor::new(services, recorder, shutdown.clone());
        actor.restore();
        Self {
            actor,
            world,
            connections: Vec::new(),
            folder,
            shutdown,
            is_over: false,
        }
    }

    /// The daemon is told to end: its users have until then.
    pub(crate) fn shut_down(&mut self, graceful: Duration) {
        self.shutdown.begin(Cause::Request(who(0, 1)));
        // The coordinator's thread, which reads the answer, is not here.
        let (reply, _) = sync_channel(1);
        let deadline = self.world.clock().now() + graceful;
        let drain = Drain { deadline, reply };
        self.take(Input::Command(ActorCommand::Drain(drain)));
    }

    /// Lives until all sessions were ended.
    pub(crate) fn end(&mut self) {
        let until = self.world.clock().now() + PATIENCE;
        while !self.is_over {
            assert!(self.world.clock().now() < until, "no end");
            self.step_to(until);
            self.settle();
        }
        self.actor.end();
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
        let answer = self.begin_to_ask::<O>(&root(), target, input);
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
        let mut inputs: VecDeque<Input> = self
            .world
            .take_findings()
            .into_iter()
            .map(Input::Finding)
            .collect();
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
