//! Monitors of a camera, legs, and strangers.

use std::collections::VecDeque;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_api::{LegDocument, SessionView, SpecDocument};
use onair_stage::{Backend, Deadline, Running, until, wait_for};
use serde_json::{Value, json};

use super::{ended, listener, monitor, on_air};
use crate::plant::peers::{Camera, Paced, Stranger, group};
use crate::plant::site::{Plant, STUDIO, UDP, started};
use crate::recordings::recorded::Recorder as _;

pub(super) fn monitors(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    control.create(&monitor("one", 1))?;
    let mut two = monitor("two", 1);
    two.flow.sources = Some(vec![STUDIO.to_owned()]);
    control.create(&two)?;
    control.create(&monitor("recorder", 1))?;
    let mut camera = Camera::gstreamer(&plant, 1)?;
    let all = ["one", "two", "recorder"];
    for name in all {
        camera.until_seen(&mut control, name, 5)?;
    }
    control.record("recorder", "take", "pcapng", &Value::Null)?;
    let first = ended(&mut control, "one")?;
    for name in &all[1..] {
        camera.until_seen(&mut control, name, 25)?;
        let counters = control.show(name)?.counters;
        ensure!(counters.frames_incomplete <= 1, "{name}: {counters:?}");
    }
    let recorded = control.recording("take")?.counts;
    ensure!(recorded.arrived > 1000, "{recorded:?}");
    let second = ended(&mut control, "two")?;
    let third = ended(&mut control, "recorder")?;
    wait_for("the switch to forget the group", 20, || {
        Ok(plant.known(&group(1))?.is_empty())
    })?;
    Ok([
        first,
        second,
        third,
        format!("{} packets recorded", recorded.arrived),
    ]
    .join("; "))
}

pub(super) fn stranger(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    let mut camera = on_air(&plant, &mut control, ("cam", 1), 10)?;
    let before = control.show("cam")?;
    let ssrc = before.ssrc.context("an SSRC")?;
    let stranger = Stranger::open(&plant)?;
    // Six seconds, three a second: any number, any time ahead.
    for number in 0..18_u16 {
        stranger.disturb(
            1,
            ssrc,
            number.wrapping_mul(7919),
            u32::from(number).wrapping_mul(0x1357_9bdf),
        )?;
        camera.until_seen(&mut control, "cam", 8)?;
    }
    let after = control.show("cam")?;
    let whole = after.counters.frames_complete - before.counters.frames_complete;
    let torn = after.counters.frames_incomplete - before.counters.frames_incomplete;
    ensure!(
        torn == 0,
        "{torn} of {} pictures torn: {:?}",
        whole + torn,
        after.counters
    );
    Ok(format!(
        "{whole} pictures whole, none torn, 18 packets refused"
    ))
}

pub(super) fn parked(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    let mut camera = on_air(&plant, &mut control, ("cam", 1), 5)?;
    control.stop("cam")?;
    wait_for("the switch to forget the group", 20, || {
        Ok(plant.known(&group(1))?.is_empty())
    })?;
    control.start("cam")?;
    camera.until_seen(&mut control, "cam", 5)?;
    Ok("left when stopped, joined when started".to_owned())
}

/// A camera whose packets go to both networks, by the studio's relay.
struct TwoLegs {
    _camera: Running,
    _relay: Paced,
}

