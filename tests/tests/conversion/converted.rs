//! Sessions whose frames are those of another session, in another layout.

use onair_stage::OfVideo as _;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair::{Buffer, Field, PixelFormat, Session, Timeout};
use onair_api::{
    ReconciledCause, SessionProblemKind as Kind, SessionState, SessionView, Source, SpecDocument,
};
use onair_essence::video::Scan;
use onair_tests::{Config, Control, QUOTA, Raster, Rig, receive, send};
use serde_json::{Value, json};

/// Of the source.
pub(crate) const RASTER: Raster = Raster::new(320, 180, 50, 10);
/// As FFmpeg names it, and as the client library does.
const LAYOUTS: [(&str, PixelFormat); 2] = [
    ("v210", PixelFormat::V210),
    ("yuv422p10le", PixelFormat::Yuv422p10),
];

fn body(name: &str, layout: &str) -> Value {
    json!({ "name": name, "convert": { "from": "cam", "layout": layout }, "quota": 16 })
}

pub(crate) fn convert(control: &mut Control, name: &str, layout: &str) -> Result<SessionView> {
    let answer = control.request("POST", "/v1/sessions", &body(name, layout))?;
    answer.document()
}

/// A session `cam` that receives the pattern of a session `out`, which is to be started.
pub(crate) fn cam(control: &mut Control) -> Result<()> {
    control.create(&SpecDocument {
        quota: Some(QUOTA),
        ..receive("cam", RASTER, 5000)
    })?;
    Ok(())
}

pub(crate) fn out(control: &mut Control) -> Result<()> {
    control.create(&send("out", RASTER, 5000, Source::Pattern))?;
    Ok(())
}

fn attach(rig: &Rig, session: &str) -> Result<Session> {
    Ok(Session::attach(
        Config::attach_socket(rig.stage()),
        session,
    )?)
}

