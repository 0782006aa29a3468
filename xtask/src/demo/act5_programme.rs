//! Act 5: picture, sound and captions are a programme that comes over two networks. One of them is cut under load and comes
//! back: a client process of the programme has lost nothing.

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, TestClient, until};
use serde_json::Value;

use super::report::Programme;
use super::scene::Scene;
use crate::say;

/// What the senders of a plant publish of themselves.
const DESCRIPTIONS: [(&str, &str); 3] = [
    ("picture.sdp", include_str!("programme/picture.sdp")),
    ("sound.sdp", include_str!("programme/sound.sdp")),
    ("captions.sdp", include_str!("programme/captions.sdp")),
];
/// Members of the programme, and those of its senders.
const MEMBERS: [(&str, &str); 3] = [
    ("programme-video", "source-video"),
    ("programme-audio", "source-audio"),
    ("programme-ancillary", "source-ancillary"),
];
/// Pictures that are waited for before the cut, while it lasts and after it.
const PICTURES: [u64; 3] = [60, 150, 100];

pub(crate) fn play(scene: &mut Scene<'_>) -> Result<()> {
    say::step(
        "Act 5 · a programme: picture, sound and captions over two networks, one of which is cut",
    );
    if !scene.has_second_network() {
        say::warning("left out: there is no second network");
        return Ok(());
    }
    let files = DESCRIPTIONS.iter();
    let described: Vec<_> = files
        .map(|(name, text)| scene.file(name, text))
        .collect::<Result<_>>()?;
    create(
        scene,
        "programme",
        &["--port", "b", "--second-port", "d"],
        &described,
    )?;
    let mut client = scene.client("onair-verify", &["programme", "group"])?;
    client.event("ready")?;
    say::good(format_args!(
        "process {} (onair-verify) takes units of the three in step",
        client.pid()
    ));
    let of_source = [
        "--port",
        "a",
        "--second-port",
        "c",
        "--direction",
        "send",
        "--pattern",
    ];
    create(scene, "source", &of_source, &described)?;
    let [before, cut, after] = PICTURES;
    say::wait("units come over both networks", |_| {
        taken(&mut client, before)
    })?;
    scene.switch("va", "down")?;
    say::wait("units come over the second network alone", |_| {
        taken(&mut client, cut)
    })?;
    scene.switch("va", "up")?;
    let mended = packets_of_first(scene)?;
    say::wait("units come over both networks", |_| {
        taken(&mut client, after)
    })?;
    ensure!(
        packets_of_first(scene)? > mended,
        "the first network was mended, and nothing comes over it"
    );
    scene.ctl.document(&["group", "stop", "source"])?;
    settle(scene, &mut client)?;
    ensure!(client.leave()?.success(), "a client failed");
    for group in ["source", "programme"] {
        scene
            .ctl
            .document(&["group", "destroy", group, "--stop", "--wait", "5s"])?;
    }
    Ok(())
}

/// Creates and starts a group of these descriptions.
fn create(scene: &Scene<'_>, name: &str, flags: &[&str], described: &[String]) -> Result<()> {
    let files: Vec<_> = described.iter().map(String::as_str).collect();
    let line = [&["group", "create", name], flags, &["--sdp"], &files].concat();
    scene.ctl.document(&line)?;
    Ok(())
}

/// Waits until the client has taken so many pictures more.
fn taken(client: &mut TestClient, more: u64) -> Result<()> {
    let mut until = None;
    loop {
        let count = client.event("progress")?;
        let now = count["members"]["programme-video"]["units"]
            .as_u64()
            .context("a count")?;
        if now >= *until.get_or_insert(now + more) {
            return Ok(());
        }
    }
}

/// Packets of the picture that the first network has brought.
fn packets_of_first(scene: &Scene<'_>) -> Result<u64> {
    let view = scene.ctl.quiet(&["session", "show", "programme-video"])?;
    let packets = view["legs"]["first"]["packets"].as_u64();
    packets.context("a session of two legs")
}

/// Waits until what was sent has arrived, and compares the totals.
fn settle(scene: &mut Scene<'_>, client: &mut TestClient) -> Result<()> {
    let mut found = Programme::default();
    let mut lines = Vec::new();
    let arrived = until("every unit to be taken", Deadline::seconds(5), || {
        let count = client.say("count")?;
        (found, lines) = totals(scene, &count["members"])?;
        Ok((found.lost == 0).then_some(()))
    });
    scene.report.programme = Some(found);
    if let Err(error) = arrived {
        for (member, _) in MEMBERS {
            scene.ctl.show(&["session", "show", member])?;
        }
        let found = lines.join("; ");
        return Err(error.context(format!(
            "units were lost; has this machine other work to do? End it and run the demo again: {found}"
        )));
    }
    lines.iter().for_each(say::good);
    ensure!(
        found.incomplete <= found.cut && found.wrong == 0,
        "the programme was not whole: {found:?}"
    );
    ensure!(
        found.packets_recovered > 0,
        "no packet came over one network only: was it cut?"
    );
    Ok(())
}

/// The counts of all members, and a line about each.
fn totals(scene: &Scene<'_>, counts: &Value) -> Result<(Programme, Vec<String>)> {
    let mut all = Programme::default();
    let mut lines = Vec::new();
    for (member, sender) in MEMBERS {
        let of = |name: &str| counts[member][name].as_u64().context("a count");
        let view = scene.ctl.quiet(&["session", "show", member])?;
        let sent = scene.ctl.quiet(&["session", "show", sender])?;
        let counted = |name: &str| sent["counters"][name].as_u64().unwrap_or_default();
        all.cut += counted("frames_dropped_stop");
        let sent = counted("frames_sent");
        let units = of("units")?;
        // Of ancillary data the first unit may be the rest of one: nothing in it says where it begins.
        let lost = sent
            .saturating_sub(units + of("begun")?.min(1))
            .max(of("missed")?);
        let recovered = view["legs"]["packets_recovered"].as_u64();
        lines.push(format!(
            "{member}: {sent} units sent, {units} taken, {lost} lost, {} incomplete, {} wrong",
            of("incomplete")?,
            of("wrong")?
        ));
        all.units += units;
        all.lost += lost;
        all.incomplete += of("incomplete")?;
        all.wrong += of("wrong")?;
        all.packets_recovered += recovered.unwrap_or_default();
    }
    Ok((all, lines))
}
