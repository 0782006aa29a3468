//! The clock of all sources.

use onair_api::{Health, PtpState};
use serde_json::{Value, json};

/// Its name.
pub(super) const NAME: &str = "clk0";

/// The kernel's `CLOCK_TAI`, which all send sessions follow: of a PTP grandmaster while the daemon finds that it follows
/// one, else this machine's own.
pub(super) fn clock(health: Option<&Health>) -> Value {
    let ptp = health.map(|it| &it.clock.ptp);
    let locked = ptp.filter(|it| it.state == PtpState::Locked);
    let Some(master) = locked.and_then(|it| it.grandmaster.as_ref()) else {
        return json!({"name": NAME, "ref_type": "internal"});
    };
    // Classes 6 and 7: it has its time of a primary reference, or had (IEEE 1588-2008, table 5).
    let traceable = master.is_ptp_timescale && matches!(master.clock_class, 6 | 7);
    json!({
        "name": NAME,
        "ref_type": "ptp",
        "traceable": traceable,
        "version": "IEEE1588-2008",
        "gmid": master.identity.to_lowercase(),
        "locked": true,
    })
}
