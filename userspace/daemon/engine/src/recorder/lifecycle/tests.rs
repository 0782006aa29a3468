use onair_api::Problem;

use super::*;
use crate::services::reply::Awaited;

const MS: Duration = Duration::from_millis(1);
const TAP: Duration = Duration::from_secs(1);
const FINISH: Duration = Duration::from_secs(5);
const LIMITS: LifecycleLimits = LifecycleLimits {
    tap: TAP,
    finish: FINISH,
};

/// A recording on a virtual clock, with what has become of it.
struct World {
    lifecycle: RecordingLifecycle<()>,
    now: Instant,
    start: Awaited<RecordingView>,
}

impl World {
    fn starting() -> Self {
        let (reply, start) = Reply::new();
        Self {
            lifecycle: RecordingLifecycle::new(reply),
            now: Instant::now(),
            start,
        }
    }

    fn running() -> Self {
        let mut world = Self::starting();
        assert_eq!(world.launch(true, false), ["started"]);
        world
    }

    fn cut() -> Self {
        let mut world = Self::running();
        let steps = world.event(LifecycleEvent::End(RecordingEnd::Stopped));
        assert_eq!(steps, ["cut", "fetch"]);
        world
    }

    fn finishing() -> Self {
        let mut world = Self::cut();
        assert_eq!(world.event(LifecycleEvent::Untapped), ["finish stopped"]);
        world
    }

    fn launch(&mut self, has_session: bool, is_shutdown: bool) -> Vec<String> {
        self.event(LifecycleEvent::Launched {
            active: (),
            has_session,
            is_shutdown,
        })
    }

    fn event(&mut self, event: LifecycleEvent<()>) -> Vec<String> {
        let steps = self.lifecycle.handle(event, self.now, LIMITS);
        steps.into_iter().map(Self::name).collect()
    }

    /// Names a step, and answers as the control thread does.
    fn name(step: LifecycleStep<()>) -> String {
        match step {
            LifecycleStep::Started(_) => "started".to_owned(),
            LifecycleStep::End(why) => format!("end {why}"),
            LifecycleStep::Cut(()) => "cut".to_owned(),
            LifecycleStep::FetchTap => "fetch".to_owned(),
            LifecycleStep::Finish((), why) => format!("finish {why}"),
            LifecycleStep::Look(()) => "look".to_owned(),
            LifecycleStep::LookForEnd(()) => "look for end".to_owned(),
            LifecycleStep::Degraded(reason) => format!("degraded: {reason}"),
            LifecycleStep::Resumed => "resumed".to_owned(),
            LifecycleStep::Late(_) => "late".to_owned(),
            LifecycleStep::Ended(stops) => format!("ended, {} wait", stops.len()),
        }
    }

    fn look(&mut self, reason: Option<&str>, ring_full: u64) -> Vec<String> {
        self.event(LifecycleEvent::Looked(RecordingCheck {
            reason: reason.map(str::to_owned),
            ring_full,
            end: None,
        }))
    }

    fn stop(&mut self) -> (Vec<String>, Awaited<RecordingView>) {
        let (reply, stopped) = Reply::new();
        (self.event(LifecycleEvent::Stop(reply)), stopped)
    }

    fn time(&mut self, after: Duration, is_look: bool) -> Vec<String> {
        self.now += after;
        self.event(LifecycleEvent::Time { is_look })
    }
}

#[test]
fn recording_ends_once_and_for_the_first_reason() {
    let mut world = World::cut();
    assert_eq!(world.lifecycle.end(), Some(RecordingEnd::Stopped));
    let again = || LifecycleEvent::End(RecordingEnd::Shutdown);
    assert_eq!(world.event(again()), [""; 0]);
    assert_eq!(world.event(LifecycleEvent::Untapped), ["finish stopped"]);
    for event in [again(), LifecycleEvent::Untapped, LifecycleEvent::TapMoved] {
        assert_eq!(world.event(event), [""; 0]);
    }
    assert_eq!(world.event(LifecycleEvent::Over(None)), ["ended, 0 wait"]);
    assert_eq!(world.lifecycle.state(), RecordingState::Finished);
    assert_eq!(world.lifecycle.end(), Some(RecordingEnd::Stopped));
    for event in [
        again(),
        LifecycleEvent::SessionGone { is_shutdown: false },
        LifecycleEvent::Over(None),
    ] {
        assert_eq!(world.event(event), [""; 0]);
    }
}

