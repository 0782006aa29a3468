//! One life: the actor in its [`World`], driven as the daemon's driver does it. A call that waits lives on meanwhile, and
//! panics if what it waits for does not come.

pub mod client;
mod configuration;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use onair_api::operations::ApiOperation;
use onair_api::{Problem, Timestamp, Versions, Via, Who};
use onair_engine::actor::Actor;
use onair_engine::inputs::{
    Action, ActorCommand, ActorTask, Asked, AttachAction, Drain, Drained, Input,
};
use onair_engine::machine::{Charge, EndCause};
use onair_engine::services::reply::{Awaited, Reply};
use onair_engine::services::{Identity, Services};
use onair_settings::access::authority::{Caller, Grant};
use onair_shares::Rank;

use self::client::Connection;
use crate::{World, disk};
pub use configuration::{cam, converted, member, of_document, session};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(100);
/// Longest step of the clock: pollers look at it between two.
const STEP: Duration = Duration::from_millis(10);
/// Turns at one time, after which the control thread counts as spinning.
const TURNS: u32 = 5_000;

/// The actor, on a simulated machine with the ports `a`, `b` and `c`.
#[derive(Debug)]
pub struct Life {
    actor: Actor,
    /// Its surroundings.
    pub world: World,
    connections: Vec<Connection>,
    /// Connections that were opened.
    opened: u64,
    /// More of the configuration.
    more: String,
    incarnation: u32,
    step: Duration,
    drained: Option<Receiver<Drained>>,
    /// How often the control thread woke by itself.
    wakes: u64,
    /// When it wakes next.
    wake_at: Instant,
    /// All sessions were ended at a shutdown.
    is_over: bool,
    /// Memory that clients keep, for a daemon that takes over.
    left: Vec<(Charge, Vec<OwnedFd>)>,
}

impl Default for Life {
    fn default() -> Self {
        Self::begin()
    }
}

impl Life {
    /// A daemon with an empty state directory.
    #[must_use]
    pub fn begin() -> Self {
        Self::with("")
    }

    /// The same, with this in its configuration, too.
    #[must_use]
    pub fn with(more: &str) -> Self {
        disk::format();
        Self::of(1, more.to_owned())
    }

    /// The life of the next daemon on the same state directory.
    #[must_use]
    pub fn again(self) -> Self {
        self.again_after(|_| {})
    }

    /// As [`Self::again`], after [`Self::end`], for a daemon that takes over: it gets what clients keep.
    ///
    /// # Panics
    /// If the kernel refuses to map it.
    #[must_use]
    pub fn taken_over(mut self) -> Self {
        let left = std::mem::take(&mut self.left);
        let mut next = self.again();
        next.take(Input::Command(ActorCommand::Run(ActorTask::new(
            move |it| {
                for (charge, files) in left {
                    let inherited = it.pending_reclaim.inherit(it.machine.now(), charge, files);
                    inherited.expect("the kernel maps it");
                }
            },
        ))));
        next
    }

    /// As [`Self::again`], after a power cut: what the disk has not synced is gone.
    #[must_use]
    pub fn after_power_cut(self) -> Self {
        let left = disk::synced();
        self.again_after(|_| disk::power_on(left))
    }

    /// As [`Self::again`], after a change of the state directory.
    #[must_use]
    pub fn again_after(self, change: impl FnOnce(&StateFolder)) -> Self {
        let Self {
            actor,
            world,
            more,
            incarnation,
            step,
            ..
        } = self;
        drop(actor);
        let passed = world.passed();
        drop(world);
        disk::end_writers();
        change(&StateFolder);
        let mut next = Self::of_daemon(incarnation + 1, more, passed);
        next.step = step;
        next
    }

    /// The state directory.
    #[must_use]
    pub const fn state(&self) -> StateFolder {
        StateFolder
    }

    fn of(incarnation: u32, more: String) -> Self {
        Self::of_daemon(incarnation, more, Duration::ZERO)
    }

    fn of_daemon(incarnation: u32, more: String, passed: Duration) -> Self {
        disk::end_writers();
        let started = World::start(&configuration::dataplane());
        let (world, machine) = started.expect("the configuration is valid");
        world.pass(passed);
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
        let archive = disk::open_archive().expect("the disk works");
        let store = disk::open_store(&who(0, 1)).expect("the disk works");
        let config = configuration::config(&more);
        let graceful = Duration::from_millis(config.timeouts.graceful_ms);
        world.shutdown().configure(config.shutdown, graceful);
        let services = Services::new(config, identity, Box::new(machine), archive, store);
        let mut actor = Actor::new(services);
        actor.restore();
        let now = world.clock().now();
        let mut life = Self {
            actor,
            world,
            connections: Vec::new(),
            opened: 0,
            more,
            incarnation,
            step: STEP,
            drained: None,
            wakes: 0,
            wake_at: now,
            is_over: false,
            left: Vec::new(),
        };
        life.work();
        life.settle();
        life
    }

    /// The longest step of the clock from now on.
    pub const fn set_step(&mut self, step: Duration) {
        self.step = step;
    }

    /// The daemon is told to end: its users have until then.
    pub fn shut_down(&mut self, graceful: Duration) {
        let cause = EndCause::Request(who(0, 1));
        self.world.shutdown().begin(cause);
        self.take(Input::Command(ActorCommand::Announce));
        let (reply, drained) = sync_channel(1);
        self.drained = Some(drained);
        let deadline = self.world.clock().now() + graceful;
        let drain = Drain { deadline, reply };
        self.take(Input::Command(ActorCommand::Drain(drain)));
    }

