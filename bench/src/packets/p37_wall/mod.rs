//! P37: processor of `onair-wall` before a viewer of 64 tiles at two pictures a second, and the frames that the other reader
//! of each session loses for it.
//!
//! The sessions are local ones, which a process fills and another one reads, so that no packet is in the figure.

mod mixer;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_api::SpecDocument;
use onair_stage::{
    Actor, Config, Deadline, Raster, Rig, Running, cpu_time, local, program, threads, wait_for,
};
use serde_json::Value;

use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::rig;
use crate::run::Run;
pub(crate) use mixer::Mixer;

const TILES: usize = 64;
/// As wide as a tile of the page.
const WIDTH: u16 = 280;
const EVERY_MS: u64 = 500;
/// As often as the wall looks, twice: each look finds another frame.
const RASTER: Raster = Raster::new(1920, 1080, 4, 10);
const WINDOW: Duration = Duration::from_secs(2);
const MOST_PERCENT: f64 = 25.0;
/// Of the pictures that were asked for.
const LEAST_SHOWN: f64 = 0.9;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let rig = rig::rings()?;
    let done = wall(run, &rig);
    let Seen {
        percent,
        pictures,
        lost,
    } = rig.end(done)?;
    let what = format!("{TILES} tiles of 1080p, 10 bit, at {WIDTH} pixels");
    Ok(vec![
        Row::of("P37", what, "% of a core", &percent)
            .note(format!("{pictures:.0} pictures a second"))
            .target("≤ 25", |row| row.p50_at_most(MOST_PERCENT)),
        Row::of("P37", "frames that the sessions' readers lost", "", &lost).none(),
    ])
}

struct Seen {
    percent: Samples,
    /// A second.
    pictures: f64,
    lost: Samples,
}

fn wall(run: &Run, rig: &Rig) -> Result<Seen> {
    let mut control = rig.control()?;
    let names: Vec<_> = (0..TILES).map(|it| format!("tile{it}")).collect();
    let mut ids = Vec::new();
    for name in &names {
        let spec = SpecDocument {
            quota: Some(3),
            max_attachments: Some(3),
            ..local(name, RASTER)
        };
        ids.push(control.create(&spec)?.id.to_string());
    }
    let attach = rig.attach_socket();
    let _filler = mixer::start(rig.stage(), &attach, &names, false)?;
    let mut reader = mixer::start(rig.stage(), &attach, &names, true)?;
    let (wall, address) = start(rig)?;
    let mut viewer = Viewer {
        address,
        ids: ids.join(","),
        after: 0,
    };
    // A page follows what happens, too.
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET /api/stream HTTP/1.1\r\nHost: {address}\r\n\r\n"
    )?;
    thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
    let first = Deadline::seconds(60);
    let mut shown = 0;
    while shown < TILES * 4 {
        ensure!(!first.passed(), "{shown} pictures came");
        shown += viewer.look()?;
    }
    let turns = run.either(15, 5);
    run.case("a wall of 64 tiles", turns);
    let before = lost(&mut reader)?;
    let (mut percent, mut pictures, began) = (Samples::default(), 0, Instant::now());
    for _ in 0..turns {
        let (used, start) = (used(&wall)?, Instant::now());
        while start.elapsed() < WINDOW {
            pictures += viewer.look()?;
        }
        let spent = (self::used(&wall)? - used).as_secs_f64();
        percent.push(100.0 * spent / start.elapsed().as_secs_f64());
        run.step();
    }
    let pictures = float(pictures as u64) / began.elapsed().as_secs_f64();
    let wanted = float(TILES as u64 * 1000 / EVERY_MS);
    ensure!(
        pictures > LEAST_SHOWN * wanted,
        "{pictures} pictures a second came, not {wanted}"
    );
    let lost = Samples::from_iter([float(lost(&mut reader)? - before)]);
    Ok(Seen {
        percent,
        pictures,
        lost,
    })
}

/// Frames that the readers have lost so far.
fn lost(reader: &mut Actor) -> Result<u64> {
    let answer = reader.ask("lost", Deadline::seconds(30))?;
    answer["lost"].as_u64().context("a number of frames")
}

/// Starts it, and waits until it knows the daemon's sessions.
fn start(rig: &Rig) -> Result<(Running, SocketAddr)> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut command = rig.stage().command(program("onair-wall")?);
    command.args(["--listen", &address.to_string(), "--control"]);
    command.arg(Config::control_socket(rig.stage()));
    command.arg("--attach").arg(rig.attach_socket());
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let wall = Running::new("onair-wall", child)?;
    wait_for("the wall to listen", 30, || {
        Ok(TcpStream::connect(address).is_ok())
    })?;
    Ok((wall, address))
}

/// Processor time of its threads.
fn used(wall: &Running) -> Result<Duration> {
    let pid = wall.pid();
    threads(pid)?.into_iter().map(|it| cpu_time(pid, it)).sum()
}

/// What a page does with its tiles: it asks for what is new, and asks again.
struct Viewer {
    address: SocketAddr,
    ids: String,
    /// The number of the last look that it has.
    after: u64,
}

impl Viewer {
    /// How many pictures came.
    fn look(&mut self) -> Result<usize> {
        let Self {
            address,
            ids,
            after,
        } = self;
        let mut stream = TcpStream::connect(*address)?;
        write!(
            stream,
            "GET /api/looks?width={WIDTH}&every={EVERY_MS}&after={after}&ids={ids} HTTP/1.1\r\n\
             Host: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "the wall refuses");
        let head = answer.windows(4).position(|it| it == b"\r\n\r\n");
        let mut rest = &answer[head.context("a body")? + 4..];
        let mut pictures = 0;
        while !rest.is_empty() {
            let head: Value = serde_json::from_slice(part(&mut rest)?)?;
            let sequence = head["sequence"].as_u64().context("a number")?;
            *after = sequence.max(*after);
            pictures += usize::from(!part(&mut rest)?.is_empty());
        }
        Ok(pictures)
    }
}

/// The next part of an answer: its length in 4 bytes, and itself.
fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let (length, after) = rest.split_first_chunk().context("a length")?;
    let length = u32::from_be_bytes(*length) as usize;
    let (part, after) = after.split_at_checked(length).context("a whole part")?;
    *rest = after;
    Ok(part)
}