/// Its bytes by the timestamp of the frame.
pub(crate) fn take<T>(
    session: &Session,
    frames: usize,
    of: impl Fn(&Buffer<'_>) -> Result<T>,
) -> Result<BTreeMap<u32, T>> {
    let mut taken = BTreeMap::new();
    for _ in 0..frames {
        let buffer = session.buffer_get(Timeout::millis(10_000))?;
        ensure!(buffer.status().is_complete(), "{buffer:?}");
        taken.insert(buffer.rtp_timestamp(), of(&buffer)?);
    }
    Ok(taken)
}

/// What FFmpeg's reader of pixel groups and its encoder make of them.
pub(crate) fn by_ffmpeg(pgroups: &[u8], to: &str) -> Result<Vec<u8>> {
    let (width, height) = (RASTER.width, RASTER.height);
    let from = format!("-f bitpacked -video_size {width}x{height} -pixel_format yuv422p10 -i -");
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(from.split(' ').chain(to.split(' ')))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("stdin")?;
    let pgroups = pgroups.to_vec();
    let written = std::thread::spawn(move || input.write_all(&pgroups));
    let done = child.wait_with_output()?;
    ensure!(done.status.success(), "{done:?}");
    written.join().expect("it does not panic")?;
    Ok(done.stdout)
}

fn problems(view: &SessionView) -> Vec<Kind> {
    view.problems.iter().map(|it| it.problem).collect()
}

#[test]
fn frames_in_two_layouts_then_each_client_gets_its_conversion() -> Result<()> {
    two_layouts(Rig::with_control()?)
}

/// Two converted sessions, with two clients each.
pub(crate) fn two_layouts((rig, mut control): (Rig, Control)) -> Result<()> {
    const FRAMES: usize = 60;
    cam(&mut control)?;
    let source = attach(&rig, "cam")?;
    let mut converted = Vec::new();
    for (layout, format) in LAYOUTS {
        let name = format!("cam-{layout}");
        let view = convert(&mut control, &name, layout)?;
        assert_eq!(view.state, SessionState::Running);
        let convert = view.convert.context("it converts")?;
        assert_eq!(
            (convert.from.as_str(), convert.layout.as_str()),
            ("cam", layout)
        );
        // Two clients of each.
        for _ in 0..2 {
            let session = rig.user(&name)?;
            converted.push((session, format));
        }
    }
    let clients = LAYOUTS.map(|(layout, format)| (attach(&rig, &format!("cam-{layout}")), format));
    out(&mut control)?;
    for (client, format) in clients {
        let client = client?;
        let layout = client.layout();
        assert_eq!(layout.pixel_format, Some(format));
        let planes = layout.planes(None).context("planes")?;
        assert_eq!(layout.frame_bytes(), planes.bytes);
        let bytes = take(&client, FRAMES, |buffer| Ok(buffer.to_vec()))?;
        let expected = take(&source, FRAMES, |buffer| {
            let mut pixels = vec![0; planes.bytes];
            buffer.unpack(format, &mut pixels)?;
            Ok((pixels, buffer.to_vec()))
        })?;
        let mut compared = 0;
        for (ticks, bytes) in &bytes {
            let Some((pixels, pgroups)) = expected.get(ticks) else {
                continue;
            };
            ensure!(bytes == pixels, "{format}: the frame of {ticks}");
            if compared == 0 {
                let to = match format {
                    PixelFormat::V210 => None,
                    _ => Some(format!("-f rawvideo -pix_fmt {format} -")),
                };
                if let Some(to) = to {
                    ensure!(
                        *bytes == by_ffmpeg(pgroups, &to)?,
                        "{format}: FFmpeg's bytes"
                    );
                }
            }
            compared += 1;
        }
        ensure!(
            compared >= FRAMES / 3,
            "{format}: {compared} frames were of both"
        );
        client.detach()?;
    }
    for (mut user, format) in converted {
        let held = user.say("hold 2")?;
        ensure!(
            held["numbers"].as_array().is_some_and(|it| it.len() == 2),
            "{format}: {held}"
        );
        user.say("put-all")?;
        user.leave()?;
    }
    let view = control.show("cam")?;
    assert_eq!(
        (view.converted_sessions, view.counters.frames_no_buffer),
        (2, 0)
    );
    Ok(())
}

#[test]
fn fields_converted_then_fields_and_frame_as_by_the_client() -> Result<()> {
    fields(Rig::with_control()?)
}

/// A converted session of fields.
pub(crate) fn fields((rig, mut control): (Rig, Control)) -> Result<()> {
    let interlaced = |mut spec: SpecDocument| {
        // An odd height: the second field has a line less.
        spec.format.video_mut().height = 181;
        spec.format.video_mut().frame_rate = "25/1".to_owned();
        spec.format.video_mut().scan = Some(Scan::Interlaced);
        spec
    };
    control.create(&interlaced(SpecDocument {
        quota: Some(QUOTA),
        ..receive("cam", RASTER, 5000)
    }))?;
    convert(&mut control, "cam-v210", "v210")?;
    let (source, converted) = (attach(&rig, "cam")?, attach(&rig, "cam-v210")?);
    control.create(&interlaced(send("out", RASTER, 5000, Source::Pattern)))?;
    let format = PixelFormat::V210;
    let of_frame = source.layout().frame_picture();
    let mut pixels = vec![0; format.planes(&of_frame).bytes];
    let mut frames = BTreeMap::new();
    let mut whole = converted.frames()?;
    for _ in 0..10 {
        let frame = whole.get(Timeout::millis(10_000))?;
        if frame.missing().is_some() {
            continue;
        }
        let fields: Vec<_> = frame
            .buffers()
            .map(|field| (field.field(), field.len()))
            .collect();
        let lines = [
            (Some(Field::First), 91 * 896),
            (Some(Field::Second), 90 * 896),
        ];
        assert_eq!(fields, lines);
        frame.unpack(format, &mut pixels)?;
        let first = frame.buffers().next().context("a field")?;
        frames.insert(first.rtp_timestamp(), pixels.clone());
    }
    let mut compared = 0;
    let mut whole = source.frames()?;
    for _ in 0..10 {
        let frame = whole.get(Timeout::millis(10_000))?;
        let first = frame.buffers().next().context("a field")?;
        if let Some(expected) = frames.get(&first.rtp_timestamp()) {
            frame.unpack(format, &mut pixels)?;
            ensure!(
                pixels == *expected,
                "the frame of {}",
                first.rtp_timestamp()
            );
            compared += 1;
        }
    }
    ensure!(compared > 2, "{compared} frames were of both");
    Ok(())
}

#[test]
fn client_killed_and_client_stuck_then_the_source_loses_nothing() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control)?;
    convert(&mut control, "cam-v210", "v210")?;
    let source = attach(&rig, "cam")?;
    let mut victim = rig.user("cam-v210")?;
    let mut stuck = rig.user("cam-v210")?;
    out(&mut control)?;
    victim.say("hold 3")?;
    stuck.say("hold 16")?;
    let pid = victim.pid();
    victim.kill()?;
    let frames = take(&source, 200, |buffer| Ok(buffer.number()))?;
    let numbers: Vec<_> = frames.values().copied().collect();
    ensure!(
        numbers.windows(2).all(|it| it[1] == it[0] + 1),
        "{numbers:?}"
    );
    let view = control.show("cam")?;
    assert_eq!(
        (
            view.counters.frames_no_buffer,
            view.counters.frames_dropped_slow
        ),
        (0, 0)
    );
    control.await_view("cam-v210", "slow for one client", |it| {
        problems(it) == [Kind::SlowClient]
    })?;
    stuck.leave()?;
    control.deserted("cam-v210")?;
    let certificate = control.end("cam-v210")?;
    let settled: Vec<_> = certificate
        .reconciled
        .iter()
        .filter(|it| it.pid == pid)
        .collect();
    ensure!(
        matches!(settled[..], [it] if (it.cause, it.frames) == (ReconciledCause::ProcessDied, 3)),
        "{settled:?}"
    );
    Ok(())
}
