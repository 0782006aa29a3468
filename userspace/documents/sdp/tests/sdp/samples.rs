//! What plants send: right, and wrong in ways that are common.

use serde_json::json;

use onair_essence::video::{Colorimetry, Depth, Packing, PixelAspect, Sampling, Scan, SenderType};
use onair_sdp::{
    Aes3, Ancillary, AncillaryStandard, Audio, ChannelGroup, Compressed, DescribedRate,
    DescribedVideo, Essence, MediaClock, Notes, PcmDepth, ReferenceClock, SessionDescription,
    TransmissionModel,
};

/// Lines of a session around one medium.
pub(crate) fn around(medium: &str) -> String {
    format!("v=0\no=- 1 2 IN IP4 192.0.2.1\ns=Camera 1\nt=0 0\n{medium}")
}

/// A video medium with these parameters.
pub(crate) fn video(parameters: &str) -> String {
    around(&format!(
        "m=video 50020 RTP/AVP 96\nc=IN IP4 239.20.1.1/64\n\
         a=source-filter: incl IN IP4 239.20.1.1 192.0.2.1\na=rtpmap:96 raw/90000\n\
         a=fmtp:96 {parameters}\na=mediaclk:direct=0\n\
         a=ts-refclk:ptp=IEEE1588-2008:28-99-3A-FF-FF-D3-5F-6E:42\n"
    ))
}

/// Parameters of 1080p50, as many senders have them.
pub(crate) const HD: &str = "sampling=YCbCr-4:2:2; width=1920; height=1080; depth=10; \
    exactframerate=50; TCS=SDR; colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017; TP=2110TPN; ";

/// Without what is of a text alone: lines, notes, and what could not be read.
pub(crate) fn bare(description: &mut SessionDescription) {
    description.notes = Notes::default();
    description.unread.clear();
    let is_there = |mid: &String| {
        description
            .media
            .iter()
            .any(|it| it.mid.as_ref() == Some(mid))
    };
    for mids in &mut description.duplicates {
        mids.retain(is_there);
    }
    description.duplicates.retain(|mids| !mids.is_empty());
    for medium in &mut description.media {
        (medium.line, medium.notes) = (0, Notes::default());
    }
}

/// What is written of it is read as it was.
fn assert_written_alike(description: &SessionDescription) {
    let (mut read, mut own) = (parsed(&description.to_string()), description.clone());
    bare(&mut read);
    bare(&mut own);
    assert_eq!(read, own);
}

/// Parameters of the notes of all media.
fn noted(description: &SessionDescription) -> Vec<&str> {
    let media = description.media.iter().flat_map(|it| it.notes.iter());
    let all = description.notes.iter().chain(media);
    all.map(|it| it.parameter.as_str()).collect()
}

