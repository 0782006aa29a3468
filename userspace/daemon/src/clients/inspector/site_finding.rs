//! Result of a helper thread's inspection of a client's probe sites.

use onair_probe::{Blind, SiteReading};
use onair_session::SiteFinding;

/// What the core makes of the probe's answer.
pub fn site_finding(seen: Result<SiteReading, Blind>) -> SiteFinding {
    match seen {
        Ok(seen) if seen.asleep.is_empty() => SiteFinding::Armed,
        Ok(_) => SiteFinding::Asleep,
        Err(blind) => match &blind {
            Blind::Unlisted { tids } => SiteFinding::Unlisted {
                users: tids.len() as u64,
                reason: blind.to_string(),
            },
            _ => SiteFinding::Blind(blind.to_string()),
        },
    }
}
