//! What another host receives of senders whose daemon is replaced.

use anyhow::{Result, ensure};
use onair_api::{Source, SpecDocument};
use onair_stage::{Control, Raster, Stage, Veth, receive, send};
use onair_tests::{QUOTA, output, wait_for};

use super::{Heir, control_of, host, upgrade};
use crate::{ancillary, audio};

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
