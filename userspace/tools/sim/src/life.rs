//! One life, from the first client to the last certificate.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_sim_kernel::{self as kernel, Outcome};

use crate::daemon::{Commands, Control, poller};
use crate::mail::Mail;
use crate::plan::Plan;
use crate::world::{self, Session, World, trace, violation, world};
use crate::{beside, client, daemon, operator, oracle, replay, requests};

const FRAMES: u32 = 4;
/// Steps after which a life counts as endless.
const STEPS: u64 = 30_000_000;

/// How a life went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Steps, each a choice of the scheduler.
    pub events: u64,
    /// Broken invariants.
    pub violations: Vec<String>,
    /// Events of the life, if it was to be traced.
    pub trace: Vec<String>,
    /// The label at which a caller died.
    pub died_at: Option<&'static str>,
    /// Virtual time, ns.
    pub ns: u64,
    /// The traces of the sessions that ended, if it was to be traced: what a daemon would give.
    pub sessions: Vec<String>,
}

/// Lives the life of `plan`.
#[must_use]
pub fn live(plan: &Plan, is_traced: bool) -> Report {
    kernel::boot(plan.seed, plan.stay, plan.stalls);
    kernel::hamper(plan.adversity.late_wakes, plan.adversity.withholds);
    kernel::choose_memory(plan.adversity.memory);
    kernel::on_label(|name| {
        oracle::passed(name);
        client::hinder(name);
    });
    kernel::on_kick(crate::kernel::kicked);
    kernel::on_wake(oracle::woken);
    requests::begin();
    oracle::no_exit();
    let geometry = Geometry::new(FRAMES, 64).expect("valid");
    let frames = || FrameMemory::create(geometry, true).expect("memory");
    world::begin(World {
        plan: Rc::new(plan.clone()),
        clients: Vec::new(),
        sessions: (0..plan.sessions.len())
            .map(|_| Session {
                frames: frames(),
                is_over: false,
                is_quarantined: false,
                is_draining: false,
                lent: 0,
                stamps: Default::default(),
                sent_and_dropped: (0, 0),
                is_runtime_out: false,
                has_run: false,
                is_unwanted: false,
                is_closing: false,
                poller_dies: false,
                poller_hangs_until: 0,
                is_poller_dead: false,
                given_back: Vec::new(),
                poller: 0,
                has_stopped: false,
                calls: 0,
                is_empty: false,
                waits_for_users: false,
                is_settled: false,
            })
            .collect(),
        of_task: Default::default(),
        mail: Mail::default(),
        control: 0,
        is_daemon_dead: false,
        daemon: kernel::Mortal::default(),
        frames: Default::default(),
        passes: plan.death.map_or(0, |it| it.pass),
        deaths: plan.death.map_or(0, |it| it.times),
        died_at: None,
        is_ending: false,
        is_in_event: false,
        told_stale: Vec::new(),
        evicted: Vec::new(),
        loses_until: 0,
        violations: Vec::new(),
        trace: Vec::new(),
        is_traced,
    });
    populate(plan);
    run();
    if world(|world| world.violations.is_empty()) {
        oracle::check_released();
        beside::live(plan.seed);
    }
    let events = kernel::steps();
    daemon::refuse_rest();
    if world(|world| world.is_daemon_dead) {
        requests::clear();
    }
    requests::end();
    let ns = kernel::now_ns();
    kernel::shut_down();
    let world = world::end();
    Report {
        events,
        violations: world.violations,
        trace: world.trace,
        died_at: world.died_at,
        ns,
        sessions: replay::take(),
    }
}

fn populate(plan: &Plan) {
    let daemon = world(|world| world.daemon.clone());
    let mut number = 0;
    for (session, its) in plan.sessions.iter().enumerate() {
        let shared = world(|world| world.sessions[session].frames.clone());
        for client in &its.clients {
            number += 1;
            let frames = match its.sends {
                true => FrameMemory::create(shared.geometry(), false).expect("memory"),
                false => shared.clone(),
            };
            let client = client::new(number, session, *client, &frames, plan);
            world(|world| world.clients.push(client));
        }
    }
    let commands: Vec<Commands> = plan
        .sessions
        .iter()
        .map(|_| Rc::new(RefCell::new(VecDeque::new())))
        .collect();
    for (session, commands) in commands.iter().enumerate() {
        let (commands, frames) = (
            Rc::clone(commands),
            world(|world| world.sessions[session].frames.clone()),
        );
        let task = kernel::spawn(vec![daemon.clone()], move || {
            poller(session, &commands, &frames)
        });
        kernel::set_slowness(task, plan.poller_slowness);
        world(|world| world.sessions[session].poller = task);
    }
    let control = kernel::spawn(vec![daemon.clone()], move || Control::new(commands).run());
    world(|world| world.control = control);
    kernel::spawn(vec![], operator::operate);
}

fn run() {
    let mut backstops = 0;
    loop {
        match kernel::run(STEPS, oracle::idle) {
            Outcome::Done => return,
            Outcome::Exhausted if world(|world| !world.violations.is_empty()) => return,
            Outcome::Exhausted => {
                return violation("it makes too many steps".into());
            }
            Outcome::Panicked(task, panic) => {
                let message = message(&*panic);
                let of = world(|world| world.of_task.get(&task).copied());
                match of.filter(|of| world(|world| !world.clients[*of].is_honest())) {
                    // Its own words are not what its library expects.
                    Some(of) => {
                        trace(|| format!("a hostile process dies: {message}"));
                        crate::kernel::kill_process(of);
                    }
                    None => return violation(format!("panic: {message}")),
                }
            }
            Outcome::Stuck => {
                // A thread that died may have taken others' wake-up with it.
                backstops += 1;
                if backstops > 3 || kernel::fire_backstops() == 0 {
                    let asleep = kernel::sleepers();
                    return violation(format!("tasks wait for ever: {asleep:?}"));
                }
            }
        }
        if world(|world| !world.violations.is_empty()) {
            return;
        }
    }
}

/// The message of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&it| it.to_owned()));
    text.unwrap_or_else(|| "without a message".into())
}
