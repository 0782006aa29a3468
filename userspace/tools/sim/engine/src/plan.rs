//! Who does what, and when.

use onair_settings::config::Policy;
use onair_sim_kernel::Random;

use crate::cast::ROLES;
use crate::narrow;

/// The longest of the pauses between deeds, ms, by the kind of a life.
const PAUSES: [u64; 4] = [1, 10, 60, 700];
/// The longest steps of the clock, ms.
const STEPS: [u64; 4] = [5, 20, 50, 250];
/// The longest pause of a few lives: pollers stall, and waits end.
const LONG: u64 = 2_500;

/// One deed, some time after the one before.
#[derive(Clone, Copy, Debug)]
pub struct EngineDeed {
    /// Pause before it, ms.
    pub after: u64,
    /// The deed.
    pub kind: EngineDeedKind,
    /// To which session.
    pub role: usize,
    /// Which one, who, or for how long: reduced to what there is.
    pub which: u64,
}

/// A deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineDeedKind {
    /// Create a session.
    Create,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Give it another address at once.
    Retarget,
    /// The same, at a time.
    RetargetAt,
    /// Destroy it now or not at all.
    Destroy,
    /// Destroy it when its users have left.
    DestroyWait,
    /// Evict its users, and destroy it.
    Abort,
    /// Set it aside.
    Quarantine,
    /// Evict one client.
    Evict,
    /// Evict all clients.
    EvictAll,
    /// Wait until its frames are sent.
    Flush,
    /// Ask for its users, or the witnesses.
    Look,
    /// The requester of an open request goes.
    Leave,
    /// Create the group.
    CreateGroup,
    /// Start the group.
    StartGroup,
    /// Stop the group.
    StopGroup,
    /// Give its members other addresses.
    RetargetGroup,
    /// Destroy the group now or not at all.
    DestroyGroup,
    /// Destroy the group when its users have left.
    DestroyGroupWait,
    /// A process attaches.
    Attach,
    /// A process attaches in a layout.
    AttachInLayout,
    /// A process reserves a place and goes.
    Reserve,
    /// A process creates the session and attaches.
    Own,
    /// A client gives its attachment back.
    Detach,
    /// A client's connection closes.
    HangUp,
    /// A client's process dies.
    Kill,
    /// A client passes its memory on.
    PassOn,
    /// Passed-on memory goes.
    DropPassedOn,
    /// A client takes a frame.
    Take,
    /// It gives one back, or hands it in.
    Put,
    /// The kernel sees callers of a client blocked, or no more.
    Block,
    /// A client waits until its frames are sent.
    FlushOwn,
    /// An owner stops its session and destroys it.
    DestroyOwn,
    /// An owner aborts its session.
    AbortOwn,
    /// Record it.
    Record,
    /// End a recording.
    EndRecording,
    /// Make a picture of it.
    Picture,
    /// Pollers make no turns.
    StandPollers,
    /// A poller panics.
    KillPoller,
    /// The helper threads hang.
    HangHelpers,
    /// The helper threads find nothing.
    BlindHelpers,
    /// The recorder hangs.
    HangRecorder,
    /// The recorder's disk is full.
    FailRecorder,
    /// The disk is full.
    FillDisk,
    /// The disk hangs.
    HangDisk,
    /// The probe does not see.
    BlindProbe,
    /// Memory does not go back.
    HangReclaimer,
    /// All works again.
    Mend,
    /// The daemon is killed, or the power fails, and the next one starts.
    Restart,
    /// The daemon ends in order, and the next one starts.
    Shutdown,
}

/// A whole life.
#[derive(Clone, Debug)]
pub struct EnginePlan {
    /// All chance comes from it.
    pub seed: u64,
    /// The deeds, in order.
    pub deeds: Vec<EngineDeed>,
    /// The longest step of the clock, ms.
    pub step: u64,
    /// Roles whose sessions are persistent, a bit each.
    pub persistent: u64,
    /// Policy of a shutdown for users that stay.
    pub policy: Policy,
    /// Sessions that there may be at a time.
    pub sessions: u64,
    /// Memory of all sessions, MiB.
    pub memory: u64,
    /// Clients that may have left a session and keep its memory.
    pub departed: u64,
    /// The daemon goes on without a poller that has died; else it ends in order.
    pub goes_on: bool,
    /// Sources send to the sessions that receive.
    pub is_on_air: bool,
    /// At the end the daemon is shut down; else operators end each session.
    pub ends_in_order: bool,
}

impl EnginePlan {
    /// The life of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xe791_5eed);
        let mut below = |limit: u64| usize::try_from(random.below(limit)).unwrap_or(0);
        let (theme, mut pause) = (below(9), PAUSES[below(4)]);
        let is_long = below(8) == 0;
        if is_long {
            pause = LONG;
        }
        let some_roles = theme == 5 || below(2) == 0;
        let own = [below(ROLES as u64), below(ROLES as u64)];
        let first = (0..2 + below(4))
            .map(|_| begin(&mut below))
            .collect::<Vec<_>>();
        let deeds = (0..4 + below(26)).map(|_| EngineDeed {
            after: {
                let longest = [PAUSES[below(4)], pause, pause, pause][below(4)];
                below(longest + 1) as u64
            },
            kind: deed(theme, &mut below),
            role: if some_roles {
                own[below(2)]
            } else {
                below(ROLES as u64)
            },
            which: below(1 << 16) as u64,
        });
        let deeds = first.into_iter().flatten().chain(deeds).collect();
        let mut plan = Self {
            seed,
            deeds,
            step: STEPS[below(4)].max(pause / 10),
            persistent: [0, 0xffff, 0b1010_0110, 0b0101_1001][below(4)],
            policy: [Policy::Refuse, Policy::Evict, Policy::Quarantine][below(3)],
            sessions: [3, 6, 64, 64][below(4)],
            memory: [2, 8, 64, 64][below(4)],
            departed: [2, 128, 128][below(3)],
            goes_on: below(3) > 0,
            is_on_air: below(4) > 0,
            ends_in_order: below(3) == 0,
        };
        narrow::make(&mut plan);
        plan
    }
}

