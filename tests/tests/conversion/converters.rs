//! Converted sessions at the edges: frames with holes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};
use onair::{Buffer, Incomplete, PixelFormat, Session, Status, Timeout};
use onair_api::SessionView;
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::st2110_20::Packetiser;
use onair_essence::video::st2110_20::STANDARD_RTP_BYTES;
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_tests::{Config, Control, Raster, Rig, receive, resolve};
use serde_json::json;

const TIMEOUT: Timeout = Timeout::millis(30_000);

pub(crate) fn attach(rig: &Rig, session: &str) -> Result<Session> {
    Ok(Session::attach(
        Config::attach_socket(rig.stage()),
        session,
    )?)
}

pub(crate) fn convert(
    control: &mut Control,
    format: PixelFormat,
    quota: u32,
) -> Result<SessionView> {
    let body = json!({
        "name": format!("cam-{format}"), "quota": quota, "max_attachments": 1,
        "convert": {"from": "cam", "layout": format.to_string()},
    });
    control.request("POST", "/v1/sessions", &body)?.document()
}

/// Takes frames of the source and of its converted session in turn, until `wanted` are of both: these have
/// the bytes that the client library makes of the source's.
pub(crate) fn compare(source: &Session, converted: &Session, wanted: usize) -> Result<()> {
    let format = converted.layout().pixel_format.context("a layout")?;
    let bytes = converted.layout().frame_bytes();
    let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
    let mut same = 0;
    for _ in 0..20 * wanted {
        let buffer = source.buffer_get(TIMEOUT)?;
        ensure!(buffer.status().is_complete(), "{buffer:?}");
        let mut pixels = vec![0; bytes];
        buffer.unpack(format, &mut pixels)?;
        ours.insert(buffer.rtp_timestamp(), pixels);
        drop(buffer);
        let buffer = converted.buffer_get(TIMEOUT)?;
        ensure!(buffer.status().is_complete(), "{buffer:?}");
        theirs.insert(buffer.rtp_timestamp(), buffer.to_vec());
        drop(buffer);
        let both: Vec<_> = ours
            .keys()
            .copied()
            .filter(|it| theirs.contains_key(it))
            .collect();
        for ticks in both {
            let frames = (ours.remove(&ticks), theirs.remove(&ticks));
            ensure!(frames.0 == frames.1, "{format}: the frame of {ticks}");
            same += 1;
        }
        if same >= wanted {
            return Ok(());
        }
    }
    anyhow::bail!("{format}: {same} frames were of both")
}

fn incomplete(buffer: &Buffer<'_>) -> Result<Incomplete> {
    match buffer.status() {
        Status::Incomplete(what) => Ok(what),
        Status::Complete => anyhow::bail!("{buffer:?}"),
    }
}

#[test]
fn frame_with_holes_then_the_converted_one_names_their_lines() -> Result<()> {
    const RASTER: Raster = Raster::new(320, 180, 25, 10);
    /// Packets that do not come.
    const LOST: [u32; 3] = [3, 40, 41];
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    resolve(rig.stage(), "10.77.0.2")?;
    control.create(&receive("cam", RASTER, 5000))?;
    convert(&mut control, PixelFormat::V210, 4)?;
    let source = attach(&rig, "cam")?;
    let converted = attach(&rig, "cam-v210")?;
    let socket = rig.stage().inside(|| {
        let socket = UdpSocket::bind("10.77.0.9:0")?;
        socket.connect(("10.77.0.2", 5000))?;
        Ok(socket)
    })?;
    let rate = FrameRate::new(RASTER.rate, 1)?;
    let format = VideoFormat::new(RASTER.width, RASTER.height, Depth::Ten, rate)?;
    let packetiser = Packetiser::new(format, STANDARD_RTP_BYTES)?;
    let stream = StreamHeader {
        payload_type: 96,
        timestamp: 3600,
        ssrc: 7,
    };
    let line = RASTER.frame_bytes() / RASTER.height as usize;
    let mut expected = BTreeSet::new();
    for index in 0..packetiser.packets() {
        let packet = packetiser.packet(index).context("below the count")?;
        if LOST.contains(&index) {
            let bytes = packet.ranges().flatten();
            expected.extend(bytes.map(|byte| byte / line));
            continue;
        }
        let mut bytes = vec![0; packet.header_bytes()];
        packet.write_headers(&stream, index, &mut bytes);
        packet
            .ranges()
            .for_each(|range| bytes.extend(range.map(|at| at.to_le_bytes()[0])));
        socket.send(&bytes)?;
    }
    let ours = source.buffer_get(TIMEOUT)?;
    let theirs = converted.buffer_get(TIMEOUT)?;
    let (of_ours, of_theirs) = (incomplete(&ours)?, incomplete(&theirs)?);
    for what in [of_ours, of_theirs] {
        assert_eq!(
            (what.packets_lost, what.bytes_missing),
            (3, of_ours.bytes_missing)
        );
        let lines: BTreeSet<_> = what.lines().flatten().map(|it| it as usize).collect();
        assert_eq!(lines, expected, "{what:?}");
    }
    // Both packets side by side are one range.
    assert_eq!(
        (of_ours.ranges().count(), of_theirs.ranges().count()),
        (2, 0)
    );
    // Beside the holes, and in them, it is what the client library makes of the source's.
    let mut pixels = vec![0; theirs.len()];
    ours.unpack(PixelFormat::V210, &mut pixels)?;
    ensure!(*theirs == pixels[..], "other bytes");
    Ok(())
}
