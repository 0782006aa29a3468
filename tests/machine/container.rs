//! The container image, built from packaging/container and run as packaging/kubernetes/daemonset.yaml asks, with a
//! client in a container of its own. For the machine of `cargo xtask vm test`: it has podman.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_api::BlockerKind;
use onair_stage::{Actor, Control, Deadline, until};
use onair_tests::{output, ports_on_a_cable, program};
use serde::Deserialize as _;
use serde_yaml_ng::{Deserializer, Value};

const IMAGE: &str = "localhost/onair:test";
/// The pod's name, then the container's in the manifest.
const CONTAINER: &str = "onair-onaird";
/// For the daemon's pod alone.
const PODMAN_CONFIG: &str = "/var/tmp/onair-containers.conf";
/// The machine may emulate its processors.
const TIMEOUT_S: u64 = 120;

fn podman(line: &str) -> Result<String> {
    let arguments: Vec<_> = line.split(' ').collect();
    let text = output("podman", &arguments).with_context(|| {
        let log = Command::new("podman").args(["logs", CONTAINER]).output();
        format!("the daemon's log: {log:?}")
    })?;
    Ok(text.trim().to_owned())
}

/// A command in the daemon's container.
fn inside(line: &str) -> Result<String> {
    podman(&format!("exec {CONTAINER} {line}"))
}

/// Builds the image as the Containerfile says, on a root without our packages; they take the place of the stage that
/// builds them.
fn build() -> Result<()> {
    let dist = Path::new("/var/tmp/onair-build/dist");
    fs::create_dir_all(dist)?;
    for package in ["onair", "onair-nmos", "onair-mxl"] {
        let to = dist.join(format!("{package}_test.deb"));
        fs::copy(format!("../target/{package}.deb"), to)?;
    }
    podman("import ../target/base.tar localhost/base:test")?;
    podman(&format!(
        "build --quiet --network host --build-arg BASE=localhost/base:test --build-context build=/var/tmp/onair-build \
         --file ../packaging/container/Containerfile --tag {IMAGE} .."
    ))?;
    Ok(())
}

/// The manifest's documents, of which the pod is played: with this image, and its ports on a cable.
/// Gives the file, and the command of the readiness probe. Podman 4.3 reads neither `hostPID`, which it takes from its own
/// configuration, nor `appArmorProfile`, which it takes from an annotation.
fn manifest() -> Result<(PathBuf, String)> {
    let text = fs::read_to_string("../packaging/kubernetes/daemonset.yaml")?;
    let all: Vec<Value> = Deserializer::from_str(&text)
        .map(Value::deserialize)
        .collect::<Result<_, _>>()?;
    let of_kind = |kind: &str| all.iter().find(|it| it["kind"] == kind).context("its kind");
    let mut map = of_kind("ConfigMap")?.clone();
    let config = &mut map["data"]["onaird.toml"];
    *config = ports_on_a_cable(config.as_str().context("a file")?)?.into();

    let mut pod = of_kind("DaemonSet")?["spec"]["template"].clone();
    ensure!(pod["spec"]["hostPID"] == true);
    fs::write(PODMAN_CONFIG, "[containers]\npidns = \"host\"\n")?;
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "onair".into();
    let container = &mut pod["spec"]["containers"][0];
    container["image"] = IMAGE.into();
    let profile = &container["securityContext"]["appArmorProfile"]["type"];
    ensure!(*profile == "Unconfined");
    let probe = &container["readinessProbe"]["exec"]["command"];
    let probe: Vec<String> = serde_yaml_ng::from_value(probe.clone())?;
    pod["metadata"]["annotations"]["container.apparmor.security.beta.kubernetes.io/onaird"] =
        "unconfined".into();
    let path = PathBuf::from("/var/tmp/onair-pod.yaml");
    let both = [
        serde_yaml_ng::to_string(&map)?,
        serde_yaml_ng::to_string(&pod)?,
    ];
    fs::write(&path, both.join("---\n"))?;
    Ok((path, probe.join(" ")))
}

