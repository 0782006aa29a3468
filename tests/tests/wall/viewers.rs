//! Viewers that are many, or that do not read.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_tests::Rig;
use onair_tests::wall::Wall;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Viewers that follow the stream, and change nothing.
const IDLE: usize = 1_000;
/// Connections of one address: the wall allows 256.
const OF_ONE: usize = 250;
/// Bytes that a process may grow by for each.
const EACH: u64 = 64 << 10;

/// Connects from an address of its own.
fn viewer(to: SocketAddr, number: usize) -> Result<TcpStream> {
    let last = u8::try_from(2 + number / OF_ONE)?;
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(
        &socket,
        &SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)),
    )?;
    connect(&socket, &to)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    // One too many is closed at once.
    let _ = write!(stream, "GET /api/stream HTTP/1.1\r\nHost: {to}\r\n\r\n");
    Ok(stream)
}

/// Reads on until a text has come.
fn read_until(stream: &mut TcpStream, text: &str) -> Result<()> {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&all).contains(text) {
        let count = stream
            .read(&mut part)
            .with_context(|| format!("no {text:?}"))?;
        ensure!(count > 0, "it ended before {text:?}");
        all.extend_from_slice(&part[..count]);
    }
    Ok(())
}

/// Memory of a process, in bytes.
fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let kib = line.and_then(|it| it.split_whitespace().next());
    Ok(kib.context("VmRSS")?.parse::<u64>()? << 10)
}

#[test]
fn thousand_idle_viewers_then_each_is_told_and_it_still_answers() -> Result<()> {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: most,
            maximum: most,
        },
    )?;
    let (rig, mut control) = Rig::with_cam()?;
    let wall = Wall::start(rig.stage())?;
    let before = resident(wall.pid())?;
    let mut viewers = (0..IDLE)
        .map(|number| viewer(wall.address(), number))
        .collect::<Result<Vec<_>>>()?;
    for it in &mut viewers {
        read_until(it, "event: all")?;
    }
    let grown = resident(wall.pid())?.saturating_sub(before);
    ensure!(grown < EACH * IDLE as u64, "{grown} bytes");
    ensure!(wall.get("/api/me")?.status == 200);
    // An address that has all its connections gets no more, and others do.
    let mut more = (0..7)
        .map(|_| viewer(wall.address(), 0))
        .collect::<Result<Vec<_>>>()?;
    let refused = more.last_mut().context("the last")?;
    ensure!(refused.read(&mut [0; 16]).map_or(true, |count| count == 0));
    ensure!(wall.get("/api/me")?.status == 200);
    control.stop("cam")?;
    for it in &mut viewers {
        read_until(it, "\"state\":\"stopped\"")?;
    }
    drop((viewers, more));
    wall.end()
}

#[test]
fn viewer_that_does_not_read_then_cut_off() -> Result<()> {
    let (rig, _control) = Rig::with_control()?;
    let wall = Wall::start(rig.stage())?;
    let mut stream = TcpStream::connect(wall.address())?;
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", wall.address()).repeat(100);
    let began = Instant::now();
    // Answers fill what the kernel takes; then the wall waits for it, and no longer than it says.
    let end = loop {
        if let Err(error) = stream.write_all(request.as_bytes()) {
            break error;
        }
        ensure!(
            began.elapsed() < Duration::from_secs(60),
            "it is still read"
        );
        ensure!(wall.get("/api/me")?.status == 200);
    };
    let is_cut = matches!(
        end.kind(),
        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe
    );
    ensure!(is_cut, "{end}");
    ensure!(wall.get("/api/me")?.status == 200);
    wall.end()
}
