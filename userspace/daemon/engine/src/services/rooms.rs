//! Capacity that sessions reserve on each poller: known when they are created, and admitted or refused by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use onair_api::{Problem, ProblemCode, SessionSpec};
use onair_mutant::mutant;
use onair_shares::{Bound, Owner, Percent, Rank, Share, Table, Terms, Usage};

/// Payload of most packets of a unit that takes several, in bytes.
const PAYLOAD: u64 = 1200;
/// Time of a core that a packet takes, without its bytes, in nanoseconds (docs/plan.md).
const PACKET_NS: u64 = 100;
/// The same of a train: a packet by itself, or the packets of a unit in a row.
const TRAIN_NS: u64 = 600;
/// Bytes that take a nanosecond.
const BYTES_A_NS: u64 = 16;
/// One percent of a core, in nanoseconds a second.
const PERCENT_NS: usize = 10_000_000;

const PERCENT: &Terms = &Terms {
    unit: PERCENT_NS,
    remedy: "destroy sessions",
};

/// Work of a session on a poller in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    packets: u64,
    trains: u64,
    bytes: u64,
}

impl Need {
    /// The need of a session of packets; one without has no limit here.
    #[must_use]
    pub fn of(spec: &SessionSpec) -> Self {
        if !spec.has_packets() {
            return Self::default();
        }
        let legs = 1 + u64::from(spec.flow.second.is_some());
        let trains = spec.format.trains_in_1000_s().div_ceil(1_000);
        let bytes = spec.format.bytes_per_second();
        Self {
            packets: legs * trains.max(bytes.div_ceil(PAYLOAD)),
            trains: legs * trains,
            bytes: legs * bytes,
        }
    }

    /// The work that exceeds `other`.
    #[must_use]
    pub const fn more_than(self, other: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(other.packets),
            trains: self.trains.saturating_sub(other.trains),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// Time of a core, in nanoseconds.
    fn cost(self) -> usize {
        let cost = self.packets * PACKET_NS + self.trains * TRAIN_NS + self.bytes / BYTES_A_NS;
        usize::try_from(cost).unwrap_or(usize::MAX / 2)
    }
}

/// The need of the sessions on each poller, by user. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Rooms(Arc<Mutex<BTreeMap<usize, BTreeMap<u32, usize>>>>);

/// The room of a session. Given back on drop.
#[derive(Debug)]
pub struct Room {
    rooms: Rooms,
    poller: usize,
    uid: u32,
    cost: usize,
}

/// How the room of a session is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is refused where there is none.
    Checked,
    /// It had its room when it was created.
    Restored,
}

/// A poller, as [`Rooms`] needs it.
#[derive(Clone, Copy, Debug)]
pub struct Capacity<'a> {
    /// Its number.
    pub poller: usize,
    /// Its name.
    pub name: &'a str,
    /// Percent of a core; 0: no limit.
    pub percent: u32,
    /// How users share it.
    pub shares: Percent,
}

impl Capacity<'_> {
    fn share(&self) -> Share {
        let limit = self.percent as usize * PERCENT_NS;
        let (what, key) = ("percent of a core", "poller.NAME.capacity_percent");
        Share::new(what, key, limit, self.shares).with_terms(PERCENT)
    }
}

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, BTreeMap<u32, usize>>> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a user has nothing of a poller.
    fn has_none(&self, poller: usize, uid: u32) -> bool {
        let rooms = self.lock();
        let used = rooms.get(&poller).and_then(|users| users.get(&uid));
        used.is_none_or(|used| *used == 0)
    }

    fn table(&self, of: Capacity<'_>) -> Table {
        let mut table = Table::new(of.share());
        for (uid, cost) in self.lock().get(&of.poller).into_iter().flatten() {
            table.count_all(*uid, 0, *cost);
        }
        table
    }

    /// Use of a poller's room, in percent; `None`: it has no limit.
    #[must_use]
    pub fn usage(&self, of: Capacity<'_>) -> Option<Usage> {
        (of.percent > 0).then(|| self.table(of).usage())
    }

    /// Whether the poller has room for `need`, whatever the shares.
    #[must_use]
    pub fn fits(&self, of: Capacity<'_>, need: Need) -> bool {
        let root = Owner::root(0);
        of.percent == 0 || need.cost() == 0 || self.table(of).check(root, need.cost()).is_ok()
    }

    /// Whether the poller has room for a session of `owner`.
    ///
    /// # Errors
    /// `poller_full`.
    pub fn check(&self, of: Capacity<'_>, owner: Owner, need: Need) -> Result<(), Problem> {
        if of.percent == 0 || need.cost() == 0 {
            return Ok(());
        }
        let owner = Owner { pid: 0, ..owner };
        // One session may need more than a user's share, such as 4320p59.94: the first one only keeps off the reserve.
        let of = match self.has_none(of.poller, owner.uid) {
            true => Capacity {
                shares: Percent {
                    uid: 100,
                    ..of.shares
                },
                ..of
            },
            false => of,
        };
        let refused = match self.table(of).check(owner, need.cost()) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let [used, most] = [refused.used, refused.most].map(percent);
        let who = match refused.bound {
            Bound::Uid | Bound::Process => format!("uid {} uses", owner.uid),
            Bound::All => "all users use".to_owned(),
        };
        let name = of.name;
        let way_out = match owner.rank {
            Rank::Root | Rank::Operator => "or create it with overcommit (--overcommit)",
            Rank::Other | Rank::WithoutRole => {
                "or ask an operator, who may create it with overcommit (--overcommit)"
            }
        };
        let detail = format!(
            "the session needs {} of a core for {} packets and {} MB a second, and {who} {used} of {most} that \
             are theirs on poller {name} (poller.{name}.capacity_percent = {}): use a port of another poller, destroy \
             sessions, {way_out}",
            percent(need.cost()),
            need.packets,
            need.bytes / 1_000_000,
            of.percent,
        );
        Err(Problem::new(ProblemCode::PollerFull, detail))
    }

    /// Takes the room of a session of `uid`, whether or not there is as much.
    #[must_use]
    pub fn take(&self, poller: usize, uid: u32, need: Need) -> Room {
        let cost = need.cost();
        *self
            .lock()
            .entry(poller)
            .or_default()
            .entry(uid)
            .or_default() += cost;
        let rooms = self.clone();
        Room {
            rooms,
            poller,
            uid,
            cost,
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if mutant!("engine: the room of a session that ended stays taken") {
            return;
        }
        let mut rooms = self.rooms.lock();
        let Some(users) = rooms.get_mut(&self.poller) else {
            return;
        };
        if let Some(used) = users.get_mut(&self.uid) {
            *used -= self.cost;
            if *used == 0 {
                users.remove(&self.uid);
            }
        }
    }
}