#[test]
fn recording_asked_to_end_before_its_start_ends_after_it() {
    let mut world = World::starting();
    let (steps, mut stopped) = world.stop();
    assert_eq!(steps, [""; 0]);
    world.event(LifecycleEvent::End(RecordingEnd::SessionEnded));
    assert_eq!(world.lifecycle.end(), None);
    // Its requester gets the answer to the start before it ends.
    assert_eq!(world.launch(true, false), ["started", "end stopped"]);
    assert_eq!(world.lifecycle.state(), RecordingState::Recording);
    assert!(!matches!(stopped.try_recv(), Ok(Some(_))));
}

#[test]
fn recording_launched_without_its_session_or_at_shutdown_ends() {
    let launch = |has_session, is_shutdown| World::starting().launch(has_session, is_shutdown);
    assert_eq!(launch(false, false), ["started", "end session_ended"]);
    assert_eq!(launch(true, true), ["started", "end shutdown"]);
    assert_eq!(launch(false, true), ["started", "end shutdown"]);
    let mut world = World::starting();
    world.event(LifecycleEvent::End(RecordingEnd::Stopped));
    assert_eq!(world.launch(false, false), ["started", "end stopped"]);
    // The files exist once.
    assert_eq!(world.launch(true, false), [""; 0]);
}

#[test]
fn recording_not_started_then_each_requester_is_refused() {
    let mut world = World::starting();
    let (_, mut stopped) = world.stop();
    let World {
        lifecycle, start, ..
    } = world;
    for reply in lifecycle.refuse() {
        let full = Problem::new(onair_api::ProblemCode::DiskFailed, "full");
        reply.send(Err(full));
    }
    let mut start = start;
    for awaited in [&mut start, &mut stopped] {
        assert!(matches!(awaited.try_recv(), Ok(Some(Err(_)))));
    }
}

#[test]
fn tap_of_a_cut_recording_is_fetched_wherever_it_moves() {
    let mut world = World::cut();
    let back = |is_shutdown| LifecycleEvent::HandedBack { is_shutdown };
    for event in [back(false), back(true), LifecycleEvent::TapMoved] {
        assert_eq!(world.event(event), ["fetch"]);
    }
    assert_eq!(
        world.event(LifecycleEvent::SessionGone { is_shutdown: false }),
        ["fetch"]
    );
    assert_eq!(world.lifecycle.end(), Some(RecordingEnd::Stopped));
}

#[test]
fn recording_of_a_session_that_is_back_goes_on_until_shutdown() {
    let mut world = World::running();
    let back = |is_shutdown| LifecycleEvent::HandedBack { is_shutdown };
    assert_eq!(world.event(back(false)), [""; 0]);
    assert_eq!(world.event(LifecycleEvent::TapMoved), [""; 0]);
    assert_eq!(world.event(LifecycleEvent::Untapped), [""; 0]);
    assert_eq!(world.lifecycle.state(), RecordingState::Recording);
    assert_eq!(world.event(back(true)), ["cut", "fetch"]);
    assert_eq!(world.lifecycle.end(), Some(RecordingEnd::Shutdown));
    let mut world = World::running();
    let gone = world.event(LifecycleEvent::SessionGone { is_shutdown: false });
    assert_eq!(gone, ["cut", "fetch"]);
    assert_eq!(world.lifecycle.end(), Some(RecordingEnd::SessionEnded));
}

#[test]
fn tap_that_does_not_come_back_then_finished_without_it() {
    let mut world = World::cut();
    assert_eq!(world.lifecycle.wake_at(world.now), Some(world.now + TAP));
    assert_eq!(world.time(TAP - MS, true), [""; 0]);
    assert_eq!(world.time(MS, false), ["finish stopped"]);
    assert_eq!(world.event(LifecycleEvent::Untapped), [""; 0]);
}