type Below<'a> = &'a mut dyn FnMut(u64) -> usize;

/// A session, or the group, with a client of it: most of what follows needs one.
fn begin(below: Below<'_>) -> Vec<EngineDeed> {
    use EngineDeedKind as Kind;
    let role = below(ROLES as u64);
    let [create, attach] = match below(6) {
        0 => [Kind::CreateGroup, Kind::Attach],
        1 => [Kind::Own, Kind::Take],
        _ => [Kind::Create, Kind::Attach],
    };
    let deed = |kind, after, which| EngineDeed {
        after,
        kind,
        role,
        which,
    };
    let (after, which) = (below(60) as u64, below(1 << 13) as u64);
    let mut both = vec![deed(create, 0, which | 1 << 13)];
    if below(2) == 0 {
        both.push(deed(attach, after, which));
    }
    both
}

fn deed(theme: usize, below: Below<'_>) -> EngineDeedKind {
    use EngineDeedKind as Kind;
    match below(32) {
        0..=4 => Kind::Create,
        5 | 6 => Kind::Stop,
        7 => Kind::Start,
        8 => Kind::Destroy,
        9 => Kind::DestroyWait,
        10..=13 => Kind::Attach,
        14 => Kind::Take,
        15 => Kind::Mend,
        16..=24 => of_theme(theme, below),
        _ => any(below),
    }
}

/// A deed of which lives of this theme have more than others.
fn of_theme(theme: usize, below: Below<'_>) -> EngineDeedKind {
    use EngineDeedKind as Kind;
    match theme {
        0 => group(below),
        1 => client(below),
        2 => adversity(below),
        3 => recording(below),
        4 => [
            Kind::Retarget,
            Kind::RetargetAt,
            Kind::Restart,
            Kind::Shutdown,
        ][below(4)],
        5 => [Kind::Quarantine, Kind::PassOn, Kind::HangReclaimer][below(3)],
        6 => [Kind::AttachInLayout, Kind::Own, Kind::DestroyOwn][below(3)],
        7 => [Kind::KillPoller, Kind::Start, Kind::Start, Kind::Restart][below(4)],
        _ => any(below),
    }
}

fn any(below: Below<'_>) -> EngineDeedKind {
    match below(8) {
        0 | 1 => group(below),
        2 | 3 => client(below),
        4 => recording(below),
        5 => adversity(below),
        _ => operator(below),
    }
}

fn operator(below: Below<'_>) -> EngineDeedKind {
    use EngineDeedKind as Kind;
    let all = [
        Kind::Retarget,
        Kind::RetargetAt,
        Kind::Abort,
        Kind::Quarantine,
        Kind::Evict,
        Kind::EvictAll,
        Kind::Flush,
        Kind::Look,
        Kind::Leave,
        Kind::DestroyWait,
        Kind::Start,
        Kind::Shutdown,
        Kind::Restart,
    ];
    all[below(all.len() as u64)]
}

fn group(below: Below<'_>) -> EngineDeedKind {
    use EngineDeedKind as Kind;
    let all = [
        Kind::CreateGroup,
        Kind::CreateGroup,
        Kind::StartGroup,
        Kind::StopGroup,
        Kind::StopGroup,
        Kind::RetargetGroup,
        Kind::DestroyGroup,
        Kind::DestroyGroupWait,
        Kind::Leave,
    ];
    all[below(all.len() as u64)]
}

fn client(below: Below<'_>) -> EngineDeedKind {
    use EngineDeedKind as Kind;
    let all = [
        Kind::AttachInLayout,
        Kind::Reserve,
        Kind::Own,
        Kind::Detach,
        Kind::HangUp,
        Kind::Kill,
        Kind::PassOn,
        Kind::DropPassedOn,
        Kind::Take,
        Kind::Take,
        Kind::Put,
        Kind::Put,
        Kind::Block,
        Kind::FlushOwn,
        Kind::DestroyOwn,
        Kind::AbortOwn,
        Kind::Evict,
    ];
    all[below(all.len() as u64)]
}

fn recording(below: Below<'_>) -> EngineDeedKind {
    use EngineDeedKind as Kind;
    [
        Kind::Record,
        Kind::Record,
        Kind::EndRecording,
        Kind::Picture,
    ][below(4)]
}

fn adversity(below: Below<'_>) -> EngineDeedKind {
    use EngineDeedKind as Kind;
    let all = [
        Kind::StandPollers,
        Kind::StandPollers,
        Kind::KillPoller,
        Kind::HangHelpers,
        Kind::BlindHelpers,
        Kind::HangRecorder,
        Kind::FailRecorder,
        Kind::FillDisk,
        Kind::HangDisk,
        Kind::BlindProbe,
        Kind::HangReclaimer,
        Kind::Mend,
    ];
    all[below(all.len() as u64)]
}
