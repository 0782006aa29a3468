//! Use of the limits that users share, for health.

use std::time::Instant;

use onair_api::{Problem, ProblemCode, SessionName, ShareUse};
use onair_probe::share::{Owner, Rank, Refused, Table, Usage, Used};

use crate::access::authority::Grant;
use crate::control::actor::Actor;
use crate::control::schedule::TURN;

/// Requests for a session or a recording that were refused since the start, by the limit.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    sessions: u64,
    frame_memory: u64,
    recordings: u64,
}

impl Actor {
    /// Whether `owner` may have one more session, with `bytes` of frame memory.
    ///
    /// # Errors
    /// `limit_reached`, with the share that is full.
    pub(crate) fn check_session(&mut self, owner: Owner, bytes: u64) -> Result<(), Problem> {
        let owner = of_user(owner);
        if let Err(refused) = self.sessions_table().check(owner, 1) {
            self.refusals.sessions += 1;
            return Err(limit(refused.to_string()));
        }
        let check = |actor: &Self| actor.frame_memory_table().check(owner, places(bytes));
        if let Err(refused) = check(self).or_else(|_| self.after_a_sweep(check)) {
            self.refusals.frame_memory += 1;
            let wanted = bytes.div_ceil(1 << 20);
            return Err(limit(format!(
                "the session needs {wanted} MiB for its frames: {refused}, or lower quota or max_attachments"
            )));
        }
        Ok(())
    }

    /// Whether `owner` may have one more recording.
    ///
    /// # Errors
    /// `limit_reached`, with the share that is full.
    pub(crate) fn check_recording(&mut self, owner: Owner) -> Result<(), Problem> {
        let checked = self.recordings_table().check(of_user(owner), 1);
        checked.map_err(|refused| {
            self.refusals.recordings += 1;
            limit(refused.to_string())
        })
    }

    /// Whether one more sender may attach to a session that is charged to `uid`: a sender has frames
    /// of its own, and those of senders that left come on top of what the sessions reserve.
    ///
    /// # Errors
    /// `limit_reached`, if senders that left sessions of `uid` are the reason.
    pub(crate) fn check_left_memory(&mut self, uid: u32) -> Result<(), Problem> {
        let check = |actor: &Self| actor.left_memory(uid);
        let checked = check(self).or_else(|_| self.after_a_sweep(check));
        checked.map_err(|refused| {
            self.refusals.frame_memory += 1;
            limit(format!(
                "senders that left still have their frames: {refused}"
            ))
        })
    }

    fn left_memory(&self, uid: u32) -> Result<(), Refused> {
        let of_user = self.sessions.taken().find(|(user, _)| *user == uid);
        let in_sessions = of_user.map_or(0, |(_, taken)| taken.left_bytes);
        let mut pending = self.services.pending_reclaim.bytes_by_user();
        if in_sessions == 0 && !pending.any(|(user, _)| user == uid) {
            return Ok(());
        }
        let table = self.frame_memory_table();
        table.check(Owner::root(0), 0)?;
        if uid == 0 || uid == rustix::process::geteuid().as_raw() {
            return Ok(());
        }
        let (pid, rank) = (0, Rank::Other);
        let owner = Owner { uid, pid, rank };
        let by_uid = table.used_by(owner).by_uid;
        // What others have is no reason here: the session has its memory already.
        let used = Used {
            by_uid,
            by_all: by_uid,
            by_process: 0,
        };
        self.services
            .config
            .limits
            .frame_memory_share()
            .check(owner, used, 0)
    }

    /// Checks again after it has freed memory that no process has any more.
    fn after_a_sweep<T>(&mut self, check: impl Fn(&Self) -> T) -> T {
        self.sweep_pending_reclaim(Instant::now() + TURN);
        check(self)
    }

    fn sessions_table(&self) -> Table {
        let mut table = Table::new(self.services.config.limits.sessions_share());
        for (uid, taken) in self.sessions.taken() {
            table.count_all(uid, 0, places(taken.sessions));
        }
        table
    }

    /// Of all sessions, and of ended ones that are not given back.
    fn frame_memory_table(&self) -> Table {
        let mut table = Table::new(self.services.config.limits.frame_memory_share());
        let of_sessions = self.sessions.taken().map(|(uid, taken)| (uid, taken.bytes));
        let pending = self.services.pending_reclaim.bytes_by_user();
        for (uid, bytes) in of_sessions.chain(pending) {
            table.count_all(uid, 0, places(bytes));
        }
        table
    }

    fn recordings_table(&self) -> Table {
        let config = &self.services.config;
        let share = config
            .limits
            .recordings_share(config.recorder.max_recordings);
        let mut table = Table::new(share);
        for entry in self.recorder.list.values() {
            table.count(entry.starter.uid, 0);
        }
        table
    }

    /// The use of each limit; adds what is wrong to `problems`, or to `of_sessions` with the session's
    /// owner. Names only sessions that `grant` covers.
    pub(crate) fn shares(
        &self,
        grant: Grant,
        problems: &mut Vec<String>,
        of_sessions: &mut Vec<(u32, String)>,
    ) -> Vec<ShareUse> {
        let services = &self.services;
        let connections = services.connections.iter().map(|it| it.usage());
        let probe = services.probe.probe().into_iter();
        let probe = probe.flat_map(onair_probe::Probe::usage);
        let mut shares = Vec::new();
        for usage in connections.chain(probe) {
            problems.extend(usage.problem());
            shares.push(document(None, &usage));
        }
        // Full for seconds at most, and a refused requester is told: no problem.
        let snapshots = self.snapshots.usage();
        shares.push(document(None, &snapshots));
        // An installation may fill these permanently, and a refused requester is told: no problem.
        let refusals = &self.refusals;
        for (table, refused) in [
            (self.sessions_table(), refusals.sessions),
            (self.frame_memory_table(), refusals.frame_memory),
            (self.recordings_table(), refusals.recordings),
        ] {
            let usage = Usage {
                refused,
                ..table.usage()
            };
            shares.push(document(None, &usage));
        }
        for (session, (charge, bytes)) in services.pending_reclaim.pinned() {
            let text = format!(
                "session {session}, which ended: a process has pages of its frames in a pipe or registered with io_uring; \
                 limits.frame_memory_mb counts {bytes} bytes until it lets go"
            );
            of_sessions.push((charge.uid, text));
        }
        let former_clients = self.sessions.living();
        let former_clients = former_clients.map(|session| {
            let (name, usage) = session.former_clients_usage(services);
            (session.owner.uid, name, usage)
        });
        let former_clients: Vec<_> = former_clients.collect();
        for (owner, name, usage) in &former_clients {
            let problem = usage.problem();
            let problem = problem.map(|problem| (*owner, format!("session {name}: {problem}")));
            of_sessions.extend(problem);
        }
        let fullest = former_clients
            .into_iter()
            .filter(|(owner, ..)| grant.covers(Some(*owner)))
            .max_by_key(|(_, _, usage)| usage.used);
        shares.extend(fullest.map(|(_, name, usage)| document(Some(name), &usage)));
        shares
    }
}

/// A session and a recording outlive the process that asked for them: only its user counts.
fn of_user(owner: Owner) -> Owner {
    Owner { pid: 0, ..owner }
}

fn places(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn limit(detail: String) -> Problem {
    Problem::new(ProblemCode::LimitReached, detail)
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
