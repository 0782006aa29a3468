//! One life, and what must be so in it.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use onair_essence::Format;
use onair_essence::legs::Leg;
use onair_essence::rtp::RtpHeader;

use super::plan::{Sender, Strange, WireDeedKind, WirePlan};
use super::session::{Ended, Session};
use super::{TIMEOUT_NS, TYPE};
use crate::life::{Report, message};

/// Packets that agree with each other before a stream is followed from others.
const AGREE: usize = 18;
/// A poller takes at once what comes within it.
const TURN_NS: u64 = 1_000_000;
/// Most units that are not whole after that: those at both ends.
const EDGES: usize = 2;
/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// A packet on a leg, when it comes, and whether the stranger sent it.
struct Coming {
    at_ns: u64,
    leg: Leg,
    bytes: Vec<u8>,
    is_strange: bool,
}

/// Lives the life of `plan`.
#[must_use]
pub(crate) fn live(plan: &WirePlan, is_traced: bool) -> Report {
    Sender::with(plan.format, |sender| {
        let mut report = Report::default();
        let lived = catch_unwind(AssertUnwindSafe(|| {
            receive(plan, sender, is_traced, &mut report)
        }));
        if let Err(panic) = lived {
            report
                .violations
                .push(format!("panic: {}", message(&*panic)));
        }
        report
    })
}

fn receive(plan: &WirePlan, sender: &Sender, is_traced: bool, report: &mut Report) {
    let (all, calm_ns) = wire(plan, sender);
    let end_ns = sender.packets.last().map_or(0, |it| it.0);
    report.ns = end_ns - sender.packets[0].0;
    report.events = all.len() as u64;
    let mut session = Session::new(&sender.format, plan.legs.map(|it| it.0));
    let is_turn = |one: &Coming, next: &Coming| {
        one.leg == next.leg && one.at_ns / TURN_NS == next.at_ns / TURN_NS
    };
    let turns = all.chunk_by(is_turn);
    for turn in turns.flat_map(|it| it.chunks(plan.burst)) {
        let (leg, now_ns) = (turn[0].leg, turn[turn.len() - 1].at_ns);
        if is_traced {
            let of: Vec<_> = turn.iter().map(|it| told(it, plan)).collect();
            report
                .trace
                .push(format!("{now_ns} {leg:?} {}", of.join(", ")));
        }
        let packets: Vec<_> = turn.iter().map(|it| &*it.bytes).collect();
        session.turn(leg, &packets, now_ns);
    }
    let units = session.close();
    if is_traced {
        let of = |it: &Ended| {
            format!(
                "unit {} of {}: complete {}",
                it.timestamp, it.first_ns, it.complete
            )
        };
        report.trace.extend(units.iter().map(of));
    }
    let ticks = plan.added_ticks();
    // A stranger who knows number and timestamp is taken for the sender.
    let forged: Vec<_> = all
        .iter()
        .filter(|it| it.is_strange)
        .filter_map(|it| of_unit(&it.bytes))
        .collect();
    let is_forged = |timestamp: u32| {
        let near = |it: &u32| {
            let after = it.wrapping_sub(timestamp).cast_signed();
            after.unsigned_abs() < sender.ticks() || after == 0
        };
        forged.iter().any(near)
    };
    for unit in units
        .iter()
        .filter(|it| it.complete && !is_forged(it.timestamp))
    {
        if !sender.has_sent(unit, ticks) {
            let timestamp = unit.timestamp;
            report.violations.push(format!(
                "unit {timestamp} is complete, and is not what was sent"
            ));
        }
    }
    let calm = calm_ns.min(end_ns)..end_ns;
    let after: Vec<_> = units
        .iter()
        .filter(|it| calm.contains(&it.first_ns))
        .collect();
    let whole = after
        .iter()
        .filter(|it| it.complete && sender.has_sent(it, ticks))
        .count();
    let sent = sender.format.units_in_1000_s() * (calm.end - calm.start) / 1_000_000_000_000;
    let least = usize::try_from(sent).unwrap_or(0).saturating_sub(EDGES);
    if whole < least || after.len() > whole + EDGES {
        let all = after.len();
        report.violations.push(format!(
            "after {calm_ns}, {whole} of {all} units are whole, and {sent} were sent"
        ));
    }
}

impl WirePlan {
    fn added_ticks(&self) -> u32 {
        low_32(self.ticks)
    }
}

