//! A group of a program in C.

use anyhow::{Context as _, Result, ensure};

use super::attached::{receivers, sends};
use crate::capi::Lab;

#[test]
fn group_in_c_then_units_of_all_members_by_their_tai() -> Result<()> {
    let lab = Lab::open()?;
    // A sender of the group has its name for a while.
    lab.rig.control()?.end("out")?;
    let sdp = receivers(&lab.rig, "")?;
    sends(&lab.rig, &sdp, "")?;
    let said = lab.example("group.c", &["in", "90"])?;
    ensure!(said.contains("member 1: in-audio, format 2\n"), "{said}");
    let units = said.lines().filter_map(|it| it.strip_prefix("unit "));
    let mut times = Vec::new();
    let mut count = [0; 3];
    for unit in units {
        let mut words = unit.split(' ');
        let mut number = || -> Result<u64> { Ok(words.next().context("a number")?.parse()?) };
        count[usize::try_from(number()?)?] += 1;
        times.push(number()?);
        ensure!(number()? > 0, "{unit}");
    }
    ensure!(times.len() == 90 && times.is_sorted(), "{said}");
    ensure!(count.iter().all(|it| *it > 0), "{count:?}");
    Ok(())
}
