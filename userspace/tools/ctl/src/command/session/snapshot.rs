//! `onairctl session snapshot`: one frame, or a second of audio, as a picture.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use onair_api::SessionRef;
use onair_api::operations::{Input as _, ShowPicture};
use onair_control::{Client, ControlError};
use serde::Serialize;
use serde_json::Value;

use crate::args::Options;
use crate::args::essence::PictureSize;
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
intensity is shown. Of audio it has the waveform of a second: a lane a channel, red where samples are missing, and
a meter of peak, RMS and true peak; --json has them as numbers. Ancillary data and JPEG XS are refused. Exit
code 1 if no frame is complete within three seconds.

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
    /// The figures in a picture of audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Value>,
}

impl Snapshot {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let picture = client.bytes::<ShowPicture>(&self.session, ().sent(), PICTURE);
        let png = picture.await?;
        let size = PictureSize::of_png(&png);
        let size = size.ok_or_else(|| ControlError::Alien("the picture is no PNG".to_owned()))?;
        output::file(&self.output, &png)?;
        if output::is_standard(&self.output) {
            return Ok(DONE);
        }
        if options.json {
            let (bytes, audio) = (png.len(), figures(&png));
            output::json(&Written { size, bytes, audio })?;
        } else {
            let path = self.output.display();
            output::text(&format!("{size}: {path}.\n"))?;
        }
        Ok(DONE)
    }
}

/// The daemon's figures: JSON in the text chunk `onair` (PNG, clauses 5.3 and 11.3.3.2).
fn figures(png: &[u8]) -> Option<Value> {
    let mut rest = png.get(8..)?;
    loop {
        let (length, behind) = rest.split_first_chunk()?;
        let (kind, behind) = behind.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (data, behind) = behind.split_at_checked(length)?;
        let text = data.strip_prefix(b"onair\0");
        if let Some(text) = text.filter(|_| kind == b"tEXt") {
            return serde_json::from_slice(text).ok();
        }
        // The checksum.
        rest = behind.get(4..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn png_with_figures_then_found_and_one_cut_anywhere_has_none() {
        let chunk = |kind: &[u8; 4], data: &[u8]| {
            let length = u32::try_from(data.len()).unwrap().to_be_bytes();
            [&length, &kind[..], data, &[0; 4]].concat()
        };
        let text = chunk(b"tEXt", b"onair\0{\"samples\": 48000}");
        let png = [&[0; 8][..], &chunk(b"IHDR", &[1; 13]), &text].concat();
        assert_eq!(figures(&png).unwrap()["samples"], 48_000);
        for end in 0..png.len() - 4 {
            assert_eq!(figures(&png[..end]), None, "{end}");
        }
        assert_eq!(
            figures(&[&[0; 8][..], &chunk(b"IDAT", b"onair\0{}")].concat()),
            None
        );
        assert_eq!(figures(&[0xff; 64]), None);
    }
}