/// Sound on both networks; for each packet and time since the start the relay asks by what delay each leg has it, if at all.
fn two_legs(plant: &Plant, way: fn(Duration) -> [Option<Duration>; 2]) -> Result<TwoLegs> {
    let input = plant
        .studio
        .inside(|| Ok(UdpSocket::bind("127.0.0.1:0")?))?;
    input.set_read_timeout(Some(Duration::from_millis(1)))?;
    let at = input.local_addr()?;
    let outputs = plant.studio.inside(|| {
        Ok([
            UdpSocket::bind((STUDIO, 7000))?,
            UdpSocket::bind(("10.78.0.9", 7000))?,
        ])
    })?;
    outputs
        .iter()
        .try_for_each(|it| it.set_multicast_ttl_v4(8))?;
    crate::plant::site::inside(&plant.studio, "ip route add 239.78.0.0/16 dev vr")?;
    let to = [format!("{}:{UDP}", group(1)), format!("239.78.9.1:{UDP}")];
    let line = format!(
        "nice -n -15 gst-launch-1.0 --quiet audiotestsrc is-live=true samplesperbuffer=48 \
         ! audio/x-raw,format=S24BE,rate=48000,channels=2,layout=interleaved \
         ! rtpL24pay pt=96 min-ptime=1000000 max-ptime=1000000 ! udpsink host=127.0.0.1 port={} sync=true",
        at.port()
    );
    let camera = started(&plant.studio, "the camera of two legs", &line)?;
    let begin = Instant::now();
    let mut queues: [VecDeque<(Instant, Vec<u8>)>; 2] = Default::default();
    let mut packet = [0; 2048];
    let relay = Paced::start(Duration::ZERO, move || {
        if let Ok(bytes) = input.recv(&mut packet) {
            for (queue, delay) in queues.iter_mut().zip(way(begin.elapsed())) {
                queue.extend(delay.map(|it| (Instant::now() + it, packet[..bytes].to_vec())));
            }
        }
        for ((queue, socket), to) in queues.iter_mut().zip(&outputs).zip(&to) {
            while queue.front().is_some_and(|(at, _)| *at <= Instant::now()) {
                if let Some((_, bytes)) = queue.pop_front() {
                    socket.send_to(&bytes, to).ok();
                }
            }
        }
    });
    Ok(TwoLegs {
        _camera: camera,
        _relay: relay,
    })
}

fn of_two_legs() -> SpecDocument {
    let mut spec = listener("mic", 1);
    spec.flow.second_leg = Some(LegDocument {
        port: "d".to_owned(),
        destination: format!("239.78.9.1:{UDP}"),
        source: None,
        sources: None,
        payload_type: None,
        class: None,
    });
    spec
}

/// All that a view says of problems, as text.
fn problems(view: &SessionView) -> Result<String> {
    Ok(json!({"problems": view.problems, "signal": view.signal}).to_string())
}

pub(super) fn late_leg(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    control.create(&of_two_legs())?;
    let _legs = two_legs(&plant, |_| {
        [Some(Duration::ZERO), Some(Duration::from_millis(40))]
    })?;
    let said = until("the late leg to be named", Deadline::seconds(20), || {
        let view = control.show("mic")?;
        let said = problems(&view)?;
        Ok((view.counters.frames_complete > 200 && said.contains("not protected")).then_some(said))
    });
    let said = said
        .with_context(|| format!("{:?}", control.show("mic").map(|it| (it.legs, it.problems))))?;
    ensure!(
        said.contains("\"d") || said.contains(" d"),
        "port d is not named: {said}"
    );
    Ok(format!(
        "said: {}",
        said.chars().take(160).collect::<String>()
    ))
}

pub(super) fn alternating_legs(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    control.create(&of_two_legs())?;
    let _legs = two_legs(&plant, |since| match since.as_millis() / 40 % 2 {
        0 => [Some(Duration::ZERO), None],
        _ => [None, Some(Duration::ZERO)],
    })?;
    wait_for("blocks", 20, || {
        Ok(control.show("mic")?.counters.frames_complete > 50)
    })?;
    let before = control.show("mic")?.counters;
    let merged = wait_for("200 blocks of both legs", 20, || {
        Ok(control.show("mic")?.counters.frames_complete > before.frames_complete + 200)
    });
    let view = control.show("mic")?;
    let (after, lost) = (
        &view.counters,
        view.counters.packets_lost - before.packets_lost,
    );
    merged.with_context(|| format!("{after:?} {:?}", view.problems))?;
    // Each burst of a leg is 40 packets: 2,000 packets of 200 blocks have 50 bursts.
    ensure!(
        lost < 40,
        "{lost} packets lost between the legs: {after:?} {:?}",
        view.problems
    );
    Ok(format!(
        "200 blocks of legs that alternate each 40 ms, {lost} packets lost"
    ))
}
