//! Sessions that come back when the daemon starts anew.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateGroup, CreateSession, DestroyGroup, DestroySession, DestroySessionWait,
    ListCertificates, ListSessions, QuarantineSession, RetargetSession, ShowCertificate, ShowGroup,
    ShowHealth, ShowSession, StopGroup, StopSession,
};
use onair_api::operations::{CertificateQuery, SessionQuery};
use onair_api::{
    DestroyWait, GroupName, NewGroup, NewSession, Operation, ProblemCode, SessionId, SessionRef,
    SessionState,
};
use onair_certificate::CheckOutcome;
use onair_ipc::caller::Deadline;
use serde_json::{from_value, json};

use onair_sim_machine::DiskState;
use onair_sim_machine::life::{Life, session};

/// A persistent session at a UDP port.
fn kept(name: &str, udp: u16, more: serde_json::Value) -> NewSession {
    let mut all = json!({
        "persistent": true, "flow": {"destination": format!("239.9.1.1:{udp}")},
    });
    all.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    session(name, "send", all)
}

fn names(life: &mut Life) -> Vec<String> {
    let list = life.ask::<ListSessions>((), SessionQuery::default());
    let list = list.unwrap().sessions;
    list.iter().map(|it| it.name.to_string()).collect()
}

#[test]
fn session_retargeted_while_stopped_then_back_so_and_stopped() {
    let mut life = Life::begin();
    let cam = || "cam".parse().unwrap();
    let first = life.ask::<CreateSession>((), kept("cam", 5004, json!({})));
    life.ask::<StopSession>(cam(), ()).unwrap();
    let change = json!({"flow": {"destination": "239.9.1.1:5006"}});
    let change = Box::new(from_value(change).unwrap());
    life.ask::<RetargetSession>(cam(), change).unwrap();
    let mut life = life.again();
    let back = life.ask::<ShowSession>(cam(), ()).unwrap();
    assert_eq!(back.flow.destination, "239.9.1.1:5006");
    assert_eq!(back.state, SessionState::Stopped);
    assert!(back.id.0 > first.unwrap().id.0);
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    assert!(certificate.stopped_before.is_some());
    assert!(names(&mut life.again()).is_empty(), "a user destroyed it");
}

#[test]
fn sessions_in_a_shutdown_then_back_unless_a_user_ended_them() {
    let mut life = Life::begin();
    // The others are not destroyed before the first one is.
    let all = [("held", 0), ("destroyed", 90), ("aside", 90), ("left", 90)];
    for ((name, priority), udp) in all.into_iter().zip(5004..) {
        let spec = kept(name, udp, json!({"priority": priority}));
        life.ask::<CreateSession>((), spec).unwrap();
    }
    let client = life.attach("held").unwrap();
    life.live(Duration::from_millis(100));
    let _lease = client.attachment.get(Deadline::Now).unwrap();
    life.shut_down(Duration::from_secs(60));
    let wait = DestroyWait {
        deadline_ms: 10_000,
    };
    let destroyed = life.ask::<DestroySessionWait>("destroyed".parse().unwrap(), wait);
    destroyed.unwrap();
    let aside = life.ask::<QuarantineSession>("aside".parse().unwrap(), ());
    aside.unwrap();
    let aborted = life.ask::<AbortSession>("held".parse().unwrap(), ());
    aborted.unwrap();
    life.end();
    assert_eq!(names(&mut life.again()), ["left"]);
}

/// What the stored session `cam` goes on with: synchronisation source and sequence number.
fn next_packet(life: &Life) -> Option<(u64, u64)> {
    let stored = life.state().read("sessions/cam.json");
    let stored: serde_json::Value = serde_json::from_slice(&stored).unwrap();
    let next = stored.get("next_packet")?;
    Some((next["ssrc"].as_u64()?, next["sequence"].as_u64()?))
}

#[test]
fn daemon_ends_then_its_sender_goes_on_unless_it_was_killed() {
    let cam = || "cam".parse().unwrap();
    let mut life = Life::begin();
    let pattern = kept("cam", 5004, json!({"source": "pattern"}));
    let first = life.ask::<CreateSession>((), pattern).unwrap().ssrc;
    let mut before = None;
    for _ in 0..3 {
        assert_eq!(next_packet(&life), None, "it was taken");
        let view = life.ask::<ShowSession>(cam(), ()).unwrap();
        assert_eq!(view.ssrc, first);
        life.live(Duration::from_millis(100));
        life.shut_down(Duration::from_secs(60));
        life.end();
        let (ssrc, sequence) = next_packet(&life).unwrap();
        assert_eq!(u32::try_from(ssrc).ok(), first);
        life = life.again();
        let session = SessionRef::Id(view.id);
        let ended = life.ask::<ShowCertificate>(session, ()).unwrap();
        let sent = ended.frames.packets;
        assert!(sent > 0 && before.is_none_or(|it| (it + sent) % (1 << 32) == sequence));
        before = Some(sequence);
    }
    life.live(Duration::from_millis(100));
    let view = life.again().ask::<ShowSession>(cam(), ()).unwrap();
    assert_ne!(view.ssrc, first, "the daemon was killed");
}

