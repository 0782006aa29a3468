//! The C library: its examples and wrong uses, as programs that gcc and g++ build, on a daemon that runs.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair_api::{Blocker, Direction, Source, SpecDocument, Witness};
use onair_essence::FormatDocument;
use onair_essence::ancillary::AncillaryDocument;
use onair_essence::audio::{AudioDocument, Coding};
use onair_essence::video::pattern::verify;
use onair_stage::{blocked, calls, program, wait_for};
use onair_tests::{Config, Raster, Rig, other_protocol, receive, send};
use rustix::process::{Pid, Signal, kill_process};

use crate::jpeg_xs;

// Cargo builds the shared library for this.
use onair_capi as _;

const CAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../userspace/clients/capi");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/capi");

/// `asm/unistd_64.h`.
const PPOLL: u32 = 271;

/// A daemon with a session `in` that has frames, and the library under its installed names.
pub(crate) struct Lab {
    pub(crate) rig: Rig,
    library: PathBuf,
}

impl Lab {
    pub(crate) fn open() -> Result<Self> {
        let (rig, mut control) = Rig::with_control()?;
        control.receiver("in", 5000)?;
        control.pattern("out", 5000)?;
        let built = program("deps/libonair_capi.so")?;
        let library = rig.stage().directory().join("libonair.so.1");
        std::fs::copy(built, &library)?;
        std::fs::copy(&library, library.with_extension(""))?;
        Ok(Self { rig, library })
    }

    /// Compiles `source` with the flags of a careful user, and more.
    pub(crate) fn compile(&self, source: &str, more: &[&str]) -> Result<PathBuf> {
        let source = Path::new(source);
        let folder = self.rig.stage().directory();
        let target = folder.join(source.file_stem().context("a file")?);
        let is_cpp = source.extension().is_some_and(|it| it == "cpp");
        let (compiler, standard) = if is_cpp {
            ("g++", "-std=c++17")
        } else {
            ("gcc", "-std=gnu11")
        };
        let mut command = Command::new(compiler);
        command.args([
            standard, "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread",
        ]);
        command
            .arg(format!("-I{CAPI}/include"))
            .arg("-o")
            .arg(&target)
            .arg(source);
        command.arg(format!("-L{}", folder.display())).args(more);
        let done = command.output().context("the compiler is needed")?;
        ensure!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(target)
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = self.rig.stage().command(program);
        command.env("LD_LIBRARY_PATH", self.rig.stage().directory());
        command.env("ONAIR_ATTACH", Config::attach_socket(self.rig.stage()));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        said(self.command(program).args(arguments).output()?)
    }

    /// What the program of this source says, which is built with sanitizers.
    pub(crate) fn sanitized(&self, source: &str, arguments: &[&str]) -> Result<String> {
        let flags = [
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all",
            "-lonair",
        ];
        self.run(&self.compile(source, &flags)?, arguments)
    }

    pub(crate) fn example(&self, name: &str, arguments: &[&str]) -> Result<String> {
        said(self.example_command(name)?.args(arguments).output()?)
    }

    pub(crate) fn example_command(&self, name: &str) -> Result<Command> {
        let program = self.compile(&format!("{CAPI}/examples/{name}"), &["-lonair"])?;
        Ok(self.command(&program))
    }
}

/// The sources of libonair_mtl, and the flags of a program that is compiled with them.
fn mtl_sources() -> Result<Vec<String>> {
    let folder = format!("{CAPI}/mtl");
    let mut all = vec![format!("-I{folder}/include"), "-lonair".to_owned()];
    for file in std::fs::read_dir(format!("{folder}/src"))? {
        let path = file?.path();
        if path.extension().is_some_and(|it| it == "c") {
            all.push(path.to_str().context("a path in UTF-8")?.to_owned());
        }
    }
    Ok(all)
}

fn said(output: Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}{errors}", output.status);
    Ok(said)
}

