//! The limits that users share: whether a user may have one more session, recording or sender. It decides on
//! what is counted elsewhere, and counts what was refused.

use onair_api::{Problem, ProblemCode};
use onair_settings::access::peer::this_daemon;
use onair_settings::config::Config;
use onair_shares::{Owner, Refused, Share, Table, Usage};

use crate::services::Services;
use crate::sessions::{Sessions, Taken};

/// A claim on shared limits.
#[derive(Clone, Copy, Debug)]
pub enum Claim {
    /// One more session with so many bytes of frame memory.
    Session(Owner, u64),
    /// One more recording.
    Recording(Owner),
    /// One more sender of this user: a sender has frames of its own, and those of senders that left come on top of
    /// what the sessions reserve.
    Sender(Owner),
}

/// The limit that refuses a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    limit: Limit,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Sessions,
    FrameMemory,
    Recordings,
}

impl Full {
    /// Whether there may be place once memory is freed that no process has any more.
    #[must_use]
    pub fn is_of_memory(&self) -> bool {
        self.limit == Limit::FrameMemory
    }
}

/// Holdings of all users at one moment, and their limits.
#[derive(Debug)]
pub struct Holdings {
    /// Of sessions that exist or are in quarantine, by uid.
    pub sessions: Vec<(u32, Taken)>,
    /// Bytes of ended sessions and of clients that left, which a process or the kernel has, by uid.
    pub pending: Vec<(u32, u64)>,
    /// Bytes on their way back, by uid.
    pub returning: Vec<(u32, u64)>,
    /// The user of each recording that has not ended.
    pub recordings: Vec<u32>,
    /// The daemon's own user.
    pub daemon_uid: u32,
    limits: [Share; 3],
}

impl Holdings {
    /// Nothing, with the limits of `config`.
    fn new(config: &Config, daemon_uid: u32) -> Self {
        let limits = &config.limits;
        Self {
            sessions: Vec::new(),
            pending: Vec::new(),
            returning: Vec::new(),
            recordings: Vec::new(),
            daemon_uid,
            limits: [
                limits.sessions_share(),
                limits.frame_memory_share(),
                limits.recordings_share(config.recorder.max_recordings),
            ],
        }
    }

    /// Holdings of each user; `recordings` are the users of those that run.
    #[must_use]
    pub fn of(
        services: &Services,
        sessions: &Sessions,
        recordings: impl Iterator<Item = u32>,
    ) -> Self {
        let mut all = Self::new(&services.config, this_daemon(0).uid);
        let users = sessions.index.users.iter();
        all.sessions
            .extend(users.map(|(uid, taken)| (*uid, *taken)));
        let pending = &services.pending_reclaim;
        all.pending.extend(pending.held_by_user(&*services.machine));
        all.returning.extend(services.machine.returning());
        all.recordings.extend(recordings);
        all
    }

    fn table(&self, limit: Limit) -> Table {
        let mut table = Table::new(self.limits[limit as usize]);
        let of_sessions = self.sessions.iter();
        match limit {
            Limit::Sessions => {
                let of_sessions = of_sessions.filter(|(_, it)| it.sessions > 0);
                of_sessions.for_each(|(uid, it)| table.count_all(*uid, 0, places(it.sessions)));
            }
            Limit::FrameMemory => {
                let of_sessions = of_sessions.map(|(uid, it)| (*uid, it.bytes));
                let ended = self.pending.iter().chain(&self.returning).copied();
                of_sessions
                    .chain(ended)
                    .for_each(|(uid, bytes)| table.count_all(uid, 0, places(bytes)));
            }
            Limit::Recordings => self.recordings.iter().for_each(|uid| table.count(*uid, 0)),
        }
        table
    }

