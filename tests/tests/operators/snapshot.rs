//! One frame of a session as a picture: by the tool, and over HTTP.

use onair_stage::OfVideo as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair::Session;
use onair_api::Source;
use onair_essence::audio::Coding;
use onair_essence::video::Scan;
use onair_tests::{Config, Raster, Rig, User, onairctl, receive, send, wait_for};
use serde_json::{Value, json};

use crate::{ancillary, audio, jpeg_xs};

/// Has no right to a session of others.
const OTHER_USER: User = User::new(54_321, 54_321);

/// The picture's red, green and blue, as FFmpeg reads it.
fn pixels(path: &str) -> Result<Vec<u8>> {
    let mut read = Command::new("ffmpeg");
    read.args(["-v", "error", "-nostdin", "-i", path]);
    read.args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
    let done = read.output().context("ffmpeg")?;
    ensure!(done.status.success(), "{done:?}");
    Ok(done.stdout)
}

#[test]
fn snapshot_of_a_session_then_ffmpeg_reads_it_and_place_is_free() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let path = rig.stage().directory().join("cam.png");
    let path = path.to_str().context("a path of UTF-8")?;
    let raster = Raster::new(320, 180, 60, 10);
    let (cam, out) = ("cam", "out");
    control.ample(cam, raster, 5000)?;
    control.create(&send(out, raster, 5000, Source::Pattern))?;
    let snapshot = |session: &str, path: &str| {
        onairctl(&rig, &format!("session snapshot {session} -o {path}"))
    };
    let done = snapshot(cam, path)?;
    ensure!(done.code == 0 && done.out.contains("320x180"), "{done:?}");
    let first = pixels(path)?;
    assert_eq!(first.len(), 320 * 180 * 3);
    let colours: std::collections::BTreeSet<_> = first.chunks(3).collect();
    ensure!(colours.len() > 8, "{colours:?}");
    // The pattern moves.
    let done = snapshot(cam, path)?;
    ensure!(done.code == 0, "{done:?}");
    ensure!(pixels(path)? != first);
    assert!(control.show(cam)?.attachments.is_empty());

    let sends = snapshot(out, path)?;
    ensure!(sends.code == 0, "{sends:?}");
    let nowhere = snapshot(cam, "/nowhere/cam.png")?;
    ensure!(nowhere.code == 2, "{nowhere:?}");
    control.stop(cam)?;
    let stopped = snapshot(cam, path)?;
    ensure!(
        stopped.code == 1 && stopped.err.contains("start it"),
        "{stopped:?}"
    );
    let none = onairctl(&rig, "session snapshot none -o x.png")?;
    ensure!(none.code == 5, "{none:?}");
    Ok(())
}

#[test]
fn snapshot_then_no_place_taken_and_no_client_that_is_slow() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let raster = Raster::new(1280, 720, 60, 10);
    let mut cam = receive("cam", raster, 5000);
    cam.max_attachments = Some(1);
    control.create(&cam)?;
    control.create(&send("out", raster, 5000, Source::Pattern))?;
    let path = rig.stage().directory().join("cam.png");
    let command = format!("session snapshot cam -o {}", path.display());
    for _ in 0..3 {
        let done = onairctl(&rig, &command)?;
        ensure!(done.code == 0 && done.out.contains("1280x720"), "{done:?}");
    }
    assert_eq!(control.show("cam")?.counters.frames_dropped_slow, 0);
    let client = Session::attach(rig.attach_socket(), "cam")?;
    let done = onairctl(&rig, &command)?;
    ensure!(done.code == 0, "a client has the only place: {done:?}");
    let view = control.show("cam")?;
    let pids: Vec<_> = view.attachments.iter().map(|it| it.pid).collect();
    assert_eq!(pids, [std::process::id()], "{view:?}");
    client.detach()?;
    Ok(())
}

#[test]
fn snapshot_of_audio_then_waveform_and_levels_others_refused() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    let path = rig.stage().directory().join("in.png");
    let path = path.to_str().context("a path of UTF-8")?;
    let command = format!("--json session snapshot in -o {path}");
    let of_audio = audio::audio(Coding::L24, 48_000, 4);
    control.create(&audio::into_b(&of_audio, 5004))?;
    control.create(&audio::out_of_a(&of_audio, 5004, Source::Pattern))?;
    wait_for("audio", 30, || {
        Ok(control.show("in")?.counters.frames_complete > 0)
    })?;
    // A second of it must come within three: a busy machine may need another one.
    let mut done = onairctl(&rig, &command)?;
    for _ in 0..4 {
        if done.code != 0 {
            done = onairctl(&rig, &command)?;
        }
    }
    ensure!(done.code == 0, "{done:?}");
    let told = done.json()?;
    let size = [&told["width"], &told["height"]].map(|it| it.as_u64().unwrap_or(0));
    assert_eq!(pixels(path)?.len() as u64, size[0] * size[1] * 3, "{told}");
    let levels = told["audio"]["levels"].as_array().context("levels")?;
    assert_eq!(levels.len(), 4, "{told}");
    for level in levels {
        // The tones have -20 dBFS, a mean square 3 dB below, and true peaks not above that by more than the filter's ripple.
        let figure = |name: &str| level[name].as_i64().unwrap_or(0);
        let peaks = (figure("peak_hundredths"), figure("true_peak_hundredths"));
        ensure!((-2005..=-1980).contains(&peaks.0), "{level}");
        ensure!((peaks.0..=-1950).contains(&peaks.1), "{level}");
        ensure!(
            (-2310..=-2290).contains(&figure("rms_hundredths")),
            "{level}"
        );
    }
    control.end("out")?;
    control.end("in")?;
    control.create(&ancillary::into_b(&ancillary::ancillary("25", false), 5004))?;
    let refused = onairctl(&rig, &command)?;
    ensure!(
        refused.code == 1 && refused.err.contains("no picture"),
        "{refused:?}"
    );
    control.end("in")?;
    control.create(&jpeg_xs::into_b(&jpeg_xs::jpeg_xs(&json!({})), 5004))?;
    let refused = onairctl(&rig, &command)?;
    ensure!(
        refused.code == 1 && refused.err.contains("decode"),
        "{refused:?}"
    );
    control.end("in")?;
    Ok(())
}