/// The session, with audio.
fn sound(spec: SpecDocument) -> SpecDocument {
    let format = FormatDocument::Audio(AudioDocument {
        coding: Coding::L24,
        sample_rate: 48_000,
        channels: 2,
        packet_time_us: None,
        block_samples: Some(480),
        channel_order: Some("SMPTE2110.(ST)".to_owned()),
    });
    SpecDocument {
        format,
        quota: (spec.direction == Direction::Receive).then_some(16),
        ..spec
    }
}

/// The session, with ancillary data.
fn data(spec: SpecDocument) -> SpecDocument {
    let format = FormatDocument::Ancillary(AncillaryDocument {
        frame_rate: "30000/1001".to_owned(),
        fields: None,
        did_sdid: Vec::new(),
        vpid: None,
        transmission: None,
        standard: None,
        tr_offset_us: None,
    });
    SpecDocument {
        format,
        quota: (spec.direction == Direction::Receive).then_some(16),
        ..spec
    }
}

fn spec(name: &str) -> Result<String> {
    Ok(serde_json::to_string(&send(
        name,
        Raster::SMALL,
        5010,
        Source::Client,
    ))?)
}

#[test]
fn examples_in_c_and_cpp_then_each_does_what_it_says() -> Result<()> {
    let lab = Lab::open()?;
    let received = lab.example("receive.c", &["in", "5"])?;
    assert_eq!(received.lines().count(), 5, "{received}");
    let polled = lab.example("poll.c", &["in", "5"])?;
    assert!(
        polled.lines().filter(|it| it.starts_with("frame ")).count() >= 5,
        "{polled}"
    );
    assert_eq!(
        lab.example("send.c", &[&spec("sender")?, "10"])?,
        "destroyed\n"
    );
    // Most come in parts.
    let lines = lab.example("lines.c", &["in", "20"])?;
    assert_eq!(lines.matches(": 180 lines in ").count(), 20, "{lines}");
    assert!(lines.matches(" in 1 parts").count() < 20, "{lines}");
    let blockers = lab.example("blockers.c", &[&spec("held")?])?;
    assert!(blockers.contains("1 frames: blockers"), "{blockers}");
    assert!(blockers.ends_with("success\n"), "{blockers}");
    let program = lab.compile(
        &format!("{CAPI}/examples/avframe.c"),
        &["-lonair", "-lavutil"],
    )?;
    let frames = || lab.command(&program).args(["in", "uyvy422", "5"]).output();
    let said = String::from_utf8(frames()?.stderr)?;
    let command = "`onairctl session create in-uyvy422 --from in --layout uyvy422`";
    ensure!(said.contains(command), "{said}");
    let mut control = lab.rig.control()?;
    let made =
        serde_json::json!({"name": "in-uyvy422", "convert": {"from": "in", "layout": "uyvy422"}});
    let made = control.request("POST", "/v1/sessions", &made)?;
    made.document::<onair_api::SessionView>()?;
    let frames = frames()?;
    ensure!(frames.status.success(), "{frames:?}");
    let frames = frames.stdout.chunks_exact(Raster::SMALL.frame_bytes());
    assert_eq!(frames.map(verify).collect::<Result<Vec<_>, _>>()?.len(), 5);
    control.create(&sound(receive("mic", Raster::SMALL, 5020)))?;
    control.create(&sound(send("tone", Raster::SMALL, 5020, Source::Pattern)))?;
    let levels = lab.example("levels.c", &["mic", "5"])?;
    assert_eq!(levels.matches(": 0.").count(), 5, "{levels}");
    control.create(&data(receive("cc", Raster::SMALL, 5022)))?;
    control.create(&data(send(
        "timecode",
        Raster::SMALL,
        5022,
        Source::Pattern,
    )))?;
    let packets = lab.example("anc.c", &["cc", "5"])?;
    assert!(packets.contains("60/60: "), "{packets}");
    let format = lab.example("format.cpp", &["in"])?;
    assert!(
        format.contains("buffers in pgroup\nplane 0: at 0"),
        "{format}"
    );
    stopped_by_sigint(&lab)
}

