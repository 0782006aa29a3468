//! A controller switches several receivers at one second: their clients count by the numbers in the pictures.

use anyhow::{Context as _, Result, ensure};
use onair_tests::plant::{Node, tai_second_in};
use onair_tests::{Control, Rig, Seen, Viewer, wait_for};
use serde_json::{Value, json};

use super::{flows, group, receiver, sender};

/// Receivers that are switched.
const RECEIVERS: u8 = 6;
/// Switches; on a machine that gives a poller no core for some milliseconds, a receiver changes a frame later.
const SWITCHES: usize = 5;

/// Where a client's pictures change their sender: the time of the first picture of the other one.
fn switches(seen: &[Seen]) -> Vec<u64> {
    let pairs = seen.windows(2);
    let is_jump =
        |pair: &&[Seen]| pair[0].pattern_number() != pair[1].pattern_number().map(|it| it - 1);
    let times = pairs.filter(is_jump).map(|pair| pair[1].media_time_ns);
    times.flatten().collect()
}

/// Has the controller switch all receivers to the groups that begin at `first`, with one request for one second.
fn switch(node: &Node, control: &mut Control, first: u8) -> Result<()> {
    let at = json!({"mode": "activate_scheduled_absolute", "requested_time": tai_second_in(1)?});
    let entry = |number: u8| -> Result<Value> {
        let to = json!([{"multicast_ip": format!("239.77.9.{}", first + number)}]);
        Ok(json!({"id": node.id("receivers", &format!("in{number}"))?,
            "params": {"activation": at, "transport_params": to}}))
    };
    let bulk = (0..RECEIVERS).map(entry).collect::<Result<Vec<_>>>()?;
    let path = "/x-nmos/connection/v1.1/bulk/receivers";
    let (status, answers) = node.request("POST", path, &json!(bulk))?;
    let all = answers.as_array().context("answers")?;
    ensure!(
        status == 200 && all.iter().all(|it| it["code"] == 202),
        "{answers}"
    );
    for number in 0..RECEIVERS {
        let name = format!("in{number}");
        wait_for("the switch", 30, || {
            Ok(control.show(&name)?.flow.destination == group(first + number))
        })?;
        flows(control, &name)?;
    }
    Ok(())
}

#[test]
fn receivers_switched_at_one_second_then_with_one_picture() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    for number in 0..RECEIVERS {
        control.create(&sender(&format!("a{number}"), 10 + number))?;
        control.create(&receiver(&format!("in{number}"), 10 + number))?;
    }
    let node = Node::start(rig.stage())?;
    // Those that are switched to count from another picture.
    flows(&mut control, "in0")?;
    for number in 0..RECEIVERS {
        control.create(&sender(&format!("b{number}"), 30 + number))?;
    }
    let viewers = (0..RECEIVERS).map(|number| Viewer::start(&rig, &format!("in{number}")));
    let viewers = viewers.collect::<Result<Vec<_>>>()?;
    for first in [30, 10].into_iter().cycle().take(SWITCHES) {
        switch(&node, &mut control, first)?;
    }
    let mut all = Vec::new();
    for (number, mut viewer) in (0..RECEIVERS).zip(viewers) {
        control.stop(format!("in{number}"))?;
        let seen = viewer.seen()?;
        all.push((
            switches(&seen),
            seen.iter().filter(|it| !it.complete).count(),
        ));
    }
    let (times, incomplete): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    ensure!(times.iter().all(|it| it.len() == SWITCHES), "{times:?}");
    let of_all = |switch: usize| times.iter().map(move |of_one| of_one[switch]);
    let is_one_picture =
        |switch: &usize| of_all(*switch).all(|it| it.is_multiple_of(1_000_000_000));
    let together = (0..SWITCHES).filter(is_one_picture).count();
    println!("{together} of {SWITCHES} switches with one picture, incomplete: {incomplete:?}");
    ensure!(together * 2 > SWITCHES, "{times:?}");
    node.end()
}
