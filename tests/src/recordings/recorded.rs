//! Recordings, as the daemon tells of them and as others' tools read their files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_api::operations::{
    Input as _, ListRecordings, ShowRecording, StartRecording, StopRecording,
};
use onair_api::{RecordingState, RecordingView};
use onair_stage::{Answer, Deadline, output, program, until};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::rig::Rig;
use onair_stage::Control;
use onair_stage::Raster;

/// Where the daemon of `rig` puts its recordings by default.
#[must_use]
pub fn recordings_folder(rig: &Rig) -> PathBuf {
    rig.stage().directory().join("state/recordings")
}

/// The operations on recordings, with answers as they are.
pub trait Recorder {
    /// Records a session, or the answer is a refusal.
    fn try_record(&mut self, session: &str, spec: &Value) -> Result<Answer>;

    /// Records a session as `name`; `more` are further fields.
    fn record(
        &mut self,
        session: &str,
        name: &str,
        format: &str,
        more: &Value,
    ) -> Result<RecordingView> {
        let mut spec = json!({"format": format, "name": name});
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        self.try_record(session, &spec)?.document()
    }

    /// Shows a recording; the answer may be a refusal.
    fn try_recording(&mut self, name: &str) -> Result<Answer>;

    /// Shows a recording.
    fn recording(&mut self, name: &str) -> Result<RecordingView> {
        self.try_recording(name)?.document()
    }

    /// Every recording that the daemon knows.
    fn recordings(&mut self) -> Result<Vec<RecordingView>>;

    /// Ends a recording; the answer may be a refusal.
    fn try_stop_recording(&mut self, name: &str) -> Result<Answer>;

    /// Ends a recording: its files are whole then, and its counts balance.
    fn stop_recording(&mut self, name: &str) -> Result<RecordingView> {
        let view: RecordingView = self.try_stop_recording(name)?.document()?;
        ensure!(view.state == RecordingState::Finished, "{view:#?}");
        audited(&view)?;
        Ok(view)
    }

    /// Waits until a recording has ended, whatever ends it.
    ///
    /// # Errors
    /// When it does not in half a minute, or its counts do not balance.
    fn recording_ends(&mut self, name: &str) -> Result<RecordingView> {
        let view = until("the recording to end", Deadline::seconds(30), || {
            let view = self.recording(name)?;
            Ok(view.state.is_over().then_some(view))
        })?;
        audited(&view)?;
        Ok(view)
    }
}

impl Recorder for Control {
    fn try_record(&mut self, session: &str, spec: &Value) -> Result<Answer> {
        self.try_on::<StartRecording>(session, spec.clone())
    }

    fn try_recording(&mut self, name: &str) -> Result<Answer> {
        self.ask::<ShowRecording>(&name.parse()?, ().sent())
    }

    fn recordings(&mut self) -> Result<Vec<RecordingView>> {
        Ok(self.call::<ListRecordings>(&())?.recordings)
    }

    fn try_stop_recording(&mut self, name: &str) -> Result<Answer> {
        self.ask::<StopRecording>(&name.parse()?, ().sent())
    }
}

/// Waits until the session `in` has received so many more whole frames.
pub fn frames_come(control: &mut Control, count: u64) -> Result<()> {
    let least = control.show("in")?.counters.frames_complete + count;
    control.await_view("in", format_args!("at {least} frames"), |it| {
        it.counters.frames_complete >= least
    })
}

/// The sums of a recording that has ended are exact, of each producer and of all, and its files are there
/// under their names, whole: their sizes and checksums are those that are told.
pub fn audited(view: &RecordingView) -> Result<()> {
    let balances = |counts: &onair_api::RecordingCounts| counts.balance() && counts.pending == 0;
    ensure!(balances(&view.counts), "{view:#?}");
    ensure!(
        view.producers.iter().all(|it| balances(&it.counts)),
        "{view:#?}"
    );
    let arrived: u64 = view.producers.iter().map(|it| it.counts.arrived).sum();
    ensure!(arrived == view.counts.arrived, "{view:#?}");
    let in_files: u64 = view.files.iter().map(|it| it.events).sum();
    ensure!(in_files == view.counts.written, "{view:#?}");
    for (file, path) in view.files.iter().zip(files(view)) {
        let size = path
            .metadata()
            .with_context(|| format!("{}", path.display()))?
            .len();
        ensure!(
            size == file.bytes,
            "{} has {size} bytes: {file:?}",
            path.display()
        );
        sum_is(&path, file.sha256.as_deref())?;
        let part = format!("{}.part", path.display());
        ensure!(!Path::new(&part).exists(), "{part} is left");
    }
    let manifest = Path::new(&view.folder).join(format!("{}.json", view.name));
    let manifest: Value = serde_json::from_slice(&fs::read(&manifest)?)?;
    ensure!(manifest["id"] == view.id.to_string(), "{manifest:#}");
    ensure!(
        manifest["totals"]["arrived"] == view.counts.arrived,
        "{manifest:#}"
    );
    Ok(())
}

/// Compares a file with the SHA-256 that is told of it, by another's tool.
pub fn sum_is(file: &Path, told: Option<&str>) -> Result<()> {
    let sum = output("sha256sum", &[text(file)?])?;
    let told = told.context("no checksum")?;
    ensure!(sum.starts_with(told), "{sum}, told {told}");
    Ok(())
}

/// The files of a recording.
#[must_use]
pub fn files(view: &RecordingView) -> Vec<PathBuf> {
    let folder = Path::new(&view.folder);
    view.files.iter().map(|it| folder.join(&it.name)).collect()
}