/// All threads of the example leave at SIGINT.
fn stopped_by_sigint(lab: &Lab) -> Result<()> {
    let program = lab.compile(&format!("{CAPI}/examples/stop.c"), &["-lonair"])?;
    let mut child = lab.command(&program).arg("in").spawn()?;
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().context("its output")?);
    std::io::BufRead::read_line(&mut stdout, &mut line)?;
    wait_for("its threads to wait for a frame", 20, || {
        Ok(blocked(child.id())?.len() == 4)
    })?;
    kill_process(Pid::from_child(&child), Signal::INT)?;
    said(child.wait_with_output()?)?;
    std::io::BufRead::read_line(&mut stdout, &mut line)?;
    assert!(
        line.starts_with("running\n") && line.ends_with(" frames\n"),
        "{line}"
    );
    Ok(())
}

/// Wrong uses get an errno.
fn wrong_uses(lab: &Lab) -> Result<()> {
    let sanitized = [
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-fno-sanitize=alignment",
        "-lonair",
    ];
    let program = lab.compile(&format!("{HERE}/wrong_uses.c"), &sanitized)?;
    let other = other_protocol(&lab.rig, 3, 3)?;
    let other = other.to_str().context("a path in UTF-8")?;
    let said = lab.run(&program, &["in", &spec("made")?, other])?;
    assert_eq!(said, "all are errnos\n");
    Ok(())
}

/// Blocks, packets and codestreams come as they were sent.
fn views(lab: &Lab) -> Result<()> {
    let mut control = lab.rig.control()?;
    let text = |spec: &SpecDocument| serde_json::to_string(spec);
    control.create(&sound(receive("mic", Raster::SMALL, 5020)))?;
    control.create(&data(receive("cc", Raster::SMALL, 5022)))?;
    let mut senders = [("tone", 5020), ("timecode", 5022)]
        .map(|(name, udp)| send(name, Raster::SMALL, udp, Source::Client));
    senders[0] = sound(senders[0].clone());
    senders[1] = data(senders[1].clone());
    let (tone, timecode) = (text(&senders[0])?, text(&senders[1])?);
    control.create(&jpeg_xs::of(receive("xs", Raster::SMALL, 5024)))?;
    let source = send("codestreams", Raster::SMALL, 5024, Source::Pattern);
    control.create(&jpeg_xs::of(source))?;
    let arguments = ["mic", &tone, "cc", &timecode, "in", "xs"];
    let said = lab.sanitized(&format!("{HERE}/views.c"), &arguments)?;
    assert_eq!(said, "all as they were sent\n");
    Ok(())
}

#[test]
fn signals_at_random_then_nothing_allocated_and_errno_kept() -> Result<()> {
    let lab = Lab::open()?;
    let preloaded = lab.compile(&format!("{HERE}/no_malloc.c"), &["-shared", "-fPIC"])?;
    let preloaded = preloaded.to_str().context("a path in UTF-8")?.to_owned();
    let program = lab.compile(&format!("{HERE}/signals.c"), &[&preloaded, "-ldl"])?;
    let library = lab.library.to_str().context("a path in UTF-8")?;
    let mut command = lab.command(&program);
    command.env("LD_PRELOAD", &preloaded).args(["in", library]);
    let said = said(command.output()?)?;
    assert!(said.ends_with(" handled\n"), "{said}");
    Ok(())
}

