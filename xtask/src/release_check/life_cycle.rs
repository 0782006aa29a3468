//! The package's life under sessions on air: sessions, data and configuration stay, unless the operator says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Actor, Deadline, until};
use serde_json::Value;

use super::container::Container;
use super::{beside, clients, node, role, wall};
use crate::dist::{Made, copy, done};
use crate::say;

const CONFIG: &str = "/etc/onair/onaird.toml";
const STATE: &str = "/var/lib/onair";
/// A daemon that its own checks accept and that does not start.
const BROKEN: &str = "#!/bin/sh
case \"$*\" in --version) echo onaird 0.0.0 ;; *--check-config*) ;; *) echo broken >&2; exit 1 ;; esac
";
const WALL: &str = "wall --direction receive --port b --destination 10.77.0.2:5004 --persistent";
const STUDIO: &str =
    "studio --direction send --pattern --port a --destination 10.77.0.2:5004 --persistent";
const GUEST: &str = "guest --direction receive --port b --destination 10.77.0.2:5006";
const OLD: &str = "old --direction receive --port b --destination 10.77.0.2:5008";

/// Plays the life of the package on Debian's `suite`, with the client `verify` on a session, and with the packages of the
/// libraries.
pub(super) fn run(suite: &str, made: &Made, verify: &Path) -> Result<()> {
    let container = Container::boot(suite, &made.packages())?;
    let machine = Machine { container };
    machine.packages(&made.deb)?;
    copy(verify, &machine.container.path("/verify"), 0o755)?;
    say::good("systemd has booted it");
    machine.start()?;
    say::good("installed, started: sessions on air, a client, a recording, a certificate");
    clients::run(&machine.container, made, Some("wall"))?;
    say::good("programs in C, GStreamer and Python take frames with their packages");
    node::run(&machine.container, made, "guest")?;
    say::good("onair-nmos switches a session, outlives a kill and an upgrade, and is purged");
    beside::run(&machine.container, made, "wall")?;
    say::good("onair-convert fills a converted session; onair-mxl asks for libmxl, and is purged");
    wall::run(&machine.container, made, "wall", "take")?;
    say::good("onair-wall shows a session, plays a recording, and is purged");

    let mut client = machine.client()?;
    let pid = machine.pid()?;
    machine.upgrade_on_air(&mut client, pid)?;
    say::good("an upgrade leaves the daemon and its sessions on air");
    machine.failures_on_air(&mut client, pid)?;
    say::good("a failed upgrade and a downgrade, too");
    machine.refused_removal(&mut client, pid)?;
    say::good("a removal is refused");
    machine.broken_daemon(&mut client, pid)?;
    say::good("a daemon that does not start takes nothing over");
    machine.restarts()?;
    say::good(
        "upgrade --stop-sessions replaces the daemon; a package restarts it when no session runs",
    );
    machine.ends()?;
    say::good("removed, installed again, purged: certificates and recordings stay, until asked");
    machine.without_systemd()?;
    say::good("without systemd: nothing goes off air either");
    role::run(&machine.container, made)?;
    say::good("the Ansible role sets both services up, and changes nothing again");
    Ok(())
}

struct Machine {
    container: Container,
}

impl Machine {
    /// Makes `/1.deb` and `/2.deb` of the same programs, `/3.deb` whose postinst fails, `/4.deb` whose daemon does not
    /// start.
    fn packages(&self, deb: &Path) -> Result<()> {
        self.package(deb, 1, |_| Ok(()))?;
        self.package(deb, 2, |_| Ok(()))?;
        self.package(deb, 3, |folder| {
            script(&folder.join("DEBIAN/postinst"), "#!/bin/sh\nexit 1\n")
        })?;
        self.package(deb, 4, |folder| {
            script(&folder.join("usr/bin/onaird"), BROKEN)
        })
    }

    fn package(
        &self,
        deb: &Path,
        number: u32,
        change: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let folder = self.container.path("/work");
        let mut dpkg = Command::new("dpkg-deb");
        done(dpkg.arg("--raw-extract").args([deb, &folder]))?;
        let control = folder.join("DEBIAN/control");
        let fields = fs::read_to_string(&control)?;
        let version = fields.lines().find(|line| line.starts_with("Version: "));
        let version = version.context("a version")?;
        fs::write(
            &control,
            fields.replace(version, &format!("{version}.{number}")),
        )?;
        change(&folder)?;
        let to = self.container.path(&format!("/{number}.deb"));
        let mut dpkg = Command::new("dpkg-deb");
        dpkg.args(["-Znone", "--root-owner-group", "--build"]);
        done(dpkg.args([&folder, &to]))?;
        fs::remove_dir_all(&folder)?;
        Ok(())
    }

    fn ok(&self, line: &str) -> Result<String> {
        self.container.ok(line)
    }

    fn create(&self, session: &str) -> Result<()> {
        let format = "--size 320x180 --rate 10 --depth 8";
        self.ok(&format!("onairctl session create {session} {format}"))?;
        Ok(())
    }

