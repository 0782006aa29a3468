//! Daemon and clients in namespaces of their own, as containers and pods have them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use onair_api::BlockerKind;
use onair_tests::{
    Backend, Config, Control, Daemon, Deadline, Rig, Stage, TestClient, children, only_child,
    output, program, until, wait_for,
};
use rustix::process::{Pid, Signal, kill_process};

/// A program that is a shell script.
fn script(stage: &Stage, name: &str, text: &str) -> Result<PathBuf> {
    let path = stage.directory().join(name);
    fs::write(&path, format!("#!/bin/sh\nset -e\n{text}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Lets `client` block in a call, waits until the daemon names it as process `pid`, and sees the
/// session destroyed.
fn blocked_named_and_destroyed(
    control: &mut Control,
    client: &mut TestClient,
    pid: u32,
) -> Result<()> {
    client.say("attach cam")?;
    client.say("block 2")?;
    wait_for("the daemon to name it", 30, || {
        let all = control.blockers("cam")?.blockers;
        let mut blocked = all.iter().filter(|it| it.kind == BlockerKind::Blocked);
        Ok(blocked.clone().count() == 2 && blocked.all(|it| it.pid == pid))
    })
    .with_context(|| format!("process {pid}, blockers {:?}", control.blockers("cam")))?;
    control.stop("cam")?;
    client.all_returned(2, "EAGAIN")?;
    control.destroy_wait("cam")?;
    Ok(())
}

#[test]
fn client_in_other_namespaces_on_overlayfs_then_seen_and_named() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let (stage, test_client) = (rig.stage(), program("onair-client")?);
    // As a container runtime does it: a root of layers, the daemon's folder bound into it.
    let inside = script(
        stage,
        "inside",
        &format!(
            "layers={0}/layers; mkdir -p $layers; mount -t tmpfs tmpfs $layers\n\
             mkdir -p $layers/up $layers/work $layers/root; cp {1} $layers/up/onair-client\n\
             mount -t overlay overlay -o lowerdir=/,upperdir=$layers/up,workdir=$layers/work $layers/root\n\
             mkdir -p $layers/root/sockets $layers/root/proc\n\
             mount --bind {0} $layers/root/sockets; mount -t proc proc $layers/root/proc\n\
             exec chroot $layers/root /onair-client /sockets/attach.sock",
            stage.directory().display(),
            test_client.display(),
        ),
    )?;
    let container = script(
        stage,
        "container",
        &format!(
            "exec unshare --pid --fork --kill-child --mount {}",
            inside.display()
        ),
    )?;
    let mut client = TestClient::start_as(stage, &container)?;
    let pid = only_child(client.pid())?;
    // Another root, another program than the test's own.
    client.say("attach cam")?;
    let file = fs::metadata(format!("/proc/{pid}/exe"))?;
    let own = fs::metadata(&test_client)?;
    use std::os::unix::fs::MetadataExt as _;
    assert_ne!((file.dev(), file.ino()), (own.dev(), own.ino()));
    client.say("detach")?;
    blocked_named_and_destroyed(&mut control, &mut client, pid)
}

#[test]
fn daemon_as_pid_1_then_serves_its_namespace_and_reaps_children() -> Result<()> {
    let stage = Stage::open("test")?;
    let config = Config::pair(Backend::Ring);
    let onaird = program("onaird")?;
    let first = script(
        &stage,
        "first",
        &format!(
            "exec unshare --pid --fork --kill-child --mount-proc {} \"$@\"",
            onaird.display()
        ),
    )?;
    let mut daemon = Daemon::start(&stage, &first, &config, Deadline::seconds(30))?;
    let pid = only_child(daemon.pid())?;
    let mut control = Control::connect(&Config::control_socket(&stage))?;
    assert_eq!(control.health()?.pid, 1);
    control.receiver("cam", 5000)?;

    // An orphan of its namespace is its child, and is reaped.
    let enter = format!("--target={pid}");
    let orphan = "sleep 60 >/dev/null 2>&1 & echo $!";
    output("nsenter", &[&enter, "--pid", "--mount", "sh", "-c", orphan])?;
    let orphan = *until("the orphan", Deadline::seconds(20), || {
        let all = children(pid)?;
        Ok((!all.is_empty()).then_some(all))
    })?
    .first()
    .context("one child")?;
    let raw = i32::try_from(orphan).ok().and_then(Pid::from_raw);
    kill_process(raw.context("a pid")?, Signal::KILL)?;
    wait_for("it to be reaped", 20, || {
        Ok(!Path::new(&format!("/proc/{orphan}")).exists())
    })?;

    // A process that is not in its namespace cannot be seen, and is told what to do.
    let mut other = TestClient::start(&stage)?;
    let refused = other.ask("attach cam")?;
    let message = refused["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("hostPID: true"), "{refused}");
    other.leave()?;

    // One in a namespace below its own is seen, by the number that it has there.
    let below = script(
        &stage,
        "below",
        &format!(
            "exec nsenter --target={pid} --pid --mount unshare --pid --fork --kill-child --mount-proc {} \"$@\"",
            program("onair-client")?.display()
        ),
    )?;
    let mut client = TestClient::start_as(&stage, &below)?;
    // nsenter, unshare, and the client itself.
    let client_pid = only_child(only_child(client.pid())?)?;
    let status = fs::read_to_string(format!("/proc/{client_pid}/status"))?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers: Vec<u32> = numbers
        .context("NSpid")?
        .split_whitespace()
        .filter_map(|it| it.parse().ok())
        .collect();
    let [.., in_the_daemons, 1] = numbers[..] else {
        panic!("{numbers:?}")
    };
    blocked_named_and_destroyed(&mut control, &mut client, in_the_daemons)?;

    control.receiver("cam", 5000)?;
    client.say("attach cam")?;
    client.say("block 1")?;
    drop(control);
    kill_process(
        Pid::from_raw(i32::try_from(pid)?).context("a pid")?,
        Signal::TERM,
    )?;
    let status = daemon.running().wait(Deadline::seconds(60))?;
    assert!(status.success(), "{status}\n{}", daemon.log_tail(40));
    Ok(())
}

/// The capabilities that a unit, or a part of one, gives, without `CAP_`, in lower case.
fn capabilities_of(unit: &str) -> Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let unit = fs::read_to_string(root.join("packaging/systemd").join(unit))?;
    let mut given = unit
        .lines()
        .filter_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let given = given.find(|it| !it.is_empty());
    let given = given.context("the unit's capabilities")?.split(' ');
    let names = given.filter_map(|name| name.strip_prefix("CAP_"));
    Ok(names.map(str::to_lowercase).collect())
}

/// The first two numbers of the running kernel's version.
fn kernel() -> Result<(u32, u32)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split('.').map(str::parse);
    let mut next = || numbers.next().context("a number");
    Ok((next()??, next()??))
}

/// A daemon of `rig` that has the capabilities `given` and no other.
fn bounded(rig: &mut Rig, given: &[String]) -> Result<Daemon> {
    rig.stop_daemon()?;
    let bounding: String = given.iter().map(|name| format!(",+{name}")).collect();
    let bounded = script(
        rig.stage(),
        "bounded",
        &format!(
            "exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all{bounding} {} \"$@\"",
            program("onaird")?.display()
        ),
    )?;
    let daemon = Daemon::start(rig.stage(), &bounded, &rig.config, Deadline::seconds(30))?;
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid()))?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:\t"));
    let effective = u64::from_str_radix(effective.context("CapEff")?, 16)?;
    ensure!(
        effective.count_ones() as usize == given.len(),
        "{effective:x} for {given:?}"
    );
    Ok(daemon)
}

