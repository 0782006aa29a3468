//! Use of the limits that users share, for health.

use onair_probe::share::Usage;
use onair_types::{SessionName, ShareUse};

use super::Actor;

impl Actor {
    /// The use of each limit; adds what is wrong to `problems`.
    pub(super) fn shares(&self, problems: &mut Vec<String>) -> Vec<ShareUse> {
        let services = &self.services;
        let connections = services.connections.iter().map(|it| it.usage());
        let probe = services.probe.probe().into_iter();
        let probe = probe.flat_map(onair_probe::Probe::usage);
        let mut shares = Vec::new();
        for usage in connections.chain(probe) {
            problems.extend(usage.problem());
            shares.push(document(None, &usage));
        }
        // Full for seconds at most, and those who are refused are told: no problem.
        let snapshots = self.snapshots.usage();
        shares.push(document(None, &snapshots));
        let former_clients = self.sessions.living();
        let former_clients = former_clients.map(|session| session.former_clients_usage(services));
        let former_clients: Vec<_> = former_clients.collect();
        for (name, usage) in &former_clients {
            let problem = usage.problem();
            problems.extend(problem.map(|problem| format!("session {name}: {problem}")));
        }
        let fullest = former_clients
            .into_iter()
            .max_by_key(|(_, usage)| usage.used);
        shares.extend(fullest.map(|(name, usage)| document(Some(name), &usage)));
        shares
    }
}

fn document(session: Option<SessionName>, usage: &Usage) -> ShareUse {
    let share = &usage.share;
    let (greatest_uid, greatest) = usage.greatest.unzip();
    ShareUse {
        what: share.what.to_owned(),
        key: share.key.to_owned(),
        session,
        limit: share.limit as u64,
        used: usage.used as u64,
        reserved: share.reserve as u64,
        per_uid: share.per_uid as u64,
        per_process: share.per_process as u64,
        greatest_uid,
        greatest: greatest.unwrap_or_default() as u64,
        refused: usage.refused,
    }
}
