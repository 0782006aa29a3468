//! Creates a send session from a JSON spec, sends a moving bar until Ctrl-C, and destroys it:
//! `send SPEC.json`.

use std::sync::Arc;

use onair::{Client, Error, Session, SessionSpec, Timeout};

fn fill(session: &Session) -> Result<(), Error> {
    let mut frame = 0_usize;
    loop {
        match session.buffer_get_mut(Timeout::NEVER) {
            Ok(mut buffer) => {
                let line = buffer.layout().video.line_bytes();
                buffer.fill(0x80);
                for row in buffer.chunks_exact_mut(line) {
                    row[frame % line] = 0xff;
                }
                buffer.submit()?;
                frame += 1;
            }
            // This process stopped the session: the submitted frames are still sent.
            Err(Error::Stopped) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: send SPEC.json")?;
    let spec: SessionSpec = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let session = Arc::new(Client::from_env().create(&spec)?);
    let stopper = session.clone();
    let mut signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
    ])?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    });
    fill(&session)?;
    println!("{}", session.destroy()?);
    Ok(())
}
