//! Any values are read as they were written, and any bytes are read without a panic.

use std::collections::BTreeSet;
use std::net::IpAddr;

use onair_essence::jpeg_xs::CompressedStandard;
use onair_essence::video::{
    Appearance, Colorimetry, Depth, Packing, PixelAspect, Sampling, Scan, SenderType,
    TransferCharacteristics, VideoRange, VideoStandard,
};
use onair_sdp::{
    Aes3, Ancillary, AncillaryStandard, Audio, ChannelGroup, ChannelOrder, Compressed,
    DescribedRate, DescribedVideo, Essence, Media, MediaClock, Notes, Origin, PcmDepth,
    ReferenceClock, SessionDescription, TransmissionModel,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::samples::{HD, bare, parsed, video as video_text};

fn rate() -> impl Strategy<Value = DescribedRate> {
    (1u32.., 1u32..)
        .prop_map(|(numerator, denominator)| DescribedRate::new(numerator, denominator).unwrap())
}

fn scan() -> impl Strategy<Value = Scan> {
    select(vec![Scan::Progressive, Scan::Interlaced, Scan::Psf])
}

fn side() -> impl Strategy<Value = u32> {
    1u32..=32_767
}

fn appearance() -> impl Strategy<Value = Appearance> {
    (
        prop::option::of(select(Colorimetry::ALL)),
        prop::option::of(select(TransferCharacteristics::ALL)),
        prop::option::of(select(VideoRange::ALL)),
        prop::option::of((1u16.., 1u16..)),
    )
        .prop_map(|(colorimetry, transfer, range, aspect)| Appearance {
            colorimetry,
            transfer,
            range,
            pixel_aspect: aspect.and_then(|(width, height)| PixelAspect::new(width, height)),
        })
}

fn video() -> impl Strategy<Value = Essence> {
    let format = (
        select(Sampling::ALL),
        select(Depth::ALL),
        side(),
        side(),
        rate(),
        scan(),
    );
    let packing = (
        select(Packing::ALL),
        prop::option::of(select(VideoStandard::ALL)),
        576u16..=8960,
    );
    let sending = (
        prop::option::of(select(SenderType::ALL)),
        any::<Option<u32>>(),
        prop::option::of(1u32..),
    );
    (format, appearance(), packing, sending).prop_map(|(format, appearance, packing, sending)| {
        let (sampling, depth, width, height, rate, scan) = format;
        let is_420 = sampling.as_str().ends_with("4:2:0");
        Essence::Video(DescribedVideo {
            sampling,
            depth: if is_420 { Depth::Ten } else { depth },
            width,
            height,
            rate: Some(rate),
            scan: if is_420 { Scan::Progressive } else { scan },
            appearance,
            packing: packing.0,
            standard: packing.1,
            max_udp: packing.2,
            sender: sending.0,
            tr_offset_us: sending.1,
            cmax: sending.2,
        })
    })
}

fn compressed() -> impl Strategy<Value = Essence> {
    let text = || prop::option::of("[A-Za-z0-9.-]{1,12}");
    let some = |it| prop::option::of(it);
    (
        (any::<(bool, bool)>(), text(), text(), text()),
        (some(side()), some(side()), prop::option::of(rate()), scan()),
        prop::option::of(select(Sampling::ALL)),
        prop::option::of(select(Depth::ALL)),
        appearance(),
        prop::option::of(select(CompressedStandard::ALL)),
        (
            prop::option::of(select(SenderType::ALL)),
            prop::option::of(1u32..),
            576u16..=8960,
        ),
    )
        .prop_map(
            |(modes, format, sampling, depth, appearance, standard, (sender, cmax, max_udp))| {
                let ((slices, in_order), profile, level, sublevel) = modes;
                let (width, height, rate, scan) = format;
                Essence::Compressed(Compressed {
                    slices,
                    in_order,
                    profile,
                    level,
                    sublevel,
                    sampling,
                    depth,
                    width,
                    height,
                    rate,
                    scan,
                    appearance,
                    standard,
                    sender,
                    cmax,
                    max_udp,
                })
            },
        )
}

fn ancillary() -> impl Strategy<Value = Essence> {
    (
        prop::collection::vec(any::<(u8, u8)>(), 0..4),
        any::<Option<u8>>(),
        prop::option::of(rate()),
        prop::option::of(select(TransmissionModel::ALL)),
        prop::option::of(select(AncillaryStandard::ALL)),
        any::<Option<u32>>(),
    )
        .prop_map(
            |(kinds, vpid, rate, transmission, standard, tr_offset_us)| {
                Essence::Ancillary(Ancillary {
                    kinds,
                    vpid,
                    rate,
                    transmission,
                    standard,
                    tr_offset_us,
                })
            },
        )
}

fn order() -> impl Strategy<Value = ChannelOrder> {
    let group = prop_oneof![
        select(vec![
            ChannelGroup::Mono,
            ChannelGroup::DualMono,
            ChannelGroup::Stereo,
            ChannelGroup::MatrixStereo,
            ChannelGroup::Surround51,
            ChannelGroup::Surround71,
            ChannelGroup::Surround222,
            ChannelGroup::SdiGroup,
            ChannelGroup::Aes3,
        ]),
        (1u8..=64).prop_map(ChannelGroup::Undefined),
    ];
    let smpte = prop::collection::vec(group, 1..5).prop_map(|groups| ChannelOrder {
        convention: "SMPTE2110".into(),
        groups,
    });
    let others = prop::collection::vec("[A-Z0-9]{1,6}".prop_map(ChannelGroup::Other), 1..4);
    let other = ("X[A-Z]{1,8}", others)
        .prop_map(|(convention, groups)| ChannelOrder { convention, groups });
    prop_oneof![smpte, other]
}

/// Without a channel order whose count contradicts the channels, and packet times of 120 µs, which
/// are taken for 125 µs: those are read with a warning, or as another value.
fn audio() -> impl Strategy<Value = Essence> {
    (
        any::<bool>(),
        1u32..,
        1u16..,
        prop::option::of((1u32..10_000_000).prop_filter("125", |it| *it != 120)),
        prop::option::of(order()),
        any::<bool>(),
    )
        .prop_map(
            |(is_l16, sample_rate, channels, packet_time_us, order, is_aes3)| {
                let counted = order.as_ref().and_then(ChannelOrder::channels);
                let channels = counted.unwrap_or(channels);
                if is_aes3 {
                    let odd = channels % 2 == 1;
                    let order = order.filter(|_| !odd);
                    let channels = if odd { 2 } else { channels };
                    return Essence::Aes3(Aes3 {
                        sample_rate,
                        channels,
                        packet_time_us,
                        order,
                    });
                }
                let depth = if is_l16 { PcmDepth::L16 } else { PcmDepth::L24 };
                Essence::Audio(Audio {
                    depth,
                    sample_rate,
                    channels,
                    packet_time_us,
                    order,
                })
            },
        )
}

fn clock() -> impl Strategy<Value = ReferenceClock> {
    let version = || "IEEE1588-20[01][0-9]";
    prop_oneof![
        (version(), any::<[u8; 8]>(), any::<Option<u8>>()).prop_map(
            |(version, grandmaster, domain)| ReferenceClock::Ptp {
                version,
                grandmaster,
                domain,
            }
        ),
        version().prop_map(|version| ReferenceClock::PtpTraceable { version }),
        any::<[u8; 6]>().prop_map(ReferenceClock::LocalMac),
        "ntp=[a-z0-9.]{1,20}".prop_map(ReferenceClock::Other),
    ]
}

fn media_clock() -> impl Strategy<Value = MediaClock> {
    prop_oneof![
        (any::<u64>(), any::<Option<u32>>())
            .prop_map(|(offset, rate)| MediaClock::Direct { offset, rate }),
        Just(MediaClock::Sender),
        "IEEE1722=[0-9A-F]{1,10}".prop_map(MediaClock::Other),
    ]
}

/// A destination and sources of one family.
fn addresses() -> impl Strategy<Value = (IpAddr, Vec<IpAddr>)> {
    fn of<A: Into<IpAddr>>(destination: A, sources: BTreeSet<A>) -> (IpAddr, Vec<IpAddr>) {
        let sources = sources.into_iter().map(Into::into).collect();
        (destination.into(), sources)
    }
    let ipv4 = (
        any::<[u8; 4]>(),
        prop::collection::btree_set(
            (1u8..224, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| [a, b, c, d]),
            0..3,
        ),
    );
    let ipv6 = (
        any::<[u8; 16]>(),
        prop::collection::btree_set(
            any::<[u8; 15]>()
                .prop_map(|it| std::array::from_fn(|at| if at == 0 { 0xfd } else { it[at - 1] })),
            0..3,
        ),
    );
    prop_oneof![
        ipv4.prop_map(|(destination, sources)| of(destination, sources)),
        ipv6.prop_map(|(destination, sources)| of(destination, sources)),
    ]
}

fn medium() -> impl Strategy<Value = Media> {
    (
        addresses(),
        1u16..,
        any::<Option<u8>>(),
        prop_oneof![0u8..72, 77u8..128],
        any::<Option<u64>>(),
        prop::option::of(clock()),
        prop::option::of(media_clock()),
        (prop::option::of("[A-Za-z0-9]{1,20}"), any::<bool>()),
        prop_oneof![video(), compressed(), ancillary(), audio()],
    )
        .prop_map(
            |(
                (destination, sources),
                port,
                ttl,
                payload_type,
                bandwidth,
                clock,
                media_clock,
                (title, is_active),
                essence,
            )| {
                Media {
                    destination,
                    port,
                    // RFC 8866 §5.7: of multicast of IPv4.
                    ttl: ttl.filter(|it| {
                        *it > 0 && destination.is_ipv4() && destination.is_multicast()
                    }),
                    payload_type,
                    sources,
                    bandwidth,
                    mid: None,
                    title,
                    is_active,
                    reference_clock: clock,
                    media_clock,
                    essence,
                    line: 0,
                    notes: Notes::default(),
                }
            },
        )
}

fn description() -> impl Strategy<Value = SessionDescription> {
    (
        prop::option::of("[a-z]{1,8}"),
        "[0-9]{1,20}",
        any::<u64>(),
        any::<[u8; 4]>(),
        "[A-Za-z0-9äé][A-Za-z0-9 äé:.]{0,20}[A-Za-z0-9]",
        prop::option::of("[A-Za-z0-9]{1,20}"),
        prop::collection::vec(medium(), 0..4),
    )
        .prop_map(|(user, session, version, address, name, info, mut media)| {
            // Every two of them are legs of each other.
            let mut duplicates = Vec::new();
            for (at, pair) in media.chunks_exact_mut(2).enumerate() {
                let mids = ["a", "b"].map(|leg| format!("{leg}{at}"));
                for (leg, mid) in pair.iter_mut().zip(&mids) {
                    leg.mid = Some(mid.clone());
                }
                duplicates.push(mids.into());
            }
            let address = std::net::Ipv4Addr::from(address).to_string();
            SessionDescription {
                origin: Origin {
                    user,
                    session,
                    version,
                    address,
                },
                name,
                info,
                duplicates,
                media,
                unread: Vec::new(),
                notes: Notes::default(),
            }
        })
}

proptest! {
    #[test]
    fn description_any_written_then_read_as_it_was(description in description()) {
        let written = description.to_string();
        let mut read = parsed(&written);
        bare(&mut read);
        prop_assert_eq!(read, description, "{}", written);
    }

    #[test]
    fn text_any_then_no_panic(text in "[ -~\\n\\r\\tä]{0,300}") {
        let _ = SessionDescription::parse(&text);
    }

    #[test]
    fn description_mutated_then_no_panic_and_read_as_written(
        edits in prop::collection::vec((any::<Index>(), any::<Index>(), "[ -~\\n]{0,6}"), 1..6),
        from in description(), is_sample: bool,
    ) {
        let mut text = if is_sample { video_text(HD) } else { from.to_string() };
        for (at, end, with) in edits {
            let places: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (at, end) = (at.get(&places), end.get(&places));
            let end = (*end).clamp(*at, *at + 8);
            let end = places.iter().copied().find(|it| *it >= end).unwrap_or(text.len());
            text.replace_range(*at..end, &with);
        }
        if let Ok(mut read) = SessionDescription::parse(&text) {
            let written = read.to_string();
            let again = SessionDescription::parse(&written);
            let mut again = again.map_err(|error| TestCaseError::fail(format!("{error}\n{text}\n{written}")))?;
            bare(&mut read);
            bare(&mut again);
            prop_assert_eq!(again, read, "{}\n{}", text, written);
        }
    }
}