/// Ports and probe work, and a session whose caller left is destroyed.
fn works(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    let health = control.health()?;
    ensure!(health.ready, "{:?}", health.problems);
    control.receiver("cam", 5000)?;
    let mut client = rig.test_client()?;
    let pid = client.pid();
    blocked_named_and_destroyed(&mut control, &mut client, pid)
}

#[test]
fn daemon_with_the_units_capabilities_then_everything_works() -> Result<()> {
    let mut rig = Rig::pair()?;
    let daemon = bounded(&mut rig, &capabilities_of("onaird.service")?)?;
    works(&rig)?;
    assert!(daemon.stop(Deadline::seconds(30))?.success());
    Ok(())
}

#[test]
fn daemon_without_sys_admin_then_works_and_says_what_is_blind() -> Result<()> {
    // A port in a namespace needs it.
    let mut rig = Rig::rings()?;
    let daemon = bounded(&mut rig, &capabilities_of("without-sys-admin.conf")?)?;
    // uprobe.multi came with it.
    if kernel()? >= (6, 6) {
        works(&rig)?;
    } else {
        let health = rig.control()?.health()?;
        let names_it = |problem: &String| problem.contains("CAP_SYS_ADMIN");
        assert!(
            !health.ready && health.problems.iter().any(names_it),
            "{health:#?}"
        );
    }
    assert!(daemon.stop(Deadline::seconds(30))?.success());
    Ok(())
}
