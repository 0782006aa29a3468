//! A container of Debian that systemd has booted: systemd-nspawn, with a network of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use onair_stage::{Deadline, Guard, RUN_VARIABLE, Run, children, end_run, guard, until};

use crate::dist::done;
use crate::say;
use crate::vm::container::base;
use crate::vm::folder::RunFolder;
use crate::vm::image::MIRROR;

/// What the container has beside what the packages depend on, and what their users have.
const BESIDE: [&str; 2] = ["systemd-sysv", "iproute2"];
/// What the users of the packages have.
const TOOLS: [&str; 12] = [
    "acl",
    "ansible-lint",
    "python3-apt",
    "gcc",
    "g++",
    "libc6-dev",
    "pkg-config",
    "libavutil-dev",
    "man-db",
    "procps",
    "python3-venv",
    "gstreamer1.0-tools",
];
/// What the unit asks for, and DPDK.
const CAPABILITIES: &str = "CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_ADMIN,CAP_SYS_PTRACE,CAP_DAC_READ_SEARCH,CAP_IPC_LOCK,\
                            CAP_SYS_NICE,CAP_SYS_RESOURCE,CAP_BPF,CAP_PERFMON";
/// A shutdown of the container's systemd takes this long at most.
const GRACE: Duration = Duration::from_secs(10);

/// The container. It ends with its owner, also on a signal; after a SIGKILL by the next run.
pub(super) struct Container {
    run: Run,
    nspawn: Child,
    /// Its first process, in our pid namespace.
    init: u32,
    _guard: Guard,
    // Dropped last.
    folder: RunFolder,
}

impl Container {
    /// Boots a fresh root of `suite` with what `packages` depend on.
    pub(super) fn boot(suite: &str, packages: &[PathBuf]) -> Result<Self> {
        let base = base(packages, &[&BESIDE[..], &TOOLS].concat(), (suite, MIRROR))?;
        let folder = RunFolder::new()?;
        let root = folder.path().join("root");
        fs::create_dir(&root)?;
        done(
            Command::new("tar")
                .arg("-xf")
                .arg(base)
                .arg("-C")
                .arg(&root),
        )?;
        let run = Run::next()?;
        let guard = guard(move || end(run))?;
        let mut nspawn = run.command("systemd-nspawn");
        nspawn
            .args(["--quiet", "--boot", "--register=no", "--private-network"])
            .arg("--machine=onair-life-cycle")
            .arg(format!("--capability={CAPABILITIES}"))
            // For its first process, which outlives a killed systemd-nspawn.
            .arg(format!("--setenv={RUN_VARIABLE}={run}"))
            // The probe, and DPDK's look at modules.
            .arg("--system-call-filter=bpf perf_event_open")
            .arg("--bind-ro=/sys/module")
            .arg("--directory")
            .arg(&root);
        if !has_scopes() {
            nspawn.arg("--keep-unit");
        }
        let log = fs::File::create(folder.path().join("console"))?;
        let nspawn = nspawn
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("running systemd-nspawn")?;
        let mut container = Self {
            run,
            nspawn,
            init: 0,
            _guard: guard,
            folder,
        };
        container.await_boot()?;
        Ok(container)
    }

    fn await_boot(&mut self) -> Result<()> {
        let booted = until("the container to boot", Deadline::seconds(60), || {
            if let Some(status) = self.nspawn.try_wait()? {
                bail!("systemd-nspawn ended ({status})");
            }
            for init in children(self.nspawn.id())? {
                self.init = init;
                let state = self.command(&["systemctl", "is-system-running"]).output()?;
                let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
                if ["running", "degraded"].contains(&state.as_str()) {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        });
        booted.with_context(|| {
            let console = fs::read_to_string(self.folder.path().join("console"));
            format!("its console: {}", console.unwrap_or_default())
        })
    }

    /// The path that the container calls `path`.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        let root = self.folder.path().join("root");
        root.join(path.trim_start_matches('/'))
    }

    /// A command in the container.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.init))
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--root"])
            // Its own working directory: a path would be ours.
            .args(["--wd", "--", "env", "-i"])
            .args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"])
            .args(["DEBIAN_FRONTEND=noninteractive"])
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end: its exit status, and what it printed.
    pub(super) fn run(&self, words: &[&str]) -> Result<(i32, String)> {
        let output = self.command(words).output()?;
        let status = output.status.code().context("a signal ended it")?;
        let text = [output.stdout, output.stderr].concat();
        Ok((status, String::from_utf8_lossy(&text).trim().to_owned()))
    }

    /// Runs a command line that must succeed, and gives what it printed.
    pub(super) fn ok(&self, line: &str) -> Result<String> {
        self.ends(line, 0)
    }

    /// Runs a command line that must end with `expected`, and gives what it printed.
    pub(super) fn ends(&self, line: &str, expected: i32) -> Result<String> {
        let words: Vec<_> = line.split(' ').collect();
        let (status, text) = self.run(&words)?;
        ensure!(
            status == expected,
            "`{line}` ended with {status}, not {expected}: {text}"
        );
        Ok(text)
    }

    /// The pid of the service, `0` if it does not run.
    pub(super) fn main_pid(&self, service: &str) -> Result<String> {
        self.ok(&format!(
            "systemctl show {service} --property=MainPID --value"
        ))
    }

    /// Nothing is at any of these paths.
    pub(super) fn gone(&self, paths: &[&str]) -> Result<()> {
        for path in paths {
            let there = fs::symlink_metadata(self.path(path)).is_ok();
            ensure!(!there, "{path} is there");
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        end(self.run);
        if let Err(error) = self.nspawn.wait() {
            say::warning(error);
        }
    }
}

/// Whether a service manager of the host's gives the container a scope.
pub(super) fn has_scopes() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// Ends the container, and removes the control groups that it had without a scope.
fn end(run: Run) {
    if let Err(error) = end_run(run, GRACE) {
        say::warning(format_args!("{error:#}"));
    }
    if has_scopes() {
        return;
    }
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    for path in own.lines().filter_map(|line| line.rsplit(':').next()) {
        for hierarchy in ["", "unified", "systemd"] {
            for name in ["payload", "supervisor"] {
                let folder = format!("/sys/fs/cgroup/{hierarchy}{path}/{name}");
                let mut find = Command::new("find");
                find.args([&folder, "-depth", "-type", "d", "-delete"]);
                // Most are not there.
                drop(find.output());
            }
        }
    }
}
