//! Receivers that are not ours: what we send is what they get, by our session descriptions.

use anyhow::Result;
use onair_api::{Source, SpecDocument};
use onair_stage::OfVideo as _;
use onair_tests::{
    Capture, Control, GStreamerReceiver, Pixels, Raster, Rig, Seen, onairctl, resolve, send,
    wait_for,
};

const KERNEL: &str = "10.77.0.9";
const UDP: u16 = 5004;
const PAYLOAD_TYPE: u8 = 112;
const FRAMES: u64 = 60;

/// The pattern, from our one port to the kernel's stack.
fn to_the_kernel(raster: Raster) -> SpecDocument {
    let mut spec = send("out", raster, UDP, Source::Pattern);
    spec.port = "b".into();
    spec.flow.destination = format!("{KERNEL}:{UDP}");
    spec.flow.payload_type = Some(PAYLOAD_TYPE.into());
    spec
}

/// Sends `frames` frames and maybe a few more; how many.
fn send_frames(control: &mut Control, spec: &SpecDocument) -> Result<u64> {
    control.create(spec)?;
    wait_for("enough frames to be sent", 20, || {
        Ok(control.show("out")?.counters.frames_sent >= FRAMES)
    })?;
    control.stop("out")?;
    Ok(control.destroy_wait("out")?.frames.frames_sent)
}

fn into_gstreamer(rig: &Rig, raster: Raster) -> Result<()> {
    into_gstreamer_as(rig, raster, Pixels::of(raster))
}

fn into_gstreamer_as(rig: &Rig, raster: Raster, pixels: Pixels) -> Result<()> {
    let size = pixels.frame_bytes(raster);
    let mut control = rig.control()?;
    let mut spec = to_the_kernel(raster);
    spec.format.video_mut().sampling = Some(pixels.sampling());
    control.create(&spec)?;
    let described = onairctl(rig, "session sdp out")?;
    control.end("out")?;
    let receiver = GStreamerReceiver::start(rig.stage(), &described.out)?;
    let sent = send_frames(&mut control, &spec)?;
    let bytes = receiver.finish(sent, size)?;
    assert_eq!(bytes.len() as u64, sent * size as u64);
    for (number, frame) in (0..sent).zip(bytes.chunks(size)) {
        let frame = pixels.pgroups(frame, raster);
        assert_eq!(Seen::bytes(&frame).pattern_number(), Some(number));
    }
    Ok(())
}

#[test]
fn gstreamer_receives_our_pattern_then_each_frame_once_right() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    into_gstreamer(&rig, Raster::new(320, 180, 60, 10))?;
    into_gstreamer(&rig, Raster::new(640, 360, 25, 8))?;
    into_gstreamer_as(&rig, Raster::new(320, 180, 60, 8), Pixels::Rgb)?;
    into_gstreamer_as(&rig, Raster::new(640, 360, 25, 8), Pixels::I420)
}

/// One packet, as tshark reads it.
struct Packet {
    sequence: u16,
    timestamp: u32,
    last: bool,
}

fn read(fields: &[String]) -> Result<Packet> {
    let [
        sequence,
        timestamp,
        marker,
        payload_type,
        source,
        ttl,
        length,
        ip,
        udp,
    ] = fields
    else {
        anyhow::bail!("{fields:?}");
    };
    assert_eq!(*payload_type, PAYLOAD_TYPE.to_string());
    assert_eq!(source, "10.77.0.2");
    assert_eq!(ttl, "64");
    assert!(length.parse::<u32>()? <= 1500, "{length}");
    assert_eq!(ip, "1", "IP checksum: {fields:?}");
    // 1 is right, 3 is none (RFC 768 allows it).
    assert!(udp == "1" || udp == "3", "UDP checksum: {fields:?}");
    Ok(Packet {
        sequence: sequence.parse()?,
        timestamp: timestamp.parse()?,
        last: marker == "1" || marker == "True",
    })
}

/// Ticks of 1/90000 s at which frame `n` of 60000/1001 starts.
fn ntsc(n: u64) -> u64 {
    n * 90_000 * 1001 / 60_000
}

#[test]
fn tshark_reads_our_packets_then_numbers_and_times_are_right() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    resolve(rig.stage(), "10.77.0.2")?;
    let raster = Raster::new(320, 180, 60, 10);
    let capture = Capture::start(rig.stage(), "va")?;
    let mut spec = to_the_kernel(raster);
    spec.format.video_mut().frame_rate = "60000/1001".into();
    send_frames(&mut rig.control()?, &spec)?;
    let fields = [
        "rtp.seq",
        "rtp.timestamp",
        "rtp.marker",
        "rtp.p_type",
        "ip.src",
        "ip.ttl",
        "ip.len",
        "ip.checksum.status",
        "udp.checksum.status",
    ];
    let rows = capture.finish(UDP, &fields)?;
    let packets: Vec<_> = rows.iter().map(|row| read(row)).collect::<Result<_>>()?;
    assert!(packets.len() > 5000, "only {} packets", packets.len());

    let mut starts = vec![packets[0].timestamp];
    for pair in packets.windows(2) {
        let [packet, next] = pair else { continue };
        assert_eq!(next.sequence, packet.sequence.wrapping_add(1));
        assert_eq!(packet.last, packet.timestamp != next.timestamp);
        if packet.last {
            starts.push(next.timestamp);
        }
    }
    assert!(starts.len() as u64 > FRAMES / 2);
    // A frame every 1501.5 ticks: from an even or an odd one on, and never adrift. A frame's time
    // may pass unused when the machine is busy.
    let exact = |first: u64| {
        starts.iter().all(|start| {
            let ticks = u64::from(start.wrapping_sub(starts[0]));
            let n = (2 * ticks + 1501) / 3003;
            ntsc(n + first) - ntsc(first) == ticks
        })
    };
    assert!(exact(0) || exact(1), "{starts:?}");
    Ok(())
}
