//! Sessions, pollers and ports at a glance.

use std::time::Duration;

use onair_api::{Health, ListedSession, PortHealth};

use super::daemon::{poller, port};
use super::session::{problem, signal, state};
use super::{ago, cell, columns, human, or_dash, print, printable, table};

/// Both answers as text, and the ports' rates since an earlier one of that age.
pub(crate) fn text(
    sessions: &[ListedSession],
    health: &Health,
    before: Option<(&Health, Duration)>,
) -> String {
    let up = human(Duration::from_millis(health.uptime_ms));
    let ready = if health.ready { "ready" } else { "not ready" };
    let version = printable(&health.version);
    let mut text = format!("onaird {version}, up {up}, {}, {ready}\n", health.status);
    for problem in &health.problems {
        text += &format!("{}\n", printable(problem));
    }
    text.push('\n');
    text += &match sessions {
        [] => "no sessions\n".to_owned(),
        sessions => sessions_table(sessions),
    };
    text.push('\n');
    text += &poller::pollers(&health.dataplane.pollers);
    text.push('\n');
    text + &ports(&health.dataplane.ports, before)
}

fn ports(ports: &[PortHealth], before: Option<(&Health, Duration)>) -> String {
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

fn sessions_table(sessions: &[ListedSession]) -> String {
    columns(
        sessions,
        &[
            ("SESSION", |view| cell(&view.name)),
            ("STATE", |view| state(view.state)),
            ("SIGNAL", |view| signal::lamp(view)),
            ("FPS", |view| cell(or_dash(signal::rates(view)))),
            ("OF", |view| cell(signal::nominal(view))),
            ("RATE", |view| cell(or_dash(signal::rate(view)))),
            ("LOSS", |view| cell(or_dash(signal::loss(view)))),
            ("LAST FRAME", |view| {
                cell(ago(view.recent.and_then(|it| it.last_frame_at)))
            }),
            ("DIRECTION", |view| cell(view.direction)),
            ("POLLER", |view| cell(&view.poller)),
            ("CLIENTS", |view| cell(view.attachments)),
            ("PROBLEM", problem),
        ],
    )
}
