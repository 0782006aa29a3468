//! BCP-008: what monitors report of what the daemon says.

use std::time::Duration;

use onair_control::Facts;
use onair_nmos::connection::{Subscription, Subscriptions};
use onair_nmos::control::{Device, ElementId};
use serde_json::{Map, Value, json};

use crate::support::facts::{facts, formats, host, ids, name, session};

/// A device with one session, and its monitor.
struct Bench {
    device: Device,
    session: Value,
    now: Duration,
}

impl Bench {
    fn new(direction: &str) -> Self {
        let session = session("a", direction, &formats()[0]);
        let device = Device::new(&host(), ids().node());
        let mut bench = Self {
            device,
            session,
            now: Duration::ZERO,
        };
        bench.is();
        bench
    }

    fn is(&mut self) {
        self.says(|_| {});
    }

    fn says(&mut self, change: impl FnOnce(&mut Facts)) {
        self.says_with(change, &Subscriptions::new());
    }

    fn says_with(&mut self, change: impl FnOnce(&mut Facts), subscriptions: &Subscriptions) {
        let mut facts = facts(std::slice::from_ref(&self.session));
        change(&mut facts);
        self.now += Duration::from_secs(10);
        self.device.update(&facts, subscriptions, &ids(), self.now);
        self.now += Duration::from_secs(10);
        self.device.settle(self.now);
    }

    fn get(&mut self, level: u32, index: u32) -> Value {
        let id = json!({"id": {"level": level, "index": index}});
        self.call((1, 1), id.as_object().unwrap())
    }

    fn call(&mut self, (level, index): (u32, u32), arguments: &Map<String, Value>) -> Value {
        let method = ElementId { level, index };
        self.device
            .call((6, method), arguments, self.now)
            .unwrap()
            .unwrap_or_default()
    }

    /// These statuses, and this value of a property.
    #[track_caller]
    fn has(&mut self, statuses: [u64; 5], (level, index): (u32, u32), value: Value) {
        assert_eq!((self.statuses(), self.get(level, index)), (statuses, value));
    }

    /// Link, transport, synchronization, essence, and all together.
    fn statuses(&mut self) -> [u64; 5] {
        [(4, 1), (4, 4), (4, 7), (4, 11), (3, 1)]
            .map(|(level, index)| self.get(level, index).as_u64().unwrap())
    }
}

#[test]
fn problem_of_a_session_then_the_status_of_its_domain() {
    for (direction, problem, expected) in [
        ("receive", "no_signal", [3, 3]),
        ("receive", "link_down", [3, 3]),
        ("receive", "group_not_joined", [3, 3]),
        ("receive", "poller_stalled", [3, 3]),
        ("receive", "impaired", [3, 1]),
        ("receive", "leg_fault", [2, 1]),
        ("receive", "querier_gone", [2, 1]),
        ("receive", "wrong_format", [1, 3]),
        ("receive", "two_sources", [1, 2]),
        ("receive", "sender_changed", [1, 2]),
        ("receive", "timestamps", [1, 2]),
        ("receive", "slow_client", [1, 1]),
        ("receive", "recording_loses", [1, 1]),
        ("send", "peer_unresolved", [3, 1]),
        ("send", "peer_broadcast", [3, 1]),
        ("send", "link_down", [3, 1]),
        ("send", "poller_stalled", [3, 1]),
        ("send", "leg_fault", [2, 1]),
        ("send", "no_signal", [1, 3]),
        ("send", "impaired", [1, 2]),
        ("send", "client_stopped", [1, 1]),
    ] {
        let mut bench = Bench::new(direction);
        assert_eq!(bench.statuses(), [1, 1, 1, 1, 1], "{direction}");
        bench.session["problems"] = json!([{"problem": problem, "detail": "why"}]);
        bench.is();
        let [transport, essence] = expected;
        let overall = transport.max(essence);
        assert_eq!(
            bench.statuses(),
            [1, transport, 1, essence, overall],
            "{direction} {problem}"
        );
        let message = json!((overall > 1).then_some("why"));
        assert_eq!(bench.get(3, 2), message, "{direction} {problem}");
        bench.session["problems"] = json!([]);
        bench.is();
        assert_eq!(bench.statuses(), [1, 1, 1, 1, 1], "{direction} {problem}");
        assert_eq!(bench.get(4, 6), u64::from(transport > 1));
    }
}

#[test]
fn links_down_then_named_and_the_worst_counts() {
    let mut bench = Bench::new("receive");
    bench.says(|it| it.health.dataplane.ports[1].link_up = false);
    bench.has([2, 1, 1, 1, 2], (4, 2), json!("no link: b"));
    bench.says(|it| {
        let ports = it.health.dataplane.ports.iter_mut();
        ports.for_each(|it| it.link_up = false);
    });
    bench.has([3, 1, 1, 1, 3], (3, 2), json!("no link: a, b"));
    bench.says(|it| it.health.dataplane.ports.clear());
    assert_eq!((bench.statuses()[0], bench.get(4, 3)), (3, json!(2)));
}