#[test]
fn two_copies_then_the_probe_sees_callers_of_each() -> Result<()> {
    let lab = Lab::open()?;
    let mut control = lab.rig.control()?;
    control.receiver("in2", 5001)?;
    let program = lab.compile(&format!("{HERE}/two_copies.c"), &["-ldl"])?;
    let other = lab.library.with_file_name("other.so");
    std::fs::copy(&lab.library, &other)?;
    let mut command = lab.command(&program);
    command.arg(&lab.library).arg("in").arg(&other).arg("in2");
    let child = command.stdin(Stdio::piped()).spawn()?;
    for session in ["in", "in2"] {
        wait_for("a caller that the probe sees", 30, || {
            let all = control.blockers(session)?.blockers;
            let is_seen = |it: &Blocker| it.seen_by.contains(&Witness::W2) && it.pid == child.id();
            Ok(all.iter().any(is_seen))
        })?;
    }
    // Its standard input ends.
    said(child.wait_with_output()?)?;
    Ok(())
}

/// Threads that fill buffers at once keep their own.
fn threads(lab: &Lab) -> Result<()> {
    for sanitizer in ["-fsanitize=address,undefined", "-fsanitize=thread"] {
        let program = lab.compile(&format!("{HERE}/threads.c"), &[sanitizer, "-lonair"])?;
        assert_eq!(lab.run(&program, &[&spec("made")?, "uyvy422"])?, "");
    }
    Ok(())
}

/// Runs a program of MTL's calls on the ports `a` and `b`. At each line that names callers it waits until so many sleep,
/// beside the library's own thread, and writes a line back.
fn run_mtl(lab: &Lab, name: &str, sanitizer: &str) -> Result<String> {
    let sources = mtl_sources()?;
    let mut more: Vec<_> = sources.iter().map(String::as_str).collect();
    more.extend([sanitizer, "-fno-sanitize-recover=all"]);
    let program = lab.compile(&format!("{HERE}/{name}.c"), &more)?;
    let mut command = lab.command(&program);
    command.env("ONAIR_MTL_PORTS", "other=x,0000:af:01.0=a");
    command.args(["a", "b"]).stdin(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("its input")?;
    let stdout = std::io::BufReader::new(child.stdout.take().context("its output")?);
    let mut last = String::new();
    for line in std::io::BufRead::lines(stdout) {
        last = line?;
        if let Some((count, call)) = last.split_once(" in ") {
            let count: usize = count.parse()?;
            wait_for("its callers to wait", 20, || match call {
                "get" => Ok(blocked(child.id())?.len() == count + 1),
                _ => Ok(calls(child.id())?.iter().any(|it| it.1 == PPOLL)),
            })?;
            std::io::Write::write_all(&mut stdin, b"\n")?;
        }
    }
    drop(stdin);
    said(child.wait_with_output()?)?;
    Ok(last)
}

#[test]
fn programs_under_sanitizers_then_as_sent_and_no_fault() -> Result<()> {
    let lab = Lab::open()?;
    wrong_uses(&lab)?;
    views(&lab)?;
    threads(&lab)
}

#[test]
fn mtl_calls_under_sanitizers_then_units_equal_and_misuse_errs() -> Result<()> {
    let lab = Lab::open()?;
    for name in ["mtl_pipeline", "mtl_sound", "mtl_data"] {
        for sanitizer in ["-fsanitize=address,undefined", "-fsanitize=thread"] {
            let said = run_mtl(&lab, name, sanitizer)?;
            assert_eq!(said, "all that came whole are equal", "{name}");
        }
    }
    let said = run_mtl(&lab, "mtl_session", "-fsanitize=address,undefined")?;
    assert_eq!(said, "all as the draft says");
    Ok(())
}

/// The session of a program goes with it, also if it dies: it can start again at once.
#[test]
fn mtl_program_killed_then_no_session_of_it_is_left() -> Result<()> {
    let lab = Lab::open()?;
    let sources = mtl_sources()?;
    let mut more: Vec<_> = sources.iter().map(String::as_str).collect();
    more.push("-lonair");
    let program = lab.compile(&format!("{HERE}/mtl_killed.c"), &more)?;
    for _ in 0..2 {
        let output = lab.command(&program).arg("b").output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(9), "{errors}");
    }
    let mut control = lab.rig.control()?;
    wait_for("both sessions to be destroyed", 20, || {
        Ok(control.health()?.sessions.destroyed == 2)
    })
}
