//! What the payloads of captured audio and ancillary data carry.

use std::path::PathBuf;
use std::{env, fs};

use onair_essence::rtp::RtpHeader;
use onair_net::datagram::{FlowHeader, HEADER_BYTES};
use onair_net::ethernet::Mac;
use serde_json::Value;

use super::{GAPPED, Written, analyze, analyzed, udp, video};
use crate::support::{onairctl, ran};

/// A packet of a stream without video.
fn packet(at_ns: u64, (sequence, timestamp): (u16, u32), payload: &[u8]) -> (u64, Vec<u8>) {
    let rtp = RtpHeader {
        marker: false,
        payload_type: 100,
        sequence,
        timestamp,
        ssrc: 0x40,
    };
    (at_ns, udp(&[&rtp.to_bytes()[..], payload].concat()))
}

#[test]
fn ancillary_data_then_packets_by_kind_and_frames_without_any() {
    let folder = tempfile::tempdir().unwrap();
    // RFC 8331: a packet 61/02 with one word and a wrong checksum, or none.
    let anc = [0, 0, 0, 12, 1, 0, 0, 0, 0, 0xa0, 0, 0, 0x58, 0x50, 0x24, 6];
    let anc = [&anc[..], &[0; 4]].concat();
    let frames: Vec<_> = (0..10u16)
        .map(|number| {
            let payload = if number < 4 { &anc[..] } else { &[0; 8] };
            let timestamp = u32::from(number) * 3600;
            packet(u64::from(number) * 40_000_000, (number, timestamp), payload)
        })
        .collect();
    let document = analyzed(&folder, &Written::ALL[0].file(&frames), "");
    let flow = &document["flows"][0];
    assert_eq!(flow["essence"], "ancillary", "{flow}");
    assert_eq!(flow["content"], Value::Null);
    let found = &flow["ancillary"];
    let kind = &found["kinds"][0];
    assert_eq!(
        (&kind["did_sdid"], &kind["packets"]),
        (&"61/02".into(), &4.into())
    );
    for (figure, count) in [
        ("anc_packets", 4),
        ("wrong_checksum", 4),
        ("wrong_parity", 0),
        ("keep_alives", 6),
        ("malformed", 0),
        ("units", 10),
        ("units_without_packets", 6),
    ] {
        assert_eq!(found[figure], count, "{figure}: {found}");
    }
    let table = ran(onairctl("analyze").arg(folder.path().join("capture")));
    for said in ["10, 6 without an ANC packet", "61/02 4 packets of"] {
        assert!(table.out.contains(said), "{said}: {}", table.out);
    }
}

#[test]
fn audio_then_ts_df_and_levels_if_its_coding_is_known() {
    let folder = tempfile::tempdir().unwrap();
    // 2 s of half of full scale and silence in L16; one packet comes 20 ms late, one is lost.
    let stream = |sample: &[u8]| -> Vec<_> {
        let payload = sample.repeat(48);
        let numbers = (0..2000u16).filter(|it| *it != 1500);
        let one = |number: u16| {
            let late_ns = u64::from(number == 700) * 20_000_000;
            let at_ns = 1_000_000_000 + u64::from(number) * 1_000_000 + late_ns;
            packet(at_ns, (number, u32::from(number) * 48), &payload)
        };
        numbers.map(one).collect()
    };
    let file = Written::ALL[0].file(&stream(&[0x40, 0, 0, 0]));
    let document = analyzed(&folder, &file, "");
    let flow = &document["flows"][0];
    assert_eq!(
        (&flow["essence"], &flow["lost"]),
        (&"audio".into(), &1.into())
    );
    let audio = &flow["audio"];
    for (figure, value) in [
        ("coding", Value::from("L16")),
        ("channels", 2.into()),
        ("coding_is_guess", true.into()),
        ("packet_time_ns", 1_000_000.into()),
        ("delay_variation_ns", 20_000_000.into()),
        ("delay_variation_limit_ns", 17_000_000.into()),
        ("verdict", "not_compliant".into()),
    ] {
        assert_eq!(audio[figure], value, "{figure}: {audio}");
    }
    assert_eq!(audio["levels"][0]["peak_hundredths"], -602, "{audio}");
    assert_eq!(
        audio["levels"][1]["peak_hundredths"],
        Value::Null,
        "{audio}"
    );
    let table = ran(onairctl("analyze").arg(folder.path().join("capture")));
    for said in ["limit 17.000 ms: not compliant", "channel 2: silent"] {
        assert!(table.out.contains(said), "{said}: {}", table.out);
    }
    // Six bytes may be two channels or three.
    let file = Written::ALL[0].file(&stream(&[0x40, 0, 0, 0, 0, 0]));
    let document = analyzed(&folder, &file, "");
    let flow = &document["flows"][0];
    assert_eq!(
        (&flow["audio"]["coding"], &flow["content"]),
        (&Value::Null, &"not_analyzed".into())
    );
    let description = folder.path().join("audio.sdp");
    let text = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 5004 RTP/AVP 100\r\n\
        c=IN IP4 239.1.2.3/64\r\na=rtpmap:100 L24/48000/2\r\na=ptime:1\r\n";
    fs::write(&description, text).unwrap();
    let described = analyzed(&folder, &file, &format!("--sdp {}", description.display()));
    let audio = &described["flows"][0]["audio"];
    assert_eq!(
        (&audio["coding"], &audio["coding_is_guess"]),
        (&"L24".into(), &false.into())
    );
    assert_eq!(audio["levels"][0]["peak_hundredths"], -602, "{audio}");
}

