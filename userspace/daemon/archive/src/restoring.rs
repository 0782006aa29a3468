//! Which sessions a daemon brings back at its start, and in which order. No disk, no clock.

use std::collections::BTreeMap;

use onair_api::{SessionName, SessionSpec, Who};

use crate::persisted::PersistedSession;

/// The stored sessions of an earlier configuration that are not in the current one: they are forgotten.
pub(crate) fn no_longer_configured(
    stored: &BTreeMap<SessionName, PersistedSession>,
    configured: &[SessionSpec],
) -> Vec<SessionName> {
    let gone = stored.iter().filter(|(name, kept)| {
        kept.configured && !configured.iter().any(|spec| spec.name == **name)
    });
    gone.map(|(name, _)| name.clone()).collect()
}

/// The sessions of the configuration, then the other stored ones: sources come before the sessions that
/// look for them. A session that is new in the configuration is the daemon's and runs; the others are
/// as they were left.
pub(crate) fn to_restore(
    stored: &BTreeMap<SessionName, PersistedSession>,
    configured: Vec<SessionSpec>,
    daemon: &Who,
) -> Vec<PersistedSession> {
    let of_configuration = |spec: SessionSpec| {
        let before = stored.get(&spec.name);
        PersistedSession {
            owner: before.map_or(daemon, |kept| &kept.owner).clone(),
            configured: true,
            running: before.is_none_or(|kept| kept.running),
            stopped: before.and_then(|kept| kept.stopped.clone()),
            generation: before.map_or(0, |kept| kept.generation),
            member_of: before.and_then(|kept| kept.member_of.clone()),
            next_packet: before.and_then(|kept| kept.next_packet),
            spec,
        }
    };
    let mut all: Vec<_> = configured.into_iter().map(of_configuration).collect();
    let is_other = |kept: &&PersistedSession| {
        !kept.configured && !all.iter().any(|it| it.spec.name == kept.spec.name)
    };
    let others = stored.values().filter(is_other).cloned();
    let (converted, sources): (Vec<_>, Vec<_>) =
        others.partition(|kept| kept.spec.convert.is_some());
    all.extend(sources);
    all.extend(converted);
    all
}

#[cfg(test)]
mod tests {
    use onair_api::{Convert, SessionId, StoppedBefore, Timestamp};

    use super::*;
    use crate::persisted::tests::{kept, who};

    fn kept_of(name: &str, configured: bool) -> PersistedSession {
        PersistedSession {
            configured,
            ..kept(name)
        }
    }

    fn stored(all: &[PersistedSession]) -> BTreeMap<SessionName, PersistedSession> {
        let all = all.iter().cloned();
        all.map(|it| (it.spec.name.clone(), it)).collect()
    }

    #[test]
    fn session_taken_from_the_configuration_then_forgotten() {
        let all = stored(&[kept_of("a", true), kept_of("b", true), kept_of("c", false)]);
        let gone = no_longer_configured(&all, &[kept_of("b", true).spec]);
        assert_eq!(gone, ["a".parse().unwrap()]);
    }

    #[test]
    fn configured_session_is_as_it_was_left_and_a_new_one_runs() {
        let mut left = kept_of("b", false);
        left.running = false;
        left.stopped = Some(StoppedBefore {
            at: Timestamp(std::time::UNIX_EPOCH),
            session: SessionId::new(1, 1),
            boot_id: "boot".to_owned(),
        });
        let mut spec = left.spec.clone();
        spec.quota += 1;
        let all = stored(std::slice::from_ref(&left));
        let specs = vec![kept_of("a", true).spec, spec.clone()];
        let back = to_restore(&all, specs, &who(9));
        let new = PersistedSession {
            owner: who(9),
            generation: 0,
            ..kept_of("a", true)
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
        let mut converted = kept_of("a", false);
        converted.spec.convert = Some(Convert {
            from: "b".parse().unwrap(),
            layout: "v210".to_owned(),
            source_owner: None,
        });
        let all = stored(&[converted.clone(), kept_of("b", false), kept_of("c", true)]);
        let back = to_restore(&all, Vec::new(), &who(9));
        assert_eq!(back, [kept_of("b", false), converted]);
    }
}
