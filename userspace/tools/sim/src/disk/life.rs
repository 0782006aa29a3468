//! One life, from the first daemon to the last one, which must find all that was promised.

use std::rc::Rc;

use onair_sim_kernel as kernel;
use onair_sim_kernel::{Mortal, Outcome, chance, sleep, unpark};

use super::device::{Device, Health, device, kill};
use super::plan::{DiskDeed, DiskDeedKind, DiskPlan};
use super::{Request, STATE, Scene, promises, scene, service, trace, violation};
use crate::life::{Report, message};

/// Steps after which a life counts as endless.
const STEPS: u64 = 3_000_000;
const SECOND: u64 = 1_000_000_000;

/// Lives the life of `plan`.
#[must_use]
pub(crate) fn live(plan: &DiskPlan, is_traced: bool) -> Report {
    kernel::boot(plan.seed, plan.stay, 0);
    promises::begin();
    scene(|it| {
        *it = Scene {
            is_traced,
            ..Scene::default()
        }
    });
    device(|it| {
        *it = Device {
            write_back: plan.write_back,
            health: Health {
                sync_fails: if plan.is_flaky { 64 } else { 0 },
                fails: if plan.is_flaky { 4 } else { 0 },
                ..Health::default()
            },
            ..Device::default()
        }
    });
    let plan = Rc::new(plan.clone());
    kernel::spawn(vec![], move || operate(&plan));
    match kernel::run(STEPS, || scene(|it| it.violations.is_empty())) {
        Outcome::Done => {}
        Outcome::Exhausted if scene(|it| !it.violations.is_empty()) => {}
        Outcome::Exhausted => violation("it makes too many steps".into()),
        Outcome::Stuck => violation("tasks wait for ever".into()),
        Outcome::Panicked(_, panic) => violation(format!("panic: {}", message(&*panic))),
    }
    let (events, ns) = (kernel::steps(), kernel::now_ns());
    kernel::shut_down();
    let scene = scene(std::mem::take);
    Report {
        sessions: Vec::new(),
        died_at: None,
        events,
        violations: scene.violations,
        trace: scene.trace,
        ns,
    }
}

/// The operators, and what happens to disk and daemon.
fn operate(plan: &Rc<DiskPlan>) {
    start(plan);
    for deed in &plan.deeds {
        sleep(deed.after);
        act(plan, *deed);
    }
    device(|it| it.health = Health::default());
    // The longest pause between two tries is a minute.
    sleep(130 * SECOND);
    send(Request::Check);
    until("an answer", 10, || scene(|it| it.unwritten.is_some()));
    if let Some(unwritten) = scene(|it| it.unwritten.take())
        && !unwritten.is_empty()
    {
        violation(format!(
            "the disk works, and this is not on it: {unwritten}"
        ));
    }
    promises::told_all();
    end(plan, true);
    until("the last daemon", 100, || scene(|it| it.is_ready));
    kill();
}

fn act(plan: &Rc<DiskPlan>, deed: DiskDeed) {
    use DiskDeedKind as Kind;
    let health = |change: fn(&mut Health, u64)| device(|it| change(&mut it.health, deed.which));
    match deed.kind {
        Kind::Fill => health(|it, _| it.is_full = true),
        Kind::Empty => health(|it, _| it.is_full = false),
        Kind::Break => health(|it, which| {
            it.sync_fails = which * 2;
            it.fails = which / 2;
        }),
        Kind::Slow => health(|it, which| it.hangs = which),
        Kind::Mend => health(|it, _| *it = Health::default()),
        Kind::Kill | Kind::CutPower => {
            match deed.which {
                soon @ 0..32 => device(|it| it.dies_in = Some(soon)),
                _ => scene(|it| it.dies_at_answer = true),
            }
            if deed.which > 0 {
                let daemon = device(|it| it.daemon.clone());
                wait(if deed.which < 32 { 3 } else { 8 }, || daemon.is_dead());
            }
            end(plan, deed.kind == Kind::CutPower);
        }
        Kind::Restart => {
            send(Request::Shutdown);
            let daemon = device(|it| it.daemon.clone());
            wait(60, || scene(|it| it.has_ended) || daemon.is_dead());
            end(plan, chance(1, 2));
        }
        Kind::Damage => {
            kill();
            let all = device(|it| {
                let folders = ["sessions", "certificates"];
                let all = folders.map(|it| std::path::Path::new(STATE).join(it));
                all.map(|folder| it.platter.in_folder(&folder)).concat()
            });
            if !all.is_empty() {
                let path = &all[usize::try_from(deed.which).unwrap_or(0) % all.len()];
                device(|it| it.platter.damage(path));
                let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
                promises::damaged(&name.unwrap_or_default());
                trace(|| format!("damaged: {}", path.display()));
            }
            start(plan);
        }
        _ => send(Request::Deed(deed)),
    }
}

fn send(request: Request) {
    let control = scene(|it| {
        it.requests.push_back(request);
        it.control
    });
    if let Some(control) = control {
        unpark(control);
    }
}

/// Waits for so many seconds at most. Returns whether it is so.
fn wait(seconds: u64, is_so: impl Fn() -> bool) -> bool {
    for _ in 0..seconds * 10 {
        if is_so() {
            return true;
        }
        sleep(SECOND / 10);
    }
    is_so()
}

fn until(what: &str, seconds: u64, is_so: impl Fn() -> bool) {
    if !wait(seconds, is_so) {
        violation(format!("{what} does not come"));
    }
}

/// The daemon dies, perhaps with the machine, and another one starts.
fn end(plan: &Rc<DiskPlan>, is_power_cut: bool) {
    kill();
    trace(|| format!("dead; power cut: {is_power_cut}"));
    if is_power_cut {
        device(|it| it.platter.cut_power());
    }
    start(plan);
}

fn start(plan: &Rc<DiskPlan>) {
    let mortal = Mortal::default();
    device(|it| {
        it.daemon = mortal.clone();
        it.dies_in = None;
    });
    scene(|it| {
        it.requests.clear();
        it.is_ready = false;
        it.has_ended = false;
        it.dies_at_answer = false;
        it.control = None;
    });
    let plan = Rc::clone(plan);
    let own = mortal.clone();
    kernel::spawn(vec![mortal], move || service::run(&plan, &own));
}