#[test]
#[ignore = "ONAIR_CAPTURES names a folder of captures"]
fn analyses_of_other_equipment_then_what_tshark_and_python_find() {
    let folder = env::var_os("ONAIR_CAPTURES").map(PathBuf::from);
    let folder = folder.expect("ONAIR_CAPTURES names a folder of captures");
    let of = |file: &str| -> Value {
        let ran = analyze(&folder.join(file), "");
        assert_eq!(ran.code, 0, "{file}: {ran:?}");
        serde_json::from_str::<Value>(&ran.out).unwrap()["flows"].take()
    };
    // TS-DF; channels with peak and RMS in hundredths of dBFS.
    for (file, ts_df_ns, channels, (peak, rms)) in [
        ("l16_48000_2ch_1ms.pcap", 67_918, 2, (-2000, -2301)),
        ("ST2022-7-Audio.pcap", 804, 1, (0, -301)),
    ] {
        let flows = of(file);
        let figure = |it: &Value| it["audio"]["delay_variation_ns"].as_i64().unwrap_or(0);
        let flows = flows.as_array().unwrap();
        let found = flows.iter().map(figure).max().unwrap();
        assert!((found - ts_df_ns).abs() <= 30, "{file}: {found}");
        for flow in flows {
            let levels = flow["audio"]["levels"].as_array().unwrap();
            assert_eq!(levels.len(), channels, "{file}");
            for level in levels {
                assert_eq!(
                    (&level["peak_hundredths"], &level["rms_hundredths"]),
                    (&peak.into(), &rms.into()),
                    "{file}"
                );
            }
        }
    }
    for (file, packets, units, without) in [
        ("misc_anc_2110-40.pcap", 5397, 1799, 0),
        ("ST2110-40_ancillary_data.pcap", 750, 251, 1),
        ("anc_with_timecode+CC+AFD.pcap", 149, 50, 1),
        ("empty_data_but_valid.pcap", 0, 50, 50),
    ] {
        let flows = of(file);
        let found = &flows[0]["ancillary"];
        for (figure, count) in [
            ("anc_packets", packets),
            ("wrong_parity", 0),
            ("wrong_checksum", 0),
            ("malformed", 0),
            ("units", units),
            ("units_without_packets", without),
        ] {
            assert_eq!(found[figure], count, "{file}: {figure}: {found}");
        }
    }
}

#[test]
fn capture_of_ipv6_then_its_flow_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let over_ipv6 = |(at_ns, frame): (u64, Vec<u8>)| {
        let flow = FlowHeader {
            source_mac: Mac([2; 6]),
            destination_mac: Mac([0x33, 0x33, 0x80, 0, 0, 1]),
            source: "[fd00::1]:5000".parse().unwrap(),
            destination: "[ff3e::8000:1]:5004".parse().unwrap(),
            ttl: 64,
            dscp: 34,
        };
        (at_ns, flow.to_frame(1, &frame[HEADER_BYTES..]))
    };
    let frames: Vec<_> = video(10).into_iter().map(over_ipv6).collect();
    let file = Written::ALL[0].file(&frames);
    let only = format!("{GAPPED} --flow [ff3e::8000:1]:5004");
    let document = analyzed(&folder, &file, &only);
    let flow = &document["flows"][0];
    assert_eq!(flow["source"], "[fd00::1]:5000", "{document}");
    assert_eq!(flow["destination"], "[ff3e::8000:1]:5004");
    assert_eq!(flow["essence"], "video");
    let plain = analyzed(&folder, &Written::ALL[0].file(&video(10)), GAPPED);
    assert_eq!(flow["timing"], plain["flows"][0]["timing"]);
}
