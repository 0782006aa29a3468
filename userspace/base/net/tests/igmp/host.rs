//! A host's reports: when they come, and that a router knows from them what the host wants.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use arrayvec::ArrayVec;
use onair_net::igmp::{Filter, Host, MembershipReport, Query, Version};
use proptest::prelude::*;

use super::router::Router;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

fn group(last: u8) -> IpAddr {
    [239, 0, 0, last].into()
}

fn include(sources: &[u8]) -> Filter {
    Filter::Include(sources.iter().map(|it| [10, 0, 0, *it].into()).collect())
}

fn query(version: Version, about: Option<IpAddr>, response_ms: u64) -> Query {
    Query {
        querier: [10, 0, 0, 254].into(),
        version,
        group: about,
        sources: ArrayVec::new(),
        response_ms,
        robustness: None,
        interval_ms: None,
    }
}

/// Everything that the host sends up to `until_ns`, with the times.
fn run(host: &mut Host, until_ns: u64) -> Vec<(u64, MembershipReport)> {
    let mut sent = Vec::new();
    while let Some(due_ns) = host.due_ns().filter(|it| *it <= until_ns) {
        sent.extend(host.turn(due_ns).into_iter().map(|it| (due_ns, it)));
    }
    sent
}

fn types(sent: &[(u64, MembershipReport)]) -> Vec<u8> {
    sent.iter().map(|(_, it)| it.message[0]).collect()
}

#[test]
fn join_and_leave_then_each_is_told_twice_within_a_second() {
    let mut host = Host::new(3);
    for (filter, record) in [(include(&[9]), 5), (Filter::NONE, 6)] {
        host.set(group(1), filter, S);
        let sent = run(&mut host, 100 * S);
        let records: Vec<_> = sent.iter().map(|(_, it)| it.message[8]).collect();
        assert_eq!(records, [record, record]);
        assert_eq!(sent[0].0, S, "the first at once");
        assert!(sent[1].0 > S && sent[1].0 <= 2 * S, "{sent:?}");
    }
    assert_eq!(host.due_ns(), None);
    host.set(group(1), Filter::NONE, 5 * S);
    assert_eq!(host.due_ns(), None, "nothing has changed");
}

#[test]
fn first_report_of_each_change_lost_then_the_second_tells_it() {
    let mut host = Host::new(9);
    let mut router = Router::default();
    for filter in [
        include(&[1, 2]),
        include(&[2, 3]),
        Filter::Any,
        include(&[4]),
        Filter::NONE,
    ] {
        host.set(group(1), filter.clone(), 0);
        let sent = run(&mut host, 100 * S);
        sent.iter()
            .skip(1)
            .for_each(|(_, report)| router.receive(report));
        assert_eq!(router.filter(group(1)), filter);
    }
}

#[test]
fn queries_about_other_groups_then_silence() {
    let mut host = Host::new(3);
    host.set(group(1), Filter::Any, 0);
    run(&mut host, 10 * S);
    host.query(&query(Version::V3, Some(group(2)), 1000), 20 * S);
    assert_eq!(host.due_ns(), None);
    host.set(group(1), Filter::NONE, 21 * S);
    run(&mut host, 30 * S);
    host.query(&query(Version::V3, None, 1000), 40 * S);
    let sent = run(&mut host, 60 * S);
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn query_about_sources_then_only_those_that_are_wanted() {
    let mut host = Host::new(3);
    host.set(group(1), include(&[7, 8, 9]), 0);
    run(&mut host, 10 * S);
    let mut asked = query(Version::V3, Some(group(1)), 1000);
    asked.sources.push([10, 0, 0, 9].into());
    asked.sources.push([10, 0, 0, 99].into());
    host.query(&asked, 20 * S);
    let sent = run(&mut host, 30 * S);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        sent[0].1.message[8..],
        [1, 0, 0, 1, 239, 0, 0, 1, 10, 0, 0, 9]
    );
    asked.sources.remove(0);
    host.query(&asked, 40 * S);
    assert!(run(&mut host, 50 * S).is_empty(), "that one is not wanted");
}

#[test]
fn querier_of_version_two_then_its_messages_until_it_is_gone() {
    let mut host = Host::new(5);
    host.set(group(1), include(&[9]), 0);
    run(&mut host, 10 * S);
    host.query(&query(Version::V2, None, 10_000), 20 * S);
    assert_eq!(types(&run(&mut host, 31 * S)), [0x16]);
    host.set(group(2), Filter::Any, 40 * S);
    let sent = run(&mut host, 60 * S);
    assert_eq!(types(&sent), [0x16, 0x16]);
    assert!(sent.iter().all(|(_, it)| it.destination == group(2)));
    host.set(group(2), Filter::NONE, 61 * S);
    let sent = run(&mut host, 80 * S);
    assert_eq!(types(&sent), [0x17]);
    assert_eq!(sent[0].1.destination, IpAddr::from([224, 0, 0, 2]));
    // A querier of version 3 beside it does not count while the older one is present.
    host.query(&query(Version::V3, None, 1000), 90 * S);
    assert_eq!(types(&run(&mut host, 92 * S)), [0x16]);
    // 2 × 125 s + 10 s after its last query (§8.12).
    host.query(&query(Version::V3, None, 1000), 281 * S);
    assert_eq!(types(&run(&mut host, 283 * S)), [0x22]);
}