#[test]
fn stop_not_done_in_time_then_late_and_the_recording_goes_on() {
    let mut world = World::running();
    let (steps, _first) = world.stop();
    assert_eq!(steps, ["cut", "fetch"]);
    world.event(LifecycleEvent::Untapped);
    world.now += 2 * MS;
    let (steps, _second) = world.stop();
    assert_eq!(steps, [""; 0]);
    let far = world.now + 2 * FINISH;
    assert_eq!(
        world.lifecycle.wake_at(far),
        Some(world.now - 2 * MS + FINISH)
    );
    assert_eq!(world.time(FINISH - 3 * MS, false), [""; 0]);
    assert_eq!(world.time(MS, false), ["late"]);
    assert_eq!(world.event(LifecycleEvent::Over(None)), ["ended, 1 wait"]);
    assert_eq!(world.lifecycle.wake_at(far), None);
}

#[test]
fn recording_is_looked_at_only_when_a_check_is_due() {
    let mut world = World::starting();
    assert_eq!(world.time(MS, true), [""; 0]);
    assert_eq!(world.lifecycle.wake_at(world.now), None);
    let look_at = world.now + 9 * MS;
    let mut world = World::running();
    assert_eq!(world.lifecycle.wake_at(look_at), Some(look_at));
    assert_eq!(world.time(MS, false), [""; 0]);
    assert_eq!(world.time(MS, true), ["look"]);
    let mut world = World::finishing();
    assert_eq!(world.lifecycle.wake_at(look_at), Some(look_at));
    assert_eq!(world.time(MS, false), [""; 0]);
    assert_eq!(world.time(MS, true), ["look for end"]);
}

#[test]
fn reason_that_comes_changes_or_goes_is_said_once() {
    let mut world = World::running();
    assert_eq!(world.look(None, 0), [""; 0]);
    assert_eq!(world.look(Some("full"), 0), ["degraded: full"]);
    assert_eq!(world.lifecycle.state(), RecordingState::Degraded);
    assert_eq!(world.lifecycle.degraded(), Some((&(), "full")));
    assert_eq!(world.look(Some("full"), 0), [""; 0]);
    assert_eq!(world.look(Some("gone"), 0), ["degraded: gone"]);
    assert_eq!(world.look(None, 0), ["resumed"]);
    assert_eq!(world.lifecycle.state(), RecordingState::Recording);
    assert_eq!(world.lifecycle.degraded(), None);
    assert_eq!(world.look(None, 0), [""; 0]);
}

#[test]
fn ring_that_was_full_then_degraded_until_it_is_calm() {
    let mut world = World::running();
    assert_eq!(world.look(None, 3), [format!("degraded: {TOO_SLOW}")]);
    // The disk's own reason is the better one.
    assert_eq!(world.look(Some("full"), 4), ["degraded: full"]);
    assert_eq!(world.look(None, 5), [format!("degraded: {TOO_SLOW}")]);
    world.now += Duration::from_secs(3600);
    assert_eq!(world.look(None, 5), ["resumed"]);
}

#[test]
fn recording_at_its_own_end_then_ended_and_not_too_slow() {
    let mut world = World::running();
    let at_its_end = || {
        LifecycleEvent::Looked(RecordingCheck {
            reason: None,
            ring_full: 7,
            end: Some(RecordingEnd::DurationReached),
        })
    };
    assert_eq!(world.event(at_its_end()), ["end duration_reached"]);
    let cut = world.event(LifecycleEvent::End(RecordingEnd::DurationReached));
    assert_eq!(cut, ["cut", "fetch"]);
    // It was looked at before it was cut.
    assert_eq!(world.event(at_its_end()), [""; 0]);
}

#[test]
fn recording_that_failed_then_failed_with_the_reason() {
    let mut world = World::finishing();
    assert_eq!(world.lifecycle.state(), RecordingState::Finishing);
    let (_, _stopped) = world.stop();
    let failed = LifecycleEvent::Over(Some("no disk".to_owned()));
    assert_eq!(world.event(failed), ["ended, 1 wait"]);
    assert_eq!(world.lifecycle.state(), RecordingState::Failed);
    assert_eq!(world.lifecycle.reason(), Some("no disk"));
    assert!(world.lifecycle.active().is_some());
    // Degraded before, and complete all the same.
    let mut world = World::running();
    world.look(Some("slow"), 0);
    world.event(LifecycleEvent::End(RecordingEnd::Stopped));
    world.event(LifecycleEvent::Untapped);
    world.event(LifecycleEvent::Over(None));
    assert_eq!(world.lifecycle.state(), RecordingState::Finished);
    assert_eq!(world.lifecycle.reason(), None);
}
