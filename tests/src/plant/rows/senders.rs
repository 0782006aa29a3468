//! Senders of other makers.

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::SessionProblemKind;
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_net::datagram;
use onair_stage::{Backend, Control, Deadline, wait_for};

use super::{listener, monitor};
use crate::ctl::onairctl;
use crate::network::flow::FlowSender;
use crate::plant::peers::{Camera, Paced, group};
use crate::plant::site::{Plant, STUDIO, UDP, started};

/// A second of pictures, and of blocks of 10 ms.
const PICTURES: u64 = 25;
const BLOCKS: u64 = 100;

/// What health names of a session.
fn healthy(control: &mut Control, session: &str) -> Result<()> {
    let view = control.show(session)?;
    let counters = view.counters;
    ensure!(
        counters.frames_incomplete * 20 <= counters.frames_complete
            && counters.packets_malformed.is_empty(),
        "{session}: {counters:?} {:?}",
        view.problems
    );
    Ok(())
}

fn both(
    backend: Backend,
    picture: fn(&Plant, u8) -> Result<Camera>,
    sound: fn(&Plant, u8) -> Result<Camera>,
) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    control.create(&monitor("cam", 1))?;
    control.create(&listener("mic", 2))?;
    let mut sound = sound(&plant, 2)?;
    let mut picture = picture(&plant, 1)?;
    picture.until_seen(&mut control, "cam", PICTURES)?;
    sound.until_seen(&mut control, "mic", BLOCKS)?;
    for session in ["cam", "mic"] {
        healthy(&mut control, session)?;
    }
    Ok(format!("{PICTURES} pictures and {BLOCKS} blocks whole"))
}

pub(super) fn ffmpeg(backend: Backend) -> Result<String> {
    both(backend, Camera::ffmpeg, Camera::ffmpeg_sound)
}

pub(super) fn gstreamer(backend: Backend) -> Result<String> {
    both(backend, Camera::gstreamer, Camera::gstreamer_sound)
}

/// A capture is made of GStreamer's packets on the studio's cable, and sent again when GStreamer is gone.
pub(super) fn replayed(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let file = plant.studio.directory().join("camera.pcap");
    let camera = Camera::gstreamer(&plant, 1)?;
    let line = format!("tcpdump -i vs -w {} -c 4000 udp port {UDP}", file.display());
    let mut tcpdump = started(&plant.studio, "tcpdump", &line)?;
    let status = tcpdump.wait(Deadline::seconds(30))?;
    ensure!(status.success(), "tcpdump ended with {status}");
    drop(camera);
    let mut control = plant.control()?;
    control.create(&monitor("cam", 1))?;
    let mut again = Camera::replayed(&plant, 1, &file)?;
    again.until_seen(&mut control, "cam", PICTURES)?;
    Ok(format!(
        "{PICTURES} pictures of the capture, whose end is its beginning"
    ))
}

/// Has the engineer create a session by a description: its lines after `t=`.
fn described(plant: &Plant, name: &str, lines: &str) -> Result<()> {
    let file = plant.host().directory().join(format!("{name}.sdp"));
    let clock = "a=ts-refclk:localmac=02-00-00-00-00-01\na=mediaclk:direct=0\n";
    let text = format!("v=0\no=- 1 1 IN IP4 {STUDIO}\ns={name}\nt=0 0\n{lines}{clock}");
    fs::write(&file, text.replace('\n', "\r\n"))?;
    let line = format!("session create {name} --port b --sdp {}", file.display());
    let made = onairctl(&plant.rig, &line)?;
    ensure!(made.code == 0, "{made:?}");
    Ok(())
}

/// Waits for whole units of a session, and that nothing is said of its format.
fn whole(control: &mut Control, session: &str, units: u64) -> Result<()> {
    let came = wait_for(format!("{units} units of {session}"), 20, || {
        Ok(control.show(session)?.counters.frames_complete >= units)
    });
    let view = control.show(session)?;
    came.with_context(|| format!("{:?} {:?}", view.counters, view.problems))?;
    let is_format = |it: &&onair_api::SessionProblem| it.problem == SessionProblemKind::WrongFormat;
    let said = view.problems.iter().find(is_format);
    ensure!(said.is_none(), "{said:?}");
    healthy(control, session)
}

