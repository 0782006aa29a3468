//! Stop, start and destroy under callers in processes of their own: what every one of them is told.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use onair_api::{Certificate, Says, StepName, Witness};
use onair_stage::time_scale;
use onair_tests::{Control, Rig, TestClient, blocked, cpu_time, wait_for};
use serde_json::Value;

const CALLERS: usize = 64;

/// Stop→start pulses under [`CALLERS`] callers: a thousand, or on a slow machine as many as take as
/// long.
fn pulses() -> u64 {
    1000 / u64::from(time_scale())
}

/// Threads that count the `EAGAIN`s that their waits are ended with.
struct Counting {
    test_client: TestClient,
    tids: BTreeSet<u32>,
}

impl Counting {
    fn start(rig: &Rig, session: &str) -> Result<Self> {
        let mut test_client = rig.user(session)?;
        let answer = test_client.say(format_args!("count-stops {CALLERS}"))?;
        let tids = serde_json::from_value(answer["tids"].clone())?;
        Ok(Self { test_client, tids })
    }

    /// Waits until each thread has counted `expected` and sleeps in its next wait. A count that is
    /// higher at any time is an error.
    fn settle(&mut self, expected: u64) -> Result<()> {
        let Self { test_client, tids } = self;
        wait_for(
            format_args!("{CALLERS} callers with {expected} EAGAINs each, asleep again"),
            30,
            || {
                let answer = test_client.say("counts")?;
                let counts: Vec<u64> = serde_json::from_value(answer["counts"].clone())?;
                ensure!(
                    counts.iter().all(|count| *count <= expected),
                    "a stop was told twice: {expected} expected, {counts:?}"
                );
                let all = counts.len() == CALLERS && counts.iter().all(|it| *it == expected);
                // Counted first, then seen asleep: it sleeps in the wait after the last count.
                Ok(all && blocked(test_client.pid())?.is_superset(tids))
            },
        )
    }
}

/// What every certificate of an orderly end says.
fn in_order(certificate: &Certificate) {
    for reading in &certificate.readings {
        if reading.witness != Witness::W4 {
            assert_eq!(reading.says, Says::Zero, "{reading:?}");
        }
    }
    assert!(certificate.reconciled.is_empty(), "{certificate:#?}");
    assert!(certificate.disagreements.is_empty(), "{certificate:#?}");
    let steps: Vec<StepName> = certificate.steps.iter().map(|step| step.step).collect();
    for step in [
        StepName::GatesClosed,
        StepName::PollersQuiesced,
        StepName::LastUserLeft,
    ] {
        assert!(steps.contains(&step), "{steps:?}");
    }
    assert!(
        certificate.steps.is_sorted_by_key(|step| step.monotonic_ns),
        "{:#?}",
        certificate.steps
    );
}

#[test]
fn stop_start_1000_times_by_the_daemon_then_callers_count_all() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let mut callers = Counting::start(&rig, "cam")?;
    callers.settle(0)?;
    for pulse in 1..=pulses() {
        control.stop("cam")?;
        control.start("cam")?;
        callers.settle(pulse)?;
    }
    control.stop("cam")?;
    in_order(&control.destroy_wait("cam")?);
    Ok(())
}

/// Voluntary context switches of a thread: how often it went to sleep.
fn switches(pid: u32, tid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status"))?;
    let line = status
        .lines()
        .find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
    Ok(line.context("voluntary_ctxt_switches")?.trim().parse()?)
}

/// Does some hundred requests and checks that these threads have slept all the while. For how long they
/// ran is looked at up to five times: the kernel may bill a thread for an interrupt that came while it
/// ran.
fn asleep_all_the_while(control: &mut Control, pid: u32, tids: &BTreeSet<u32>) -> Result<()> {
    let mut ran = Vec::new();
    while ran.len() < 5 && ran.last() != Some(&0) {
        ran.push(ran_too_long(control, pid, tids)?);
    }
    assert_eq!(ran.last(), Some(&0), "ran so many ms too long: {ran:?}");
    wait_for("them to be asleep", 10, || {
        Ok(blocked(pid)?.is_superset(tids))
    })
}

/// Does some hundred requests, fewer on a slow machine, and checks that these threads did not wake for
/// them. Answers for how many milliseconds too long one of them ran.
fn ran_too_long(control: &mut Control, pid: u32, tids: &BTreeSet<u32>) -> Result<u64> {
    let look = || {
        let each = |tid: &u32| Ok((switches(pid, *tid)?, cpu_time(pid, *tid)?));
        tids.iter().map(each).collect::<Result<Vec<_>>>()
    };
    let began = Instant::now();
    let before = look()?;
    for _ in 0..500 / time_scale() {
        control.show("cam")?;
    }
    let after = look()?;
    // The backstop is one second: so many times it may have woken, and no more.
    let backstops = began.elapsed().as_secs() + 2;
    let mut most = 0;
    for ((slept, ran), (slept_then, ran_then)) in before.iter().zip(&after) {
        assert!(
            slept_then - slept <= backstops,
            "woke {} times",
            slept_then - slept
        );
        let ran = u64::try_from((*ran_then - *ran).as_millis())?;
        most = most.max(ran.saturating_sub(backstops));
    }
    Ok(most)
}

#[test]
fn calls_that_wait_then_sleep_through_pauses_and_signals() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let mut waiter = rig.user("cam")?;
    let main = BTreeSet::from([waiter.pid()]);
    for _ in 0..3 {
        control.stop("cam")?;
        assert_eq!(waiter.errno("wait-started 0")?, "ETIMEDOUT");
        waiter.send("wait-started never")?;
        wait_for("wait_started to sleep", 10, || {
            Ok(blocked(waiter.pid())?.is_superset(&main))
        })?;
        asleep_all_the_while(&mut control, waiter.pid(), &main)?;
        assert!(control.blockers("cam")?.blockers.is_empty());
        control.start("cam")?;
        let answer = waiter.answer("wait-started")?;
        assert_eq!(answer["error"], Value::Null, "{answer}");
    }
    // It is no user: it does not keep the session from being destroyed, and is told of its end.
    control.stop("cam")?;
    waiter.send("wait-started never")?;
    wait_for("wait_started to sleep", 10, || {
        Ok(blocked(waiter.pid())?.is_superset(&main))
    })?;
    in_order(&control.destroy("cam")?);
    let answer = waiter.answer("wait-started")?;
    assert_eq!(answer["error"]["errno"], "ESTALE", "{answer}");
    control.receiver("cam", 5000)?;
    sleeps_on(&rig, &mut control)
}

/// Callers in `buffer_get` sleep on although signals come.
fn sleeps_on(rig: &Rig, control: &mut Control) -> Result<()> {
    let mut caller = rig.user("cam")?;
    let tids = caller.block(8)?;
    asleep_all_the_while(control, caller.pid(), &tids)?;
    // A signal ends the sleep in the kernel; the call goes on.
    for _ in 0..20 {
        caller.freeze()?;
        caller.thaw()?;
        wait_for("the callers to sleep on", 10, || {
            Ok(blocked(caller.pid())?.is_superset(&tids))
        })?;
    }
    assert_eq!(caller.errno("get 20")?, "ETIMEDOUT");
    control.stop("cam")?;
    assert_eq!(caller.all_returned(8, "EAGAIN")?, tids);
    in_order(&control.destroy("cam")?);
    Ok(())
}
