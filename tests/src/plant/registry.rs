//! A registry of NMOS (IS-04) that keeps nothing but when a node said that it lives.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// A Registration API on loopback, until the process ends.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    beats: Arc<Mutex<Vec<Instant>>>,
}

impl Registry {
    /// Starts it.
    ///
    /// # Errors
    /// There is no free port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let beats = Arc::<Mutex<Vec<Instant>>>::default();
        let known = Arc::clone(&beats);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let known = Arc::clone(&known);
                thread::spawn(move || serve(&stream, &known));
            }
        });
        Ok(Self { address, beats })
    }

    /// The line of `nmos.toml` that names it.
    #[must_use]
    pub fn setting(&self) -> String {
        format!("registries = [\"http://{}\"]\n", self.address)
    }

    /// Heartbeats so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.beats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// The longest time without a heartbeat since the first one, until now.
    #[must_use]
    pub fn longest_silence(&self) -> Duration {
        let mut beats = self
            .beats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        beats.push(Instant::now());
        let pauses = beats.windows(2).map(|pair| pair[1] - pair[0]);
        pauses.max().unwrap_or_default()
    }
}

/// Serves one connection: each resource is taken, each heartbeat noted.
fn serve(mut stream: &TcpStream, beats: &Mutex<Vec<Instant>>) {
    let mut input = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if !matches!(input.read_line(&mut request), Ok(1..)) {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            if !matches!(input.read_line(&mut line), Ok(1..)) {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        if input.read_exact(&mut vec![0; length]).is_err() {
            return;
        }
        let (status, body) = match () {
            () if request.contains("/health/") => {
                beats
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Instant::now());
                ("200 OK", "{\"health\":\"1\"}")
            }
            () if request.starts_with("DELETE") => ("204 No Content", ""),
            () => ("201 Created", "{}"),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + body).as_bytes()).is_err() {
            return;
        }
    }
}