    /// Installs the first package and puts on air what the others must leave there.
    fn start(&self) -> Result<()> {
        self.ok("dpkg --install /1.deb")?;
        self.well("1")?;
        self.ok("ip link add va type veth peer name vb")?;
        self.ok("ip link set va up")?;
        self.ok("ip link set vb up")?;
        let config = self.container.path(CONFIG);
        let example = fs::read_to_string(&config)?;
        fs::write(&config, configuration(&example)?)?;
        self.ok("systemctl enable --quiet --now onaird")?;
        for session in [WALL, STUDIO, GUEST, OLD] {
            self.create(session)?;
        }
        self.ok("onairctl session destroy old --stop --wait 5s")?;
        self.ok("onairctl record start wall --format pcapng --name take --duration 500ms --wait")?;
        Ok(())
    }

    /// A client on `wall`.
    fn client(&self) -> Result<Actor> {
        let words = ["/verify", "/run/onair/attach.sock", "wall", "2"];
        let mut client = self.container.command(&words);
        // It complains when its handle is dropped.
        let mut client = Actor::start("the client", client.stderr(Stdio::null()))?;
        client.event("ready", Deadline::seconds(20))?;
        Ok(client)
    }

    fn pid(&self) -> Result<u32> {
        Ok(self.container.main_pid("onaird")?.parse()?)
    }

    /// The package of this number is installed, and no package is half-configured.
    fn well(&self, number: &str) -> Result<()> {
        let audit = self.ok("dpkg --audit")?;
        ensure!(audit.is_empty(), "half-configured: {audit}");
        let state =
            self.ok("dpkg-query --show --showformat=${db:Status-Status}/${Version} onair")?;
        ensure!(
            state.starts_with("installed/") && state.ends_with(&format!(".{number}")),
            "{state}"
        );
        Ok(())
    }

    /// Certificates, recordings, and the configuration as it was written.
    fn kept(&self) -> Result<()> {
        let config = fs::read_to_string(self.container.path(CONFIG))?;
        ensure!(config.contains("hugepages = \"never\""), "{config}");
        self.kept_data()
    }

    fn kept_data(&self) -> Result<()> {
        for (folder, most) in [("recordings", 2), ("certificates", 1)] {
            let folder = self.container.path(&format!("{STATE}/{folder}"));
            let count = fs::read_dir(&folder)?.count();
            ensure!(count >= most, "{}: {count} files", folder.display());
        }
        Ok(())
    }

    /// The daemon is the same process, `wall` counts frames, and its client gets them.
    fn on_air(&self, client: &mut Actor, pid: u32) -> Result<()> {
        ensure!(self.pid()? == pid, "another daemon runs");
        self.runs_on(client)
    }

    fn runs_on(&self, client: &mut Actor) -> Result<()> {
        takes_frames(client)?;
        let health = self.ok("onairctl --json health")?;
        let health: Value = serde_json::from_str(&health)?;
        ensure!(
            health["probe"]["state"] == "watching",
            "{}",
            health["probe"]
        );
        ensure!(health["sessions"]["running"] == 3, "{}", health["sessions"]);
        self.kept()
    }

    fn upgrade_on_air(&self, client: &mut Actor, pid: u32) -> Result<()> {
        let text = self.ok("dpkg --install /2.deb")?;
        says(&text, "goes on with its old program: ")?;
        says(&text, "3 sessions are on air")?;
        says(&text, "onairctl upgrade")?;
        self.well("2")?;
        self.on_air(client, pid)?;
        let text = self.container.ends("onairctl upgrade", 4)?;
        says(&text, "3 sessions are on air")?;
        self.on_air(client, pid)
    }

    fn failures_on_air(&self, client: &mut Actor, pid: u32) -> Result<()> {
        self.container.ends("dpkg --install /3.deb", 1)?;
        let audit = self.ok("dpkg --audit")?;
        says(&audit, "onair")?;
        self.on_air(client, pid)?;
        self.ok("dpkg --install /1.deb")?;
        self.well("1")?;
        self.on_air(client, pid)
    }

    fn refused_removal(&self, client: &mut Actor, pid: u32) -> Result<()> {
        for line in ["dpkg --remove onair", "dpkg --purge onair"] {
            let text = self.container.ends(line, 1)?;
            says(&text, "not removed: ")?;
            says(&text, "3 sessions are on air")?;
            says(&text, "studio")?;
            self.well("1")?;
            self.on_air(client, pid)?;
        }
        Ok(())
    }

    fn broken_daemon(&self, client: &mut Actor, pid: u32) -> Result<()> {
        self.ok("dpkg --install /4.deb")?;
        self.well("4")?;
        self.on_air(client, pid)?;
        let text = self.container.ends("onairctl upgrade --stop-sessions", 1)?;
        says(&text, "did not take over")?;
        self.on_air(client, pid)?;
        self.ok("dpkg --install /1.deb")?;
        self.well("1")?;
        self.on_air(client, pid)
    }

