//! How `onairctl pipe` ends, and what it does not hold meanwhile.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use onair::{Appearance, PixelFormat};
use onair_api::Source;
use onair_tests::{Control, Rig, receive, send, wait_for};
use rustix::process::{Pid, Signal, kill_process};

use super::{RASTER, ended, lab, pattern, picture, pipe, rising};

/// A pipe from `cam` whose first bytes were read.
fn flowing(rig: &Rig) -> Result<Child> {
    let mut child = pipe(rig, "cam")?.spawn()?;
    let frames = child.stdout.as_mut().context("its frames")?;
    frames.read_exact(&mut [0; 1000])?;
    Ok(child)
}

fn frames(control: &mut Control) -> Result<u64> {
    Ok(control.show("cam")?.counters.frames_complete)
}

/// A reader that reads no more loses frames, and holds none.
fn reads_no_more(rig: &Rig, control: &mut Control) -> Result<()> {
    let child = flowing(rig)?;
    let before = frames(control)?;
    wait_for("frames for which the reader has no room", 60, || {
        Ok(frames(control)? > before + 40)
    })?;
    let view = control.show("cam")?;
    assert_eq!(view.counters.frames_dropped_slow, 0);
    // It waits for its reader without a frame: the session stops, and its frames are back.
    kill_process(Pid::from_child(&child), Signal::INT)?;
    let (code, summary, said) = ended_unread(child)?;
    assert_eq!((code, said.as_str()), (0, ""), "{summary}");
    assert_eq!(
        (&summary["ended"], &summary["missed_buffers"]),
        (&"signal".into(), &0.into())
    );
    ensure!(summary["lost_frames"].as_u64() > Some(10), "{summary}");
    Ok(())
}

/// As [`ended`], while its standard output stays open and is not read.
fn ended_unread(mut child: Child) -> Result<(i32, serde_json::Value, String)> {
    let unread = child.stdout.take();
    let all = ended(child);
    drop(unread);
    all
}

/// A reader that is gone while no frame comes ends the pipe at once.
fn reader_gone(rig: &Rig, control: &mut Control) -> Result<()> {
    let mut child = pipe(rig, "cam --format raw")?.spawn()?;
    let mut reader = child.stdout.take().context("its frames")?;
    reader.read_exact(&mut [0; 1000])?;
    control.stop("out")?;
    // What is on its way, until it waits for a frame.
    let mut rest = vec![0; 1 << 20];
    wait_for("a pipe that waits for frames", 20, || {
        while rustix::io::ioctl_fionread(&reader)? > 0 {
            let _ = reader.read(&mut rest)?;
        }
        Ok(control.blocking_tids("cam")?.len() == 1)
    })?;
    drop(reader);
    let (code, summary, _) = ended(child)?;
    assert_eq!((code, &summary["ended"]), (0, &"reader_gone".into()));
    wait_for("the client to be gone", 20, || {
        Ok(control.show("cam")?.attachments.is_empty())
    })
}

#[test]
fn reader_session_or_daemon_gone_then_it_ends_with_its_code() -> Result<()> {
    let (mut rig, mut control) = lab(Source::Pattern)?;
    reads_no_more(&rig, &mut control)?;
    reader_gone(&rig, &mut control)?;
    control.start("out")?;
    let child = flowing(&rig)?;
    control.stop("cam")?;
    let (code, summary, said) = ended(child)?;
    assert_eq!((code, &summary["ended"]), (1, &"stopped".into()), "{said}");
    ensure!(said.contains("session cam was stopped: start it"), "{said}");

    control.start("cam")?;
    let child = flowing(&rig)?;
    control.evict_all("cam")?;
    let (code, summary, said) = ended(child)?;
    assert_eq!((code, &summary["ended"]), (5, &"gone".into()), "{said}");
    ensure!(said.contains("evicted"), "{said}");

    let child = flowing(&rig)?;
    rig.kill_daemon()?;
    let (code, summary, said) = ended(child)?;
    assert_eq!(
        (code, &summary["ended"]),
        (3, &"daemon_ended".into()),
        "{said}"
    );

    let (code, _, said) = ended(pipe(&rig, "cam")?.spawn()?)?;
    ensure!(code == 3 && said.contains("daemon"), "{code}: {said}");
    Ok(())
}

