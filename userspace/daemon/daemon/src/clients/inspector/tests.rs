use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use onair_engine::clients::inspection::{SiteLook, Sites as _, site_finding};
use onair_engine::clients::processes::Processes;
use onair_probe::{Blind, SiteReading};
use onair_session::{Event, SiteFinding};

use super::{ArmedSites, *};

const LONG: Duration = Duration::from_secs(600);

/// A look that runs `first` and whose finding carries `session`.
fn inspection(about: u64, session: u64, first: impl FnOnce() + Send + 'static) -> Inspection {
    let finding = |found| {
        move |_: &dyn Processes| Finding::Core {
            session,
            event: Box::new(Event::SitesLookedAt {
                attachment: 0,
                asked_at: Instant::now(),
                cost: Duration::ZERO,
                found,
            }),
        }
    };
    let found = finding(SiteFinding::Armed);
    Inspection {
        about,
        limit: LONG,
        look: InspectionTask::Alone(Box::new(move |processes| {
            first();
            found(processes)
        })),
        late: Box::new(finding(SiteFinding::Blind("late".into()))),
    }
}

fn next(findings: &mut UnboundedReceiver<Finding>) -> (u64, bool) {
    match findings.blocking_recv() {
        Some(Finding::Core { session, event }) => match *event {
            Event::SitesLookedAt { found, .. } => (session, found == SiteFinding::Armed),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// A look that hangs until the sender is dropped, and a signal that it has begun.
fn hanging() -> (impl FnOnce() + Send, Sender<()>, Receiver<()>) {
    let (release, held) = channel::<()>();
    let (sender, begun) = channel();
    let hang = move || {
        sender.send(()).unwrap();
        let _ = held.recv();
    };
    (hang, release, begun)
}

#[test]
fn questions_of_one_slow_process_then_others_are_answered_first() {
    let mut inspector = Inspector::start().unwrap();
    let mut findings = inspector.take_findings();
    let (hang, release, begun) = hanging();
    inspector.ask(inspection(1, 1, hang));
    begun.recv().unwrap();
    for session in 2..10 {
        // After the first one, even if other threads are free.
        inspector.ask(inspection(1, session, || ()));
    }
    for process in 2..50 {
        inspector.ask(inspection(process, 100, || ()));
    }
    for _ in 2..50 {
        assert_eq!(next(&mut findings), (100, true));
    }
    drop(release);
    for session in 1..10 {
        assert_eq!(next(&mut findings), (session, true));
    }
}

#[test]
fn look_hangs_then_given_up_and_asked_again_once_it_returned() {
    let mut inspector = Inspector::start().unwrap();
    let mut findings = inspector.take_findings();
    let (hang, release, begun) = hanging();
    inspector.ask(inspection(1, 1, hang));
    begun.recv().unwrap();
    inspector.ask(inspection(1, 2, || ()));
    let late = inspector.wake_at().expect("one runs");
    inspector.expire(late - Duration::from_secs(1));
    inspector.expire(late);
    assert_eq!(next(&mut findings), (1, false));
    assert_eq!(next(&mut findings), (2, false));
    assert_eq!(inspector.wake_at(), None);
    inspector.ask(inspection(1, 3, || ()));
    assert_eq!(next(&mut findings), (3, false), "it still hangs");
    drop(release);
    loop {
        inspector.ask(inspection(1, 4, || ()));
        match next(&mut findings) {
            (4, true) => break,
            (4, false) => std::thread::yield_now(),
            other => panic!("{other:?}: a late answer was given twice"),
        }
    }
}

#[test]
fn host_absent_amid_a_look_then_it_has_as_much_time_again() {
    let mut inspector = Inspector::start().unwrap();
    let mut findings = inspector.take_findings();
    let (hang, _release, begun) = hanging();
    inspector.ask(inspection(1, 1, hang));
    begun.recv().unwrap();
    let late = inspector.wake_at().expect("one runs") + Duration::from_millis(600);
    inspector.expire(late);
    let again = inspector.wake_at().expect("it still runs");
    assert_eq!(again, late + Duration::from_millis(600));
    inspector.expire(again);
    assert_eq!(next(&mut findings), (1, false));
}

#[test]
fn looks_of_many_processes_hang_then_the_next_is_late_at_once() {
    let mut inspector = Inspector::start().unwrap();
    let mut findings = inspector.take_findings();
    let mut held = Vec::new();
    // The last four that hang are not replaced any more.
    for process in 0..u64::try_from(MAX_HANGING + THREADS - 1).unwrap() {
        let (hang, release, begun) = hanging();
        inspector.ask(inspection(process, 1, hang));
        begun.recv().unwrap();
        inspector.expire(inspector.wake_at().expect("one runs"));
        assert_eq!(next(&mut findings), (1, false));
        held.push(release);
    }
    inspector.ask(inspection(1000, 2, || ()));
    assert_eq!(next(&mut findings), (2, false));
    drop(held);
    loop {
        inspector.ask(inspection(1000, 3, || ()));
        if next(&mut findings) == (3, true) {
            break;
        }
        std::thread::yield_now();
    }
}

/// A question about the sites of this process, which says its number when it is answered.
fn sites(look: Box<dyn SiteLook>, number: u64, then: impl FnOnce() + Send + 'static) -> Inspection {
    let tell = move |seen: Result<SiteReading, Blind>, cost| {
        then();
        Finding::Core {
            session: number,
            event: Box::new(Event::SitesLookedAt {
                attachment: 0,
                asked_at: Instant::now(),
                cost,
                found: site_finding(seen),
            }),
        }
    };
    Inspection {
        about: 1,
        limit: LONG,
        look: InspectionTask::Sites(look, Box::new(tell)),
        late: Box::new(|_| Finding::Told),
    }
}

fn numbers(findings: &mut UnboundedReceiver<Finding>) -> Vec<u64> {
    let Some(Finding::Several(all)) = findings.blocking_recv() else {
        panic!("not about sites");
    };
    let number = |it| match it {
        Finding::Core { session, .. } => session,
        other => panic!("{other:?}"),
    };
    all.into_iter().map(number).collect()
}

#[test]
fn sites_asked_for_during_a_look_then_the_next_one_answers_all() {
    let config = onair_probe::ProbeConfig::new(|session, argument| {
        onair_ipc::site::between(session, argument, &mut || {});
    });
    let probe = onair_probe::Probe::start(config).expect("these tests need root");
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    let armed = runtime.block_on(probe.arm(std::process::id())).unwrap();
    let armed = ArmedSites(armed.checker);
    let mut inspector = Inspector::start().unwrap();
    let mut findings = inspector.take_findings();
    let (hang, release, begun) = hanging();
    inspector.ask(sites(armed.look(), 1, hang));
    begun.recv().unwrap();
    inspector.ask(sites(armed.look(), 2, || ()));
    inspector.ask(inspection(1, 3, || ()));
    inspector.ask(sites(armed.look(), 4, || ()));
    drop(release);
    assert_eq!(numbers(&mut findings), [1]);
    assert_eq!(numbers(&mut findings), [2, 4]);
    assert_eq!(next(&mut findings), (3, true));
}
