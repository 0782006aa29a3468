//! Units out of one port and into another: every ANC packet is compared.

use anyhow::{Context as _, Result};
use onair::anc_content::{CEA_608, TIMECODE, Timecode};
use onair::{Place, Signalled};
use onair_api::Source;
use onair_tests::Rig;

use super::{Anc, ancillary, attach, into_b, next, out_of_a};

/// Units that are compared.
const UNITS: u32 = 20;

#[test]
fn pattern_of_each_rate_then_timecode_and_captions_count_on() -> Result<()> {
    let rig = Rig::pair()?;
    for (rate, interlaced, ticks) in [
        ("60000/1001", false, 1501),
        ("25", true, 1800),
        ("30000/1001", true, 1501),
        ("24000/1001", false, 3753),
    ] {
        let ancillary = ancillary(rate, interlaced);
        let mut control = rig.control()?;
        control.create(&into_b(&ancillary, 5004))?;
        let session = attach(&rig, "in")?;
        control.create(&out_of_a(&ancillary, 5004, Source::Pattern))?;
        let (mut numbers, mut last) = (Vec::new(), None);
        for _ in 0..UNITS {
            let unit = next(&session)?;
            let kinds: Vec<_> = unit.packets.iter().map(|it| it.kind).collect();
            // A slot of another unit keeps the stream alive.
            if kinds.is_empty() {
                continue;
            }
            assert_eq!((&kinds[..], unit.wrong), (&[TIMECODE, CEA_608][..], 0));
            assert!(unit.complete || numbers.is_empty(), "{unit:?}");
            let timecode = Timecode::of_data(unit.packets[0].data.iter().copied());
            let number = timecode.context("a timecode")?.user;
            let field = match (interlaced, number % 2) {
                (false, _) => Signalled::Frame,
                (true, 0) => Signalled::First,
                (true, _) => Signalled::Second,
            };
            assert_eq!(unit.fields, [field; 2]);
            let time_ns = unit.time_ns.context("both follow one clock")?;
            let tick = (u128::from(time_ns) * 90_000).div_ceil(1_000_000_000);
            assert_eq!(tick % (1 << 32), unit.timestamp.into());
            if let Some((before, timestamp)) = last
                && number == before + 1
            {
                let step = unit.timestamp.wrapping_sub(timestamp);
                assert!((step / ticks) >= 1, "{step}");
            }
            last = Some((number, unit.timestamp));
            numbers.push(number);
        }
        assert!(
            numbers.windows(2).all(|it| it[1] == it[0] + 1),
            "{numbers:?}"
        );
        assert!(numbers.len() > 10, "{numbers:?}");
        control.end("out")?;
        let view = control.show("in")?;
        assert!(view.counters.packets_malformed.is_empty(), "{view:?}");
        drop(session);
        control.end("in")?;
    }
    Ok(())
}

/// The ANC packets of the unit with this number: none, few, and more than a datagram has.
pub(super) fn given(number: u32) -> Vec<Anc> {
    let count = [1, 0, 3, 12][number as usize % 4];
    let packets = (0..count).map(|at| Anc {
        place: Place {
            is_chroma: at % 2 == 1,
            line: 9 + at,
            offset: 100 * at,
            stream: (at % 3 == 0).then_some(5),
        },
        kind: (0x40 + at.to_le_bytes()[0], 7),
        data: (0..=254).take(usize::from(at) * 23).collect(),
    });
    let number = Anc {
        place: Place::default(),
        kind: (0x50, 1),
        data: number.to_le_bytes().to_vec(),
    };
    std::iter::once(number).chain(packets).collect()
}