    /// How often the control thread woke by itself.
    #[must_use]
    pub const fn wakes(&self) -> u64 {
        self.wakes
    }

    /// Whether all sessions were ended, or given up, after [`Self::shut_down`].
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Lives until all sessions were ended, or given up; what came of them.
    ///
    /// # Panics
    /// If they are not for long, or no shutdown was begun.
    pub fn end(&mut self) -> Drained {
        let until = self.world.clock().now() + PATIENCE;
        while !self.is_over {
            assert!(self.world.clock().now() < until, "no end");
            self.step_to(until);
            self.settle();
        }
        let left = &mut self.left;
        self.actor.end(|charge, files| left.push((charge, files)));
        let drained = self.drained.take().expect("a shutdown was begun");
        drained.recv().expect("the actor says what came of it")
    }

    /// Asks as root, and lives until the answer.
    ///
    /// # Errors
    /// The refusal.
    pub fn ask<O: ApiOperation>(
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
    ///
    /// # Errors
    /// The refusal.
    pub fn ask_as<O: ApiOperation>(
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
    pub fn begin_to_ask<O: ApiOperation>(
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
    ///
    /// # Errors
    /// The refusal.
    pub fn attach_action<T>(
        &mut self,
        action: impl FnOnce(Reply<T>) -> AttachAction,
    ) -> Result<T, Problem> {
        let answer = self.begin_attach_action(action);
        self.wait(answer)
    }

    /// Gives the actor a request of a connection, and lives on.
    pub fn begin_attach_action<T>(
        &mut self,
        action: impl FnOnce(Reply<T>) -> AttachAction,
    ) -> Awaited<T> {
        let (reply, answer) = Reply::new();
        self.take(Input::Attach(action(reply)));
        answer
    }

    /// Lives until the answer.
    ///
    /// # Errors
    /// The refusal.
    ///
    /// # Panics
    /// If there is none.
    pub fn wait<T>(&mut self, mut answer: Awaited<T>) -> Result<T, Problem> {
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
    pub fn take(&mut self, input: Input) {
        self.actor.take(input);
        self.actor.examine_due();
        self.work();
        self.settle();
    }

    /// Lives for so long.
    pub fn live(&mut self, time: Duration) {
        let until = self.world.clock().now() + time;
        self.settle();
        while self.world.clock().now() < until {
            self.step_to(until);
            self.settle();
        }
    }

    /// Works until nothing is left to do now.
    pub fn settle(&mut self) {
        let mut turns = 0;
        while self.turn() {
            turns += 1;
            assert!(turns < TURNS, "the control thread spins");
        }
    }

    /// Lets the world work, and the control thread, if there is something for it: it sleeps until then. Returns whether
    /// there was any work.
    fn turn(&mut self) -> bool {
        let mut worked = self.world.turn();
        while self.actor.take(Input::Pollers) {
            worked = true;
        }
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
        self.wake_at = self.actor.wake_at();
        let is_due = self.wake_at <= self.world.clock().now();
        self.wakes += u64::from(is_due);
        if worked || is_due || self.actor.has_work() {
            self.actor.examine_due();
            self.work();
            return true;
        }
        false
    }

    /// Work of the control thread before it sleeps.
    fn work(&mut self) {
        self.actor.work();
        self.is_over |= self.actor.is_over();
    }

    fn step_to(&mut self, until: Instant) {
        let now = self.world.clock().now();
        let wake = self.wake_at.max(now + Duration::from_millis(1));
        self.world.advance(wake.min(until).min(now + self.step));
    }

    /// Users that the shutdown waits for.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.world.shutdown().status().users
    }

    /// The wall clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.world.clock().wall()
    }
}

/// The files of the daemon's state directory, by their paths in it.
#[derive(Debug)]
pub struct StateFolder;

impl StateFolder {
    /// Gives a file or a folder another name.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn rename(&self, from: &str, to: &str) {
        disk::rename(&path(from), &path(to)).expect("it is there");
    }

    /// The bytes of a file.
    ///
    /// # Panics
    /// If there is none of that name.
    #[must_use]
    pub fn read(&self, name: &str) -> Vec<u8> {
        disk::read(&path(name)).expect("it is there")
    }

    /// Writes a file anew.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        disk::write(&path(name), bytes).expect("it is there");
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(disk::STATE).join(name)
}

/// A process of a user, on the control socket.
#[must_use]
pub fn who(uid: u32, pid: u32) -> Who {
    Who {
        uid,
        gid: uid,
        pid,
        command: "test".into(),
        via: Via::Control,
    }
}

/// Root, which may do anything.
#[must_use]
pub fn root() -> Caller {
    Caller {
        who: who(0, 1),
        grant: Grant::Any,
        attach: Grant::Any,
        rank: Rank::Root,
        if_match: Vec::new(),
    }
}

/// A user that may do with its own sessions what it likes, and with those of others what `grant` says.
#[must_use]
pub fn user(uid: u32, grant: Grant) -> Caller {
    Caller {
        who: who(uid, uid),
        grant,
        attach: grant,
        rank: Rank::Other,
        if_match: Vec::new(),
    }
}

/// A user that may do with its own sessions what it likes, and nothing with those of others.
#[must_use]
pub fn owner(uid: u32) -> Caller {
    user(uid, Grant::OwnedBy(uid))
}
