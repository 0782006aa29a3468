//! A service manager as a daemon sees it: the socket of sd_notify(3), and the watchdog's time.

use std::fmt::Display;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use onair_stage::{Deadline, until, wait_for};

/// Hears what a daemon tells, and hands it on to whoever started that.
#[derive(Debug)]
pub struct ServiceManager {
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl ServiceManager {
    /// Stands between `command`, a daemon about to be started, and the socket that it would tell;
    /// asks it to feed a watchdog within `watchdog`.
    pub fn before(command: &mut Command, watchdog: Duration) -> Result<Self> {
        let own = format!("onair-manager-{}-{:p}", std::process::id(), command);
        let address = SocketAddr::from_abstract_name(&own)?;
        let socket = UnixDatagram::bind_addr(&address)?;
        let next = command.get_envs().find_map(|(name, value)| {
            (name == "NOTIFY_SOCKET").then(|| value.map(PathBuf::from))?
        });
        let onward = UnixDatagram::unbound()?;
        // Who only waits for READY=1 soon reads no more.
        onward.set_nonblocking(true)?;
        command
            .env("NOTIFY_SOCKET", format!("@{own}"))
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&heard);
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length) = socket.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
                list.extend(text.lines().map(|line| (Instant::now(), line.to_owned())));
                drop(list);
                if let Some(next) = &next {
                    let _ = onward.send_to(&bytes[..length], next);
                }
            }
        });
        Ok(Self { heard })
    }

    /// All that was told so far that begins with `word`.
    #[must_use]
    pub fn heard(&self, word: &str) -> Vec<String> {
        self.list(word).into_iter().map(|(_, line)| line).collect()
    }

    /// Waits until something that begins with `word` is told from now on.
    ///
    /// # Errors
    /// When it is not, in half a minute.
    pub fn wait(&self, word: impl Display) -> Result<String> {
        let word = word.to_string();
        let before = self.list(&word).len();
        until(
            format_args!("the daemon to tell {word}"),
            Deadline::seconds(30),
            || Ok(self.heard(&word).into_iter().nth(before)),
        )
    }

    /// Waits until nothing that begins with `word` was told for `time`.
    ///
    /// # Errors
    /// When it goes on being told for half a minute.
    pub fn wait_silent(&self, word: &str, time: Duration) -> Result<()> {
        let begin = Instant::now();
        wait_for(format_args!("no {word} for {time:?}"), 30, || {
            let last = self.list(word).last().map_or(begin, |(at, _)| *at);
            Ok(last.max(begin).elapsed() >= time)
        })
    }

    fn list(&self, word: &str) -> Vec<(Instant, String)> {
        let list = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = list.iter().filter(|(_, line)| line.starts_with(word));
        mine.cloned().collect()
    }
}
