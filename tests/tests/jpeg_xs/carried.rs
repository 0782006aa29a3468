//! Units out of one port and into another: every byte is compared.

use std::fs;

use anyhow::{Context as _, Result};
use onair::{Field, Timeout};
use onair_api::Source;
use onair_essence::TimingDocument;
use onair_tests::{Rig, onairctl};
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

#[test]
fn client_submits_codestreams_then_each_comes_as_it_was() -> Result<()> {
    let rig = Rig::pair()?;
    let document = jpeg_xs(&json!({"scan": "interlaced"}));
    let pattern = pattern(&document);
    let mut control = rig.control()?;
    control.create(&into_b(&document, 5004))?;
    let receiver = attach(&rig, "in")?;
    control.create(&out_of_a(&document, 5004, Source::Client))?;
    let sender = attach(&rig, "out")?;
    for number in 0..UNITS {
        let mut buffer = sender.buffer_get_mut(Timeout::millis(20_000))?;
        assert_eq!(buffer.len(), document.bytes as usize);
        pattern.unit(number, 0, &mut buffer);
        buffer.submit()?;
    }
    for number in 0..UNITS {
        let unit = next(&receiver)?;
        let mut sent = vec![0; document.bytes as usize];
        pattern.unit(number, 0, &mut sent);
        assert!(
            unit.complete && unit.bytes == sent,
            "unit {number}: {}",
            unit.missing
        );
        let field = [Field::First, Field::Second][usize::from(number % 2 == 1)];
        assert_eq!(unit.field, Some(field));
    }
    drop((sender, receiver));
    control.end("out")?;
    control.end("in")?;
    Ok(())
}

#[test]
fn description_of_a_sender_then_its_receiver_fits() -> Result<()> {
    let rig = Rig::pair()?;
    let flags = "--jpeg-xs 1280x720@30000/1001 --codestream-bytes 60000 --codestream-scan interlaced --profile Main422.10";
    let create = format!(
        "session create out --direction send --port a --pattern --destination 10.77.0.2:5004 --payload-type 98 {flags}"
    );
    let created = onairctl(&rig, &create)?;
    assert_eq!(created.code, 0, "{created:?}");
    let document = jpeg_xs(&json!({
        "scan": "interlaced", "frame_rate": "30000/1001", "level": null, "sublevel": null,
    }));
    let printed = onairctl(&rig, "session sdp out")?;
    let bandwidth = format!("b=AS:{}\r\n", stream(&document).bandwidth_kbps());
    for line in [
        "m=video 5004 RTP/AVP 98\r\n",
        &bandwidth,
        "a=rtpmap:98 jxsv/90000\r\n",
        "packetmode=0; profile=Main422.10; sampling=YCbCr-4:2:2; width=1280; height=720; exactframerate=30000/1001; depth=10;",
        "SSN=ST2110-22:2019; TP=2110TPW; interlace;",
    ] {
        assert!(printed.out.contains(line), "{line}: {}", printed.out);
    }
    let file = rig.stage().directory().join("out.sdp");
    fs::write(&file, &printed.out)?;
    let create = format!(
        "session create in --direction receive --port b --sdp {}",
        file.display()
    );
    let created = onairctl(&rig, &create)?;
    assert_eq!(created.code, 0, "{created:?}");
    let session = attach(&rig, "in")?;
    let pattern = pattern(&document);
    // The sender was in the midst of one when the receiver began to listen.
    next(&session)?;
    for _ in 0..UNITS {
        let unit = next(&session)?;
        assert!(
            unit.complete && unit.bytes.len() == 60_000,
            "{}",
            unit.missing
        );
        assert!(pattern.number_of(&unit.bytes).is_some());
    }
    let shown = onairctl(&rig, "session show in")?;
    for text in [
        "JPEG XS 1280x720 interlaced 30000/1001 fps 10 bit",
        "Main422.10",
        "codestream mode",
    ] {
        assert!(shown.out.contains(text), "{text}: {}", shown.out);
    }
    drop(session);
    let mut control = rig.control()?;
    control.end("out")?;
    control.end("in")?;
    Ok(())
}
