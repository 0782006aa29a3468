//! The commands of the user's pages, run one after the other against a daemon, and their configurations.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use onair_pages::command::{Step, steps};
use onair_pages::{Block, Page, root};
use onair_stage::Rig;
use onair_tests::{Backend, Config, Deadline, Running, Stage, TestClient, program, wait_for};
use rustix::process::{Pid, Signal, kill_process_group};

const PAGES: [&str; 10] = [
    "README.md",
    "docs/first-stream.md",
    "docs/nic.md",
    "docs/operate.md",
    "docs/troubleshoot.md",
    "docs/failure-and-upgrade.md",
    "docs/monitoring.md",
    "docs/security.md",
    "docs/clock.md",
    "docs/client.md",
];
/// A page, the anchor of the section where it begins anew, and what is done before; no daemon runs if it is `None`.
/// A page that is not here begins with a daemon.
const BEGINNINGS: [(&str, &str, Option<&[&str]>); 6] = [
    ("README.md", "", None),
    ("docs/first-stream.md", "", Some(&[CAMERA])),
    ("docs/first-stream.md", "without-a-nic", None),
    (
        "docs/operate.md",
        "",
        Some(&[
            CAMERA,
            "onairctl session sdp camera > cam1.sdp",
            "sed s/239.10.20.1/239.10.20.2/ cam1.sdp > cam2.sdp",
            "onairctl session create mic --direction send --audio L24/48000/2 --destination 239.10.20.6:5004 --pattern",
            "onairctl session create cc --direction send --ancillary 60000/1001 --destination 239.10.20.7:5004 --pattern",
            "onairctl session create camera5 --direction send --size 1920x1080 --rate 60000/1001 --depth 10 \
             --destination 239.10.20.5:5004 --pattern",
            "onairctl session sdp camera5 > picture.sdp",
            "onairctl session sdp mic > sound.sdp",
            "onairctl session sdp cc > captions.sdp",
            "sed s/239.10.20.1/239.10.20.8/ cam1.sdp > picture2.sdp",
            "sed s/239.10.20.6/239.10.20.9/ sound.sdp > sound2.sdp",
            r#"echo '{"name": "cam4", "direction": "receive", "port": "b", "flow": {"destination": "239.10.20.4:5004"},
               "video": {"width": 320, "height": 180, "frame_rate": "60/1", "depth": 10}}' > cam4.json"#,
        ]),
    ),
    (
        "docs/troubleshoot.md",
        "",
        Some(&[STUDIO, "a client blocks in studio"]),
    ),
    ("docs/monitoring.md", "", Some(&[CAM1])),
];
/// What sends.
const CAMERA: &str = "onairctl session create camera --direction send --size 1920x1080 --rate 60000/1001 --depth 10 \
                      --destination 239.10.20.1:5004 --pattern";
const CAM1: &str = "onairctl session create cam1 --direction receive --size 1920x1080 --rate 60000/1001 \
                    --destination 239.10.20.1:5004";
const STUDIO: &str = "onairctl session create studio --direction receive --size 1920x1080 --rate 60000/1001 \
                      --destination 239.10.20.1:5004";

/// Programs that do not run here.
const NOT_HERE: [(&str, &str); 8] = [
    (
        "apt",
        "changes the machine: `cargo xtask vm test` installs the package",
    ),
    ("cargo", "builds, or runs this test"),
    (
        "dpdk-devbind.py",
        "needs a PCI device: `cargo xtask vm test` has some",
    ),
    ("driverctl", "needs a PCI device"),
    ("editor", "waits for a person"),
    ("modprobe", "changes the machine"),
    (
        "systemctl",
        "needs the installed unit: `cargo xtask vm test` has it",
    ),
    ("usermod", "changes the machine"),
];
/// What is another here than in the pages, so that it is quick and disturbs no other daemon. `STAGE` is the folder.
const HERE: [(&str, &str); 7] = [
    ("/run/onair/", "STAGE/"),
    ("/etc/onair/", "STAGE/"),
    ("/var/lib/onair/", "STAGE/state/"),
    ("1920x1080", "320x180"),
    ("width=1920 height=1080", "width=320 height=180"),
    ("--duration 10s", "--duration 500ms"),
    ("curl ", "curl -fS "),
];
/// Commands with these words go on until Ctrl-C.
const ENDLESS: [&str; 5] = [
    "--watch",
    "onairctl events",
    "curl -fS -sN",
    "pipe ",
    "onaird ",
];
/// Blocks of TOML that begin so are not of the daemon.
const OTHERS_TOML: &str = "[dependencies]";
/// Stands in a page for the pid of a client.
const PID: &str = "4711";
/// Where `onaird --demo` has its sockets and its state.
const DEMO: &str = "/run/onair/demo";
/// How long an endless command runs that need not print anything.
const SILENCE: Duration = Duration::from_millis(300);

