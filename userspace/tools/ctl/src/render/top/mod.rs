//! Sessions, pollers and ports at a glance.

mod sessions;

pub(crate) use sessions::{Lamp, ports};

use std::time::Duration;

use onair_api::{Health, ListedSession, PortHealth};

use super::daemon::{health, poller, port};
use super::{cell, human, or_dash, print, printable, table};

/// A view that is refreshed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live<'a> {
    /// Order of the sessions.
    pub(crate) order: &'a str,
    /// Of the terminal.
    pub(crate) columns: usize,
    /// An earlier answer, and its age.
    pub(crate) before: Option<(&'a Health, Duration)>,
}

/// Both answers as text; in a live view with the ports' rates.
pub(crate) fn text(sessions: &[ListedSession], health: &Health, live: Option<Live<'_>>) -> String {
    let up = human(Duration::from_millis(health.uptime_ms));
    let ready = if health.ready { "ready" } else { "not ready" };
    let version = printable(&health.version);
    let mut text = format!("onaird {version}, up {up}, {}, {ready}", health.status);
    if let Some(live) = live {
        text += &format!(", sorted by {}", live.order);
    }
    text.push('\n');
    text += &format!("clock: {}\n", health::clock(&health.clock));
    text += &format!("PTP: {}\n", printable(&health::ptp(&health.clock.ptp)));
    for problem in &health.problems {
        text += &format!("{}\n", printable(problem));
    }
    text.push('\n');
    text += &match sessions {
        [] => "no sessions\n".to_owned(),
        sessions => sessions::table(sessions, live.map(|it| it.columns)),
    };
    text.push('\n');
    text += &poller::pollers(&health.dataplane.pollers);
    text.push('\n');
    text + &ports_table(&health.dataplane.ports, live.and_then(|it| it.before))
}

fn ports_table(ports: &[PortHealth], before: Option<(&Health, Duration)>) -> String {
    let mut table = table(&[
        "PORT",
        "LINK",
        "RECEIVED/s",
        "SENT/s",
        "MISSED",
        "UNCLAIMED",
    ]);
    for one in ports {
        table.add_row([
            cell(&one.name),
            port::link(one),
            cell(or_dash(rate(one, before, |it| it.rx_packets))),
            cell(or_dash(rate(one, before, |it| it.tx_packets))),
            cell(one.rx_missed),
            cell(one.rx_unclaimed),
        ]);
    }
    print(table)
}

/// How fast a counter of a port grows, a second.
fn rate(
    port: &PortHealth,
    before: Option<(&Health, Duration)>,
    counter: impl Fn(&PortHealth) -> u64,
) -> Option<u64> {
    let (before, age) = before?;
    let mut ports = before.dataplane.ports.iter();
    let before = ports.find(|it| it.name == port.name)?;
    let more = counter(port).checked_sub(counter(before))?;
    let ms = u64::try_from(age.as_millis()).ok()?;
    more.saturating_mul(1000).checked_div(ms)
}
