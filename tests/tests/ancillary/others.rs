//! ANC packets from and to elements that are not ours: `rtpsmpte291pay` and `rtpsmpte291depay` of gst-plugins-rs.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use gstreamer as gst;
use gstreamer::prelude::*;
use onair::{Timeout, UnitWriter, st2038};
use onair_api::Source;
use onair_essence::ancillary::unit::Unit;
use onair_tests::{Rig, resolve, wait_for};

use super::{Anc, ancillary, attach, given, into_b, next, out_of_a};
use crate::tools::playing::Pipeline;

const UNITS: u32 = 20;
/// At 25 frames a second.
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// A pipeline with these elements. It plays inside the stage's network.
fn playing(rig: &Rig, text: &str) -> Result<Pipeline> {
    rig.stage().inside(|| {
        gst::init()?;
        gstrsrtp::plugin_register_static()?;
        let pipeline = Pipeline::new(text)?;
        pipeline.0.set_state(gst::State::Playing)?;
        Ok(pipeline)
    })
}

/// The packets of the unit with this number. ST 2038 does not say of which data stream they are.
fn sent(number: u32) -> Vec<Anc> {
    let mut packets = given(number);
    for packet in &mut packets {
        packet.place.stream = None;
    }
    packets
}

#[test]
fn gstreamer_sends_and_receives_data_then_each_packet_once() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    control.create(&into_b(&ancillary("25", false), 5004))?;
    let session = attach(&rig, "in")?;
    resolve(rig.stage(), "10.77.0.2")?;
    let sender = playing(
        &rig,
        "appsrc name=units format=time is-live=true caps=meta/x-st-2038,alignment=frame,framerate=25/1 \
         ! rtpsmpte291pay pt=96 ! udpsink host=10.77.0.2 port=5004 processing-deadline=0",
    )?;
    let units = sender.0.by_name("units").context("the source")?;
    for number in 0..UNITS {
        let mut bytes = vec![0; 1 << 16];
        let mut writer = UnitWriter::new(&mut bytes)?;
        for anc in sent(number) {
            writer.push(anc.place, anc.kind, &anc.data)?;
        }
        let mut buffer = gst::Buffer::from_slice(st2038::write(&Unit::parse(&bytes)?));
        let about = buffer.make_mut();
        about.set_pts(FRAME * u64::from(number));
        about.set_duration(FRAME);
        let pushed = units.emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
        assert_eq!(pushed, gst::FlowReturn::Ok);
    }
    for number in 0..UNITS {
        let unit = next(&session).with_context(|| format!("unit {number}"))?;
        // Nothing tells that the first one has all its packets.
        assert!(
            (unit.complete || number == 0) && unit.wrong == 0,
            "{unit:?}"
        );
        assert_eq!(unit.packets, sent(number), "unit {number}");
    }
    sender.is_well()?;
    let counters = control.show("in")?.counters;
    assert_eq!(counters.packets_lost, 0, "{counters:?}");
    assert!(counters.packets_malformed.is_empty(), "{counters:?}");
    drop(session);
    control.end("in")?;
    drop(control);
    receives(&rig)
}

/// GStreamer receives each packet once.
fn receives(rig: &Rig) -> Result<()> {
    resolve(rig.stage(), "10.77.0.2")?;
    let file = rig.stage().directory().join("received");
    let receiver = playing(
        rig,
        &format!(
            "udpsrc port=5004 caps=application/x-rtp,media=video,payload=97,clock-rate=90000,encoding-name=SMPTE291 \
             ! rtpsmpte291depay ! filesink buffer-mode=unbuffered location={}",
            file.display()
        ),
    )?;
    let mut spec = out_of_a(&ancillary("25", false), 5004, Source::Client);
    spec.port = "b".into();
    spec.flow.destination = "10.77.0.9:5004".to_owned();
    spec.flow.payload_type = Some(97);
    let mut control = rig.control()?;
    control.create(&spec)?;
    let session = attach(rig, "out")?;
    for number in 0..UNITS {
        let mut buffer = session.buffer_get_mut(Timeout::millis(20_000))?;
        let mut unit = buffer.ancillary_writer();
        for anc in sent(number) {
            unit.push(anc.place, anc.kind, &anc.data)?;
        }
        buffer.submit()?;
    }
    let wanted: Vec<_> = (0..UNITS).flat_map(sent).collect();
    let read = || -> Result<Vec<_>> { Ok(st2038::read(&fs::read(&file)?).unwrap_or_default()) };
    wait_for("GStreamer to write the packets", 20, || {
        Ok(read()?.len() >= wanted.len())
    })?;
    let packets = read()?;
    ensure!(packets.iter().all(|it| !it.is_wrong), "{packets:?}");
    let packets = packets.into_iter().map(|it| Anc {
        place: it.place,
        kind: it.kind,
        data: it.data,
    });
    assert_eq!(packets.collect::<Vec<_>>(), wanted);
    receiver.is_well()?;
    drop(session);
    control.end("out")?;
    Ok(())
}