    /// Whether the claim keeps within the limits.
    ///
    /// # Errors
    /// The share that is full.
    pub fn check(&self, claim: Claim) -> Result<(), Full> {
        let full = |limit| move |detail: String| Full { limit, detail };
        match claim {
            Claim::Session(owner, bytes) => {
                let owner = of_user(owner);
                let one = self.table(Limit::Sessions).check(owner, 1);
                one.map_err(|it| full(Limit::Sessions)(it.to_string()))?;
                let memory = self.table(Limit::FrameMemory);
                memory.check(owner, places(bytes)).map_err(|refused| {
                    let wanted = bytes.div_ceil(1 << 20);
                    full(Limit::FrameMemory)(format!(
                        "the session needs {wanted} MiB of memory: {refused}, or lower quota, max_attachments or the \
                         class of its legs"
                    ))
                })
            }
            Claim::Recording(owner) => {
                let one = self.table(Limit::Recordings).check(of_user(owner), 1);
                one.map_err(|it| full(Limit::Recordings)(it.to_string()))
            }
            Claim::Sender(owner) => self.check_left(of_user(owner)).map_err(|refused| {
                full(Limit::FrameMemory)(format!(
                    "senders that left still have their frames: {refused}"
                ))
            }),
        }
    }

    /// Refuses a user whose senders left frames that a process still has, if there is no room for one more byte. What
    /// is on its way back is no reason: a sender may follow another one at once.
    fn check_left(&self, owner: Owner) -> Result<(), Refused> {
        let uid = owner.uid;
        let has_left = self
            .sessions
            .iter()
            .any(|(user, it)| *user == uid && it.left_bytes > 0);
        if !has_left && !self.pending.iter().any(|(user, _)| *user == uid) {
            return Ok(());
        }
        let owner = match uid == self.daemon_uid {
            true => Owner::root(0),
            false => owner,
        };
        self.table(Limit::FrameMemory).check(owner, 0)
    }
}

/// Requests that were refused since the start, by the limit.
#[derive(Debug, Default)]
pub struct Refusals([u64; 3]);

impl Refusals {
    /// Counts a refusal, and says why.
    pub fn refuse(&mut self, full: Full) -> Problem {
        self.0[full.limit as usize] += 1;
        Problem::new(ProblemCode::LimitReached, full.detail)
    }

    /// The use of each limit, with the refusals.
    #[must_use]
    pub fn usage(&self, holdings: &Holdings) -> [Usage; 3] {
        [Limit::Sessions, Limit::FrameMemory, Limit::Recordings].map(|limit| Usage {
            refused: self.0[limit as usize],
            ..holdings.table(limit).usage()
        })
    }
}

/// A session and a recording outlive the process that asked for them: only its user counts.
fn of_user(owner: Owner) -> Owner {
    Owner { pid: 0, ..owner }
}