#[test]
fn commands_of_pages_then_each_does_what_its_page_says() -> Result<()> {
    let (mut left_out, mut ran) = (BTreeSet::new(), 0);
    // Of a demo that runs beside this test.
    let demo_was_there = Path::new(DEMO).exists();
    for page in PAGES {
        let text = fs::read_to_string(root().join(page))?;
        let page = Page::new(page, &text);
        let mut section = None;
        for block in &page.blocks {
            let at = |line| format!("{}:{line}", page.path);
            let first = block.lines.first().map_or(0, |it| it.line);
            ensure!(
                !block.language.is_empty(),
                "{}: a block without a language",
                at(first)
            );
            if !block.has_commands() {
                continue;
            }
            let begins = |it: &&(&str, &str, _)| it.0 == page.path && it.1 == block.section;
            let beginning = BEGINNINGS.iter().find(begins).map(|it| it.2);
            if beginning.is_some() || section.is_none() {
                section.take().map_or(Ok(()), Section::end)?;
                let has_own = BEGINNINGS
                    .iter()
                    .find(|it| it.0 == page.path && it.1.is_empty());
                let first = has_own.map_or(Some(&[][..]), |it| it.2);
                section = Some(Section::begin(beginning.unwrap_or(first))?);
            }
            let section = section.as_mut().context("just begun")?;
            for step in steps(block) {
                let program = step.text.split(' ').next().unwrap_or_default();
                if program.is_empty() || program == "#" {
                    continue;
                }
                if let Some((known, _)) = NOT_HERE.iter().find(|it| it.0 == program) {
                    left_out.insert(*known);
                    continue;
                }
                let did = section.step(&step);
                did.with_context(|| format!("{}: `{}`", at(step.line), step.text))?;
                ran += 1;
            }
        }
        section.map_or(Ok(()), Section::end)?;
    }
    for (program, _) in NOT_HERE {
        ensure!(
            left_out.contains(program),
            "no page has `{program}`: take it from the table"
        );
    }
    ensure!(ran > 50, "only {ran} commands ran");
    ensure!(
        demo_was_there || !Path::new(DEMO).exists(),
        "`onaird --demo` left {DEMO} behind"
    );
    Ok(())
}

#[test]
fn configurations_of_pages_then_the_daemon_takes_them() -> Result<()> {
    let stage = Stage::open("test")?;
    let file = stage.directory().join("page.toml");
    let mut loaded = 0;
    for page in PAGES {
        let text = fs::read_to_string(root().join(page))?;
        for block in Page::new(page, &text).blocks {
            let text = text_of(&block);
            if block.language != "toml" || text.starts_with(OTHERS_TOML) {
                continue;
            }
            // A part of a configuration.
            let poller = match text.contains("[[poller]]") {
                true => "",
                false => "\n[[poller]]\nname = \"p0\"\n",
            };
            fs::write(&file, text + poller)?;
            let line = block.lines.first().map_or(0, |it| it.line);
            let config = onair_settings::config::Config::load(&file);
            let config = config.with_context(|| format!("{page}:{line}"))?;
            ensure!(!config.port.is_empty(), "{page}:{line}: no port");
            loaded += 1;
        }
    }
    ensure!(loaded > 1, "only {loaded} configurations");
    Ok(())
}

fn text_of(block: &Block) -> String {
    block
        .lines
        .iter()
        .map(|it| format!("{}\n", it.text))
        .collect()
}

/// Commands that run one after the other, in a folder of their own.
struct Section {
    rig: Rig,
    /// A daemon that a command has started.
    daemon: Option<Running>,
    client: Option<TestClient>,
    path: String,
}

impl Section {
    fn begin(beginning: Option<&[&str]>) -> Result<Self> {
        let rig = Rig::new(Stage::open("test")?, Config::pair(Backend::Ring));
        let programs = program("onairctl")?
            .parent()
            .context("a folder")?
            .to_owned();
        let path = std::env::var("PATH")?;
        let mut section = Self {
            path: format!("{}:{path}", programs.display()),
            rig,
            daemon: None,
            client: None,
        };
        if let Some(commands) = beginning {
            section.rig.start_daemon()?;
            for text in commands {
                let step = Step {
                    line: 0,
                    text: (*text).to_owned(),
                    output: Vec::new(),
                };
                section
                    .step(&step)
                    .with_context(|| format!("the beginning: `{text}`"))?;
            }
        }
        Ok(section)
    }

