//! Adversity of a life beyond its deeds: where callers stall, and rare deeds of clients.
//!
//! It has chance of its own, so that many lives, with old seeds among them, stay as they are.

use onair_sim_kernel::Random;

use super::{Adversity, Death, Plan, reached};

/// With this number the seeds of faults that were mended have lives without adversity.
const OWN: u64 = 3336;

impl Adversity {
    /// That of the plan's seed. It may change the plan, too.
    pub(super) fn add_to(plan: &mut Plan) {
        if super::narrow::is_made(plan) {
            return;
        }
        let mut random = Random::new(plan.seed.wrapping_mul(0x9e37_79b9) ^ OWN);
        let mut below = |limit: u64| usize::try_from(random.below(limit)).unwrap_or(0);
        if below(4) == 0 {
            return;
        }
        let mut adversity = Self {
            slow_at: Vec::new(),
            late_wakes: [0, 0, 40, 200][below(4)],
            withholds: [0, 0, 8, 64][below(4)],
            handler_at: None,
            has_pool: below(3) == 0,
            forgets: below(2) == 0,
            leaves_at_once: below(2) == 0,
            dies_when_asked: below(4) == 0,
            drops_unread: below(2) == 0,
            watches: below(2) == 0,
            forges: below(2) == 0,
            ..Self::default()
        };
        if below(2) == 0 {
            let first = a_label(&mut below, |_| true);
            adversity.slow_at.push(first);
            let near = |it: &str| family(it) == family(first);
            adversity.slow_at.push(a_label(&mut below, near));
            if below(2) == 0 {
                plan.death = Some(Death {
                    label: a_label(&mut below, near),
                    pass: [1, 3, 10, 40][below(4)],
                    is_of_process: below(4) == 0,
                    times: 4,
                });
            }
        }
        if below(4) == 0 {
            let is_inside = |it: &str| {
                let amid = ["call.", "wait.", "take."];
                amid.iter().any(|part| it.starts_with(part))
            };
            adversity.handler_at = Some(a_label(&mut below, is_inside));
        }
        let count = below(3);
        for _ in 0..count {
            plan.add_burst(&mut below);
        }
        if below(4) > 0 {
            super::theme::add_to(plan, &mut adversity, &mut below);
        }
        if below(16) == 0 {
            plan.hang_amid_the_exit(&mut below);
        }
        adversity.takes_open = below(3) == 0;
        plan.adversity = adversity;
    }
}

fn a_label(below: &mut dyn FnMut(u64) -> usize, wanted: impl Fn(&str) -> bool) -> &'static str {
    let all: Vec<_> = reached().filter(|it| wanted(it)).collect();
    all[below(all.len() as u64)]
}

/// The call that a label is in.
fn family(label: &str) -> &str {
    label.split('.').next().unwrap_or(label)
}