/// An application as a pod has it: no root, no capability, no network, no process but its own; the folder of the
/// sockets and their group are all that it shares with the daemon.
fn client() -> Result<Actor> {
    let group = inside("getent group onair")?;
    let group = group.split(':').nth(2).context("its number")?;
    let verify = program("onair-verify")?;
    let mut command = Command::new("podman");
    command
        .args(["run", "--rm", "--interactive", "--name", "client"])
        .args(["--user", "4711:4711", "--group-add", group])
        .args(["--cap-drop", "ALL", "--network", "none", "--read-only"])
        .args(["--volume", "/run/onair:/run/onair"])
        .args(["--volume", &format!("{}:/verify:ro", verify.display())])
        .args(["--entrypoint", "/verify", IMAGE])
        .args(["/run/onair/attach.sock", "studio", "2"]);
    let mut client = Actor::start("onair-verify", &mut command)?;
    client.wait_line("ready", Deadline::seconds(TIMEOUT_S), |line| {
        line["event"] == "ready"
    })?;
    Ok(client)
}

#[test]
fn image_run_as_a_container_then_frames_reach_another_container() -> Result<()> {
    // What the pod asks for. Early: memory is not yet in pieces.
    fs::write("/proc/sys/vm/nr_hugepages", "256")?;
    build()?;
    let (pod, probe) = manifest()?;
    let mut play = Command::new("podman");
    play.args(["kube", "play"])
        .arg(&pod)
        .env("CONTAINERS_CONF", PODMAN_CONFIG);
    let played = play.output()?;
    ensure!(played.status.success(), "{played:?}");
    until("the readiness probe", Deadline::seconds(TIMEOUT_S), || {
        Ok(inside(&probe).ok())
    })?;
    let create = |name: &str, direction: &str, port: &str| {
        inside(&format!(
            "onairctl session create {name} --direction {direction} --port {port} --size 320x180 --rate 10 --depth 8 \
             --destination 10.77.0.2:5004"
        ))
    };
    create("studio", "receive", "b")?;
    let mut client = client()?;
    create("camera", "send --pattern", "a")?;
    let frames = |line: &serde_json::Value| line["verified"].as_u64() >= Some(20);
    let seen = client.wait_line("20 frames", Deadline::seconds(TIMEOUT_S), frames)?;
    ensure!(seen["wrong"] == 0, "{seen}");

    // Both threads wait now; the daemon names their process by the pid that this machine gives it.
    inside("onairctl session stop camera")?;
    let mut control = Control::connect(Path::new("/run/onair/control.sock"))?;
    let pid: u32 = podman("inspect --format {{.State.Pid}} client")?.parse()?;
    until("the blockers", Deadline::seconds(TIMEOUT_S), || {
        let list = control.blockers("studio")?.blockers;
        let mut blocked = list.iter().filter(|it| it.kind == BlockerKind::Blocked);
        Ok((blocked.clone().count() == 2 && blocked.all(|it| it.pid == pid)).then_some(()))
    })?;
    inside("onairctl session stop studio")?;
    client.wait_line("the end", Deadline::seconds(TIMEOUT_S), |line| {
        line["event"] == "returned" && line["result"] == "EAGAIN"
    })?;
    client.close();
    let proof = inside("onairctl --json session destroy studio --wait 20s")?;
    let proof: serde_json::Value = serde_json::from_str(&proof)?;
    ensure!(proof["probe"]["state"] == "watching", "{proof}");

    // SIGTERM, as the kubelet sends it, and its time to end.
    podman(&format!("stop --time 120 {CONTAINER}"))?;
    let status = podman(&format!(
        "inspect --format {{{{.State.ExitCode}}}} {CONTAINER}"
    ))?;
    let log = podman(&format!("logs {CONTAINER}"))?;
    ensure!(status == "0", "status {status}: {log}");
    ensure!(!Path::new("/run/onair/control.sock").exists());
    podman(&format!("kube down {}", pod.display()))?;
    Ok(())
}
