//! Lives made for one fault, which others seldom meet.
//!
//! They have chance of their own, by which no seed that ever failed is among them.

use onair_sim_kernel::Random;

use crate::cast::ROLES;
use crate::plan::{EngineDeed, EngineDeedKind as Kind, EnginePlan};

/// With this number the seeds that ever failed have other lives.
const OWN: u64 = 2;
/// Of a deed by root, to its own role, that stops a session before it ends it.
const ROOT: u64 = (1 << 13) | 1;

/// Makes the plan one of them, if its seed says so.
pub(crate) fn make(plan: &mut EnginePlan) {
    let mut random = Random::new(plan.seed.wrapping_mul(0x9e37_79b9) ^ OWN);
    let mut below = |limit: u64| random.below(limit);
    if below(8) > 0 {
        return;
    }
    // Each with the pause before it, ms, and the number that chooses its target.
    let deeds: &[(Kind, u64, u64)] = match below(4) {
        // A group ends whose member has a poller that makes no turns.
        0 => &[
            (Kind::CreateGroup, 0, ROOT),
            (Kind::StandPollers, 60, 2 + below(2)),
            (Kind::DestroyGroup, 2_500, ROOT),
            (Kind::Look, 9_000, ROOT),
        ],
        // A client's process ends, and another one has its memory, beyond the session's end.
        1 => &[
            (Kind::Create, 0, ROOT),
            (Kind::Attach, 60, ROOT),
            (Kind::PassOn, 60, ROOT),
            (Kind::Kill, 0, ROOT),
            (Kind::Destroy, 60, ROOT),
            (Kind::Look, 500, ROOT),
        ],
        // A certificate waits for a disk that hangs.
        2 => &[
            (Kind::Create, 0, ROOT),
            (Kind::HangDisk, 60, ROOT),
            (Kind::Destroy, 60, ROOT),
            (Kind::Look, 9_000, ROOT),
        ],
        // A session has other addresses after a restart.
        _ => &[
            (Kind::Create, 0, ROOT),
            (Kind::Retarget, 60, ROOT | (below(4) << 5)),
            (Kind::Restart, 60, ROOT),
        ],
    };
    let role = usize::try_from(below(ROLES as u64)).unwrap_or(0);
    let deed = |&(kind, after, which): &(Kind, u64, u64)| EngineDeed {
        after,
        kind,
        role,
        which,
    };
    plan.deeds = deeds.iter().map(deed).collect();
    (plan.persistent, plan.goes_on) = (0xffff, true);
}
