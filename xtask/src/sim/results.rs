//! `docs/results/lives.json`: how many lives a run lived, and which of them failed.

use serde_json::{Value, json};

use crate::stamp::{Stamp, processor};

const ABOUT: &str = "Simulated lives of one run: of the seeds that ever failed, then of new ones. `cargo xtask sim \
                     --results` writes this file: run it again, do not edit it. An event is a choice of the scheduler, \
                     or a deed on the disk. `failed` has each life with a violation, and its seed.";

/// The file of a run of `stamp`, whose first new seed was `seed`; `said` is the simulator's own JSON.
pub(super) fn page(said: &Value, seed: u64, seconds: u64, stamp: &Stamp) -> String {
    let rows: Vec<Value> = said
        .as_array()
        .into_iter()
        .flatten()
        .map(|kind| {
            json!({
                "of": kind["kind"],
                "lives": kind["lives"],
                "events": kind["events"],
                "seconds": kind["seconds"],
                "failed": kind["failed"],
            })
        })
        .collect();
    let page = json!({
        "about": ABOUT,
        "command": format!("cargo xtask sim --for {seconds}s --seed {seed} --results docs/results/lives.json"),
        "run": { "day": stamp.day, "commit": stamp.commit, "processor": processor(), "seed": seed },
        "rows": rows,
    });
    format!("{page:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_of_a_run_then_has_its_stamp_and_its_failed_lives() {
        let stamp = Stamp {
            day: "2026-11-26".to_owned(),
            commit: "0123456789ab".to_owned(),
        };
        let said = json!([
            { "kind": "core", "lives": 7, "events": 900, "seconds": 1.5, "failed": [{ "seed": 44 }], "deaths": {} },
            { "kind": "disk", "lives": 3, "events": 20, "seconds": 0.5, "failed": [], "deaths": {} },
        ]);
        let page: Value = serde_json::from_str(&page(&said, 40, 60, &stamp)).expect("JSON");
        assert_eq!(page["run"]["commit"], "0123456789ab");
        assert_eq!(page["run"]["seed"], 40);
        assert_eq!(page["rows"][0]["failed"][0]["seed"], 44);
        assert_eq!(page["rows"][1]["lives"], 3);
    }
}