#[test]
fn group_persistent_then_back_less_ended_members() {
    let name = || -> GroupName { "in".parse().unwrap() };
    let members = [("in-a", 5004), ("in-b", 5006), ("in-c", 5008)];
    let members = members.map(|(name, udp)| match kept(name, udp, json!({})) {
        NewSession::Complete(spec) => *spec,
        NewSession::Converted(_) => unreachable!("it has packets"),
    });
    let group = NewGroup {
        name: name(),
        sessions: members.into(),
    };
    let mut life = Life::begin();
    life.ask::<CreateGroup>((), group).unwrap();
    life.ask::<AbortSession>("in-b".parse().unwrap(), ())
        .unwrap();
    for state in [SessionState::Running, SessionState::Stopped] {
        life = life.again();
        let back = life.ask::<ShowGroup>(name(), ()).unwrap().members;
        let back = back
            .iter()
            .map(|it| (it.session.name.as_str(), it.session.state));
        assert_eq!(back.collect::<Vec<_>>(), [("in-a", state), ("in-c", state)]);
        life.ask::<StopGroup>(name(), ()).unwrap();
    }
    life.ask::<DestroyGroup>(name(), ()).unwrap();
    let gone = life.again().ask::<ShowGroup>(name(), ()).unwrap_err();
    assert_eq!(gone.code, ProblemCode::NoSuchGroup);
}

#[test]
fn sessions_came_back_stopped_then_each_ending_tells_of_it() {
    let mut life = Life::begin();
    for (name, udp) in ["destroyed", "aborted", "aside"].into_iter().zip(5004..) {
        life.ask::<CreateSession>((), kept(name, udp, json!({})))
            .unwrap();
        life.ask::<StopSession>(name.parse().unwrap(), ()).unwrap();
    }
    let mut life = life.again();
    let named = |name: &str| name.parse().unwrap();
    let certificates = [
        life.ask::<DestroySession>(named("destroyed"), ()),
        life.ask::<AbortSession>(named("aborted"), ()),
        life.ask::<QuarantineSession>(named("aside"), ()),
    ];
    for certificate in certificates {
        let certificate = certificate.unwrap();
        let before = certificate.stopped_before.as_ref().unwrap().session;
        assert!(before.0 < certificate.session.0, "{certificate:?}");
        let document = serde_json::to_value(&certificate).unwrap();
        let checks = onair_certificate::verify(&document).unwrap();
        assert!(checks.holds, "{checks:#?}");
    }
}

#[test]
fn folder_gone_then_the_session_works_and_is_written_later() {
    let mut life = Life::begin();
    life.state().rename("sessions", "away");
    let cam = || "cam".parse().unwrap();
    let unwritten = [
        life.ask::<CreateSession>((), kept("cam", 5004, json!({}))),
        life.ask::<StopSession>(cam(), ()),
    ];
    for unwritten in unwritten {
        assert_eq!(unwritten.unwrap_err().code, ProblemCode::DiskFailed);
    }
    let state = |life: &mut Life| life.ask::<ShowSession>(cam(), ()).unwrap().state;
    assert_eq!(state(&mut life), SessionState::Stopped);
    life.state().rename("away", "sessions");
    life.ask::<StopSession>(cam(), ()).unwrap();
    assert_eq!(state(&mut life.again()), SessionState::Stopped);
}

/// The sessions of the certificates that a search finds.
fn found(life: &mut Life, query: CertificateQuery) -> Vec<SessionId> {
    let list = life.ask::<ListCertificates>((), query).unwrap();
    list.certificates.iter().map(|it| it.session).collect()
}

/// The checks that a certificate fails.
fn failing(life: &mut Life, id: SessionId) -> Vec<String> {
    let certificate = life.ask::<ShowCertificate>(id.into(), ()).unwrap();
    let document = serde_json::to_value(&certificate).unwrap();
    let checks = onair_certificate::verify(&document).unwrap().checks;
    let failing = checks.iter().filter(|it| it.outcome == CheckOutcome::Fails);
    failing.map(|it| it.name.clone()).collect()
}