    fn end(mut self) -> Result<()> {
        drop(self.client.take());
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(Signal::INT)?;
            let status = daemon.wait(Deadline::seconds(20))?;
            ensure!(status.success(), "{status} after Ctrl-C");
        }
        self.rig.end(Ok(()))
    }

    fn folder(&self) -> &Path {
        self.rig.stage().directory()
    }

    /// The command as it runs here.
    fn here(&mut self, text: &str) -> Result<String> {
        let mut text = text.to_owned();
        for (page, here) in HERE {
            text = text.replace(page, here);
        }
        text = text.replace("STAGE", &self.folder().display().to_string());
        let words: Vec<_> = text.split(' ').collect();
        // The pages' daemon has one port; here are two, so that one can send to the other.
        let names_port = ["--port", "--from", "--file"]
            .map(|it| words.contains(&it))
            .contains(&true);
        let creates = ["session", "group"].map(|it| words.starts_with(&["onairctl", it, "create"]));
        let port = if words.windows(2).any(|it| it == ["--direction", "send"]) {
            "a"
        } else {
            "b"
        };
        if words.contains(&PID) {
            let pid = self.attach(words[3])?.to_string();
            text = text.replace(PID, &pid);
        } else if creates.contains(&true) && !names_port {
            text = text.replacen("create", &format!("create --port {port}"), 1);
        }
        Ok(text)
    }

    /// A client of `session` that waits for a frame.
    fn attach(&mut self, session: &str) -> Result<u32> {
        let mut client = TestClient::start(self.rig.stage())?;
        client.say(format_args!("attach {session}"))?;
        client.block(1)?;
        Ok(self.client.insert(client).pid())
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        if let Some(file) = step.text.strip_prefix("cat ") {
            return self.write(file, &step.output);
        }
        if let Some(session) = step.text.strip_prefix("a client blocks in ") {
            return self.attach(session).map(drop);
        }
        let text = self.here(&step.text)?;
        let is_endless =
            ENDLESS.iter().any(|it| text.contains(it)) && !text.contains("--check-config");
        let output = self.folder().join("output");
        let mut command = self.rig.stage().command("bash");
        let out = File::create(&output)?;
        command
            .args(["-o", "pipefail", "-c", &text])
            .current_dir(self.folder())
            .env("PATH", &self.path)
            .env("ONAIR_SOCKET", Config::control_socket(self.rig.stage()))
            .env("ONAIR_ATTACH", Config::attach_socket(self.rig.stage()))
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out);
        let running = Running::new("the command", command.spawn()?)?;
        let done = match is_endless {
            true => self.interrupt(running, &text, &output),
            false => finish(running, step),
        };
        let said = fs::read_to_string(&output)?;
        done.with_context(|| format!("ran as `{text}`, and printed:\n{said}"))?;
        if let Some(expected) = step.output.first().filter(|it| !it.starts_with([' ', '#'])) {
            let words = |line: &str| {
                line.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let first = said.lines().next().unwrap_or_default();
            ensure!(
                words(first) == words(expected),
                "its first line is `{first}`"
            );
        }
        Ok(())
    }
    /// Waits until an endless command does something, and interrupts it, unless it is a daemon: that goes on to the end
    /// of the section.
    fn interrupt(&mut self, mut running: Running, text: &str, output: &Path) -> Result<()> {
        let is_daemon = text.starts_with("onaird ");
        // What an encoder writes.
        let file = text.split([' ', '=']).next_back().unwrap_or_default();
        let file = text
            .starts_with("onairctl pipe ")
            .then(|| self.folder().join(file));
        let is_silent = text.starts_with("onairctl events") || text.starts_with("curl ");
        let waited = Deadline::after(SILENCE);
        wait_for("it to do something", 20, || {
            if let Some(status) = running.ended()? {
                bail!("it ended ({status}) before Ctrl-C");
            }
            Ok(match &file {
                Some(_) if fs::read_to_string(output)?.contains("frame=") => true,
                Some(file) => has_bytes(file),
                None if is_daemon => fs::read_to_string(output)?.contains("ready"),
                None => fs::metadata(output)?.len() > 0 || is_silent && waited.passed(),
            })
        })?;
        if is_daemon {
            self.daemon = Some(running);
            return Ok(());
        }
        let group = i32::try_from(running.pid()).ok().and_then(Pid::from_raw);
        kill_process_group(group.context("a pid")?, Signal::INT)?;
        running.wait(Deadline::seconds(10))?;
        ensure!(file.is_none_or(|it| has_bytes(&it)), "nothing was encoded");
        Ok(())
    }

    /// `cat FILE` shows the file that the next commands use: a configuration.
    fn write(&self, file: &str, lines: &[String]) -> Result<()> {
        let folder = self.folder().display();
        let own = format!(
            "\n[control]\nsocket = \"{folder}/control.sock\"\n[attach]\nsocket = \"{folder}/attach.sock\"\n\
             [state]\ndir = \"{folder}/state\"\n[dpdk]\nhugepages = \"never\"\n"
        );
        fs::write(self.folder().join(file), lines.join("\n") + &own)?;
        Ok(())
    }
}

fn has_bytes(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|it| it.len() > 0)
}

/// The end of a command, with the status that its page names: 0 if it names none.
fn finish(mut running: Running, step: &Step) -> Result<()> {
    let status = running.wait(Deadline::seconds(30))?.code();
    let named = step.text.split("exit code ").nth(1);
    let named = named.and_then(|it| it.split(|it: char| !it.is_ascii_digit()).next());
    let expected = named.map_or(Ok(0), str::parse)?;
    ensure!(
        status == Some(expected),
        "exit status {status:?}, not {expected}"
    );
    Ok(())
}
