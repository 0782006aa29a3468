//! What is kept: recordings with what is missing, and what they show; certificates; events after a break.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::Coding;
use onair_api::Source;
use onair_tests::browser::{Browser, Kind};
use onair_tests::recordings::recorded::Recorder as _;
use onair_tests::wall::Wall;
use onair_tests::{Deadline, Frozen, Raster, Rig, receive, send, until};
use serde_json::{Value, json};

use super::shown::click;
use super::{numbers_of, painted};
use crate::audio;

#[test]
fn recording_with_a_gap_then_bar_and_its_frames() -> Result<()> {
    let mut rig = Rig::rings_and("[recorder]\nmin_free_mb = 1\nring_mb = 1\n")?;
    let mut control = rig.control()?;
    let painter = painted(&rig, &mut control)?;
    let wall = Wall::start(rig.stage())?;
    let mut browser = Browser::start(rig.stage(), Kind::Chromium, (1280, 900))?;
    browser.open(&wall.url("recordings"))?;
    control.record("in", "take", "pcapng", &json!({}))?;
    let has = |part: &str| {
        format!("return document.querySelector('[data-recording=take] {part}') !== null")
    };
    browser.await_script("the bar", &has(".span-good"))?;
    ensure!(browser.run(&has(".span-fault"), json!([]))? == json!(false));
    let frozen = Frozen::thread(rig.daemon()?.pid(), "rec-take")?;
    until("the ring to be full", Deadline::seconds(30), || {
        let view = control.recording("take")?;
        Ok((view.counts.dropped.get("ring_full") > Some(&100)).then_some(()))
    })?;
    drop(frozen);
    // It still runs.
    browser.await_script("the gap", &has(".span-fault"))?;
    onair_tests::recordings::recorded::frames_come(&mut control, 20)?;
    let view = control.stop_recording("take")?;
    drop(painter);
    // While the gap is open, the page gives another reason.
    let missing = "return document.querySelector('[data-recording=take] details li')?.textContent.endsWith(': the disk was too slow')";
    browser.await_script("what is missing", missing)?;
    let said = format!("{} gap", view.gaps);
    let name =
        "return document.querySelector('[data-recording=take] svg').getAttribute('aria-label')";
    let name = browser.run(name, json!([]))?.to_string();
    ensure!(name.contains(&said), "{name}");

    // Two of one kind would share a profile.
    drop(browser);
    for kind in Kind::ALL {
        let mut browser = Browser::start(rig.stage(), kind, (1280, 900))?;
        browser.open(&wall.url("recordings"))?;
        click(&mut browser, "Pictures")?;
        let all = "return document.querySelector('.said[role=status]') && Number([...document.querySelectorAll('.said')].at(-1).textContent.match(/^Frame 1 of ([0-9]+),/)?.[1]) >= 20";
        browser.await_script("twenty frames", all)?;
        // From one frame to the next one: what is painted in them.
        let mut painted: Vec<u64> = Vec::new();
        for at in 1..=5 {
            let shown = format!(
                "return [...document.querySelectorAll('.said')].at(-1).textContent.startsWith('Frame {at} ')"
            );
            browser.await_script("the frame", &shown)?;
            painted.push(numbers_of(&mut browser, "[data-recording=take] canvas")?.1);
            click(&mut browser, "+1")?;
        }
        let steps: Vec<_> = painted.windows(2).map(|it| it[1] - it[0]).collect();
        ensure!(steps == [1, 1, 1, 1], "{kind:?}: {painted:?}");
    }
    wall.end()
}

#[test]
fn recorded_sound_then_each_browser_plays_it() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let format = audio::audio(Coding::L24, 48_000, 4);
    control.create(&audio::into_b(&format, 5004))?;
    control.create(&audio::out_of_a(&format, 5004, Source::Pattern))?;
    control.record("in", "tone", "pcapng", &json!({"duration_ms": 2000}))?;
    control.recording_ends("tone")?;
    let wall = Wall::start(rig.stage())?;
    for kind in Kind::ALL {
        let mut browser = Browser::start(rig.stage(), kind, (1280, 900))?;
        browser.open(&wall.url("recordings"))?;
        click(&mut browser, "Sound")?;
        let duration = "return document.querySelector('audio')?.duration || null";
        let seconds = browser.await_script("the sound", duration)?;
        let seconds = seconds.as_f64().context("a number")?;
        ensure!((1.5..2.5).contains(&seconds), "{kind:?}: {seconds} s");
        // Decoded: the samples after the first ones are there.
        let ready = "const audio = document.querySelector('audio'); return audio.readyState >= 3 && audio.error === null";
        browser.await_script("decoded sound", ready)?;
    }
    wall.end()
}

#[test]
fn certificates_then_found_by_name_end_and_day() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    control.create(&send("one", Raster::SMALL, 5010, Source::Pattern))?;
    control.create(&receive("two", Raster::SMALL, 5012))?;
    control.end("one")?;
    control.abort("two")?;
    let wall = Wall::start(rig.stage())?;
    let mut browser = Browser::start(rig.stage(), Kind::Chromium, (1280, 900))?;
    browser.open(&wall.url("certificates"))?;
    let mut search = |name: &str, end: &str, since: &str, found: &Value| -> Result<()> {
        let script = "const [field, ended, since] = document.querySelectorAll('main form input, main form select');
            [field.value, ended.value, since.value] = arguments;
            field.form.requestSubmit();";
        browser.run(script, json!([name, end, since]))?;
        let rows = format!("const rows = [...document.querySelectorAll('main tbody th')].map((it) => it.textContent);
            return JSON.stringify(rows) === '{found}'");
        browser.await_script(&format!("{name} {end} {since}"), &rows)?;
        Ok(())
    };
    search("", "", "", &json!(["two", "one"]))?;
    search("one", "", "", &json!(["one"]))?;
    search("", "abort", "", &json!(["two"]))?;
    search("one", "abort", "", &json!([]))?;
    search("", "", "2000-01-01", &json!(["two", "one"]))?;
    search("", "", "2100-01-01", &json!([]))?;
    wall.end()
}

#[test]
fn stream_after_a_break_then_what_was_missed_alone() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let wall = Wall::start(rig.stage())?;
    control.create(&receive("early", Raster::SMALL, 5012))?;
    let mut first = Stream::open(&wall, "")?;
    let last = first.until(|it| it.contains(r#""name":"early""#))?;
    drop(first);
    control.create(&receive("late", Raster::SMALL, 5014))?;
    // Another viewer has it, so that the wall has.
    Stream::open(&wall, "")?.until(|it| it.contains(r#""name":"late""#))?;
    let mut again = Stream::open(&wall, &format!("Last-Event-ID: {last}\r\n"))?;
    let mut all = String::new();
    again.until(|it| {
        all += it;
        it.contains(r#""name":"late""#)
    })?;
    ensure!(!all.contains("event: all"), "everything anew: {all}");
    wall.end()
}

/// The stream of a viewer.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(wall: &Wall, header: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(wall.address())?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let host = wall.address();
        write!(
            stream,
            "GET /api/stream HTTP/1.1\r\nHost: {host}\r\n{header}\r\n"
        )?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Reads lines until one is wanted. Gives the last id before it.
    fn until(&mut self, mut is_wanted: impl FnMut(&str) -> bool) -> Result<String> {
        let mut id = String::new();
        loop {
            let mut line = String::new();
            ensure!(self.0.read_line(&mut line)? > 0, "the stream ended");
            if let Some(it) = line.trim().strip_prefix("id: ") {
                it.clone_into(&mut id);
            }
            if is_wanted(&line) {
                return Ok(id);
            }
        }
    }
}
