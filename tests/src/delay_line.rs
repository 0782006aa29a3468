//! A cable that delays.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
use onair_stage::Stage;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{RecvFlags, recv};
use rustix::process::setpriority_process;

use crate::network::wire::Wire;

/// Passes packets on from one interface to another, in one direction, some time later.
#[derive(Debug)]
pub struct DelayLine {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl DelayLine {
    /// Starts one inside the stage's namespace.
    ///
    /// # Errors
    /// When an interface does not exist, or a socket cannot be opened.
    pub fn start(stage: &Stage, from: &str, to: &str, delay: Duration) -> Result<Self> {
        let (entrance, exit) = (entrance(stage, from)?, Wire::open(stage, to)?);
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = std::thread::Builder::new()
            .name("delay".into())
            .spawn(move || {
                // Linux sets it for the calling thread alone.
                setpriority_process(None, -15)?;
                pass_on(&entrance, &exit, delay, &ended)
            })?;
        Ok(Self { end, thread })
    }

    /// Ends it; what is under way is lost.
    pub fn finish(self) -> Result<()> {
        self.end.store(true, Ordering::Relaxed);
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("the thread of the delay line panicked"))?
    }
}

/// A packet socket that gets what arrives at an interface.
fn entrance(stage: &Stage, interface: &str) -> Result<OwnedFd> {
    stage.inside(|| {
        let address = nix::ifaddrs::getifaddrs()?
            .filter(|it| it.interface_name == interface)
            .find_map(|it| it.address?.as_link_addr().copied());
        let address: LinkAddr = address.with_context(|| format!("no interface {interface}"))?;
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )?;
        set_socket_recv_buffer_size_force(&socket, 32 << 20)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_millis(1)))?;
        bind(socket.as_raw_fd(), &address)?;
        Ok(socket)
    })
}

fn pass_on(entrance: &OwnedFd, exit: &Wire, delay: Duration, ended: &AtomicBool) -> Result<()> {
    let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut packet = [0; 65_536];
    while !ended.load(Ordering::Relaxed) {
        match recv(entrance, &mut packet[..], RecvFlags::empty()) {
            Ok((_, bytes)) => {
                under_way.push_back((Instant::now() + delay, packet[..bytes].to_vec()));
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        while under_way.front().is_some_and(|it| it.0 <= Instant::now()) {
            let (_, packet) = under_way.pop_front().context("the first")?;
            exit.send(&packet)?;
        }
    }
    Ok(())
}
