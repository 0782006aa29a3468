//! An operator's first question: is there a picture, and is it the right one?

use comfy_table::{Cell, Color};
use onair_api::{Direction, ListedSession, SessionView, SignalState};

use crate::render::{Facts, ago, cell, coloured, human, or_dash, printable};

/// The problems, above everything else.
pub(super) fn problems(view: &SessionView) -> String {
    let mut text = String::new();
    for one in &view.problems {
        let kind = console::style(one.problem).red().bold();
        text += &format!("{kind}: {}\n", printable(&one.detail));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// The signal, the rates and the time of the last frame.
pub(super) fn facts(table: &mut Facts, view: &SessionView) {
    if let Some(signal) = &view.signal {
        let lasts = human(signal.since.age());
        table.add("signal", format!("{} for {lasts}", signal.state));
        if let Some(arriving) = &signal.arriving {
            table.add("arriving", arriving);
        }
    }
    let Some(recent) = view.recent else {
        return;
    };
    let listed = ListedSession::from(view);
    if let Some(fps) = fps(&listed) {
        table.add("frames a second", format!("{fps} of {}", nominal(&listed)));
    }
    table.add("bit rate", or_dash(rate(&listed)));
    if let Some(loss) = loss(&listed) {
        let lost = view.counters.packets_lost;
        table.add("loss", format!("{loss}, {lost} packets since the creation"));
    }
    table.add("last frame", ago(recent.last_frame_at));
}

/// The state of a signal as a lamp: red if no whole frame comes.
pub(in crate::render) fn lamp(listed: &ListedSession) -> Cell {
    let Some(state) = listed.signal else {
        return cell(or_dash(None::<&str>));
    };
    let has_frames = listed.recent.is_none_or(|it| it.frames_per_1000_s > 0);
    let colour = match state {
        SignalState::Ok => Color::Green,
        _ if !has_frames => Color::Red,
        SignalState::Absent | SignalState::Mismatch => Color::Red,
        SignalState::OtherSender | SignalState::Impaired | SignalState::Timestamps => Color::Yellow,
    };
    coloured(format!("● {state}"), colour)
}

/// Whole frames a second now, of those that the format promises where they are fewer.
pub(in crate::render) fn rates(listed: &ListedSession) -> Option<String> {
    let recent = listed.recent?;
    let (fps, nominal) = (fps(listed)?, nominal(listed));
    let is_short = listed.signal != Some(SignalState::Ok) || recent.frames_per_1000_s == 0;
    Some(match is_short && fps != nominal {
        true => format!("{fps} of {nominal}"),
        false => fps,
    })
}

/// Frames a second now.
pub(in crate::render) fn fps(listed: &ListedSession) -> Option<String> {
    let thousandths = listed.recent?.frames_per_1000_s / listed.units_a_frame();
    let hundredths = thousandths.saturating_add(5) / 10;
    let (whole, part) = (hundredths / 100, hundredths % 100);
    Some(match part {
        0 => whole.to_string(),
        _ => format!("{whole}.{part:02}"),
    })
}

/// The rate of the specification: `60`, `59.94`.
pub(in crate::render) fn nominal(listed: &ListedSession) -> String {
    let rate = listed.rate();
    let (numerator, denominator) = rate.split_once('/').unwrap_or((rate, "1"));
    match (numerator.parse::<u64>(), denominator.parse::<u64>()) {
        (Ok(numerator), Ok(denominator)) if denominator > 0 => {
            let hundredths = numerator
                .saturating_mul(100)
                .saturating_add(denominator / 2)
                / denominator;
            match hundredths % 100 {
                0 => (hundredths / 100).to_string(),
                part => format!("{}.{part:02}", hundredths / 100),
            }
        }
        _ => rate.to_owned(),
    }
}

/// Lost packets of a receive session, in percent.
pub(in crate::render) fn loss(listed: &ListedSession) -> Option<String> {
    let ppm = listed.recent?.lost_ppm;
    let is_measured = listed.direction == Direction::Receive && listed.convert.is_none();
    is_measured.then(|| match ppm {
        0 => "0 %".to_owned(),
        1..1_000 => "<0.1 %".to_owned(),
        _ => format!("{}.{} %", ppm / 10_000, ppm % 10_000 / 1_000),
    })
}

/// Bits of RTP a second, in decimal units.
pub(in crate::render) fn rate(listed: &ListedSession) -> Option<String> {
    let per_second = listed.recent?.bits_per_second;
    let (unit, of_one) = match per_second {
        0..1_000_000 => ("kbit/s", 1_000),
        1_000_000..1_000_000_000 => ("Mbit/s", 1_000_000),
        _ => ("Gbit/s", 1_000_000_000),
    };
    let hundredths = per_second.saturating_mul(100) / of_one;
    Some(format!(
        "{}.{:02} {unit}",
        hundredths / 100,
        hundredths % 100
    ))
}