/// An asynchronous source (IPMX) describes the rate that it measures.
pub(super) fn measured_rate(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let to = group(1);
    described(
        &plant,
        "cam",
        &format!(
            "m=video {UDP} RTP/AVP 96\nc=IN IP4 {to}/8\na=rtpmap:96 raw/90000\n\
             a=fmtp:96 sampling=YCbCr-4:2:2; width=128; height=72; exactframerate=24995/1000; depth=10; TCS=SDR; \
             colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017; TP=2110TPW; IPMX\n"
        ),
    )?;
    let rate = FrameRate::new(4_999, 200).context("a rate")?;
    let depth = Depth::from_bits(10, false).context("a depth")?;
    let format = VideoFormat::new(128, 72, depth, rate).context("a format")?;
    let mut flow = FlowSender::new(format);
    let socket = plant.studio.inside(|| Ok(UdpSocket::bind((STUDIO, 0))?))?;
    let _sender = Paced::start(Duration::from_nanos(rate.nanos(1)), move || {
        flow.frame(|_, packet| {
            let rtp = &packet[datagram::HEADER_BYTES..];
            socket.send_to(rtp, (&*to, UDP)).ok();
        });
    });
    let mut control = plant.control()?;
    // What is said of a format is said after two seconds.
    whole(&mut control, "cam", 4 * PICTURES)?;
    Ok(format!(
        "{} pictures at 24995/1000, nothing said of the format",
        4 * PICTURES
    ))
}

/// No parameter of ST 2110-40 says that its video is interlaced: only each packet's field bits.
pub(super) fn fields(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let to = group(1);
    described(
        &plant,
        "anc",
        &format!(
            "m=video {UDP} RTP/AVP 100\nc=IN IP4 {to}/8\na=rtpmap:100 smpte291/90000\n\
             a=fmtp:100 exactframerate=25; TM=CTM; SSN=ST2110-40:2023\n"
        ),
    )?;
    let socket = plant.studio.inside(|| Ok(UdpSocket::bind((STUDIO, 0))?))?;
    let mut number = 0_u16;
    let _sender = Paced::start(Duration::from_millis(20), move || {
        // Nothing in this field (RFC 8331 section 2.1): extended number, length 0, no packet, F.
        let mut packet = vec![0x80, 0x80 | 100];
        packet.extend(number.to_be_bytes());
        packet.extend((u32::from(number) * 1800).to_be_bytes());
        packet.extend([0, 0, 0, 9, 0, 0, 0, 0, 0]);
        let field = if number.is_multiple_of(2) { 0x80 } else { 0xc0 };
        packet.extend([field, 0, 0]);
        socket.send_to(&packet, (&*to, UDP)).ok();
        number = number.wrapping_add(1);
    });
    let mut control = plant.control()?;
    whole(&mut control, "anc", 200)?;
    Ok("200 fields, nothing said of the format".to_owned())
}

/// At 44.1 kHz the packet time named 1 ms has 48 samples (ST 2110-31 Table 1: 1.09).
pub(super) fn sound_44100(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut seen = Vec::new();
    for (number, name, times) in [
        (1, "count", "a=ptime:1\na=framecount:48\n"),
        (2, "time", "a=ptime:1\n"),
    ] {
        let to = group(number);
        described(
            &plant,
            name,
            &format!(
                "m=audio {UDP} RTP/AVP 97\nc=IN IP4 {to}/32\na=rtpmap:97 L16/44100/2\n{times}"
            ),
        )?;
        let line = format!(
            "ffmpeg -nostdin -loglevel error -re -f lavfi -i sine=frequency=440:sample_rate=44100:samples_per_frame=48 -ac 2 \
             -c:a pcm_s16be -payload_type 97 -f rtp rtp://{to}:{UDP}?localaddr={STUDIO}&ttl=8&pkt_size=204"
        );
        let mut camera = Camera {
            running: started(&plant.studio, "FFmpeg at 44.1 kHz", &line)?,
        };
        let mut control = plant.control()?;
        camera
            .until_seen(&mut control, name, BLOCKS)
            .with_context(|| times.replace('\n', " "))?;
        seen.push(format!("{name}: {BLOCKS} blocks"));
    }
    Ok(seen.join(", "))
}
