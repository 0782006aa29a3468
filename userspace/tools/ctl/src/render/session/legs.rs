//! The legs of a session.

use std::time::Duration;

use onair_api::Legs;

use crate::render::{Facts, cell, columns, human, or_dash};

/// Both legs, a row each, and how far they are apart.
pub(super) fn table(legs: &Legs) -> String {
    let rows = [("1", &legs.first), ("2", &legs.second)];
    let mut text = columns(
        &rows,
        &[
            ("LEG", |(leg, _)| cell(leg)),
            ("PORT", |(_, it)| cell(&it.port)),
            ("LINK", |(_, it)| {
                let link = it.link_up.map(|up| if up { "up" } else { "down" });
                cell(or_dash(link))
            }),
            ("PACKETS", |(_, it)| cell(it.packets)),
            ("USED", |(_, it)| cell(it.packets_used)),
            ("LOST", |(_, it)| cell(it.packets_lost)),
            ("DUPLICATE", |(_, it)| cell(it.packets_duplicate)),
            ("LATE", |(_, it)| cell(it.packets_late)),
            ("REORDERED", |(_, it)| cell(it.packets_reordered)),
            ("OTHER STREAM", |(_, it)| cell(it.packets_other_stream)),
        ],
    );
    let time = |ns: u64| human(Duration::from_nanos(ns));
    let mut facts = Facts::default();
    facts.add("lost on both", legs.packets_lost);
    facts.add("recovered", legs.packets_recovered);
    if let Some(now_ns) = legs.skew_ns {
        let first = if now_ns < 0 { 2 } else { 1 };
        let mut skew = format!("{}, leg {first} first", time(now_ns.unsigned_abs()));
        if let Some((p99_ns, max_ns)) = legs.skew_p99_ns.zip(legs.skew_max_ns) {
            let (most, longest) = (time(p99_ns), time(max_ns));
            skew += &format!("; in the last second 99 % within {most}, longest {longest}");
        }
        facts.add("skew", skew);
    }
    text += &facts.print();
    text
}
