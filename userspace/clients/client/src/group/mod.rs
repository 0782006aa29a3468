//! The sessions of a group together, in step.

mod member;
mod order;
mod piped;
mod unit;

use std::collections::VecDeque;
use std::time::Duration;

use onair_ipc::caller::Deadline;
use onair_ipc::message::ListMembers;
use onair_ipc::sys::monotonic_ns;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::carries::Described as _;
use crate::{Client, Ended, Error, Gap, Timeout};

pub use member::Member;
use order::{NextUnit, Order};
pub use piped::{GroupWriter, NotProgramme, NotWritten};
pub use unit::Unit;

/// How long a unit waits for earlier ones of other members, unless [`Group::patience`] says otherwise.
const PATIENCE: Duration = Duration::from_millis(200);
/// Between two looks while a member is not attached.
const LOOK: Duration = Duration::from_millis(20);

/// The next step of a group.
///
/// See the example of [`Group`].
#[derive(Debug)]
pub enum Step {
    /// The next unit: none of those before it has a later time.
    Unit(Unit),
    /// A unit that came too late for its place: its member was [`Step::Missing`], and the others went on.
    Late(Unit),
    /// As [`Next::Resumed`](crate::Next::Resumed): the first unit of a member after its session was stopped, or was gone, or its daemon was.
    Resumed(Gap, Unit),
    /// The session of this member receives at other addresses from about now on.
    Retargeted(usize),
    /// The others go on without this member until it has a unit again. Told once.
    Missing(Missing),
}

/// A member that the others do not wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its index in [`Group::members`].
    pub member: usize,
    /// Why nothing comes; `None`: its session runs.
    pub ended: Option<Ended>,
}

/// An attachment to all sessions of a group that receives. It gives their units in the order of their times: picture, sound and
/// ANC data of one time of TAI follow each other.
///
/// A unit waits until no other member can have an earlier one, at most for the [patience](Self::patience). Each member
/// attaches again by itself as [`Reattaching`](crate::Reattaching) does.
///
/// ```no_run
/// use onair::{Client, Contents, Step, Timeout};
///
/// let mut programme = Client::from_env().attach_group("programme")?;
/// loop {
///     match programme.next(Timeout::NEVER)? {
///         Step::Unit(unit) => match unit.contents() {
///             Contents::Video(layout) => println!("{:?}: {}", unit.media_time_ns(), layout.video),
///             other => println!("{:?}: {other}", unit.media_time_ns()),
///         },
///         Step::Late(unit) => println!("too late: {unit:?}"),
///         Step::Resumed(gap, unit) => println!("{:?} for {:?}: {unit:?}", gap.ended, gap.lasted),
///         Step::Retargeted(member) => println!("other addresses: {}", programme.members()[member].name()),
///         Step::Missing(it) => println!("on without {}", programme.members()[it.member].name()),
///     }
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), onair::Error>(())
/// ```
///
/// One thread calls it. Units may go to others. What waits for its turn has at most half of each member's quota; more are
/// copies.
#[derive(Debug)]
pub struct Group {
    name: String,
    members: Vec<Member>,
    order: Order<(Option<Gap>, Unit)>,
    told: VecDeque<Step>,
}

impl Client {
    /// Attaches this process to all sessions of a group, or to none.
    ///
    /// # Errors
    /// [`Error::Refused`] (`no_such_group`, `ENOENT`; `forbidden` if this process may not attach to each member);
    /// [`Error::NotAReceiver`]; those of [`Client::attach`] of each member.
    pub fn attach_group(&self, group: &str) -> Result<Group, Error> {
        let connection = self.open()?;
        let request = ListMembers {
            group: group.to_owned(),
        };
        let (listed, _) = connection.ask(request, group)?;
        drop(connection);
        let members = listed.members.iter();
        let members: Result<Vec<_>, _> = members.map(|it| Member::attach(self, &it.name)).collect();
        let members = members?;
        Ok(Group {
            name: group.to_owned(),
            order: Order::new(members.len(), ns(PATIENCE)),
            members,
            told: VecDeque::new(),
        })
    }
}

