//! Use of the limits that users share, for health.

use onair_api::{SessionName, ShareUse};
use onair_settings::access::authority::Grant;
use onair_shares::Usage;

use super::Report;
use super::problems::Problems;

impl Report<'_> {
    /// The use of each limit; adds what is wrong. Names only sessions that `grant` covers.
    pub(super) fn share_uses(&self, grant: Grant, problems: &mut Problems) -> Vec<ShareUse> {
        let services = self.services;
        let connections = services.machine.connections().into_iter();
        let probe = services.machine.probe_usage();
        let mut shares = Vec::new();
        for usage in connections.chain(probe) {
            problems.of_daemon.extend(usage.problem());
            shares.push(document(None, &usage));
        }
        // A refused requester is told: no problem.
        shares.push(document(None, &services.hub.usage()));
        // Full for seconds at most.
        shares.push(document(None, &self.snapshots));
        // An installation may fill these permanently, and a refused requester is told: no problem.
        shares.extend(self.shares.iter().map(|usage| document(None, usage)));
        for poller in 0..services.config.poller.len() {
            let capacity = services.capacity(poller);
            let room = services.rooms.usage(capacity);
            shares.extend(room.map(|usage| {
                let name = capacity.name;
                ShareUse {
                    what: format!(
                        "percent of the core of poller {name}, by what its sessions need"
                    ),
                    key: format!("poller.{name}.capacity_percent"),
                    ..document(None, &usage)
                }
            }));
        }
        shares.extend(services.archive.uses().map(|it| {
            let limit = it.limit as u64;
            let (greatest_uid, greatest) = it.greatest.unzip();
            ShareUse {
                what: it.kind.what().to_owned(),
                key: "state.certificates".to_owned(),
                session: None,
                limit,
                used: it.used as u64,
                reserved: 0,
                per_uid: limit,
                per_process: limit,
                greatest_uid,
                greatest: greatest.unwrap_or_default() as u64,
                refused: 0,
            }
        }));
        for (charge, bytes) in services.machine.pinned() {
            let text = format!(
                "session {}, which ended: a process has pages of its frames in a pipe or registered with io_uring; \
                 limits.frame_memory_mb counts {bytes} bytes until it lets go",
                charge.session
            );
            problems.of_sessions.push((charge.uid, text));
        }
        let former_clients = self.sessions.living();
        let former_clients = former_clients.map(|session| {
            let name = session.spec.name.clone();
            let usage = session.former_clients.usage(&session.core, services);
            (session.owner.uid, name, usage)
        });
        let former_clients: Vec<_> = former_clients.collect();
        for (owner, name, usage) in &former_clients {
            let problem = usage.problem();
            let problem = problem.map(|problem| (*owner, format!("session {name}: {problem}")));
            problems.of_sessions.extend(problem);
        }
        let fullest = former_clients
            .into_iter()
            .filter(|(owner, ..)| grant.covers(Some(*owner)))
            .max_by_key(|(_, _, usage)| usage.used);
        shares.extend(fullest.map(|(_, name, usage)| document(Some(name), &usage)));
        shares
    }
}

fn document(session: Option<SessionName>, usage: &Usage) -> ShareUse {
    let share = &usage.share;
    let shown = |places| share.shown(places) as u64;
    let (greatest_uid, greatest) = usage.greatest.unzip();
    ShareUse {
        what: share.what.to_owned(),
        key: share.key.to_owned(),
        session,
        limit: shown(share.limit),
        used: shown(usage.used),
        reserved: shown(share.reserve),
        per_uid: shown(share.per_uid),
        per_process: shown(share.per_process),
        greatest_uid,
        greatest: shown(greatest.unwrap_or_default()),
        refused: usage.refused,
    }
}
