//! A takeover whose successor fails: at its start, or because memory is too short for two daemons.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use onair::{Next, Reattaching};
use onair_stage::{Control, MemoryLimit};
use onair_tests::Rig;

use super::{attached, next, taken_over};
use crate::deaths::reattach::on_air;

/// Asks for a successor. Returns why there is none; the daemon serves each frame meanwhile.
fn not_replaced(control: &mut Control, cam: &mut Reattaching) -> Result<String> {
    let answer = control.request("POST", "/v1/upgrade", &().into())?;
    answer.refused(409, "not_replaced")?;
    for _ in 0..20 {
        let is_next = matches!(next(cam)?, Next::Buffer(_));
        ensure!(is_next, "no frame is missing");
    }
    let detail = answer.json["detail"].as_str();
    Ok(detail.context("a detail")?.to_owned())
}

/// A limit that is above what a daemon has, of which 16 MiB are left: what is held by it from now on gets no more.
fn nearly_full(rig: &Rig) -> Result<MemoryLimit> {
    const MIB: u64 = 256;
    let limit = rig.stage().memory_limit(MIB << 20)?;
    let place = rig.stage().tmpfs("ballast", (MIB + 1) << 20)?;
    let fill = format!(
        "read go; exec dd if=/dev/zero of={}/ballast bs=1M count={} status=none",
        place.display(),
        MIB - 16
    );
    let mut filler = rig.stage().command("sh");
    let mut filler = filler.args(["-c", &fill]).stdin(Stdio::piped()).spawn()?;
    limit.hold(filler.id())?;
    writeln!(filler.stdin.take().context("its input")?, "go")?;
    ensure!(filler.wait()?.success(), "no ballast");
    Ok(limit)
}

#[test]
fn successor_fails_or_memory_too_short_then_the_daemon_goes_on() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut control = rig.control()?;
    on_air(&mut control)?;
    let mut cam = attached(&rig)?;
    drop(next(&mut cam)?);

    let file = rig.stage().directory().join("onaird.toml");
    let text = fs::read_to_string(&file)?;
    let short = text.replace("hugepages = \"never\"\n", "hugepages = \"require\"\n");
    let short = short.replace("memory_mb = ", "memory_mb = 1000");
    ensure!(short != text, "{text}");
    fs::write(&file, short)?;
    let detail = not_replaced(&mut control, &mut cam)?;
    ensure!(detail.contains("its log says why"), "{detail}");
    let log = rig.daemon()?.log();
    ensure!(log.contains("raise /proc/sys/vm/nr_hugepages"), "{log}");
    // It ends before it says anything.
    fs::write(&file, format!("{text}\nnonsense = 1\n"))?;
    not_replaced(&mut control, &mut cam)?;
    fs::write(&file, text)?;
    // The next one is as good as the first.
    let (heir, mut control) = taken_over(&mut rig, &mut control, &mut cam)?;

    let limit = nearly_full(&rig)?;
    limit.hold(heir.pid())?;
    let detail = not_replaced(&mut control, &mut cam)?;
    ensure!(limit.kills()? > 0, "{detail}");
    ensure!(detail.contains("was killed"), "{detail}");
    ensure!(detail.contains("raise the limit"), "{detail}");
    drop(cam);
    heir.terminated()
}
