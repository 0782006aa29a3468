//! Sessions receive from multicast groups through a switch of another make, which snoops and queries;
//! and send to groups.

use std::net::UdpSocket;

use anyhow::{Result, ensure};
use onair_api::{JoinedBy, Source};
use onair_tests::{
    Backend, GROUP, Igmp, Raster, SwitchedNetwork, Talker, frame_on, member, onairctl, output,
    send, wait_for,
};

const RIGHT: &str = "10.77.0.9";
const WRONG: &str = "10.77.0.8";
const TIMEOUT_S: u64 = 30;

/// Two sessions, one with a source and one with another: joined once, for both sources; each gets
/// its own.
fn joins_answers_and_leaves(backend: Backend, by: JoinedBy) -> Result<()> {
    let mut network = SwitchedNetwork::open(backend, 3)?;
    let mut control = network.rig.control()?;
    control.create(&member("one", 5004, &[RIGHT]))?;
    // An answer to a query may follow it at once.
    let join = network.igmp.wait("the join", 1, |it| it.has(Igmp::JOIN))?;
    assert_eq!(
        join.records(),
        [(Igmp::JOIN, GROUP.parse()?, vec![RIGHT.parse()?])]
    );
    assert_eq!((join.ttl, join.has_alert), (1, true));
    assert_eq!(join.destination.to_string(), "224.0.0.22");
    assert_eq!(join.mac, [1, 0, 0x5e, 0, 0, 22]);
    let mut talker = Talker::open(&network, RIGHT)?;
    talker.until_received(&mut control, "one", 5004)?;

    // It lasts as long as the querier asks: each second, and forgets after three.
    network.igmp.forget();
    let is_answer = |it: &Igmp| it.has(Igmp::ANSWER);
    let answers = network.igmp.wait("answers to queries", 6, is_answer)?;
    assert_eq!(
        answers.records(),
        [(Igmp::ANSWER, GROUP.parse()?, vec![RIGHT.parse()?])]
    );
    let known = network.known(GROUP)?;
    ensure!(known.contains(RIGHT) && !known.contains(WRONG), "{known}");
    talker.until_received(&mut control, "one", 5004)?;
    let view = control.show("one")?;
    let group = view.group.expect("it receives from a group");
    assert_eq!(
        (group.joined, group.joined_by, group.sessions),
        (true, by, 1)
    );
    let querier = group.querier.expect("it has asked");
    assert_eq!(
        (querier.address.as_str(), querier.version),
        ("10.77.0.254", 3)
    );
    ensure!(querier.age_ms < 10_000, "{querier:?}");

    // The second session adds its source, and its end takes it away again.
    network.igmp.forget();
    control.create(&member("two", 5006, &[WRONG]))?;
    let is_join = |it: &Igmp| it.has(Igmp::JOIN);
    let added = network.igmp.wait("the second source", 1, is_join)?;
    assert_eq!(
        added.records(),
        [(Igmp::JOIN, GROUP.parse()?, vec![WRONG.parse()?])]
    );
    let mut other = Talker::open(&network, WRONG)?;
    other.until_received(&mut control, "two", 5006)?;
    // It comes through the switch now, and the session refuses it.
    wait_for("packets of the wrong source", TIMEOUT_S, || {
        other.frames(5004, 1)?;
        let counters = control.show("one")?.counters;
        Ok(counters
            .packets_malformed
            .get("wrong_source")
            .is_some_and(|count| *count > 10))
    })?;
    let before = control.show("one")?.counters.frames_complete;
    talker.until_received(&mut control, "one", 5004)?;
    ensure!(control.show("one")?.counters.frames_complete > before);
    assert_eq!(control.show("two")?.group.expect("a group").sessions, 2);
    network.igmp.forget();
    control.end("two")?;
    let is_leave = |it: &Igmp| it.has(Igmp::LEAVE);
    let blocked = network.igmp.wait("the second source's end", 1, is_leave)?;
    assert_eq!(
        blocked.records(),
        [(Igmp::LEAVE, GROUP.parse()?, vec![WRONG.parse()?])]
    );

    network.igmp.forget();
    control.end("one")?;
    let right = RIGHT.parse()?;
    network.igmp.wait("the leave", 2, |it| {
        let mut records = it.records().into_iter();
        records.any(|(kind, _, sources)| kind == Igmp::LEAVE && sources.contains(&right))
    })?;
    wait_for("the switch to forget the group", TIMEOUT_S, || {
        Ok(network.known(GROUP)?.is_empty())
    })?;
    Ok(())
}