#[test]
fn certificates_of_operations_are_found_after_a_restart() {
    let mut life = Life::begin();
    let mut ids = Vec::new();
    for (name, waits) in [("cam", false), ("other", true), ("cam", false)] {
        let id = life.ask::<CreateSession>((), session(name, "send", json!({})));
        let id = SessionRef::from(id.unwrap().id);
        life.ask::<StopSession>(id.clone(), ()).unwrap();
        let wait = DestroyWait { deadline_ms: 1000 };
        let ended = match waits {
            true => life.ask::<DestroySessionWait>(id, wait),
            false => life.ask::<DestroySession>(id, ()),
        };
        ids.push(ended.unwrap().session);
        life.live(Duration::from_secs(1));
    }
    let later = life.now();
    // And one that the daemon ends itself.
    let last = life.ask::<CreateSession>((), session("last", "send", json!({})));
    ids.push(last.unwrap().id);
    life.shut_down(Duration::from_secs(1));
    life.end();
    let mut life = life.again();
    let [one, two, three, four] = ids[..] else {
        unreachable!("there are four");
    };
    let any = CertificateQuery::default;
    let of = |name: &str| CertificateQuery {
        session: Some(name.parse().unwrap()),
        ..any()
    };
    for (query, expected) in [
        (any(), &[four, three, two, one][..]),
        (of("cam"), &[three, one]),
        (of(&two.to_string()), &[two]),
        (of("nobody"), &[]),
        (
            CertificateQuery {
                operation: Some(Operation::Shutdown),
                ..any()
            },
            &[four],
        ),
        (
            CertificateQuery {
                operation: Some(Operation::Destroy),
                limit: Some(1),
                ..any()
            },
            &[three],
        ),
        (
            CertificateQuery {
                since: Some(later),
                ..any()
            },
            &[four],
        ),
    ] {
        assert_eq!(found(&mut life, query.clone()), expected, "{query:?}");
    }
    for id in ids {
        assert_eq!(failing(&mut life, id), [""; 0]);
    }

    // By hand, on the disk.
    let mut life = life.again_after(|state| {
        let file = format!("certificates/{two}.json");
        let mut document: serde_json::Value = serde_json::from_slice(&state.read(&file)).unwrap();
        document["readings"][2]["detail"] = "no user".into();
        state.write(&file, document.to_string().as_bytes());
    });
    assert_eq!(found(&mut life, any()).len(), 4);
    assert_eq!(failing(&mut life, two), ["digest"]);
}

#[test]
fn certificate_while_the_disk_hangs_then_the_answer_says_so() {
    let mut life = Life::with("[timeouts]\ndurable_ms = 200\n");
    let cam = || "cam".parse().unwrap();
    life.ask::<CreateSession>((), session("cam", "send", json!({})))
        .unwrap();
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.world.set_disk(DiskState::Hangs);
    let ended = life.ask::<DestroySession>(cam(), ()).unwrap();
    assert!(!ended.durable);
    let id = ended.session.to_string();
    life.live(Duration::from_secs(10));
    let health = life.ask::<ShowHealth>((), ()).unwrap();
    assert_eq!(health.unwritten_certificates, 1);
    let is_named = |problems: &[String]| problems.iter().any(|it| it.contains(&id));
    assert!(is_named(&health.problems), "{:?}", health.problems);
    life.world.set_disk(DiskState::Works);
    life.live(Duration::from_secs(2));
    let health = life.ask::<ShowHealth>((), ()).unwrap();
    assert_eq!(health.unwritten_certificates, 0);
    assert!(!is_named(&health.problems), "{:?}", health.problems);
    let kept = life.again().ask::<ShowCertificate>(cam(), ()).unwrap();
    assert!(kept.durable);
}

#[test]
fn port_is_no_more_then_health_names_the_session() {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), kept("cam", 5004, json!({})))
        .unwrap();
    let mut life = life.again_after(|state| {
        let file = "sessions/cam.json";
        let mut spec: serde_json::Value = serde_json::from_slice(&state.read(file)).unwrap();
        spec["spec"]["port"] = "z".into();
        state.write(file, spec.to_string().as_bytes());
    });
    assert!(names(&mut life).is_empty());
    let health = life.ask::<ShowHealth>((), ()).unwrap();
    let mut problems = health.problems.iter();
    assert!(
        problems.any(|it| it.contains("session cam does not come back")),
        "{:?}",
        health.problems
    );
}
