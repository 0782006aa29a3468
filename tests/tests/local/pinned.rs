//! A filler whose frames stay pinned in the kernel, and that goes on writing to them when it has left.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair_tests::{Running, Seen, TestClient, wait_for};
use rustix::io::Errno;

use super::{AMPLE, filler, local};
use crate::capi::Lab;

/// The program of `pins.c`.
struct Pins {
    _process: Running,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Pins {
    fn fill(lab: &Lab) -> Result<Self> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/local/pins.c");
        let mut command = lab.command(&lab.compile(source, &["-lonair"])?);
        command.arg("mix").stdin(Stdio::piped());
        let mut child = command.stderr(Stdio::inherit()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut pins = Self {
            _process: Running::new("the filler", child)?,
            input: input.context("its input")?,
            output: BufReader::new(output.context("its output")?),
        };
        ensure!(pins.answer()? == 0, "it fills");
        Ok(pins)
    }

    fn ask(&mut self, word: &str) -> Result<i64> {
        writeln!(self.input, "{word}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<i64> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        line.trim().parse().context("a number")
    }
}

/// Whether the frame that `reader` holds is as its filler submitted it.
fn is_whole(reader: &mut TestClient) -> Result<bool> {
    let seen: Vec<Seen> = serde_json::from_value(reader.ask("look")?["frames"].take())?;
    ensure!(seen.len() == 1, "{seen:?}");
    Ok(seen.iter().all(|it| it.checksum_right))
}

#[test]
fn frames_pinned_by_a_filler_that_left_then_it_writes_to_none() -> Result<()> {
    let lab = Lab::open()?;
    let mut control = lab.rig.control()?;
    control.create(&local("mix", AMPLE))?;
    let mut readers = [lab.rig.user("mix")?, lab.rig.user("mix")?];
    for is_evicted in [false, true] {
        let mut pins = Pins::fill(&lab)?;
        let [reader, keeps] = &mut readers;
        ensure!(pins.ask("submit")? == 0);
        for it in [&mut *reader, &mut *keeps] {
            it.say("hold 1")?;
        }
        reader.say("put-all")?;
        ensure!(pins.ask("pin")? == 0, "io_uring");
        if is_evicted {
            let all = control.show("mix")?.attachments;
            let own = all.iter().find(|it| it.fills).context("it fills")?;
            control.evict("mix", own.attachment)?;
        }
        let left = pins.ask("leave")?;
        ensure!(left == 0 || is_evicted, "{left}");
        wait_for("it to be gone", 30, || {
            Ok(control.show("mix")?.attachments.len() == 2)
        })?;
        let mut next = filler(&lab.rig)?;
        for number in 0..100 {
            next.say("submit 1")?;
            reader.say("hold 1")?;
            ensure!(pins.ask("write")? > 0);
            ensure!(is_whole(reader)?, "frame {number} has bytes of another");
            reader.say("put-all")?;
            if number == 50 {
                // One that the filler had submitted is used again.
                keeps.say("put-all")?;
            }
        }
        keeps.say("drain")?;
        next.say("detach")?;
    }
    control.end("mix").map(drop)
}

#[test]
fn filler_seals_the_frames_then_refused_and_the_next_one_fills() -> Result<()> {
    let lab = Lab::open()?;
    let mut control = lab.rig.control()?;
    control.create(&local("mix", AMPLE))?;
    let mut pins = Pins::fill(&lab)?;
    let refused = -i64::from(Errno::PERM.raw_os_error());
    ensure!(pins.ask("seal")? == refused);
    ensure!(pins.ask("leave")? == 0);
    filler(&lab.rig).map(drop)
}