#[test]
fn link_back_then_everything_is_told_again() {
    let mut host = Host::new(5);
    host.set(group(1), include(&[9]), 0);
    host.set(group(2), Filter::Any, 0);
    run(&mut host, 10 * S);
    host.announce(20 * S);
    let mut router = Router::default();
    for (_, report) in run(&mut host, 30 * S) {
        router.receive(&report);
    }
    assert_eq!(router.filter(group(1)), include(&[9]));
    assert_eq!(router.filter(group(2)), Filter::Any);
}

#[test]
fn many_sources_then_reports_that_fit_a_packet() {
    let mut host = Host::new(5);
    let sources: BTreeSet<_> = (0..2000u32)
        .map(|it| Ipv4Addr::from_bits(0x0a00_0001 + it).into())
        .collect();
    host.set(group(1), Filter::Include(sources.clone()), 0);
    let sent = host.turn(0);
    assert!(sent.len() > 1);
    let mut router = Router::default();
    sent.iter().for_each(|report| router.receive(report));
    assert_eq!(router.filter(group(1)), Filter::Include(sources));
}

#[derive(Debug, Clone)]
enum Step {
    Set(u8, Filter),
    Query {
        about: Option<u8>,
        sources: Vec<u8>,
        response_ms: u64,
    },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let filter = prop_oneof![
        Just(Filter::Any),
        Just(Filter::NONE),
        prop::collection::vec(1u8..6, 0..4).prop_map(|it| include(&it)),
    ];
    prop_oneof![
        (1u8..4, filter).prop_map(|(group, filter)| Step::Set(group, filter)),
        (
            prop::option::of(1u8..5),
            prop::collection::vec(1u8..8, 0..3),
            0u64..12_000
        )
            .prop_map(|(about, sources, response_ms)| Step::Query {
                about,
                sources,
                response_ms
            }),
        (0u64..3_000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Each query is answered in its time, also what a router forgot.
    #[test]
    fn any_changes_and_queries_then_a_router_knows_the_memberships(
        steps in prop::collection::vec(step(), 0..40),
        seed: u64,
    ) {
        let mut host = Host::new(seed);
        let mut wanted = BTreeMap::new();
        let mut router = Router::default();
        let mut now_ns = S;
        let receive = |router: &mut Router, sent: Vec<(u64, MembershipReport)>| {
            sent.iter().for_each(|(_, report)| router.receive(report));
        };
        for step in steps {
            match step {
                Step::Set(number, filter) => {
                    host.set(group(number), filter.clone(), now_ns);
                    wanted.insert(number, filter);
                }
                Step::Query { about, sources, response_ms } => {
                    let mut asked = query(Version::V3, about.map(group), response_ms);
                    if about.is_some() {
                        asked.sources.extend(sources.iter().map(|it| [10, 0, 0, *it].into()));
                    }
                    let has_members = wanted.values().any(Filter::is_member);
                    host.query(&asked, now_ns);
                    if about.is_none() && has_members {
                        let due_ns = host.due_ns().unwrap();
                        prop_assert!(due_ns <= now_ns + response_ms.max(1) * MS);
                    }
                }
                Step::Wait(ms) => {
                    now_ns += ms * MS;
                    receive(&mut router, run(&mut host, now_ns));
                }
            }
        }
        receive(&mut router, run(&mut host, now_ns + 100 * S));
        for (number, filter) in &wanted {
            prop_assert_eq!(&router.filter(group(*number)), filter);
        }
        prop_assert_eq!(host.due_ns(), None);
        let mut later = Router::default();
        host.query(&query(Version::V3, None, 1000), now_ns + 200 * S);
        for (at_ns, report) in run(&mut host, now_ns + 300 * S) {
            prop_assert!(at_ns < now_ns + 201 * S);
            later.receive(&report);
        }
        for (number, filter) in &wanted {
            prop_assert_eq!(&later.filter(group(*number)), filter);
        }
    }
}

#[test]
fn querier_gone_then_missed_after_its_interval_and_version_told() {
    let mut host = Host::new(3);
    assert!(!host.misses_querier(10_000 * S), "none ever asked");
    host.query(&query(Version::V2, None, 1_000), S);
    host.query(&query(Version::V3, None, 1_000), 2 * S);
    assert_eq!(host.querier().unwrap().version, Version::V3);
    assert_eq!(host.version_at(3 * S), Version::V2);
    assert_eq!(host.version_at(300 * S), Version::V3);
    // Two intervals of 125 s, and half the time for an answer.
    assert!(!host.misses_querier(257 * S) && host.misses_querier(258 * S));
    host.query(&query(Version::V3, None, 1_000), 300 * S);
    assert!(!host.misses_querier(301 * S));
}
