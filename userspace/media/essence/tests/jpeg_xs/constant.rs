//! What ST 2110-22 wants to be constant, and how evenly packets come.

use onair_essence::Essence as _;
use onair_essence::jpeg_xs::JpegXsTiming;
use onair_essence::measure::Measure as _;
use onair_essence::rows::{Grade, Rows as _};
use onair_essence::rtp::RtpHeader;
use onair_essence::send::Packetise as _;
use onair_essence::video::timing::ComplianceVerdict;
use serde_json::json;

use crate::rig::{Source, stream};

/// What a monitor says of two seconds of a sender. `change`: of the packets of a unit.
fn measured(
    fields: &serde_json::Value,
    declared: &serde_json::Value,
    change: impl Fn(usize, &mut Vec<Vec<u8>>),
) -> JpegXsTiming {
    let stream_ = stream(fields);
    let mut source = Source::new(&stream_, 0);
    let mut monitor = stream(declared).monitor().unwrap();
    let mut now_ns = 0;
    for number in 0..60 {
        let slot = 1_000_000 + number as u64;
        let mut packets = source.unit();
        change(number, &mut packets);
        let mut next = 0;
        while next < source.packetiser.packets(0) {
            now_ns = source.packetiser.next_ns(slot, next, 0).max(now_ns);
            let ready = source.packetiser.ready(slot, next, now_ns, 0);
            assert!(ready > next);
            source.packetiser.sent(ready - next, now_ns);
            for packet in packets.iter().take(ready as usize).skip(next as usize) {
                let (rtp, payload) = RtpHeader::parse(packet).unwrap();
                monitor.packet(now_ns, Some(now_ns), &rtp, payload);
            }
            next = ready;
        }
    }
    monitor.document(now_ns).unwrap()
}

#[test]
fn sender_of_each_type_then_complies_with_it_and_is_constant() {
    for (sender, verdict) in [
        ("narrow", ComplianceVerdict::NarrowLinear),
        ("narrow_linear", ComplianceVerdict::NarrowLinear),
        ("wide", ComplianceVerdict::Wide),
    ] {
        for mode in ["codestream", "slice"] {
            let fields = json!({"sender_type": sender, "packet_mode": mode, "bytes": 250_000});
            let timing = measured(&fields, &fields, |_, _| {});
            assert_eq!(timing.last_second, Some(verdict), "{fields}: {timing:?}");
            assert_eq!(timing.as_declared, Some(true), "{fields}: {timing:?}");
            assert!(timing.is_constant() && timing.units >= 59, "{timing:?}");
            assert_eq!(timing.unit_bytes, 250_000);
            let after = timing.after_timestamp_ns.unwrap();
            assert!(
                (0..20_000).contains(&after.min) && after.max < 1_000_000,
                "{after:?}"
            );
            if mode == "codestream" {
                // b=AS of the format is rounded up.
                let kbps = stream(&fields).bandwidth_kbps();
                assert!(
                    (kbps - timing.bandwidth_kbps) <= kbps / 500,
                    "{kbps} {timing:?}"
                );
            }
        }
    }
}

#[test]
fn units_of_another_size_then_counted_and_bad() {
    let shorter = |number: usize, packets: &mut Vec<Vec<u8>>| {
        if number == 30 {
            let bytes = packets[3].len();
            packets[3].truncate(bytes - 1);
        }
    };
    let timing = measured(&json!({}), &json!({}), shorter);
    let others = (timing.units_of_other_bytes, timing.units_of_other_packets);
    assert_eq!(others, (1, 0), "{timing:?}");
    let rows = timing.rows();
    assert_eq!(
        (rows[0].name, rows[0].grade),
        ("codestream", Some(Grade::Bad))
    );
    assert!(
        rows[0].text.contains("1 of 60 have other bytes"),
        "{rows:?}"
    );
}

#[test]
fn boxes_with_other_samples_then_counted() {
    let timing = measured(&json!({"depth": 12}), &json!({}), |_, _| {});
    assert_eq!(timing.units_of_other_boxes, 60);
    let timing = measured(&json!({}), &json!({}), |_, _| {});
    assert_eq!(timing.units_of_other_boxes, 0);
}

#[test]
fn cmax_above_the_type_or_packets_too_small_then_refused() {
    let refused =
        |fields: serde_json::Value, bytes| stream(&fields).send(bytes).unwrap_err().to_string();
    assert!(refused(json!({"sender_type": "narrow", "cmax": 100}), 1452).contains("CMAX 100"));
    assert!(refused(json!({}), 100).contains("too small"));
    let any_order = json!({"packet_mode": "slice", "out_of_order": true});
    assert!(refused(any_order, 1452).contains("in order"));
}
