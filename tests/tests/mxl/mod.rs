//! `onair-mxl` between a real daemon and a domain. The library is the one of `ONAIR_LIBMXL`, or the stub.

mod fields;
mod inward;
mod late;
mod outward;
mod restarts;
mod switched;

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair::{Colorimetry, PixelFormat, TransferCharacteristics};
use onair_essence::video::pattern::verify;
use onair_mxl::flow::{Definition, Format, Rate};
use onair_mxl::libmxl::{FlowReader, Instance, Library, Status};
use onair_tests::{Config, Deadline, Raster, Rig, Running, program, wait_for};
use rustix::process::Signal;
use uuid::Uuid;

// Cargo builds the stub for this.
use onair_mxl_stub as _;

const RASTER: Raster = Raster::new(320, 180, 50, 10);
const RATE: Rate = Rate {
    numerator: RASTER.rate,
    denominator: 1,
};
const FLOW: Uuid = Uuid::from_u128(0x5fbe_c3b1_1b0f_417d_9059_8b94_a471_97ed);

/// The library.
fn library() -> Result<PathBuf> {
    match env::var_os("ONAIR_LIBMXL") {
        Some(path) => Ok(path.into()),
        None => program("deps/libonair_mxl_stub.so"),
    }
}

/// A domain on a tmpfs.
struct Domain {
    folder: PathBuf,
    library: Arc<Library>,
}

impl Domain {
    fn new(rig: &Rig, megabytes: u64) -> Result<Self> {
        let tmpfs = rig.stage().tmpfs("shm", megabytes << 20)?;
        let folder = tmpfs.join("mxl");
        fs::create_dir(&folder)?;
        let library = Arc::new(Library::load(library()?.as_os_str())?);
        Ok(Self { folder, library })
    }

    fn instance(&self) -> Result<Arc<Instance>> {
        Ok(Instance::open(&self.library, &self.folder)?)
    }

    fn flow(&self) -> PathBuf {
        self.folder.join(format!("{FLOW}.mxl-flow"))
    }

    /// Starts `onair-mxl` with these arguments.
    fn carry(&self, rig: &Rig, arguments: &[&str]) -> Result<Carrier> {
        self.carry_with(rig, arguments, "")
    }

    /// As [`Self::carry`]; the stub does what `stub` says.
    fn carry_with(&self, rig: &Rig, arguments: &[&str], stub: &str) -> Result<Carrier> {
        // The kernel of a test was not told what TAI is.
        let arguments = [&["--allow-utc"], arguments].concat();
        self.start(rig, &arguments, stub)
    }

    fn start(&self, rig: &Rig, arguments: &[&str], stub: &str) -> Result<Carrier> {
        let mut command = Command::new(program("onair-mxl")?);
        command.arg("--domain").arg(&self.folder);
        command.arg("--library").arg(library()?);
        command
            .arg("--attach")
            .arg(Config::attach_socket(rig.stage()));
        command.args(arguments).env("ONAIR_MXL_STUB", stub);
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take().context("its log")?;
        let (line, lines) = channel();
        std::thread::spawn(move || {
            for text in BufReader::new(log).lines().map_while(Result::ok) {
                eprintln!("{text}");
                if line.send((Instant::now(), text)).is_err() {
                    break;
                }
            }
        });
        Ok(Carrier {
            running: Running::new("onair-mxl", child)?,
            lines,
            said: Vec::new(),
        })
    }
}

/// `onair-mxl`, and what it says.
struct Carrier {
    running: Running,
    lines: Receiver<(Instant, String)>,
    said: Vec<(Instant, String)>,
}

impl Carrier {
    /// When it said a line with this part, if it did.
    fn heard(&mut self, part: &str) -> Option<Instant> {
        self.said.extend(self.lines.try_iter());
        let mut lines = self.said.iter();
        lines.find(|it| it.1.contains(part)).map(|it| it.0)
    }

    /// Waits until it has said a line with this part. Returns the line.
    fn line(&mut self, part: &str) -> Result<String> {
        self.says(part)?;
        let line = self.said.iter().find(|it| it.1.contains(part));
        Ok(line.context("it was heard")?.1.clone())
    }

    /// Waits until it has said a line with this part. Returns when.
    fn says(&mut self, part: &str) -> Result<Instant> {
        wait_for(part, 40, || Ok(self.heard(part).is_some()))?;
        self.heard(part).context("it was heard")
    }
}