pub(crate) fn parsed(text: &str) -> SessionDescription {
    SessionDescription::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn only_video(description: &SessionDescription) -> &DescribedVideo {
    match &description.media[..] {
        [medium] => match &medium.essence {
            Essence::Video(video) => video,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn video_as_senders_describe_it_then_typed() {
    let description = parsed(&video(HD));
    assert!(noted(&description).is_empty(), "{:?}", noted(&description));
    assert_eq!(
        (description.name.as_str(), &description.info),
        ("Camera 1", &None)
    );
    let medium = &description.media[0];
    assert_eq!(
        (medium.destination.to_string(), medium.port),
        ("239.20.1.1".into(), 50020)
    );
    assert_eq!((medium.ttl, medium.payload_type), (Some(64), 96));
    assert_eq!(
        medium.sources,
        ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]
    );
    let direct = MediaClock::Direct {
        offset: 0,
        rate: None,
    };
    assert_eq!(medium.media_clock, Some(direct));
    assert_eq!(
        medium.reference_clock,
        Some(ReferenceClock::Ptp {
            version: "IEEE1588-2008".into(),
            grandmaster: [0x28, 0x99, 0x3a, 0xff, 0xff, 0xd3, 0x5f, 0x6e],
            domain: Some(42),
        })
    );
    let video = only_video(&description);
    assert_eq!(
        (video.width, video.height, video.rate),
        (1920, 1080, DescribedRate::new(50, 1))
    );
    assert_eq!(
        (video.sampling, video.depth),
        (Sampling::YCbCr422, Depth::Ten)
    );
    assert_eq!(
        (video.appearance.colorimetry, video.packing),
        (Some(Colorimetry::Bt709), Packing::General)
    );
    assert_eq!(
        (video.sender, video.max_udp),
        (Some(SenderType::Narrow), 1460)
    );
    let carried = serde_json::to_value(video.carried().unwrap()).unwrap();
    let expected = serde_json::json!({"width": 1920, "height": 1080, "frame_rate": "50", "depth": 10,
        "sender_type": "narrow", "colorimetry": "BT709", "transfer": "SDR", "standard": "2017"});
    assert_eq!(carried, expected);
}

#[test]
fn video_every_parameter_then_each_has_its_value() {
    let all = "PAR=12:11;TSDELAY=500; TSMODE=PRES;CMAX=7; TROFF=638 ;MAXUDP=8960;RANGE=FULL; \
        TCS=HLG;TP=2110TPNL;SSN=ST2110-20:2022; PM=2110BPM; colorimetry=BT2100; depth=16f; \
        segmented; interlace; exactframerate=60000/1001; height=2160 ; width = 3840; sampling=RGB";
    let description = parsed(&video(all));
    let video = only_video(&description);
    assert_eq!(
        (video.appearance.pixel_aspect, noted(&description)),
        (PixelAspect::new(12, 11), vec!["TSDELAY", "TSMODE"])
    );
    assert_eq!(
        (video.cmax, video.tr_offset_us, video.max_udp),
        (Some(7), Some(638), 8960)
    );
    assert_eq!((video.scan, video.depth), (Scan::Psf, Depth::SixteenFloat));
    assert_eq!(video.rate, DescribedRate::new(60_000, 1001));
    assert_written_alike(&description);
}

#[test]
fn parameters_reordered_unknown_with_semicolons_then_accepted() {
    let reversed: Vec<_> = HD
        .trim_end_matches("; ")
        .split(';')
        .rev()
        .map(str::trim)
        .collect();
    let reversed = reversed.join(";");
    let more = format!("progressive; X-VENDOR=1; ;;{HD}; y");
    for parameters in [
        reversed,
        more,
        HD.trim_end().trim_end_matches(';').to_owned(),
    ] {
        assert_eq!(
            only_video(&parsed(&video(&parameters))),
            only_video(&parsed(&video(HD)))
        );
    }
}

#[test]
fn lines_continued_or_blank_then_accepted_and_numbered_rightly() {
    let folded = HD
        .replace("; height", "; \r\n   height")
        .replace("; TCS", ";\r\n\tTCS");
    let text = video(&folded).replace("\r\n", "\n").replace('\n', "\r\n") + "\r\n\r\n";
    assert_eq!(only_video(&parsed(&text)), only_video(&parsed(&video(HD))));
    let wrong = text.replace("depth=10", "depth=9");
    let error = SessionDescription::parse(&wrong).unwrap_err();
    assert_eq!((error.line, error.parameter.as_str()), (9, "depth"));
}

#[test]
fn interlaced_by_the_wrong_word_then_accepted_with_a_warning() {
    let description = parsed(&video(&format!("{HD} interlaced; ")));
    assert_eq!(only_video(&description).scan, Scan::Interlaced);
    assert_eq!(noted(&description), ["interlaced"]);
    assert_eq!(description.media[0].notes.iter().next().unwrap().line, 9);
    let written = description.to_string();
    assert!(
        written.contains("interlace;") && !written.contains("interlaced"),
        "{written}"
    );
    let carried = only_video(&description).carried().unwrap();
    assert_eq!(carried.scan, Some(Scan::Interlaced));
}

#[test]
fn two_legs_then_both_and_their_group() {
    let leg = |mid: &str, address: &str| {
        format!(
            "m=video 50020 RTP/AVP 98\nc=IN IP4 {address}/32\n\
             a=source-filter: incl IN IP4 {address} 192.0.2.9\na=rtpmap:98 raw/90000\n\
             a=fmtp:98 {HD}\na=ssrc:12345 cname:a@b.tv\n\
             a=ts-refclk:ptp=IEEE1588-2008:08 00 11 FF FE 22 89 C6:42\na=mediaclk:direct=0\n\
             a=mid:{mid}\n"
        )
    };
    let media = format!(
        "a=recvonly\na=group:DUP PRIMARY SECONDARY\n{}{}",
        leg("PRIMARY", "239.21.1.2"),
        leg("SECONDARY", "239.121.1.2")
    );
    let description = parsed(&around(&media));
    assert_eq!(description.duplicates, [["PRIMARY", "SECONDARY"]]);
    assert_eq!(description.media.len(), 2);
    let clock = description.media[1].reference_clock.as_ref().unwrap();
    assert_eq!(
        clock.to_string(),
        "ptp=IEEE1588-2008:08-00-11-FF-FE-22-89-C6:42"
    );
    assert_written_alike(&description);
    let unknown = around(&media.replace("a=mid:SECONDARY", "a=mid:THIRD"));
    let cut = parsed(&unknown);
    assert_eq!(
        (noted(&cut), &cut.duplicates[..]),
        (
            vec!["group", "ssrc", "ssrc"],
            &[vec!["PRIMARY".to_owned()]][..]
        )
    );
}

#[test]
fn attributes_of_the_session_then_they_hold_for_its_media() {
    let text = format!(
        "v=0\no=- 1 2 IN IP4 192.0.2.1\ns= \nc=IN IP4 239.1.1.1/8\nt=0 0\n\
         a=source-filter: incl IN IP4 * 192.0.2.1 192.0.2.2\n\
         a=source-filter: incl IN IP4 239.9.9.9 192.0.2.7\n\
         a=ts-refclk:localmac=1c-34-da-5a-be-34\na=mediaclk:sender\n\
         m=video 5004 RTP/AVP 96 97\na=rtpmap:97 raw/90000\na=rtpmap:96 raw/90000\na=fmtp:96 {HD}\n"
    );
    let description = parsed(&text);
    let medium = &description.media[0];
    assert_eq!(
        (medium.destination, medium.ttl),
        ([239, 1, 1, 1].into(), Some(8))
    );
    assert_eq!(medium.sources.len(), 2);
    let mac = ReferenceClock::LocalMac([0x1c, 0x34, 0xda, 0x5a, 0xbe, 0x34]);
    assert_eq!(
        (&medium.reference_clock, &medium.media_clock),
        (&Some(mac), &Some(MediaClock::Sender))
    );
}

#[test]
fn audio_then_channels_order_and_packet_time() {
    let audio = |rtpmap: &str, rest: &str| {
        parsed(&around(&format!(
            "m=audio 50030 RTP/AVP 97\nc=IN IP4 239.30.1.2/64\na=rtpmap:97 {rtpmap}\n{rest}"
        )))
    };
    let description = audio(
        "L24/48000/8",
        "a=fmtp:97 channel-order=SMPTE2110.(51,ST)\na=ptime:0.12\na=framecount:6\n",
    );
    let Essence::Audio(Audio {
        depth,
        sample_rate,
        channels,
        packet_time_us,
        order,
    }) = &description.media[0].essence
    else {
        panic!("{description:?}");
    };
    assert_eq!(
        (*depth, *sample_rate, *channels),
        (PcmDepth::L24, 48_000, 8)
    );
    assert_eq!(*packet_time_us, Some(125));
    let groups = [ChannelGroup::Surround51, ChannelGroup::Stereo];
    assert_eq!(
        order.as_ref().map(|it| it.groups.clone()),
        Some(groups.into())
    );
    assert!(
        description.to_string().contains("a=ptime:0.125\r\n"),
        "{description}"
    );
    assert!(noted(&description).is_empty(), "{:?}", noted(&description));

    // No parameters, another convention, and one that does not count.
    assert!(noted(&audio("L16/48000/2", "a=ptime:1.000\n")).is_empty());
    let other = audio("L24/48000/16", "a=fmtp:97 channel-order=SVIP.(ST)\n");
    assert!(noted(&other).is_empty());
    assert_written_alike(&other);
    let few = audio("L24/48000/4", "a=fmtp:97 channel-order=SMPTE2110.(ST)\n");
    assert_eq!(noted(&few), ["channel-order"]);
}

#[test]
fn aes3_with_odd_channels_then_accepted_with_warnings() {
    let description = parsed(&around(
        "m=audio 20000 RTP/AVP 97\nc=IN IP4 239.1.1.1/64\na=rtpmap:97 AM824/48000/5\n\
         a=fmtp:97 channel-order=SMPTE2110.(AES3,AES3)\na=mediaclk:direct=0 rate=48000\na=ptime:1",
    ));
    let Essence::Aes3(Aes3 { channels, .. }) = &description.media[0].essence else {
        panic!("{description:?}");
    };
    assert_eq!((*channels, description.media[0].payload_type), (5, 97));
    assert_eq!(noted(&description), ["channel-order"]);
}

#[test]
fn ancillary_data_then_kinds_and_models() {
    let description = parsed(&around(
        "m=video 20000 RTP/AVP 100\nc=IN IP4 239.1.1.1/64\na=rtpmap:100 smpte291/90000\n\
         a=fmtp:100 DID_SDID={0x61,0x02};DID_SDID={0x41,0x5};VPID_Code=133; TM=LLTM; \
         SSN=ST2110-40:2021;exactframerate=30000/1001;TROFF=10;\n",
    ));
    let expected = Ancillary {
        kinds: vec![(0x61, 2), (0x41, 5)],
        vpid: Some(133),
        rate: DescribedRate::new(30_000, 1001),
        transmission: Some(TransmissionModel::LowLatency),
        standard: Some(AncillaryStandard::Y2021),
        tr_offset_us: Some(10),
    };
    assert_eq!(description.media[0].essence, Essence::Ancillary(expected));
    assert_written_alike(&description);
}

#[test]
fn jpeg_xs_then_typed() {
    let description = parsed(&around(
        "m=video 50022 RTP/AVP 98\nc=IN IP4 239.0.22.17/64\nb=AS:1219336\na=rtpmap:98 jxsv/90000\n\
         a=fmtp:98 packetmode=0; profile=High444.12; level=4k-2; sublevel=Sublev3bpp; \
         sampling=YCbCr-4:2:2; width=3840; height=2160; exactframerate=50; depth=10; TCS=SDR; \
         colorimetry=BT2020; PM=2110GPM; SSN=ST2110-22:2019; TP=2110TPN; \na=ssrc:587423665\n",
    ));
    assert_eq!(description.media[0].bandwidth, Some(1_219_336));
    let Essence::Compressed(Compressed {
        slices,
        in_order,
        profile,
        level,
        ..
    }) = &description.media[0].essence
    else {
        panic!("{description:?}");
    };
    assert_eq!((*slices, *in_order), (false, true));
    assert_eq!(
        (profile.as_deref(), level.as_deref()),
        (Some("High444.12"), Some("4k-2"))
    );
    assert_written_alike(&description);
}

#[test]
fn formats_of_each_parameter_then_carried_as_in_the_session() {
    let carried = |from: &str, to: &str| {
        let description = parsed(&video(&HD.replace(from, to)));
        only_video(&description).carried()
    };
    for (from, to, field, value) in [
        (
            "YCbCr-4:2:2",
            "CLYCbCr-4:4:4",
            "sampling",
            json!("CLYCbCr-4:4:4"),
        ),
        ("depth=10", "depth=12", "depth", json!(12)),
        ("depth=10", "depth=16f", "float", json!(true)),
        (
            "depth=10",
            "depth=10; interlace",
            "scan",
            json!("interlaced"),
        ),
        (
            "depth=10",
            "depth=10; interlace; segmented",
            "scan",
            json!("psf"),
        ),
        ("2110GPM", "2110BPM", "packing", json!("block")),
        ("depth=10", "depth=10; MAXUDP=8960", "max_udp", json!(8960)),
    ] {
        let found = serde_json::to_value(carried(from, to).unwrap()).unwrap();
        assert_eq!(found[field], value, "{to}");
    }
}

#[test]
fn addresses_of_ipv6_then_typed_and_written_again() {
    let text = format!(
        "v=0\no=- 1 2 IN IP6 fd00::1\ns= \nt=0 0\na=group:DUP 1 2\n\
         m=video 5004 RTP/AVP 96\nc=IN IP6 ff3e::8000:1\na=source-filter: incl IN IP6 ff3e::8000:1 fd00::1\n\
         a=source-filter: incl IN IP4 * 192.0.2.1\na=rtpmap:96 raw/90000\na=fmtp:96 {HD}\na=mid:1\n\
         m=video 5004 RTP/AVP 96\nc=IN IP4 239.1.1.1/8\na=rtpmap:96 raw/90000\na=fmtp:96 {HD}\na=mid:2\n"
    );
    let description = parsed(&text);
    let medium = &description.media[0];
    assert_eq!(medium.destination.to_string(), "ff3e::8000:1");
    assert_eq!((medium.ttl, medium.sources.len()), (None, 1));
    let written = description.to_string();
    for line in [
        "o=- 1 2 IN IP6 fd00::1\r\n",
        "c=IN IP6 ff3e::8000:1\r\n",
        "a=source-filter: incl IN IP6 ff3e::8000:1 fd00::1\r\n",
        "c=IN IP4 239.1.1.1/8\r\n",
    ] {
        assert!(written.contains(line), "{line} is not in {written}");
    }
    assert_written_alike(&description);
}