fn low_32(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

fn low_16(number: u64) -> u16 {
    u16::try_from(number & u64::from(u16::MAX)).unwrap_or(0)
}

/// A packet with other fields.
fn changed(like: &[u8], numbers: u64, ticks: u64, ssrc: Option<u32>) -> Vec<u8> {
    let mut packet = like.to_vec();
    if let Ok((rtp, _)) = RtpHeader::parse_start(like) {
        let header = RtpHeader {
            sequence: rtp.sequence.wrapping_add(low_16(numbers)),
            timestamp: rtp.timestamp.wrapping_add(low_32(ticks)),
            ssrc: ssrc.unwrap_or(rtp.ssrc),
            ..rtp
        };
        let header = header.to_bytes();
        packet[..header.len()].copy_from_slice(&header);
    }
    packet
}

/// The timestamp of a packet that a session can take for one of its stream.
fn of_unit(packet: &[u8]) -> Option<u32> {
    let (rtp, _) = RtpHeader::parse_start(packet).ok()?;
    (rtp.payload_type == TYPE).then_some(rtp.timestamp)
}

/// Packets in the order of their arrival, and the time when the stream is undisturbed again.
fn wire(plan: &WirePlan, sender: &Sender) -> (Vec<Coming>, u64) {
    let start_ns = sender.packets[0].0;
    let mut calm_ns = start_ns;
    let mut lost: Vec<(Leg, Range<u64>)> = Vec::new();
    let mut all = Vec::new();
    for deed in &plan.deeds {
        let at_ns = start_ns + deed.at_ns;
        let leg = plan.legs.map_or(Leg::First, |_| deed.leg);
        match &deed.kind {
            WireDeedKind::Strange(it) => add(plan, sender, (leg, at_ns), it, &mut all),
            WireDeedKind::Refused(it, reason) => {
                let first = all.len();
                add(plan, sender, (leg, at_ns), it, &mut all);
                for it in &mut all[first..] {
                    refuse(
                        &sender.format,
                        (*reason, plan.is_undisturbed()),
                        &mut it.bytes,
                    );
                    it.is_strange = false;
                }
            }
            WireDeedKind::Lose(ns) => {
                lost.push((leg, at_ns..at_ns + ns));
                calm_ns = calm_ns.max(at_ns + ns);
            }
        }
    }
    let strange = all.iter().filter(|it| it.is_strange);
    calm_ns = strange.map(|it| it.at_ns).fold(calm_ns, u64::max);
    let late_ns = plan.legs.map_or(0, |it| it.1);
    for (at_ns, packet) in &sender.packets {
        let bytes = changed(packet, plan.number, plan.ticks, None);
        let legs = [(Leg::First, *at_ns), (Leg::Second, at_ns + late_ns)];
        for (leg, at_ns) in legs.into_iter().take(1 + usize::from(plan.legs.is_some())) {
            let is_lost = |it: &(Leg, Range<u64>)| it.0 == leg && it.1.contains(&at_ns);
            if !lost.iter().any(is_lost) {
                let bytes = bytes.clone();
                all.push(Coming {
                    at_ns,
                    leg,
                    bytes,
                    is_strange: false,
                });
            }
        }
    }
    if plan.legs.is_some() {
        let claimed = all.iter().filter(|it| it.is_strange);
        let claimed = claimed.filter_map(|it| claimed_until(plan, sender, it));
        calm_ns = claimed.fold(calm_ns, u64::max);
    }
    all.sort_by_key(|it| it.at_ns);
    if plan.is_undisturbed() {
        // What is refused changes no unit.
        return (all, start_ns);
    }
    // Merge and essence follow the stranger's stream each until it is silent, and the sender's packets agree. Where each
    // packet is a unit, a packet of the stranger with a number that is yet to come costs one more.
    let next = sender
        .packets
        .partition_point(|it| it.0 < calm_ns + 2 * TIMEOUT_NS);
    let strange = match sender.has_a_unit_a_packet() {
        true => all.iter().filter(|it| it.is_strange).count(),
        false => 0,
    };
    let next = sender.packets.get(next + 2 * AGREE + strange);
    let agreed = next.map_or(u64::MAX / 2, |it| it.0);
    (all, agreed + sender.format.period_ns(3) + late_ns)
}

/// When the sender has passed the number and the time that a packet of the stranger claims, if they are ahead. Until then a
/// merge may take the sender's packets for others: it knows each number once.
fn claimed_until(plan: &WirePlan, sender: &Sender, it: &Coming) -> Option<u64> {
    let (rtp, _) = RtpHeader::parse_start(&it.bytes).ok()?;
    let sent = sender.packets.partition_point(|sent| sent.0 <= it.at_ns);
    let (_, last) = &sender.packets[sent.saturating_sub(1)];
    let (last, _) = RtpHeader::parse_start(last).ok()?;
    let number = rtp.sequence.wrapping_sub(low_16(plan.number));
    let number = number.wrapping_sub(last.sequence).cast_signed();
    let time = rtp.timestamp.wrapping_sub(plan.added_ticks());
    let time = time.wrapping_sub(last.timestamp).cast_signed();
    let end_ns = sender.packets.last()?.0;
    let of_number = usize::try_from(number).ok().map(|number| {
        let of_number = sender.packets.get(sent + number);
        of_number.map_or(end_ns, |it| it.0)
    });
    let of_time = u64::try_from(time).ok().map(|ticks| {
        let hz = u64::from(sender.format.clock_hz());
        it.at_ns + ticks * SECOND_NS / hz
    });
    of_number.max(of_time)
}

/// Adds the stranger's packets from a time on.
fn add(
    plan: &WirePlan,
    sender: &Sender,
    (leg, from_ns): (Leg, u64),
    it: &Strange,
    all: &mut Vec<Coming>,
) {
    for step in 0..it.times {
        let at_ns = from_ns + step * it.step_ns;
        let next = sender.packets.partition_point(|it| it.0 < at_ns);
        let like = next.saturating_add_signed(isize::try_from(it.like).unwrap_or(0));
        let (_, like) = &sender.packets[like.min(sender.packets.len() - 1)];
        let more = |[first, again]: [u64; 2]| first.wrapping_add(again.wrapping_mul(step));
        let (numbers, ticks) = (
            more(it.numbers).wrapping_add(plan.number),
            more(it.ticks).wrapping_add(plan.ticks),
        );
        let mut bytes = changed(like, numbers, ticks, Some(it.ssrc));
        bytes.resize(it.bytes.unwrap_or(bytes.len()), 0xff);
        for (at, to) in &it.damage {
            if let Some(byte) = bytes.get_mut(*at) {
                *byte = *to;
            }
        }
        all.push(Coming {
            at_ns,
            leg,
            bytes,
            is_strange: true,
        });
    }
}

/// Makes a packet one that no session of the format takes. One of another source is taken when the sender's are not.
fn refuse(format: &Format, (reason, is_undisturbed): (u64, bool), packet: &mut Vec<u8>) {
    let payload = &mut packet[12..];
    match (format, reason) {
        (_, 0) if is_undisturbed => packet[8..12].copy_from_slice(&[8; 4]),
        (_, 0 | 1) => packet.truncate(13),
        (_, 2) => packet[1] ^= 1,
        // A row beyond the raster, also of a second field.
        (Format::Video(_), 3) => payload[2..8].copy_from_slice(&[0, 5, 4, 0, 0, 0]),
        (Format::Video(_), _) => payload[2..8].copy_from_slice(&[0, 5, 0x84, 0, 0, 0]),
        (Format::JpegXs(_), 3) => payload[0] ^= 0x40,
        (Format::JpegXs(_), _) => payload[0] = payload[0] & !0x18 | 0x08,
        // No whole sample.
        (Format::Audio(_), _) => packet.push(1),
        (Format::Ancillary(_), 3) => payload[4] = 200,
        (Format::Ancillary(_), _) => payload[5] = payload[5] & 0x3f | 0x40,
    }
}

/// A packet, as a trace shows it.
fn told(it: &Coming, plan: &WirePlan) -> String {
    let strange = if it.is_strange { "stranger's " } else { "" };
    match RtpHeader::parse_start(&it.bytes) {
        Ok((rtp, payload)) => format!(
            "{strange}{} at {} of {} with {} bytes",
            rtp.sequence.wrapping_sub(low_16(plan.number)),
            rtp.timestamp.wrapping_sub(plan.added_ticks()),
            rtp.ssrc,
            payload.len()
        ),
        Err(_) => format!("{strange}{} bytes", it.bytes.len()),
    }
}