/// Ends it as the service manager does.
fn end(mut carrier: Carrier) -> Result<()> {
    carrier.running.signal(Signal::TERM)?;
    let status = carrier.running.wait(Deadline::seconds(20))?;
    ensure!(status.success(), "onair-mxl ended with {status}");
    Ok(())
}

/// The flow of a session of `RASTER`.
fn definition() -> Definition {
    Definition {
        id: FLOW,
        label: "cam".to_owned(),
        group: "cam".to_owned(),
        format: Format::Video {
            width: RASTER.width,
            height: RASTER.height,
            rate: RATE,
            is_interlaced: false,
            colours: (Colorimetry::Bt709, TransferCharacteristics::Sdr),
        },
        is_utc: true,
    }
}

/// A reader of the flow, once it is there.
fn reader(domain: &Domain, instance: &Arc<Instance>) -> Result<FlowReader> {
    wait_for("the flow", 20, || Ok(domain.flow().exists()))?;
    Ok(FlowReader::open(instance, &FLOW.to_string())?)
}

/// A reader that goes on, as the library's documents ask of one.
struct Viewer<'a> {
    domain: &'a Domain,
    instance: Arc<Instance>,
    reader: Option<FlowReader>,
    next: u64,
    /// Times that it opened the flow again.
    reopened: u32,
}

/// A grain: its index and, if it is valid, the number of its pattern.
type Seen = (u64, Option<u64>);

impl<'a> Viewer<'a> {
    fn new(domain: &'a Domain) -> Result<Self> {
        let instance = domain.instance()?;
        let reader = reader(domain, &instance)?;
        let next = reader.head()?.index + 1;
        Ok(Self {
            domain,
            instance,
            reader: Some(reader),
            next,
            reopened: 0,
        })
    }

    /// The next grain.
    fn next(&mut self) -> Result<Seen> {
        let deadline = Deadline::seconds(30);
        while !deadline.passed() {
            let Some(reader) = &self.reader else {
                // The library gives a reader that is still open once more: the old one has to go first.
                self.reader = Some(reader(self.domain, &self.instance)?);
                self.reopened += 1;
                continue;
            };
            let (wait, bytes) = (Duration::from_millis(20), definition().format.bytes());
            match reader.grain(self.next, (u16::MAX, wait), bytes) {
                Ok((head, pixels)) if head.index == self.next => {
                    self.next += 1;
                    let number = head.is_valid.then(|| number(pixels)).transpose();
                    // On a busy machine a later grain may have been written over it meanwhile.
                    let still = reader.grain(head.index, (0, Duration::ZERO), bytes);
                    if still.is_ok_and(|it| it.0.index == head.index) {
                        return Ok((head.index, number?));
                    }
                }
                Ok(_) => self.next += 1,
                Err(Status::TooEarly) => {}
                Err(Status::TooLate) => self.next = reader.head()?.index,
                Err(Status::FlowInvalid) => self.reader = None,
                Err(status) => return Err(status).context("reading the flow"),
            }
        }
        anyhow::bail!("grain {} did not come", self.next)
    }

    /// A valid grain after `last`, of a flow that was opened once more.
    fn again(&mut self, last: (u64, u64)) -> Result<(u64, u64)> {
        let before = self.reopened;
        loop {
            let seen = self.valid()?;
            ensure!(seen.1 > last.1, "{last:?} {seen:?}");
            if self.reopened > before {
                return Ok(seen);
            }
        }
    }

    /// The next valid grain's index and number.
    fn valid(&mut self) -> Result<(u64, u64)> {
        loop {
            if let (index, Some(number)) = self.next()? {
                return Ok((index, number));
            }
        }
    }
}

/// The number of a frame of the pattern in v210, which is checked bit for bit.
fn number(pixels: &[u8]) -> Result<u64> {
    let picture = onair::Picture::new(
        RASTER.width,
        RASTER.height,
        onair::Sampling::YCbCr422,
        onair::Depth::Ten,
    );
    let picture = picture.context("whole pixel groups")?;
    let mut pgroups = vec![0; RASTER.frame_bytes()];
    onair_pixels::pack(&picture, PixelFormat::V210, pixels, &mut pgroups)?;
    Ok(verify(&pgroups)?)
}

/// The index of now.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    RATE.index(now.map_or(0, |it| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX)))
}
