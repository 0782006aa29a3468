//! Writes the pixels of a session's frames to standard output, for an encoder: `pipe SESSION FORMAT`, such as
//! `pipe cam1 yuv422p10le | ffmpeg -f rawvideo …`. If the session or the daemon ends, it attaches again as soon
//! as there is a session of that name.

use std::io::{self, Write as _};
use std::time::Duration;

use onair::{Client, Error, PixelFormat, Session, Timeout};

/// Between two attempts to attach again.
const PAUSE: Duration = Duration::from_millis(50);

/// Writes frames until the session ends, and returns why it did.
fn write(session: &Session, format: PixelFormat) -> Result<Error, Box<dyn std::error::Error>> {
    let picture = session.layout().frame_picture();
    let mut pixels = vec![0; format.planes(&picture).bytes];
    let mut frames = session.frames()?;
    let mut output = io::stdout().lock();
    loop {
        match frames.get(Timeout::NEVER) {
            // An incomplete frame, too: the encoder counts frames.
            Ok(frame) => frame.unpack(format, &mut pixels)?,
            Err(Error::Stopped) => match session.wait_started(Timeout::NEVER) {
                Ok(()) => continue,
                Err(error) => return Ok(error),
            },
            Err(error) => return Ok(error),
        }
        output.write_all(&pixels)?;
        output.flush()?;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("usage: pipe SESSION FORMAT")?;
    let format: PixelFormat = arguments
        .next()
        .ok_or("usage: pipe SESSION FORMAT")?
        .parse()?;
    let client = Client::from_env();
    let mut session = client.attach(&name)?;
    let picture = session.layout().frame_picture();
    loop {
        let ended = write(&session, format)?;
        eprintln!("{ended}");
        drop(session);
        session = loop {
            match client.attach(&name) {
                Ok(session) => break session,
                Err(
                    Error::Stale
                    | Error::Disconnected
                    | Error::NoDaemon { .. }
                    | Error::NoSession { .. }
                    | Error::ShuttingDown(_),
                ) => std::thread::sleep(PAUSE),
                Err(error) => return Err(error.into()),
            }
        };
        if session.layout().frame_picture() != picture {
            return Err("the session has another picture than before".into());
        }
    }
}