#[test]
fn clock_of_each_kind_then_its_status_and_source() {
    const MASTER: &str = "52-11-D0-FF-FE-37-BA-64";
    for (state, own, level, source) in [
        ("locked", false, 1, json!(MASTER)),
        ("locked", true, 0, json!(MASTER)),
        ("unlocked", true, 0, json!(MASTER)),
        ("unlocked", false, 3, Value::Null),
        ("lost", false, 3, Value::Null),
        ("absent", false, 0, json!("internal")),
        ("off", false, 0, json!("internal")),
    ] {
        let mut bench = Bench::new("send");
        let clock = |it: &mut Facts| {
            let ptp = &mut it.health.clock.ptp;
            ptp.state = serde_json::from_value(json!(state)).unwrap();
            ptp.grandmaster.as_mut().unwrap().is_this_machine = own;
        };
        bench.says(clock);
        assert_eq!(
            (bench.get(4, 7), bench.get(4, 10)),
            (json!(level), source),
            "{state} {own}"
        );
        assert_eq!(bench.get(3, 1), level.max(1));
    }
}

#[test]
fn daemon_does_not_answer_then_transport_is_unhealthy() {
    let mut bench = Bench::new("receive");
    bench.says(|it| it.away = true);
    bench.has([1, 3, 1, 1, 3], (3, 2), json!("onaird does not answer"));
    bench.session["state"] = json!("stopped");
    bench.says(|it| it.away = true);
    assert_eq!(bench.statuses(), [1, 0, 1, 0, 0]);
}

#[test]
fn controller_disables_and_activates_then_inactive_and_reset() {
    let mut bench = Bench::new("receive");
    bench.session["problems"] = json!([{"problem": "no_signal", "detail": "why"}]);
    bench.is();
    let of = |active, activations| {
        let subscription = Subscription {
            active,
            activations,
            ..Subscription::default()
        };
        Subscriptions::from([(name("a"), subscription)])
    };
    // The controller has disabled it, and the daemon is about to stop it.
    bench.says_with(|_| {}, &of(false, 1));
    bench.has([1, 0, 1, 0, 0], (4, 6), json!(1));
    let facts = facts(std::slice::from_ref(&bench.session));
    bench.device.update(&facts, &of(true, 2), &ids(), bench.now);
    bench.has([1, 1, 1, 1, 1], (4, 6), json!(0));
    bench.device.settle(bench.now + Duration::from_secs(3));
    bench.has([1, 3, 1, 3, 3], (4, 6), json!(1));
    let later = bench.now + Duration::from_secs(4);
    bench.device.update(&facts, &of(true, 3), &ids(), later);
    bench.has([1, 1, 1, 1, 1], (4, 6), json!(0));
}

#[test]
fn counters_then_of_each_leg_and_zero_after_a_reset() {
    let mut bench = Bench::new("receive");
    let leg = |port: &str, lost: u64, late: u64| {
        json!({"port": port, "packets": 9, "packets_used": 9, "packets_duplicate": 0, "packets_late": late,
            "packets_other_stream": 0, "packets_malformed": 0, "packets_reordered": 0, "packets_lost": lost,
            "ssrc_changes": 0})
    };
    bench.session["counters"] = json!({"packets": 50, "packets_lost": 1, "packets_late": 2});
    bench.session["legs"] = json!({"first": leg("a", 5, 6), "second": leg("b", 7, 8), "packets_lost": 1,
        "packets_recovered": 0, "packets_held": 0, "restarts": 0});
    bench.is();
    let one = |it: &Value| Some((it["name"].as_str()?.to_owned(), it["value"].as_u64()?));
    let shown = |counters: Value| {
        let all = counters.as_array().unwrap().iter();
        all.map(|it| one(it).unwrap()).collect::<Vec<_>>()
    };
    let none = Map::new();
    let named = |name: &str, values: [u64; 3]| {
        let names = [name.to_owned(), format!("{name} a"), format!("{name} b")];
        names.into_iter().zip(values).collect::<Vec<_>>()
    };
    let counted = |bench: &mut Bench, lost, late| {
        let shown = [(4, 1), (4, 2)].map(|it| shown(bench.call(it, &none)));
        let expected = [named("packets_lost", lost), named("packets_late", late)];
        assert_eq!(shown, expected);
    };
    counted(&mut bench, [1, 5, 7], [2, 6, 8]);
    bench.call((4, 3), &none);
    bench.session["counters"]["packets_late"] = json!(4);
    bench.is();
    counted(&mut bench, [0, 0, 0], [2, 0, 0]);

    let mut sender = Bench::new("send");
    sender.session["counters"] = json!({"underruns": 3, "slots_missed": 4});
    sender.is();
    let counted = shown(sender.call((4, 1), &none));
    for counter in [("underruns".to_owned(), 3), ("slots_missed".to_owned(), 4)] {
        assert!(counted.contains(&counter));
    }
    sender.call((4, 2), &none);
    assert!(shown(sender.call((4, 1), &none)).iter().all(|it| it.1 == 0));
}
