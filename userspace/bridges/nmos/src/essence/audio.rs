//! Audio for NMOS (ST 2110-30 and -31): its source, its flow, and the streams that a receiver accepts.

use onair_essence::audio::{AudioDocument, AudioFormat, ChannelGroup, Coding};
use serde_json::{Value, json};

use super::{Described, constraint};

/// Packet times of AES67 and ST 2110-30 in microseconds.
const PACKET_TIMES_US: [u32; 6] = [125, 250, 333, 500, 1_000, 4_000];

pub(super) fn audio(audio: &AudioFormat) -> Described {
    let (media_type, bits) = match audio.coding() {
        Coding::L16 => ("audio/L16", Some(16)),
        Coding::L24 => ("audio/L24", Some(24)),
        Coding::Am824 => ("audio/AM824", None),
    };
    let rate = json!({"numerator": audio.sample_rate()});
    let mut flow = json!({"sample_rate": rate});
    let mut constraints = json!({
        "urn:x-nmos:cap:format:channel_count": constraint([json!(audio.channels())]),
        "urn:x-nmos:cap:format:sample_rate": constraint([rate]),
        "urn:x-nmos:cap:transport:packet_time": constraint(packet_times(audio)),
    });
    if let Some(bits) = bits {
        flow["bit_depth"] = json!(bits);
        constraints["urn:x-nmos:cap:format:sample_depth"] = constraint([json!(bits)]);
    }
    Described {
        format: "audio",
        media_type,
        rate: Value::Null,
        source: json!({"channels": channels(audio)}),
        flow: Some(flow),
        sender: Value::Null,
        constraints,
    }
}

/// In milliseconds: those of which whole packets make a buffer.
fn packet_times(audio: &AudioFormat) -> Vec<Value> {
    let fits = |us: &u32| {
        let document = AudioDocument {
            packet_time_us: Some(*us),
            block_samples: Some(audio.block_samples()),
            ..audio.clone().into()
        };
        AudioFormat::try_from(&document).is_ok()
    };
    let own = audio.packet_time_us();
    let mut times: Vec<_> = PACKET_TIMES_US.into_iter().filter(fits).collect();
    times.push(own);
    times.sort_unstable();
    times.dedup();
    times
        .into_iter()
        .map(|us| json!(f64::from(us) / 1_000.0))
        .collect()
}

/// The channels of a source, with their names where the session has an order.
fn channels(audio: &AudioFormat) -> Vec<Value> {
    let count = usize::try_from(audio.channels()).expect("64 at most");
    let groups = audio.order().map(|it| it.groups.as_slice());
    let mut named: Vec<_> = groups.unwrap_or_default().iter().flat_map(names).collect();
    named.truncate(count);
    let rest = (named.len()..count).map(|at| json!({"label": format!("Channel {}", at + 1)}));
    let rest: Vec<_> = rest.collect();
    named.extend(rest);
    named
}

/// The channels of a group in the order of ST 2110-30, table 1.
fn names(group: &ChannelGroup) -> Vec<Value> {
    let symbols: &[&str] = match group {
        ChannelGroup::Mono => &["M1"],
        ChannelGroup::DualMono => &["M1", "M2"],
        ChannelGroup::Stereo => &["L", "R"],
        ChannelGroup::MatrixStereo => &["Lt", "Rt"],
        ChannelGroup::Surround51 => &["L", "R", "C", "LFE", "Ls", "Rs"],
        ChannelGroup::Surround71 => &["L", "R", "C", "LFE", "Lss", "Rss", "Lrs", "Rrs"],
        ChannelGroup::Undefined(channels) => {
            let symbol = |it| format!("U{it:02}");
            let symbols = (1..=*channels).map(symbol);
            return symbols
                .map(|it| json!({"label": it, "symbol": it}))
                .collect();
        }
        ChannelGroup::Surround222
        | ChannelGroup::SdiGroup
        | ChannelGroup::Aes3
        | ChannelGroup::Other(_) => {
            let of_group = |it| json!({"label": format!("{group} {it}")});
            return (1..=group.channels().unwrap_or(1)).map(of_group).collect();
        }
    };
    let named = symbols.iter();
    named.map(|it| json!({"label": it, "symbol": it})).collect()
}