fn places(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use onair_shares::Rank;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// 10 sessions, 100 MiB and 4 recordings; a user may have half of what is not reserved.
    fn holdings() -> Holdings {
        let mut config = Config::default();
        config.limits.sessions = 10;
        config.limits.frame_memory_mb = 100;
        config.limits.reserve_percent = 20;
        config.limits.uid_percent = 50;
        config.recorder.max_recordings = 4;
        Holdings::new(&config, 900)
    }

    fn taken(sessions: u64, bytes: u64, left_bytes: u64) -> Taken {
        Taken {
            sessions,
            bytes,
            left_bytes,
        }
    }

    fn user(uid: u32, pid: u32) -> Owner {
        let rank = Rank::Other;
        Owner { uid, pid, rank }
    }

    fn limit(of: &Holdings, claim: Claim) -> Option<Limit> {
        of.check(claim).err().map(|full| full.limit)
    }

    #[test]
    fn session_is_refused_by_the_users_share_whatever_its_process() {
        let mut all = holdings();
        all.sessions = vec![(1, taken(3, 0, 0))];
        assert_eq!(limit(&all, Claim::Session(user(1, 7), MIB)), None);
        all.sessions = vec![(1, taken(4, 0, 0))];
        let fifth = Claim::Session(user(1, 8), MIB);
        assert_eq!(limit(&all, fifth), Some(Limit::Sessions));
        assert_eq!(limit(&all, Claim::Session(user(2, 7), MIB)), None);
        assert_eq!(limit(&all, Claim::Session(Owner::root(1), MIB)), None);
    }

    #[test]
    fn memory_that_is_not_given_back_counts_and_may_be_swept() {
        let mut all = holdings();
        all.sessions = vec![(1, taken(1, 20 * MIB, 0))];
        assert_eq!(limit(&all, Claim::Session(user(1, 7), 20 * MIB)), None);
        all.pending = vec![(1, MIB)];
        let full = all.check(Claim::Session(user(1, 7), 20 * MIB)).unwrap_err();
        assert!(full.is_of_memory(), "{full:?}");
        let refused = Refusals::default().refuse(full);
        assert_eq!(refused.code, ProblemCode::LimitReached);
        assert!(refused.detail.contains("needs 20 MiB"), "{refused}");
    }

    #[test]
    fn sender_is_refused_only_for_what_senders_of_its_user_left() {
        let mut all = holdings();
        let sender = |uid| Claim::Sender(user(uid, 7));
        // Another user took all that users may have, and this one's sessions have their memory.
        all.sessions = vec![(1, taken(1, 50 * MIB, 0)), (2, taken(1, 30 * MIB, 0))];
        assert_eq!(limit(&all, sender(1)), None);
        all.sessions[0].1.left_bytes = MIB;
        assert_eq!(limit(&all, sender(1)), Some(Limit::FrameMemory));
        assert_eq!(limit(&all, sender(2)), None);
        // Its own sessions may fill its share; what is on its way back is no reason.
        all.sessions = vec![(1, taken(1, 40 * MIB, MIB))];
        assert_eq!(limit(&all, sender(1)), None);
        all.sessions = vec![(1, taken(1, 40 * MIB, 0))];
        all.returning = vec![(1, 10 * MIB)];
        assert_eq!(limit(&all, sender(1)), None);
        all.returning.clear();
        // The daemon's user and root have no share.
        let root = Claim::Sender(Owner::root(7));
        for (uid, claim) in [(0, root), (900, sender(900))] {
            all.sessions = vec![(uid, taken(1, 90 * MIB, MIB))];
            assert_eq!(limit(&all, claim), None);
            all.sessions = vec![(uid, taken(1, 101 * MIB, MIB))];
            assert_eq!(limit(&all, claim), Some(Limit::FrameMemory));
        }
    }

    #[test]
    fn users_leave_frames_to_others_then_root_still_has_its_share() {
        let mut all = holdings();
        // Root's send session; two users attach to it and leave their frames until they are refused.
        all.sessions = vec![(0, taken(1, 10 * MIB, 0))];
        for uid in [1, 2] {
            for _ in 0..100 {
                if all.check(Claim::Sender(user(uid, 7))).is_ok() {
                    all.pending.push((uid, 5 * MIB));
                }
            }
        }
        assert_eq!(
            limit(&all, Claim::Sender(user(1, 7))),
            Some(Limit::FrameMemory)
        );
        assert_eq!(limit(&all, Claim::Sender(Owner::root(7))), None);
        assert_eq!(limit(&all, Claim::Session(Owner::root(7), 10 * MIB)), None);
    }

    #[test]
    fn refusals_are_counted_by_the_limit_that_refused() {
        let mut all = holdings();
        let mut refusals = Refusals::default();
        all.recordings = vec![1];
        for _ in 0..2 {
            let full = all.check(Claim::Recording(user(1, 7))).unwrap_err();
            assert!(!full.is_of_memory());
            refusals.refuse(full);
        }
        let refused = refusals.usage(&all).map(|it| (it.refused, it.used));
        assert_eq!(refused, [(0, 0), (0, 0), (2, 1)]);
    }
}
