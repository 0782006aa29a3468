//! Messages to the service manager (sd_notify(3)), without blocking: a manager that does not read
//! must delay neither the control thread nor the shutdown.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with,
};

/// The variable with the manager's socket.
const VARIABLE: &str = "NOTIFY_SOCKET";
/// Times that it is fed per watchdog timeout: one that is late must not end the daemon.
const FEEDS: u32 = 4;

/// Sends assignments such as `READY=1`, one per line, to the manager, if there is one. If its
/// socket is full, the message is lost: the next one of that kind replaces it.
pub fn send(words: &str) {
    let Some(address) = std::env::var_os(VARIABLE).as_deref().and_then(address) else {
        return;
    };
    let sent = socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .and_then(|socket| {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendto(&socket, words.as_bytes(), flags, &address)
    });
    match sent {
        Ok(_) | Err(Errno::AGAIN) => {}
        Err(error) => tracing::debug!(%error, words, "cannot notify the service manager"),
    }
}

fn address(text: &OsStr) -> Option<SocketAddrUnix> {
    match text.as_bytes() {
        [] => None,
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name).ok(),
        path => SocketAddrUnix::new(path).ok(),
    }
}

/// When to feed it.
#[derive(Debug)]
pub struct Watchdog {
    period: Duration,
    due: Instant,
}

impl Watchdog {
    /// The watchdog that the service manager asks for; `None` if it does not.
    pub fn from_environment() -> Option<Self> {
        sd_notify::watchdog_enabled().map(|time| Self::new(time, Instant::now()))
    }

    /// A watchdog that expires after `time` without being fed.
    pub fn new(time: Duration, now: Instant) -> Self {
        Self {
            period: time / FEEDS,
            due: now,
        }
    }

    /// When it is to be fed next.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Whether it is to be fed at `now`; the next time is a period later.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.due <= now;
        if is_due {
            self.due = now + self.period;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchdog_is_fed_four_times_in_its_time() {
        let now = Instant::now();
        let mut watchdog = Watchdog::new(Duration::from_secs(8), now);
        assert!(watchdog.is_due(now) && !watchdog.is_due(now));
        assert_eq!(watchdog.due(), now + Duration::from_secs(2));
        assert!(watchdog.is_due(now + Duration::from_secs(2)));
        assert_eq!(watchdog.due(), now + Duration::from_secs(4));
    }
}
