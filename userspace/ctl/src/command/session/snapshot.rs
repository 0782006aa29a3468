//! `onairctl session snapshot`: one frame as a picture.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use onair_api::SessionRef;
use onair_api::operations::{Input as _, ShowPicture};
use serde::Serialize;

use crate::args::Options;
use crate::args::essence::PictureSize;
use crate::client::Client;
use crate::failure::{DONE, Failure};
use crate::output;

/// Longest time in which the daemon waits for a complete frame and makes the picture.
const PICTURE: Duration = Duration::from_secs(10);

/// A frame to write.
#[derive(Debug, Args)]
#[command(after_help = "\
The daemon makes the picture of the next complete frame, of a receive or a send session that runs. That
takes no place of the session's clients, and no frame from them. Two fields become one frame. The picture
is for looking at: 8 bits, narrow range, BT.709, or BT.601 up to 576 lines; of ICtCp and XYZ only the
intensity is shown. Exit code 1 if no frame is complete within three seconds.

Examples:
  onairctl session snapshot cam1 -o cam1.png
  onairctl session snapshot cam1 -o - | display -
  watch -n 5 onairctl session snapshot cam1 -o /var/www/cam1.png")]
pub(crate) struct Snapshot {
    /// Id or name of a session
    session: SessionRef,

    /// Write the picture (PNG) to this file, and replace it; - is standard output
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Written {
    #[serde(flatten)]
    size: PictureSize,
    bytes: usize,
}

impl Snapshot {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let picture = client.bytes::<ShowPicture>(&self.session, ().sent(), PICTURE);
        let png = picture.await?;
        let size = PictureSize::of_png(&png);
        let size = size.ok_or_else(|| Failure::Alien("the picture is no PNG".to_owned()))?;
        write(&self.output, &png)?;
        if self.output == Path::new("-") {
            return Ok(DONE);
        }
        if options.json {
            let bytes = png.len();
            output::json(&Written { size, bytes })?;
        } else {
            let path = self.output.display();
            output::text(&format!("{size}: {path}.\n"))?;
        }
        Ok(DONE)
    }
}

/// Readers of the file see the old picture or the new one.
fn write(path: &Path, png: &[u8]) -> Result<(), Failure> {
    if path == Path::new("-") {
        io::stdout().write_all(png)?;
        return Ok(());
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = fs::write(&part, png).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        drop(fs::remove_file(&part));
        Failure::Input(format!("cannot write {}: {error}", path.display()))
    })
}