impl Group {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its members, oldest first. They stay the same, whatever becomes of the group.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Sets how long a unit waits for earlier ones of other members (200 ms). It must be more than the time of the
    /// longest unit: a picture comes when its last line is there.
    pub fn patience(&mut self, patience: Duration) {
        self.order.set_patience(ns(patience));
    }

    /// Gets what comes next; waits at most `timeout` for it.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; and as [`Reattaching::buffer_get`](crate::Reattaching::buffer_get), what no time heals:
    /// the next call tries again.
    pub fn next(&mut self, timeout: Timeout) -> Result<Step, Error> {
        let deadline = timeout.deadline();
        // Units that wait are given before others are taken, so that a slow caller has few of them.
        let mut is_fetched = false;
        loop {
            if let Some(step) = self.told.pop_front() {
                return Ok(step);
            }
            match self.order.next(monotonic_ns()) {
                NextUnit::Unit((None, unit)) => return Ok(Step::Unit(unit)),
                NextUnit::Late((None, unit)) => return Ok(Step::Late(unit)),
                NextUnit::Unit((Some(gap), unit)) | NextUnit::Late((Some(gap), unit)) => {
                    return Ok(Step::Resumed(gap, unit));
                }
                NextUnit::Overdue(_) | NextUnit::Wait(_) if !is_fetched => {
                    self.fetch()?;
                    is_fetched = true;
                }
                NextUnit::Overdue(member) => self.give_up(member),
                NextUnit::Wait(until) => {
                    self.wait(until, deadline)?;
                    is_fetched = false;
                }
            }
        }
    }

    /// Takes what the members have.
    fn fetch(&mut self) -> Result<(), Error> {
        for at in 0..self.members.len() {
            let order = &mut self.order;
            let is_retargeted = self.members[at].fetch(at, |gap, unit| {
                let times = (unit.media_time_ns(), unit_ns(&unit));
                order.push(at, times, monotonic_ns(), (gap, unit));
            })?;
            if is_retargeted {
                self.told.push_back(Step::Retargeted(at));
            }
            if self.members[at].silence().is_some() {
                self.give_up(at);
            }
        }
        Ok(())
    }

    fn give_up(&mut self, member: usize) {
        if self.order.give_up(member) {
            let ended = self.members[member].silence().map(|(_, ended)| ended);
            self.told
                .push_back(Step::Missing(Missing { member, ended }));
        }
    }

    /// Waits until a member may have something, until `until` or the deadline.
    fn wait(&self, until: Option<u64>, deadline: Deadline) -> Result<(), Error> {
        let now = monotonic_ns();
        let end = match deadline {
            Deadline::Never => None,
            Deadline::At(end) if end > now => Some(end),
            Deadline::At(_) | Deadline::Now => return Err(Error::TimedOut),
        };
        let ready = self.members.iter().filter_map(Member::ready);
        let mut ready: Vec<_> = ready
            .map(|it| PollFd::from_borrowed_fd(it, PollFlags::IN))
            .collect();
        let is_away = ready.len() < self.members.len();
        let look = is_away.then(|| now + ns(LOOK));
        let wake = [end, until, look].into_iter().flatten().min();
        let left = wake.map(|it| Duration::from_nanos(it.saturating_sub(now)));
        // A wait too long for a timespec is unlimited.
        let left = left.and_then(|it| Timespec::try_from(it).ok());
        match poll(&mut ready, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(Error::System {
                what: "wait for the members of a group",
                source: errno.into(),
            }),
        }
    }
}

fn unit_ns(unit: &Unit) -> u64 {
    let (buffers, seconds) = unit.contents().rate();
    u64::from(seconds) * 1_000_000_000 / u64::from(buffers).max(1)
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
