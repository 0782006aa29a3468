//! Units out of one port and into another: every byte is compared.

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_essence::TimingDocument;
use onair_tests::Rig;
use serde_json::json;

use super::{attach, into_b, jpeg_xs, next, out_of_a, pattern, stream};

/// Units that are compared.
const UNITS: u64 = 20;

#[test]
fn pattern_of_each_format_then_each_byte_arrives() -> Result<()> {
    let rig = Rig::pair()?;
    for fields in [
        json!({}),
        json!({"scan": "interlaced", "height": 1080, "width": 1920, "frame_rate": "30000/1001"}),
        json!({"packet_mode": "slice", "sender_type": "narrow_linear"}),
        json!({"sampling": "RGB", "depth": 12, "profile": "Main444.12", "bytes": 200_000}),
    ] {
        let document = jpeg_xs(&fields);
        let (stream, pattern) = (stream(&document), pattern(&document));
        let mut control = rig.control()?;
        control.create(&into_b(&document, 5004))?;
        let session = attach(&rig, "in")?;
        control.create(&out_of_a(&document, 5004, Source::Pattern))?;
        let mut last = None;
        for _ in 0..UNITS {
            let unit = next(&session)?;
            assert!(unit.complete, "{fields}: {unit:?}");
            let number = pattern.number_of(&unit.bytes).context("a number")?;
            let mut sent = vec![0; document.bytes as usize];
            pattern.unit(number, 0, &mut sent);
            assert!(unit.bytes == sent, "{fields}: unit {number} differs");
            assert_eq!(unit.field, stream.field_of(number), "{fields}");
            let time_ns = unit.time_ns.context("both follow one clock")?;
            let tick = (u128::from(time_ns) * 90_000).div_ceil(1_000_000_000);
            assert_eq!(tick % (1 << 32), unit.timestamp.into());
            if let Some(last) = last {
                assert_eq!(number, last + 1, "{fields}");
            }
            last = Some(number);
        }
        drop(session);
        control.end("out")?;
        let view = control.show("in")?;
        let counters = &view.counters;
        assert!(counters.packets_malformed.is_empty(), "{counters:?}");
        assert_eq!(
            (counters.packets_lost, counters.frames_incomplete),
            (0, 0),
            "{counters:?}"
        );
        let Some(TimingDocument::JpegXs(timing)) = view.timing else {
            panic!("{fields}: {:?}", view.timing);
        };
        assert!(timing.is_constant(), "{timing:?}");
        assert_eq!(timing.unit_bytes, u64::from(document.bytes));
        control.end("in")?;
    }
    Ok(())
}