/// Makes a file of frames of the recording with this manifest, beside it, as an operator would. What
/// `onairctl` says of it is added. Packets may be missing in it.
pub fn export(manifest: &Path, format: &str) -> Result<(PathBuf, Value)> {
    const MISSING: i32 = 7;
    let file = manifest.with_extension(format);
    let ran = Command::new(program("onairctl")?)
        .args(["export", "--json", "--format", format])
        .arg(manifest)
        .arg("--output")
        .arg(&file)
        .output()
        .context("running onairctl")?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(
        [Some(0), Some(MISSING)].contains(&ran.status.code()),
        "{said}"
    );
    Ok((file, serde_json::from_slice(&ran.stdout)?))
}

/// As [`export`], of a recording that has ended.
pub fn exported(view: &RecordingView, format: &str) -> Result<(PathBuf, Value)> {
    let manifest = Path::new(&view.folder).join(format!("{}.json", view.name));
    export(&manifest, format)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

/// Packets in a file, as capinfos counts them.
pub fn capinfos(file: &Path) -> Result<u64> {
    let table = output("capinfos", &["-M", "-T", "-r", "-c", text(file)?])?;
    let count = table.trim().rsplit('\t').next().context("two columns")?;
    count.parse().with_context(|| table.clone())
}

/// One RTP packet as tshark reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Nanoseconds since 1970.
    pub at_ns: u128,
    /// Bytes on the wire.
    pub length: usize,
    /// What UDP carries.
    pub payload: Vec<u8>,
}

/// The packets of a file, as tshark reads them.
pub fn tshark(file: &Path) -> Result<Vec<Captured>> {
    let fields = [
        "-n",
        "-T",
        "fields",
        "-e",
        "frame.time_epoch",
        "-e",
        "frame.len",
        "-e",
        "udp.payload",
    ];
    let mut line = vec!["-r", text(file)?];
    line.extend(fields);
    let lines = output("tshark", &line)?;
    lines
        .lines()
        .map(|line| {
            let mut columns = line.split('\t');
            let mut next = || columns.next().with_context(|| line.to_owned());
            let (at, length, payload) = (next()?, next()?, next()?);
            let (seconds, nanos) = at.split_once('.').context("a fraction")?;
            ensure!(nanos.len() == 9, "nanoseconds: {at}");
            Ok(Captured {
                at_ns: seconds.parse::<u128>()? * 1_000_000_000 + nanos.parse::<u128>()?,
                length: length.parse()?,
                payload: hex(payload)?,
            })
        })
        .collect()
}

fn hex(text: &str) -> Result<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|two| Ok(u8::from_str_radix(std::str::from_utf8(two)?, 16)?))
        .collect()
}

/// A hash of all payloads, in order.
#[must_use]
pub fn payload_hash(packets: &[Captured]) -> u64 {
    let all: Vec<u8> = packets.iter().flat_map(|it| it.payload.clone()).collect();
    xxh3_64(&all)
}

/// The frames that these packets make, each in the pgroup layout, by RTP timestamp in order: put together
/// here by hand (RFC 4175 §4.3), so that the product does not judge itself.
pub fn frames(packets: &[Captured], raster: Raster) -> Result<Vec<Vec<u8>>> {
    let (pgroup, line_bytes) = match raster.depth {
        8 => (4, raster.width as usize * 2),
        _ => (5, raster.width as usize / 2 * 5),
    };
    let mut frames: Vec<(u32, Vec<u8>)> = Vec::new();
    for packet in packets {
        let bytes = &packet.payload;
        let word = |at: usize| {
            bytes
                .get(at..at + 2)
                .map(|it| usize::from(it[0]) << 8 | usize::from(it[1]))
        };
        let stamp = bytes.get(4..8).context("an RTP header")?;
        let stamp = u32::from_be_bytes([stamp[0], stamp[1], stamp[2], stamp[3]]);
        if frames.last().is_none_or(|(last, _)| *last != stamp) {
            frames.push((stamp, vec![0; raster.frame_bytes()]));
        }
        let (_, frame) = frames.last_mut().context("just pushed")?;
        let mut headers = Vec::new();
        let mut at = 14;
        loop {
            let (length, line, pixel) = (word(at), word(at + 2), word(at + 4));
            let (length, line, pixel) = (
                length.context("cut")?,
                line.context("cut")?,
                pixel.context("cut")?,
            );
            headers.push((length, line & 0x7fff, pixel & 0x7fff));
            at += 6;
            if pixel & 0x8000 == 0 {
                break;
            }
        }
        for (length, line, pixel) in headers {
            let place = line * line_bytes + pixel / 2 * pgroup;
            let data = bytes.get(at..at + length).context("data is cut off")?;
            frame
                .get_mut(place..place + length)
                .context("outside of the raster")?
                .copy_from_slice(data);
            at += length;
        }
    }
    Ok(frames.into_iter().map(|(_, frame)| frame).collect())
}

/// What ffprobe says of the first stream of a file: width, height, pixel format, rate, and how many frames
/// it reads.
pub fn ffprobe(file: &Path) -> Result<Value> {
    let line = "-v error -count_frames -select_streams v:0 -of json \
        -show_entries stream=width,height,pix_fmt,r_frame_rate,nb_read_frames";
    let line: Vec<&str> = line.split(' ').chain([text(file)?]).collect();
    let json: Value = serde_json::from_str(&output("ffprobe", &line)?)?;
    Ok(json["streams"][0].clone())
}