#[test]
fn port_sharing_with_the_kernel_joins_once_answers_and_leaves() -> Result<()> {
    joins_answers_and_leaves(Backend::AfXdp, JoinedBy::Kernel)
}

#[test]
fn port_beside_the_kernel_joins_once_answers_and_leaves() -> Result<()> {
    joins_answers_and_leaves(Backend::AfPacket, JoinedBy::Kernel)
}

/// The host's own group outlasts what the switch remembers, and so does the session's: the kernel answers for both.
#[test]
fn groups_of_host_and_session_outlast_the_switchs_memory() -> Result<()> {
    const HOSTS: &str = "239.77.9.9";
    let mut network = SwitchedNetwork::open(Backend::AfXdp, 3)?;
    let stage = network.rig.stage();
    let address = "address add 10.77.0.2/24 dev vb".split(' ');
    let address: Vec<_> = ["-n", stage.namespace()]
        .into_iter()
        .chain(address)
        .collect();
    output("ip", &address)?;
    let _host = stage.inside(|| {
        let socket = UdpSocket::bind((HOSTS, 5004))?;
        socket.join_multicast_v4(&HOSTS.parse()?, &[10, 77, 0, 2].into())?;
        Ok(socket)
    })?;
    let mut control = network.rig.control()?;
    control.create(&member("one", 5004, &[RIGHT]))?;
    let mut talker = Talker::open(&network, RIGHT)?;
    talker.until_received(&mut control, "one", 5004)?;
    // It forgets a member that leaves three queries, one each second, without an answer.
    for _ in 0..6 {
        network.igmp.forget();
        let is_answer = |it: &Igmp| it.has(Igmp::ANSWER);
        network.igmp.wait("answers to a query", 1, is_answer)?;
    }
    for group in [HOSTS, GROUP] {
        ensure!(!network.known(group)?.is_empty(), "{group}");
    }
    talker.until_received(&mut control, "one", 5004)?;
    control.end("one")?;
    Ok(())
}

/// A host that joined the group gets what a session sends to it: the Ethernet address of the group, time
/// to live and code point as given.
#[test]
fn session_that_sends_to_a_group_reaches_its_members() -> Result<()> {
    let network = SwitchedNetwork::open(Backend::AfXdp, 3)?;
    let mut control = network.rig.control()?;
    let mut spec = send("out", Raster::new(128, 72, 60, 10), 5004, Source::Pattern);
    spec.port = "b".into();
    spec.flow.destination = format!("{GROUP}:5004");
    spec.flow.ttl = Some(7);
    spec.flow.dscp = Some(46);
    control.create(&spec)?;
    let stage = network.rig.stage();
    let host = stage.inside(|| {
        let socket = UdpSocket::bind((GROUP, 5004))?;
        socket.join_multicast_v4(&GROUP.parse()?, &RIGHT.parse()?)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })?;
    wait_for("a packet at the host", TIMEOUT_S, || {
        Ok(host.recv(&mut [0; 2048]).is_ok())
    })?;
    let frame = frame_on(stage, "vs", |frame| {
        frame.get(23) == Some(&17) && frame[30..34] == [239, 77, 1, 2]
    })?;
    assert_eq!(frame[..6], [1, 0, 0x5e, 77, 1, 2]);
    assert_eq!((frame[15], frame[22]), (46 << 2, 7));
    assert_eq!(frame[26..30], [10, 77, 0, 2]);
    let given = onairctl(&network.rig, "session sdp out")?.out;
    for line in [
        "c=IN IP4 239.77.1.2/7\r\n",
        "a=source-filter: incl IN IP4 239.77.1.2 10.77.0.2\r\n",
    ] {
        ensure!(given.contains(line), "{line}: {given}");
    }
    let shown = onairctl(&network.rig, "session show out")?.out;
    ensure!(
        shown.contains("7, 46") && shown.contains("multicast"),
        "{shown}"
    );
    control.end("out")?;
    Ok(())
}