#[test]
fn session_interrupted_and_reattach_then_frames_go_on() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut control = rig.control()?;
    let mut cam = receive("cam", RASTER, 5000);
    let mut out = send("out", RASTER, 5000, Source::Pattern);
    (cam.persistent, out.persistent) = (Some(true), Some(true));
    control.create(&cam)?;
    control.create(&out)?;
    let frame = PixelFormat::V210.planes(&picture()).bytes;
    let mut child = pipe(&rig, "cam --reattach")?.spawn()?;
    let mut stream = child.stdout.take().context("its frames")?;
    let mut all = Vec::new();
    let mut more = |all: &mut Vec<u8>| -> Result<()> {
        let begin = all.len();
        all.resize(begin + 5 * frame, 0);
        Ok(stream.read_exact(&mut all[begin..])?)
    };
    more(&mut all)?;
    control.stop("cam")?;
    control.start("cam")?;
    more(&mut all)?;
    drop(control);
    rig.kill_daemon()?;
    rig.start_daemon()?;
    // More than was on its way before the end.
    for _ in 0..6 {
        more(&mut all)?;
    }
    kill_process(Pid::from_child(&child), Signal::INT)?;
    child.stdout = Some(stream);
    let output = child.wait_with_output()?;
    all.extend(output.stdout);
    let said = String::from_utf8(output.stderr)?;
    let told: Vec<_> = said
        .lines()
        .filter(|it| it.starts_with("session cam was"))
        .collect();
    let [stopped, died] = told[..] else {
        bail!("{said}")
    };
    ensure!(
        stopped.contains("stopped for") && died.contains("without its daemon for"),
        "{said}"
    );
    ensure!(
        output.status.success() && said.contains("\"interruptions\": 2"),
        "{said}"
    );
    let times = "-v error -f nut -show_entries packet=pts -of csv=p=0 -";
    let mut probe = Command::new("ffprobe");
    probe
        .args(times.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut probe = probe.spawn()?;
    let mut input = probe.stdin.take().context("its input")?;
    let writes = std::thread::spawn(move || input.write_all(&all));
    let times = String::from_utf8(probe.wait_with_output()?.stdout)?;
    writes.join().expect("it does not panic")?;
    let times = times
        .lines()
        .map(str::parse::<u64>)
        .collect::<Result<Vec<_>, _>>()?;
    ensure!(times.len() >= 40, "{times:?}");
    rising(&times)
}

/// Uses that make no sense are refused with what to do.
fn makes_no_sense(rig: &Rig) -> Result<()> {
    for (arguments, code, what) in [
        ("cam --format wav", 2, "wav is for audio"),
        ("cam --layout rgba", 2, "give one of yuv422p10le"),
        ("cam --layout y210le", 2, "NUT has no name"),
        ("cam --send", 2, "leave --send out"),
        ("out", 2, "give --send"),
        ("none", 5, "there is no session"),
        ("cam --unix /nowhere/cam.nut", 1, "cannot create the socket"),
    ] {
        let (found, _, said) = ended(pipe(rig, arguments)?.spawn()?)?;
        ensure!(
            found == code && said.contains(what),
            "{arguments}: {found}: {said}"
        );
    }
    Ok(())
}

#[test]
fn wrong_use_or_hostile_input_then_refused_and_nothing_is_sent() -> Result<()> {
    let (rig, mut control) = lab(Source::Client)?;
    makes_no_sense(&rig)?;
    let frames = pattern(PixelFormat::V210, 1)?;
    let mut receiver = nut_of(&frames);
    let whole = receiver.clone();
    // Of another size.
    let other = whole
        .windows(4)
        .position(|it| it == b"v210")
        .context("its tag")?;
    receiver[other] ^= 1;
    let cut = &whole[..whole.len() - 1];
    let endless = [&whole[..26], &[0xff; 4096][..]].concat();
    for (input, what) in [
        (&b"not what it should be"[..], "is not NUT"),
        (&receiver[..], "checksum"),
        (cut, "in the middle of a frame"),
        (&endless[..], "damaged"),
        (&whole[..30], "in the middle"),
    ] {
        let mut child = pipe(&rig, "out --send")?.stdin(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("its input")?;
        // It may have ended before.
        drop(stdin.write_all(input));
        drop(stdin);
        let (code, summary, said) = ended(child)?;
        ensure!(code == 2 && said.contains(what), "{code}: {said}");
        assert_eq!(
            (&summary["frames"], &summary["ended"]),
            (&0.into(), &"input_invalid".into())
        );
    }
    assert_eq!(control.show("out")?.counters.frames_sent, 0);
    wait_for("the clients to be gone", 20, || {
        Ok(control.show("out")?.attachments.is_empty())
    })
}

/// A NUT file with a frame of the lab's session.
fn nut_of(frame: &[u8]) -> Vec<u8> {
    let video = onair_pixels::nut::NutVideo {
        width: 320,
        height: 180,
        tag: *b"v210",
    };
    let writer = onair_pixels::nut::NutWriter::new(video, (50, 1), Appearance::default());
    [&writer.header()[..], &writer.frame(0, frame.len()), frame].concat()
}
