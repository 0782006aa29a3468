//! Gets frames of a session in four threads until Ctrl-C: `receive SESSION`, or `receive SESSION v210` to have
//! them in that pixel format, converted by the daemon.

use std::sync::atomic::{AtomicU64, Ordering};

use onair::{Client, Error, Session, Status, Timeout};

fn take(session: &Session, whole: &AtomicU64) -> Result<(), Error> {
    loop {
        match session.buffer_get(Timeout::NEVER) {
            Ok(buffer) => match buffer.status() {
                Status::Complete => {
                    let _picture: &[u8] = &buffer;
                    whole.fetch_add(1, Ordering::Relaxed);
                }
                Status::Incomplete(what) => {
                    eprintln!("frame {}: {what:?}", buffer.number());
                }
            },
            // Stopped: wait for the start. A loop that retries at once would keep a processor busy.
            Err(Error::Stopped) => session.wait_started(Timeout::NEVER)?,
            Err(error) => return Err(error),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "cam1".into());
    let client = Client::from_env();
    let session = match std::env::args().nth(2) {
        Some(format) => client.attach_as(&name, format.parse()?)?,
        None => client.attach(&name)?,
    };
    println!("{}: {}", session.name(), session.layout().video);
    let whole = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| match take(&session, &whole) {
                Err(Error::Stale) | Ok(()) => println!("the session is gone"),
                Err(error) => eprintln!("{error}"),
            });
        }
    });
    println!("{} whole frames", whole.into_inner());
    Ok(())
}
