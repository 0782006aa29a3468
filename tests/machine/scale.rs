//! A thousand sessions on four pollers. It needs more cores than most machines of developers have:
//! `cargo xtask vm test --cpus 5 scale`.
#![forbid(unsafe_code)]

use anyhow::Result;
use onair_tests::{Backend, Config, Deadline, Raster, Rig, Viewer};

const POLLERS: usize = 4;
const SESSIONS: u16 = 1000;
/// UDP port of the first session.
const FIRST: u16 = 10_000;

#[test]
fn thousand_sessions_on_four_pollers_then_each_is_certified() -> Result<()> {
    let config = Config {
        pollers: POLLERS,
        more: "[limits]\nsessions = 1024\nframe_memory_mb = 16384\n".to_owned(),
        ..Config::pair(Backend::AfPacket)
    };
    let mut rig = Rig::with(config, |_| {})?;
    let mut control = rig.control()?;
    let mut on = [0; POLLERS];
    for at in 0..SESSIONS {
        let name = format!("in{at}");
        let view = match usize::from(at) < POLLERS {
            true => control.ample(&name, Raster::SMALL, FIRST + at)?,
            false => control.receiver(&name, FIRST + at)?,
        };
        let poller = view.poller.trim_start_matches('p').parse::<usize>()?;
        on[poller] += 1;
    }
    assert_eq!(on, [usize::from(SESSIONS) / POLLERS; POLLERS]);

    // A session of each poller has frames, and a client.
    let mut viewers = Vec::new();
    for at in 0..u16::try_from(POLLERS)? {
        let name = format!("in{at}");
        viewers.push(Viewer::start(&rig, &name)?);
        control.pattern(&format!("out{at}"), FIRST + at)?;
    }
    for viewer in &mut viewers {
        viewer.wait(20, Deadline::seconds(60))?;
    }
    for at in 0..POLLERS {
        control.end(format!("out{at}"))?;
    }
    for viewer in viewers {
        for frame in viewer.finish(&mut control, Deadline::seconds(60))? {
            let number = frame.complete.then_some(frame.number);
            assert!(
                number.is_none() || frame.pattern_number() == number,
                "{frame:?}"
            );
        }
    }

    for at in 0..SESSIONS / 2 {
        let certificate = control.end(format!("in{at}"))?;
        assert_eq!(certificate.name.to_string(), format!("in{at}"));
    }
    let (code, summary) = rig.terminated()?;
    assert_eq!(
        (code, summary.sessions.len()),
        (0, usize::from(SESSIONS) / 2)
    );
    Ok(())
}
