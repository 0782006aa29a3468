//! GStreamer's way of a frame: both pipelines in one process, which logs when a buffer passes an
//! `identity` before the payloader and one behind the depayloader. The way into another process, which
//! ours has, is not in it.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Running, Stage};

/// Frames a second: one at a time is under way.
const RATE: u32 = 20;
/// Enough for a whole frame: without it the kernel drops packets.
const BUFFER: u64 = 32 << 20;
const UDP: u16 = 5006;

/// Has it carry `count` frames; the times that they took, in µs.
pub(super) fn turn(stage: &Stage, count: usize) -> Result<Vec<f64>> {
    stage.sysctl_at_least("net.core.rmem_max", BUFFER)?;
    let caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=RAW,\
                sampling=YCbCr-4:2:2,depth=(string)8,width=(string)1280,height=(string)720,payload=96";
    let pipelines = format!(
        "udpsrc port={UDP} buffer-size={BUFFER} caps={caps} ! rtpvrawdepay ! identity name=got ! \
         fakesink sync=false async=false \
         videotestsrc is-live=true pattern=black num-buffers={count} ! \
         video/x-raw,format=UYVY,width=1280,height=720,framerate={RATE}/1 ! identity name=submit ! \
         rtpvrawpay ! udpsink host=127.0.0.1 port={UDP} sync=false async=false"
    );
    let path = stage.directory().join("gstreamer.log");
    let child = stage
        .command_inside("gst-launch-1.0")
        .arg("--quiet")
        .args(pipelines.split_ascii_whitespace())
        .envs([
            ("GST_DEBUG", "basetransform:5"),
            ("GST_DEBUG_NO_COLOR", "1"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&path)?)
        .spawn()
        .context("starting gst-launch-1.0: `cargo xtask setup` installs it")?;
    let mut running = Running::new("gst-launch-1.0", child)?;
    // Its receiver never ends by itself.
    let frames = u32::try_from(count)?;
    std::thread::sleep(Duration::from_secs(1) * frames / RATE + Duration::from_secs(1));
    running.kill()?;
    let times = times(&fs::read_to_string(&path)?);
    ensure!(
        2 * times.len() > count,
        "GStreamer carried {} of {count} frames",
        times.len()
    );
    Ok(times)
}

/// µs from each frame's submission until it came. A frame that came after the next was submitted is
/// not told apart from a later one: both are left out.
fn times(log: &str) -> Vec<f64> {
    let (mut times, mut submitted) = (vec![], None);
    for line in log.lines().filter(|line| line.contains("handling buffer")) {
        let at = line.split_ascii_whitespace().next().and_then(seconds);
        if line.contains("<submit>") {
            submitted = at;
        } else if line.contains("<got>")
            && let Some((begin, end)) = submitted.take().zip(at)
        {
            times.push((end - begin) * 1e6);
        }
    }
    times
}

/// `H:MM:SS.nnnnnnnnn`, the time since the program's start, in seconds.
fn seconds(text: &str) -> Option<f64> {
    let mut all = 0.0;
    for part in text.split(':') {
        all = 60.0 * all + part.parse::<f64>().ok()?;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_log_then_each_frame_once_and_none_that_was_lost() {
        let line = |at: &str, name: &str| {
            format!(
                "{at} 1 0x5 DEBUG basetransform gstbasetransform.c:2045:default_submit_input_buffer:\
                 <{name}> handling buffer 0x5 of size 1843200, PTS 0:00:00.1 and offset 0\n"
            )
        };
        let log = line("0:00:59.999000000", "submit")
            + &line("0:01:00.001500000", "got")
            + &line("0:01:00.050000000", "submit")
            + "0:01:00.05 1 0x5 DEBUG basetransform <got> doing inplace transform\n"
            + &line("0:01:00.100000000", "submit")
            + &line("0:01:00.103000000", "got")
            + &line("0:01:00.104000000", "got");
        let times: Vec<_> = times(&log).iter().map(|it| it.round()).collect();
        assert_eq!(times, [2_500.0, 3_000.0]);
    }
}
