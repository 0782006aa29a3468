//! Which sessions a daemon brings back at its start, and in which order. No disk, no clock.

use std::collections::BTreeMap;

use onair_api::{SessionName, SessionSpec, Who};

use super::store::PersistedSession;

/// The stored sessions of an earlier configuration that are not in the current one: they are forgotten.
pub fn no_longer_configured(
    stored: &BTreeMap<SessionName, PersistedSession>,
    configured: &[SessionSpec],
) -> Vec<SessionName> {
    let gone = stored.iter().filter(|(name, kept)| {
        kept.configured && !configured.iter().any(|spec| spec.name == **name)
    });
    gone.map(|(name, _)| name.clone()).collect()
}

/// The sessions of the configuration. One that is new is the daemon's and runs; the others are as they were left.
pub fn of_configuration(
    stored: &BTreeMap<SessionName, PersistedSession>,
    configured: Vec<SessionSpec>,
    daemon: &Who,
) -> Vec<PersistedSession> {
    let one = |spec: SessionSpec| {
        let before = stored.get(&spec.name);
        PersistedSession {
            owner: before.map_or(daemon, |kept| &kept.owner).clone(),
            configured: true,
            running: before.is_none_or(|kept| kept.running),
            stopped: before.and_then(|kept| kept.stopped.clone()),
            generation: before.map_or(0, |kept| kept.generation),
            spec,
        }
    };
    configured.into_iter().map(one).collect()
}

/// The other stored sessions: sources come before the sessions that look for them.
pub fn of_requesters<'a>(
    stored: impl Iterator<Item = &'a PersistedSession>,
) -> Vec<PersistedSession> {
    let others = stored.filter(|kept| !kept.configured).cloned();
    let (converted, mut all): (Vec<_>, Vec<_>) =
        others.partition(|kept| kept.spec.convert.is_some());
    all.extend(converted);
    all
}

#[cfg(test)]
mod tests {
    use onair_api::{Convert, SessionId, StoppedBefore, Timestamp};

    use super::*;

    fn kept(name: &str, configured: bool) -> PersistedSession {
        let spec = serde_json::json!({
            "name": name, "direction": "receive", "port": "a", "persistent": true,
            "video": {"width": 64, "height": 32, "frame_rate": "60/1", "depth": 8},
            "flow": {"destination": "10.0.0.1:5004"},
        });
        PersistedSession {
            spec: serde_json::from_value(spec).unwrap(),
            owner: who(1),
            configured,
            running: true,
            stopped: None,
            generation: 7,
        }
    }

    fn who(pid: u32) -> Who {
        let who = serde_json::json!({
            "uid": 0, "gid": 0, "pid": pid, "command": "t", "via": "control.sock",
        });
        serde_json::from_value(who).unwrap()
    }

    fn stored(all: &[PersistedSession]) -> BTreeMap<SessionName, PersistedSession> {
        let all = all.iter().cloned();
        all.map(|it| (it.spec.name.clone(), it)).collect()
    }

    #[test]
    fn session_taken_from_the_configuration_then_forgotten() {
        let all = stored(&[kept("a", true), kept("b", true), kept("c", false)]);
        let gone = no_longer_configured(&all, &[kept("b", true).spec]);
        assert_eq!(gone, ["a".parse().unwrap()]);
    }

    #[test]
    fn configured_session_is_as_it_was_left_and_a_new_one_runs() {
        let mut left = kept("b", false);
        left.running = false;
        left.stopped = Some(StoppedBefore {
            at: Timestamp(std::time::UNIX_EPOCH),
            session: SessionId::new(1, 1),
            boot_id: "boot".to_owned(),
        });
        let mut spec = left.spec.clone();
        spec.quota += 1;
        let all = stored(std::slice::from_ref(&left));
        let specs = vec![kept("a", true).spec, spec.clone()];
        let back = of_configuration(&all, specs, &who(9));
        let new = PersistedSession {
            owner: who(9),
            generation: 0,
            ..kept("a", true)
        };
        let configured = true;
        let left = PersistedSession {
            configured,
            spec,
            ..left
        };
        assert_eq!(back, [new, left]);
    }

    #[test]
    fn stored_sessions_come_back_sources_first_without_configured() {
        let mut converted = kept("a", false);
        converted.spec.convert = Some(Convert {
            from: "b".parse().unwrap(),
            layout: "v210".to_owned(),
            source_owner: None,
            follows_source: false,
        });
        let all = [converted.clone(), kept("b", false), kept("c", true)];
        assert_eq!(of_requesters(all.iter()), [kept("b", false), converted]);
    }
}
