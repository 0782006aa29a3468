//! A client that keeps a frame while its daemon is replaced: no other session waits for it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use onair::{Client, Error, Timeout};
use onair_api::{Memory, Operation, Source, SpecDocument};
use onair_stage::{Backend, Config, Control, Deadline, Raster, Stage, Veth, receive, send};
use onair_tests::{QUOTA, output, until, wait_for};

use super::{Heir, attached, control_of, host, next, on_a_wire, taken_over, upgrade};
use crate::deaths::reattach::on_air;
use crate::{ancillary, audio};

/// Half of what users of a daemon that ends for good have.
const LONG: Duration = Duration::from_secs(5);

#[test]
fn client_keeps_a_frame_amid_an_upgrade_then_none_waits() -> Result<()> {
    let mut rig = on_a_wire(Backend::AfPacket)?;
    let mut control = rig.control()?;
    on_air(&mut control)?;
    for spec in [
        receive("kept", Raster::SMALL, 5002),
        send("more", Raster::SMALL, 5002, Source::Pattern),
    ] {
        let name = spec.name.clone();
        control.create(&SpecDocument {
            persistent: Some(true),
            quota: Some(QUOTA),
            ..spec
        })?;
        control.start(&name)?;
    }
    let client = Client::at(Config::attach_socket(rig.stage()));
    let keeper = client.attach("kept")?;
    let kept = keeper.buffer_get(Timeout::millis(30_000))?;
    let picture = kept.to_vec();
    let mut cam = attached(&rig)?;
    drop(next(&mut cam)?);

    let began = Instant::now();
    let (heir, mut control) = taken_over(&mut rig, &mut control, &mut cam)?;
    let took = began.elapsed();
    ensure!(took < LONG, "it took {took:?}");
    println!("taken over in {took:?}");
    // The frame is the client's.
    let ended = control.certificate(keeper.id())?;
    ensure!(ended.operation == Operation::Quarantine, "{ended:#?}");
    let counts = &ended.counts;
    let on_loan = counts.frames_lent - counts.frames_returned - counts.frames_reclaimed;
    ensure!(on_loan == 1, "{counts:#?}");
    let checks = onair_certificate::verify(&serde_json::to_value(&ended)?)?;
    ensure!(checks.holds, "{checks:#?}");
    // Its session goes on without it, in the new daemon.
    let again = client.attach("kept")?;
    drop(again.buffer_get(Timeout::millis(30_000))?);
    ensure!(again.id() > keeper.id());
    ensure!(kept[..] == picture[..], "it was written");
    drop(kept);
    let refused = keeper.buffer_get(Timeout::millis(1_000)).map(drop);
    ensure!(matches!(refused, Err(Error::Stale)), "{refused:?}");
    // The new daemon sees when the client lets go.
    let id = keeper.id();
    drop((keeper, again, cam));
    let ended = until(
        "the certificate to be complete",
        Deadline::seconds(30),
        || {
            let ended = control.certificate(id)?;
            Ok(matches!(ended.memory, Memory::Returned { .. }).then_some(ended))
        },
    )?;
    let own = std::process::id();
    ensure!(
        matches!(&ended.memory, Memory::Returned { left_to, .. } if left_to[..] == [own]),
        "{:#?}",
        ended.memory
    );
    let settled: Vec<_> = ended
        .reconciled
        .iter()
        .map(|it| (it.pid, it.frames))
        .collect();
    ensure!(settled == [(own, 1)], "{settled:?}");
    let checks = onair_certificate::verify(&serde_json::to_value(&ended)?)?;
    ensure!(checks.holds, "{checks:#?}");
    heir.terminated()
}

/// What is sent: each essence in which the numbers of packets and their timestamps follow other rules.
fn senders() -> [SpecDocument; 3] {
    let sound = audio::audio(onair::Coding::L24, 48_000, 2);
    let data = ancillary::ancillary("50", false);
    let mut all = [
        send("out", Raster::SMALL, 5000, Source::Pattern),
        audio::out_of_a(&sound, 5002, Source::Pattern),
        ancillary::out_of_a(&data, 5004, Source::Pattern),
    ];
    for (sender, name) in all.iter_mut().zip(["picture", "sound", "data"]) {
        name.clone_into(&mut sender.name);
        sender.persistent = Some(true);
    }
    all
}

fn whole(control: &mut Control, name: &str) -> Result<u64> {
    Ok(control.show(name)?.counters.frames_complete)
}

#[test]
fn senders_taken_over_then_another_host_has_the_same_streams() -> Result<()> {
    let [here, there] = [Stage::open("test")?, Stage::open("test")?];
    here.veth(&Veth::bare("va", "vb"))?;
    let (from, to) = (here.namespace().to_owned(), there.namespace().to_owned());
    output("ip", &["-n", &from, "link", "set", "vb", "netns", &to])?;
    output("ip", &["-n", &to, "link", "set", "vb", "up"])?;
    let [here, there] = [host(here, "a")?, host(there, "b")?];
    let [mut sends, mut receives] = [here.control()?, there.control()?];
    for sender in senders() {
        let receiver = SpecDocument {
            format: sender.format.clone(),
            flow: sender.flow.clone(),
            name: sender.name.clone(),
            quota: Some(QUOTA),
            // It would not look for another source before.
            frame_timeout_ms: Some(5_000),
            ..receive("in", Raster::SMALL, 5000)
        };
        for (control, session) in [(&mut receives, receiver), (&mut sends, sender)] {
            control.create(&session)?;
            control.start(&session.name)?;
        }
    }
    let names = senders().map(|it| it.name);
    for name in &names {
        wait_for(name, 30, || Ok(whole(&mut receives, name)? > 10))?;
    }

    let heir = Heir::of(&upgrade(&mut sends)?)?;
    drop(control_of(&here, heir.pid())?);
    for name in &names {
        let before = whole(&mut receives, name)?;
        wait_for(name, 30, || Ok(whole(&mut receives, name)? > before + 10))?;
        let counters = receives.show(name)?.counters;
        let others = (counters.ssrc_changes, counters.packets_other_ssrc);
        ensure!(others == (0, 0), "{name}: {counters:#?}");
    }
    heir.terminated()
}
