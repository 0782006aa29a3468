//! What is wrong with a session's traffic is told: in the view, in the health, as an event, in the metrics.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use onair_api::{PeerState, SessionProblemKind, Source};
use onair_tests::{Follower, Raster, Rig, send};

/// Kinds of the problems that events told of, as they began and as they ended.
fn told(rig: &Rig) -> Result<[BTreeSet<String>; 2]> {
    let mut kinds = [BTreeSet::new(), BTreeSet::new()];
    for event in Follower::so_far(rig)? {
        let list = match event["kind"].as_str() {
            Some("session_problem") => &mut kinds[0],
            Some("session_problem_over") => &mut kinds[1],
            _ => continue,
        };
        list.insert(event["problem"].as_str().context("its kind")?.to_owned());
    }
    Ok(kinds)
}

fn kinds<const N: usize>(kinds: [&str; N]) -> BTreeSet<String> {
    kinds.map(str::to_owned).into()
}

#[test]
fn receivers_that_cannot_be_reached_then_told_with_what_to_do() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    for (name, address, kind, peer) in [
        (
            "silent",
            "10.77.0.99",
            SessionProblemKind::PeerUnresolved,
            PeerState::Unresolved,
        ),
        (
            "all",
            "10.77.0.255",
            SessionProblemKind::PeerBroadcast,
            PeerState::Broadcast,
        ),
    ] {
        let mut spec = send(name, Raster::SMALL, 5004, Source::Pattern);
        spec.flow.destination = format!("{address}:5004");
        control.create(&spec)?;
        let found = control.await_problem(name, kind)?;
        assert!(found.detail.contains(address), "{found:?}");
        let view = control.show(name)?;
        assert_eq!((view.peer, view.counters.frames_sent), (Some(peer), 0));
        let health = control.health()?;
        let named = format!("session {name}: ");
        assert!(
            health.problems.iter().any(|it| it.starts_with(&named)),
            "{:?}",
            health.problems
        );
        let metric = format!("session=\"{name}\",problem=\"{kind}\"");
        let scraped = rig.scrape()?;
        let line = scraped.lines().find(|line| {
            let has = |text: &str| line.contains(text);
            has("onair_session_problem{")
                && has(&format!("session=\"{name}\""))
                && has(&format!("problem=\"{kind}\""))
        });
        assert!(
            line.is_some_and(|line| line.ends_with(" 1")),
            "{metric}: {line:?}"
        );
        control.end(name)?;
    }
    let began = kinds(["peer_broadcast", "peer_unresolved"]);
    let [told, _] = told(&rig)?;
    assert!(told.is_superset(&began), "{told:?}");
    Ok(())
}
