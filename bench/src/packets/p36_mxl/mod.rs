//! P36: 1080p59.94 that `onair-mxl` writes into an MXL flow, beside a process that has the library alone and copies frames
//! into its grains: the commit of a grain's last line → its reader, and the processor of a frame.
//!
//! Both write in 16 parts and in turns; one reader, in this process, reads both flows. A session of the same format
//! receives as well while the library is alone: a poller keeps whichever process has its core from running. The time of
//! the commit is the library's own (`lastWriteTime`). The library is the one of `ONAIR_LIBMXL`.

mod writer;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::{Colorimetry, TransferCharacteristics};
use onair_api::Source;
use onair_mxl::flow::{Format, Rate};
use onair_mxl::libmxl::{FlowReader, Instance, Library, Status};
use onair_stage::{Deadline, OfVideo as _, Raster, Rig, Running, program, receive, send, wait_for};
use rustix::time::{DynamicClockId, clock_gettime_dynamic};
use uuid::Uuid;

use crate::load::thread_clock::ThreadClock;
use crate::result::row::Row;
use crate::result::samples::{Samples, float, micros};
use crate::rig;
use crate::run::Run;
pub(crate) use writer::RawWriter;

const OURS: Uuid = Uuid::from_u128(0x5fbe_c3b1_1b0f_417d_9059_8b94_a471_97ed);
const RAW: Uuid = Uuid::from_u128(OURS.as_u128() + 1);
const UDP: u16 = 5004;
const RATE: Rate = Rate {
    numerator: 60_000,
    denominator: 1001,
};
const DOMAIN_BYTES: u64 = 512 << 20;
/// Valid grains of a turn.
const TURN: u64 = 60;
const LATENCY: f64 = 1.15;
const PROCESSOR: f64 = 1.2;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let Some(library) = std::env::var_os("ONAIR_LIBMXL") else {
        let why = "the MXL library, which OnAir does not contain: give its path as ONAIR_LIBMXL";
        return Ok(vec![Row::absent("P36", why)]);
    };
    let rig = rig::rings()?;
    let done = beside(run, &rig, &library);
    let (ours, raw) = rig.end(done)?;
    Ok(vec![
        Row::of("P36", "commit → reader, 1080p59.94", "µs", &ours.latency)
            .beside("the library alone", &ours.latency, &raw.latency)
            .target(format!("p50 and p99 ≤ {LATENCY} ×"), |row| {
                let most = row.detail.reference_p99.map(|it| it * LATENCY);
                row.ratio_at_most(LATENCY) && most.is_some_and(|it| row.p99_at_most(it))
            }),
        Row::of("P36", "processor of a frame of v210", "µs", &ours.processor)
            .beside("one memcpy of it", &ours.processor, &raw.processor)
            .ratio_at_most(PROCESSOR),
        Row::of("P36", "grains that are not valid", "%", &ours.lost()).none(),
    ])
}

/// What one writer's flow showed.
#[derive(Debug, Default)]
struct Shown {
    latency: Samples,
    processor: Samples,
    /// Of all turns, from the first valid one of each to its last.
    grains: u64,
    invalid: u64,
}

impl Shown {
    /// One more turn, and what its frames took each.
    fn add(&mut self, turn: Turn, frame_us: f64) {
        turn.latency.iter().for_each(|it| self.latency.push(*it));
        self.processor.push(frame_us);
        self.grains += turn.grains + turn.invalid;
        self.invalid += turn.invalid;
    }

    fn lost(&self) -> Samples {
        Samples::from_iter([100.0 * float(self.invalid) / float(self.grains)])
    }
}