    fn restarts(&self) -> Result<()> {
        let mut client = self.client()?;
        let pid = self.pid()?;
        self.ok("dpkg --install /2.deb")?;
        self.on_air(&mut client, pid)?;
        let text = self.ok("onairctl upgrade --stop-sessions")?;
        says(&text, "each persistent session is as before")?;
        ensure!(self.pid()? != pid, "the same daemon runs");
        says(&self.ok("onairctl upgrade")?, "nothing to do")?;
        client.event("returned", Deadline::seconds(20))?;
        self.create(GUEST)?;
        self.runs_on(&mut self.client()?)?;

        for session in ["wall", "studio", "guest"] {
            self.ok(&format!("onairctl session stop {session}"))?;
        }
        let pid = self.pid()?;
        self.ok("dpkg --install /1.deb")?;
        self.well("1")?;
        ensure!(self.pid()? != pid, "the same daemon runs");
        self.kept()
    }

    fn ends(&self) -> Result<()> {
        self.ok("onairctl session start wall")?;
        self.ok("systemctl stop onaird")?;
        self.ok("dpkg --remove onair")?;
        self.kept()?;
        self.ok("dpkg --install /2.deb")?;
        self.well("2")?;
        self.kept()?;
        self.ok("systemctl is-enabled onaird")?;
        self.ok("systemctl start onaird")?;
        let wall = self.ok("onairctl --json session show wall")?;
        says(&wall, "\"state\": \"running\"")?;
        self.ok("onairctl session stop wall")?;

        // It ends an idle daemon in order.
        let text = self.ok("dpkg --purge onair")?;
        says(&text, STATE)?;
        for path in [CONFIG, "/usr/bin/onaird", "/run/onair"] {
            ensure!(!self.container.path(path).exists(), "{path} is there");
        }
        self.kept_data()?;
        self.ok("dpkg --install /1.deb")?;
        self.well("1")?;
        self.ok("env ONAIR_PURGE_DATA=1 dpkg --purge onair")?;
        ensure!(!self.container.path(STATE).exists(), "{STATE} is there");
        Ok(())
    }

    fn without_systemd(&self) -> Result<()> {
        self.ok("dpkg --install /1.deb")?;
        let config = self.container.path(CONFIG);
        let example = fs::read_to_string(&config)?;
        fs::write(&config, configuration(&example)?)?;
        let words = ["/usr/bin/onaird", "--config", CONFIG];
        let mut daemon = self.container.command(&words);
        let mut daemon = daemon.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let result = self.beside(&mut daemon);
        daemon.kill()?;
        daemon.wait()?;
        result
    }

    /// A daemon that was started by hand, where systemd is out of sight.
    fn beside(&self, daemon: &mut Child) -> Result<()> {
        until("the daemon", Deadline::seconds(20), || {
            let (status, _) = self.container.run(&["onairctl", "health", "--ready"])?;
            Ok((status == 0).then_some(()))
        })?;
        for session in [WALL, STUDIO, GUEST] {
            self.create(session)?;
        }
        let mut client = self.client()?;
        let hidden = |line: &str| {
            let script = format!("mount -t tmpfs none /run/systemd && exec {line}");
            self.container
                .run(&["unshare", "--mount", "sh", "-c", &script])
        };
        let (status, text) = hidden("dpkg --install /2.deb")?;
        ensure!(status == 0, "{text}");
        says(&text, "goes on with its old program: it is no service")?;
        self.well("2")?;
        let (status, text) = hidden("onairctl upgrade")?;
        ensure!(status == 4, "{text}");
        says(&text, "3 sessions are on air")?;
        let (status, text) = hidden("dpkg --remove onair")?;
        ensure!(status == 1, "{text}");
        says(&text, "not removed: ")?;
        says(&text, "3 sessions are on air")?;
        ensure!(daemon.try_wait()?.is_none(), "the daemon has ended");
        takes_frames(&mut client)?;
        self.ok("onairctl shutdown --watch")?;
        let (status, text) = hidden("dpkg --remove onair")?;
        ensure!(status == 0, "{text}");
        Ok(())
    }
}

/// The client verifies three more frames, and none is wrong.
fn takes_frames(client: &mut Actor) -> Result<()> {
    let verified = |it: &Value| it["verified"].as_u64().unwrap_or_default();
    let before = verified(&client.ask("count", Deadline::seconds(10))?);
    let after = client.wait_line("three more frames", Deadline::seconds(10), |line| {
        line["event"] == "progress" && verified(line) >= before + 3
    })?;
    ensure!(after["wrong"] == 0, "{after}");
    Ok(())
}

/// The packaged configuration with two ports on a cable, without hugepages.
fn configuration(example: &str) -> Result<String> {
    let ports = example.find("[[port]]").context("its port")?;
    let mut ours = example[..ports].to_owned();
    ours += "[dpdk]\nhugepages = \"never\"\nmemory_mb = 128\n";
    for (name, address) in [("a", "10.77.0.1/24"), ("b", "10.77.0.2/24")] {
        ours += &format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"net_af_xdp_{name},iface=v{name}\"\n\
             address = \"{address}\"\npoller = \"p0\"\n"
        );
    }
    Ok(ours)
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn says(text: &str, part: &str) -> Result<()> {
    ensure!(text.contains(part), "no {part:?} in: {text}");
    Ok(())
}
