//! Sessions receive from multicast groups through a switch of another make, which snoops and queries;
//! and send to groups.

use std::fs;
use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};
use onair_api::operations::RetargetSession;
use onair_api::{JoinedBy, Source};
use onair_tests::{
    Backend, GROUP, Raster, SwitchedNetwork, Talker, frame_on, member, onairctl, send, wait_for,
};
use rustix::process::Signal;
use serde_json::{Value, json};

const RIGHT: &str = "10.77.0.9";
const WRONG: &str = "10.77.0.8";
const TIMEOUT_S: u64 = 30;

/// Two sessions, one with a source and one with another: joined once, for both sources; each gets
/// its own.
fn joins_answers_and_leaves(backend: Backend, by: JoinedBy) -> Result<()> {
    let mut network = SwitchedNetwork::open(backend, 3)?;
    let mut control = network.rig.control()?;
    control.create(&member("one", 5004, &[RIGHT]))?;
    let join = network
        .igmp
        .wait("the join", 1, |it| !it.records().is_empty())?;
    assert_eq!(join.records(), [(5, GROUP.parse()?, vec![RIGHT.parse()?])]);
    assert_eq!((join.ttl, join.has_alert), (1, true));
    assert_eq!(join.destination.to_string(), "224.0.0.22");
    assert_eq!(join.mac, [1, 0, 0x5e, 0, 0, 22]);
    let mut talker = Talker::open(&network, RIGHT)?;
    talker.until_received(&mut control, "one", 5004)?;

    // It lasts as long as the querier asks: each second, and forgets after three.
    network.igmp.forget();
    let answers = network.igmp.wait("answers to queries", 6, |it| {
        it.records().iter().any(|(kind, ..)| *kind == 1)
    })?;
    assert_eq!(
        answers.records(),
        [(1, GROUP.parse()?, vec![RIGHT.parse()?])]
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
    let added = network.igmp.wait("the second source", 1, |it| {
        it.records().iter().any(|(kind, ..)| *kind == 5)
    })?;
    assert_eq!(added.records(), [(5, GROUP.parse()?, vec![WRONG.parse()?])]);
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
    let blocked = network.igmp.wait("the second source's end", 1, |it| {
        it.records().iter().any(|(kind, ..)| *kind == 6)
    })?;
    assert_eq!(
        blocked.records(),
        [(6, GROUP.parse()?, vec![WRONG.parse()?])]
    );

    network.igmp.forget();
    control.end("one")?;
    let right = RIGHT.parse()?;
    network.igmp.wait("the leave", 2, |it| {
        let mut records = it.records().into_iter();
        records.any(|(kind, _, sources)| kind == 6 && sources.contains(&right))
    })?;
    wait_for("the switch to forget the group", TIMEOUT_S, || {
        Ok(network.known(GROUP)?.is_empty())
    })?;
    Ok(())
}

#[test]
fn port_without_the_kernel_joins_once_answers_and_leaves() -> Result<()> {
    joins_answers_and_leaves(Backend::AfXdp, JoinedBy::Igmp)
}

#[test]
fn port_beside_the_kernel_joins_once_answers_and_leaves() -> Result<()> {
    joins_answers_and_leaves(Backend::AfPacket, JoinedBy::Kernel)
}

/// Another source of the same group, then another group: the new one is joined before the old one is
/// left, and frames of both arrive.
fn retargets(backend: Backend) -> Result<()> {
    const NEXT: &str = "239.77.1.3";
    let network = SwitchedNetwork::open(backend, 3)?;
    let mut control = network.rig.control()?;
    control.create(&member("one", 5004, &[WRONG]))?;
    let patch = |flow: Value| {
        let body = json!({ "flow": flow });
        network.rig.control()?.on::<RetargetSession>("one", body)
    };
    patch(json!({"sources": [RIGHT]}))?;
    wait_for(
        "the switch to know the other source alone",
        TIMEOUT_S,
        || {
            let known = network.known(GROUP)?;
            Ok(known.contains(RIGHT) && !known.contains(WRONG))
        },
    )?;
    let mut talker = Talker::open(&network, RIGHT)?;
    talker.until_received(&mut control, "one", 5004)?;
    let view = patch(json!({"destination": format!("{NEXT}:5010"), "source": null}))?;
    assert_eq!(view.group.context("a group")?.group, NEXT);
    wait_for(
        "the switch to know the other group alone",
        TIMEOUT_S,
        || Ok(!network.known(NEXT)?.is_empty() && network.known(GROUP)?.is_empty()),
    )?;
    talker.group = NEXT;
    talker.until_received(&mut control, "one", 5010)?;
    control.end("one")?;
    wait_for("the switch to forget the other group", TIMEOUT_S, || {
        Ok(network.known(NEXT)?.is_empty())
    })
}

#[test]
fn port_without_the_kernel_to_another_group_leaves_the_first() -> Result<()> {
    retargets(Backend::AfXdp)
}

#[test]
fn port_beside_the_kernel_to_another_group_leaves_the_first() -> Result<()> {
    retargets(Backend::AfPacket)
}

/// Any source, and a querier of version 2.
#[test]
fn port_without_the_kernel_speaks_an_older_queriers_version() -> Result<()> {
    let mut network = SwitchedNetwork::open(Backend::AfXdp, 2)?;
    let mut control = network.rig.control()?;
    control.create(&member("one", 5004, &[]))?;
    let answer = network
        .igmp
        .wait("answers in version 2", 4, |it| it.message[0] == 0x16)?;
    assert_eq!(
        (answer.destination.to_string(), answer.ttl),
        (GROUP.to_owned(), 1)
    );
    assert_eq!(answer.message[4..8], [239, 77, 1, 2]);
    let mut talker = Talker::open(&network, RIGHT)?;
    talker.until_received(&mut control, "one", 5004)?;
    wait_for("the querier in the view", TIMEOUT_S, || {
        let group = control.show("one")?.group;
        Ok(group
            .and_then(|it| it.querier)
            .is_some_and(|it| it.version == 2))
    })?;
    // Its buffer is full of the frames.
    network.igmp.forget();
    control.end("one")?;
    let leave = network
        .igmp
        .wait("the leave", 1, |it| it.message[0] == 0x17)?;
    assert_eq!(leave.destination.to_string(), "224.0.0.2");
    wait_for("the switch to forget the group", TIMEOUT_S, || {
        Ok(network.known(GROUP)?.is_empty())
    })
}

/// The daemon is suspended until the switch has forgotten the group: the next query brings it back.
#[test]
fn querier_that_forgot_the_group_is_told_again() -> Result<()> {
    let mut network = SwitchedNetwork::open(Backend::AfXdp, 3)?;
    let mut control = network.rig.control()?;
    control.create(&member("one", 5004, &[RIGHT]))?;
    wait_for("the switch to know", TIMEOUT_S, || {
        Ok(network.known(GROUP)?.contains(RIGHT))
    })?;
    network.rig.daemon()?.running().signal(Signal::STOP)?;
    wait_for("the switch to forget", TIMEOUT_S, || {
        Ok(!network.known(GROUP)?.contains(RIGHT))
    })?;
    network.rig.daemon()?.running().signal(Signal::CONT)?;
    wait_for("the switch to know again", TIMEOUT_S, || {
        Ok(network.known(GROUP)?.contains(RIGHT))
    })?;
    Talker::open(&network, RIGHT)?.until_received(&mut control, "one", 5004)?;
    control.end("one")?;
    Ok(())
}

/// A network's description, as it is, without `--destination`.
#[test]
fn session_of_a_plants_description_receives_from_its_group() -> Result<()> {
    let network = SwitchedNetwork::open(Backend::AfXdp, 3)?;
    let mut control = network.rig.control()?;
    let path = network.rig.stage().directory().join("network.sdp");
    let text = format!(
        "v=0\r\no=- 1443716955 1443716955 IN IP4 {RIGHT}\r\ns=camera 1\r\nt=0 0\r\n\
         m=video 5004 RTP/AVP 96\r\nc=IN IP4 {GROUP}/32\r\n\
         a=source-filter: incl IN IP4 {GROUP} {RIGHT}\r\na=rtpmap:96 raw/90000\r\n\
         a=fmtp:96 sampling=YCbCr-4:2:2; width=128; height=72; exactframerate=60000/1001; depth=10; \
         colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017; TP=2110TPN; \r\n\
         a=mediaclk:direct=0\r\na=ts-refclk:ptp=IEEE1588-2008:traceable\r\n"
    );
    fs::write(&path, text)?;
    let made = onairctl(
        &network.rig,
        &format!("session create in --port b --sdp {}", path.display()),
    )?;
    assert_eq!(made.code, 0, "{made:?}");
    Talker::open(&network, RIGHT)?.until_received(&mut control, "in", 5004)?;
    let shown = onairctl(&network.rig, "session show in")?.out;
    ensure!(
        shown.contains(&format!("{GROUP} from {RIGHT}: joined by the port (IGMP")),
        "{shown}"
    );
    let given = onairctl(&network.rig, "session sdp in")?.out;
    let line = format!("a=source-filter: incl IN IP4 {GROUP} {RIGHT}\r\n");
    ensure!(given.contains(&line), "{given}");
    let metrics = network.rig.scrape()?;
    let joined = metrics
        .lines()
        .find(|line| line.starts_with("onair_session_group_joined{"));
    ensure!(
        joined.is_some_and(|line| line.ends_with(" 1")),
        "{joined:?}"
    );
    control.end("in")?;
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
