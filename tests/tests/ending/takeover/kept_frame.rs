//! A client that keeps a frame while its daemon is replaced: no other session waits for it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use onair::{Client, Error, Timeout};
use onair_api::{Memory, Operation, Source, SpecDocument};
use onair_stage::{Backend, Config, Deadline, Raster, receive, send};
use onair_tests::{QUOTA, until};

use super::{attached, next, on_a_wire, taken_over};
use crate::deaths::reattach::on_air;

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