fn beside(run: &Run, rig: &Rig, library: &OsStr) -> Result<(Shown, Shown)> {
    let mut control = rig.control()?;
    let raster = Raster::new(1920, 1080, 60, 10);
    for mut spec in [
        receive("cam", raster, UDP),
        send("out", raster, UDP, Source::Pattern),
        receive("other-cam", raster, UDP + 2),
        send("other-out", raster, UDP + 2, Source::Pattern),
    ] {
        "60000/1001".clone_into(&mut spec.format.video_mut().frame_rate);
        // One pair runs at a time.
        spec.overcommit = Some(true);
        control.create(&spec)?;
    }
    let domain = rig.stage().tmpfs("mxl", DOMAIN_BYTES)?;
    let carrier = carrier(rig, library, &domain)?;
    let mut raw = writer::start(library, &domain)?;
    let instance = Instance::open(&Arc::new(Library::load(library)?), &domain)?;
    let own = open(&instance, OURS)?;
    let other = open(&instance, RAW)?;
    let mut clock = ThreadClock::of(carrier.pid(), "cam")?;
    let turns = run.either(20, 3);
    run.case("1080p59.94 as an MXL flow", turns);
    let (mut ours, mut theirs) = (Shown::default(), Shown::default());
    control.stop("other-out")?;
    for turn in 0..=turns {
        control.stop("out")?;
        clock.lap()?;
        let before = control.show("cam")?.counters.frames_complete;
        control.start("out")?;
        let of_ours = self::turn(&own)?;
        control.stop("out")?;
        let spent = clock.lap()?;
        let frames = control.show("cam")?.counters.frames_complete - before;
        control.start("other-out")?;
        raw.send(format_args!("write {}", 2 * TURN))?;
        let of_theirs = self::turn(&other)?;
        let answer = raw.wait_line("its copies", Deadline::seconds(30), |it| {
            it["copy_us"].is_f64()
        });
        control.stop("other-out")?;
        // The first one has the first touch of memory.
        if turn > 0 {
            ours.add(of_ours, spent / float(frames));
            theirs.add(of_theirs, answer?["copy_us"].as_f64().context("a number")?);
            run.step();
        }
    }
    Ok((ours, theirs))
}

/// `onair-mxl` for the session `cam`, which runs.
fn carrier(rig: &Rig, library: &OsStr, domain: &Path) -> Result<Running> {
    let mut command = rig.stage().command(program("onair-mxl")?);
    command.args(["--allow-utc", "--in", &format!("cam={OURS}"), "--domain"]);
    command.arg(domain).arg("--library").arg(library);
    command.arg("--attach").arg(rig.attach_socket());
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Running::new("onair-mxl", child)
}

/// A reader of a flow, once it is there.
fn open(instance: &Arc<Instance>, flow: Uuid) -> Result<FlowReader> {
    let mut reader = None;
    wait_for("the flow", 20, || {
        reader = FlowReader::open(instance, &flow.to_string()).ok();
        Ok(reader.is_some())
    })?;
    reader.context("it was opened")
}

fn format() -> Format {
    Format::Video {
        width: 1920,
        height: 1080,
        rate: RATE,
        is_interlaced: false,
        colours: (Colorimetry::Bt709, TransferCharacteristics::Sdr),
    }
}

/// Nanoseconds by the clock of MXL.
fn now_ns() -> Result<u64> {
    let now = clock_gettime_dynamic(DynamicClockId::Tai)?;
    Ok(u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec)?)
}

/// What a reader saw from one valid grain to another.
#[derive(Debug, Default)]
struct Turn {
    latency: Vec<f64>,
    /// Valid ones.
    grains: u64,
    /// Others between them.
    invalid: u64,
}

/// Reads so many valid grains of a flow, from the next one on.
fn turn(reader: &FlowReader) -> Result<Turn> {
    let (deadline, bytes) = (Deadline::seconds(30), format().bytes());
    let mut turn = Turn::default();
    let (mut next, mut invalid) = (reader.head()?.index + 1, 0);
    while turn.grains < TURN {
        ensure!(!deadline.passed(), "{} of {TURN} grains came", turn.grains);
        match reader.grain(next, (u16::MAX, Duration::from_millis(100)), bytes) {
            Ok((grain, _)) if grain.index == next => {
                let now = now_ns()?;
                let head = reader.head()?;
                next += 1;
                if !grain.is_valid {
                    invalid += 1;
                    continue;
                }
                // What is filled before the first one was left out by a pause.
                if turn.grains > 0 {
                    turn.invalid += invalid;
                }
                (turn.grains, invalid) = (turn.grains + 1, 0);
                // Else the next one has begun.
                if head.index == grain.index {
                    turn.latency
                        .push(micros(now.saturating_sub(head.written_ns)));
                }
            }
            Ok(_) | Err(Status::TooLate | Status::TooEarly | Status::TimedOut) => {
                next = next.max(reader.head()?.index + 1);
            }
            Err(status) => return Err(status).context("reading a flow"),
        }
    }
    Ok(turn)
}