/// What the control socket answers.
struct Answer {
    status: u16,
    kind: String,
    body: Vec<u8>,
}

impl Answer {
    /// The status and the code of a problem.
    fn problem(&self) -> Result<(u16, String)> {
        assert_eq!(self.kind, "application/problem+json");
        let problem: Value = serde_json::from_slice(&self.body)?;
        let code = problem["code"].as_str().context("a problem has a code")?;
        Ok((self.status, code.to_owned()))
    }
}

/// curl, which asks for a snapshot.
fn ask(rig: &Rig, user: Option<User>, session: &str) -> Result<Child> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30"]);
    curl.args([
        "--write-out",
        "\n%{http_code} %{content_type}",
        "--unix-socket",
    ]);
    curl.arg(Config::control_socket(rig.stage()));
    curl.arg(format!("http://onaird/v1/sessions/{session}/snapshot"));
    if let Some(user) = user {
        curl.uid(user.uid).gid(user.gid);
    }
    let curl = curl.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    curl.context("curl")
}

fn answer(curl: Child) -> Result<Answer> {
    let done = curl.wait_with_output()?;
    ensure!(done.status.success(), "{done:?}");
    let at = done.stdout.iter().rposition(|byte| *byte == b'\n');
    let (body, told) = done.stdout.split_at(at.context("a last line")?);
    let (status, kind) = std::str::from_utf8(told)?
        .trim()
        .split_once(' ')
        .context("two words")?;
    Ok(Answer {
        status: status.parse()?,
        kind: kind.to_owned(),
        body: body.to_owned(),
    })
}

fn problem_of(rig: &Rig, user: Option<User>, session: &str) -> Result<(u16, String)> {
    answer(ask(rig, user, session)?)?.problem()
}

#[test]
fn snapshot_over_http_then_each_side_and_scan_or_the_reason() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let path = rig.stage().directory().join("cam.png");
    let path = path.to_str().context("a path of UTF-8")?;
    let cases = [
        (8, Scan::Progressive),
        (10, Scan::Progressive),
        (10, Scan::Interlaced),
        (10, Scan::Psf),
    ];
    for (at, (depth, scan)) in cases.into_iter().enumerate() {
        let raster = Raster::new(320, 180, 30, depth);
        let udp = 5000 + u16::try_from(at)?;
        let (cam, out) = (format!("cam{at}"), format!("out{at}"));
        let (mut from, mut to) = (
            receive(&cam, raster, udp),
            send(&out, raster, udp, Source::Pattern),
        );
        for spec in [&mut from, &mut to] {
            spec.format.video_mut().scan = Some(scan);
        }
        control.create(&from)?;
        control.create(&to)?;
        // Both ends, twice: the pattern moves.
        for session in [&cam, &out] {
            let mut seen = Vec::new();
            for _ in 0..2 {
                let told = answer(ask(&rig, None, session)?)?;
                assert_eq!((told.status, told.kind.as_str()), (200, "image/png"));
                std::fs::write(path, told.body)?;
                let picture = pixels(path)?;
                assert_eq!(picture.len(), 320 * 180 * 3, "{session}");
                seen.push(picture);
            }
            let colours: std::collections::BTreeSet<_> = seen[0].chunks(3).collect();
            ensure!(colours.len() > 8, "{session}: {colours:?}");
            ensure!(seen[0] != seen[1], "{session}");
        }
        // No client was needed, and no tap stays: the session can be destroyed at once.
        assert!(control.show(&cam)?.attachments.is_empty());
    }
    control.stop("out3")?;
    let none = (409, "no_picture".to_owned());
    assert_eq!(problem_of(&rig, None, "cam3")?, none, "nothing comes");
    control.stop("cam3")?;
    assert_eq!(problem_of(&rig, None, "cam3")?, none, "it is stopped");
    control.destroy("cam3")?;
    assert_eq!(problem_of(&rig, None, "cam3")?.0, 410);
    Ok(())
}

#[test]
fn snapshots_too_many_or_not_allowed_then_refused() -> Result<()> {
    let rig = Rig::rings()?;
    User::let_in(rig.stage())?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    let refused = problem_of(&rig, Some(OTHER_USER), "cam")?;
    assert_eq!(refused, (403, "forbidden".to_owned()));

    // Nothing comes, so each keeps its place for seconds.
    let asked: Vec<_> = (0..12).map(|_| ask(&rig, None, "cam")).collect();
    let mut codes = Vec::new();
    for curl in asked {
        codes.push(answer(curl?)?.problem()?);
    }
    let none = (409, "no_picture".to_owned());
    let full = (429, "limit_reached".to_owned());
    ensure!(
        codes.iter().all(|it| *it == none || *it == full),
        "{codes:?}"
    );
    ensure!(codes.contains(&none) && codes.contains(&full), "{codes:?}");
    assert_eq!(problem_of(&rig, None, "cam")?, none);
    let shares = control.health()?.shares;
    let ours = shares.iter().find(|it| it.key == "limits.snapshots");
    let ours = ours.context("the share is in health")?;
    assert_eq!((ours.used, ours.limit), (0, 4));
    ensure!(ours.refused > 0, "{ours:?}");
    Ok(())
}
