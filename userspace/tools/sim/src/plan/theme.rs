//! Lives that look for one kind of fault: what leads to it is rare by chance alone.

use super::{Adversity, Death, Deed, DeedKind, End, Plan};

pub(super) type Below<'a> = &'a mut dyn FnMut(u64) -> usize;

/// Gives the plan one of them.
pub(super) fn add_to(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    match below(12) {
        0 => race_for_frames(plan, hard, below),
        1 => die_as_the_last(plan, below),
        2 => die_when_asked(plan, hard, below),
        3 => die_at_a_start(plan, below),
        4 => head_goes_back(plan, hard, below),
        5 => flush_of_a_dead_poller(plan, below),
        6 | 7 => stops_amid_refusals(plan, hard, below),
        8 => evict_amid_calls(plan, below),
        9 => kill_the_daemon(plan, below),
        10 => be_seen_in_its_turn(plan, hard),
        _ => leave_amid_calls(plan, hard, below),
    }
}

/// Threads want the same frame; the ones without it die asleep.
fn race_for_frames(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    hard.slow_at = vec!["take.looked", "take.intended"];
    for client in clients(plan) {
        client.passes_on = true;
        client.threads = 5;
        client.is_watched = true;
    }
    let asleep = ["wait.before_sleep", "wait.slept", "wait.listened"];
    plan.death = dies_at(asleep[below(3)], [3, 10][below(2)]);
}

/// A thread dies as it leaves a stopped session, perhaps with the kick.
fn die_as_the_last(plan: &mut Plan, below: Below<'_>) {
    for client in clients(plan) {
        (client.is_watched, client.spins, client.passes_on) = (true, false, false);
    }
    let leaving = ["kick.taken", "kick.taken", "wait.left", "bounce.left"];
    plan.death = dies_at(leaving[below(4)], 1);
}

/// A helper looks at threads that have a frame, pass it on, and die in their next call.
fn die_when_asked(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    hard.slow_at = vec!["take.taken", "call.served", "wait.served"];
    hard.dies_when_asked = true;
    (plan.delay, plan.frame_pause) = (2_000_000, 5_000);
    for client in clients(plan) {
        (client.passes_on, client.threads) = (true, 3);
    }
    add(plan, below, &[DeedKind::LookForDead; 12], 200_000);
}

/// Threads that a start woke die before they wake the others.
fn die_at_a_start(plan: &mut Plan, below: Below<'_>) {
    for client in clients(plan) {
        (client.threads, client.is_watched, client.spins) = (5, true, false);
    }
    plan.death = dies_at(["started.slept", "started.seen"][below(2)], 1);
    add(plan, below, &[DeedKind::Bounce; 4], 300_000);
}

/// Slow threads move the head of the ring back, to frames that their process keeps.
fn head_goes_back(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    hard.slow_at = vec!["take.tried"];
    plan.frame_pause = 1;
    for client in clients(plan) {
        (client.passes_on, client.threads, client.is_watched) = (true, 2, true);
        client.is_slow = true;
    }
    let label = ["wait.before_sleep", "wait.slept"][below(2)];
    plan.death = dies_at(label, [1, 3, 10, 30][below(4)]);
}

/// A poller dies that has not collected what a flush waits for.
fn flush_of_a_dead_poller(plan: &mut Plan, below: Below<'_>) {
    use DeedKind::{Attach, Flush, HangPoller, KillPoller};
    for session in &mut plan.sessions {
        session.sends = true;
        let first = session.clients[0];
        session.clients[0].comes_later = false;
        session.clients.push(super::ClientPlan {
            comes_later: true,
            ..first
        });
    }
    let session = below(plan.sessions.len() as u64);
    let at = below(plan.deeds.len() as u64 + 1);
    let deeds = [
        (HangPoller, 50_000),
        (Attach, 100),
        (Flush, 900_000),
        (KillPoller, 100),
    ];
    let deeds = deeds.map(|(kind, longest)| deed(kind, session, 3 * below(20), below(longest)));
    plan.deeds.splice(at..at, deeds);
}

/// Threads that call on and on are refused by one stop after the other, and slow to leave.
fn stops_amid_refusals(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    use DeedKind::{Start, Stop};
    hard.slow_at = vec!["bounce.acknowledged"];
    (hard.has_pool, hard.watches) = (false, false);
    for client in clients(plan) {
        (client.spins, client.is_watched, client.passes_on) = (true, true, false);
        client.threads = 1 + below(2);
    }
    plan.deeds.clear();
    (plan.late, plan.in_turn, plan.end) = (0, false, End::OneByOne);
    add(plan, below, &[Stop, Start, Stop, Start], 30_000);
}

/// A client is evicted whose threads always find a frame, so that they never sleep.
fn evict_amid_calls(plan: &mut Plan, below: Below<'_>) {
    plan.frame_pause = 1;
    for client in clients(plan) {
        (client.is_plain, client.threads, client.is_slow) = (true, 3, false);
    }
    let sessions = plan.sessions.len();
    for session in 0..sessions {
        let kind = [DeedKind::Evict, DeedKind::EvictAll][below(2)];
        let first = deed(kind, session, below(32), below(40_000));
        plan.deeds.insert(0, first);
    }
}

/// The daemon is killed under many sleepers.
fn kill_the_daemon(plan: &mut Plan, below: Below<'_>) {
    plan.frame_pause = 2_000_000;
    clients(plan).for_each(|it| it.threads = 5);
    plan.late = 0;
    let at = below(plan.deeds.len() as u64 + 1);
    let killed = deed(DeedKind::KillDaemon, 0, 0, below(3_000_000));
    plan.deeds.insert(at, killed);
}

/// Callers that are about to be refused are seen when it is their session's turn to end.
fn be_seen_in_its_turn(plan: &mut Plan, hard: &mut Adversity) {
    hard.slow_at = vec!["call.counted", "call.gates_read"];
    (plan.in_turn, plan.end, plan.late) = (true, End::OneByOne, 0);
    for client in clients(plan) {
        (client.spins, client.threads) = (true, 3);
    }
}

/// Processes hang up while their threads are in calls.
fn leave_amid_calls(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    hard.slow_at = vec!["call.gates_read", "take.taken", "ring.struck"];
    (hard.leaves_at_once, hard.withholds) = (true, 64);
    (plan.frame_pause, plan.stalls) = (1, 600);
    for client in clients(plan) {
        (client.threads, client.spins) = (5, false);
        client.taken_slots = [0, 40][below(2)];
    }
    use DeedKind::{HangUp, Pause};
    add(plan, below, &[Pause, HangUp, HangUp, HangUp], 30_000);
}

pub(super) fn clients(plan: &mut Plan) -> impl Iterator<Item = &mut super::ClientPlan> {
    plan.sessions.iter_mut().flat_map(|it| &mut it.clients)
}

pub(super) fn dies_at(label: &'static str, pass: u32) -> Option<Death> {
    Some(Death {
        label,
        pass,
        is_of_process: false,
        times: 4,
    })
}

/// Adds deeds to one session, before the others.
pub(super) fn add(plan: &mut Plan, below: Below<'_>, kinds: &[DeedKind], longest: u64) {
    let session = below(plan.sessions.len() as u64);
    let mut deeds = Vec::new();
    for kind in kinds {
        deeds.push(deed(*kind, session, 2 * below(32), below(longest)));
    }
    plan.deeds.splice(0..0, deeds);
}

pub(super) fn deed(kind: DeedKind, session: usize, which: usize, after: usize) -> Deed {
    Deed {
        after: after as u64,
        kind,
        session,
        which,
    }
}