/// A time of a core as text.
fn percent(ns: usize) -> String {
    let tenths = ns.div_ceil(PERCENT_NS / 10);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHARES: Percent = Percent {
        reserve: 10,
        uid: 80,
        process: 50,
    };

    fn p0(percent: u32) -> Capacity<'static> {
        Capacity {
            poller: 0,
            name: "p0",
            percent,
            shares: SHARES,
        }
    }

    fn need(format: &serde_json::Value) -> Need {
        let mut spec = json!({
            "name": "x", "direction": "send", "port": "a", "flow": { "destination": "10.0.0.2:5004" },
        });
        let (spec_map, format) = (spec.as_object_mut().unwrap(), format.as_object().unwrap());
        spec_map.extend(format.clone());
        Need::of(&serde_json::from_value(spec).unwrap())
    }

    fn video(width: u32, height: u32) -> Need {
        let format =
            json!({ "width": width, "height": height, "frame_rate": "60000/1001", "depth": 10 });
        need(&json!({ "video": format }))
    }

    fn short_packets() -> Need {
        let format =
            json!({ "coding": "L24", "sample_rate": 48000, "channels": 2, "packet_time_us": 125 });
        need(&json!({ "audio": format }))
    }

    fn user(uid: u32) -> Owner {
        let (pid, rank) = (9, Rank::Other);
        Owner { uid, pid, rank }
    }

    #[test]
    fn one_core_carries_what_the_bench_measured() {
        // Percent of a core: plan.md.
        for (format, least, most) in [
            (video(1920, 1080), 3, 6),
            (video(3840, 2160), 12, 25),
            (video(7680, 4320), 50, 90),
            (short_packets(), 0, 1),
        ] {
            let cost = format.cost() / PERCENT_NS;
            assert!((least..=most).contains(&cost), "{format:?} {cost}");
        }
    }

    #[test]
    fn one_user_creates_170_senders_then_roots_sender_has_room() {
        let rooms = Rooms::default();
        let mut taken = Vec::new();
        let mut refused = None;
        for _ in 0..170 {
            match rooms.check(p0(100), user(7), short_packets()) {
                Ok(()) => taken.push(rooms.take(0, 7, short_packets())),
                Err(problem) => refused = Some(problem),
            }
        }
        assert!((80..150).contains(&taken.len()), "{}", taken.len());
        let refused = refused.unwrap();
        assert_eq!(refused.code, ProblemCode::PollerFull);
        for words in [
            "8000 packets",
            "uid 7 uses",
            "of 72.0 %",
            "p0",
            "--overcommit",
        ] {
            assert!(refused.detail.contains(words), "{words}: {refused}");
        }
        for owner in [user(8), Owner::root(1)] {
            rooms.check(p0(100), owner, video(1920, 1080)).unwrap();
        }
        rooms.check(p0(0), user(7), short_packets()).unwrap();
        // A session that needs more than a user's share, and a second one.
        let large = Rooms::default();
        large.check(p0(100), user(7), video(7680, 4320)).unwrap();
        let _large = large.take(0, 7, video(7680, 4320));
        assert!(large.check(p0(100), user(7), short_packets()).is_err());
        large.check(p0(100), user(8), video(1920, 1080)).unwrap();
        let used = |rooms: &Rooms| rooms.usage(p0(100)).unwrap().used;
        assert!(used(&rooms) > 0 && rooms.fits(p0(100), video(1920, 1080)));
        taken.clear();
        assert_eq!(used(&rooms), 0);
    }
}
