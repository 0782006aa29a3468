//! The package `onair-wall` beside a daemon with sessions on air: within the limits of its unit it shows a session and plays
//! a recording.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, until};
use serde_json::Value;

use super::container::Container;
use crate::dist::{Made, beside::WALL, copy};

const UNIT: &str = "/etc/systemd/system/multi-user.target.wants/onair-wall.service";
/// Prints how many pictures of a session and of a recording came, by their beginnings.
const VIEWER: &str = r"
import json, sys, urllib.request as web
def get(path):
    return web.urlopen('http://127.0.0.1:8180/api/' + path, timeout=20).read()
session, name = sys.argv[1:]
takes = json.loads(get('recordings'))['recordings']
take = [it['id'] for it in takes if it['name'] == name][0]
looks = get(f'looks?width=160&every=200&after=0&ids={session}')
played = get(f'recordings/{take}/play?what=pictures&from=0&length=500')
print(*(it.count(b'\xff\xd8\xff') for it in (looks, played)))
";

/// Installs the package, has it show `session` and play its recording `take`, kills, upgrades and purges it.
pub(super) fn run(container: &Container, made: &Made, session: &str, take: &str) -> Result<()> {
    copy(&made.wall, &container.path("/wall.deb"), 0o644)?;
    container.ok("dpkg --install /wall.deb")?;
    let enabled = container.ends("systemctl is-enabled onair-wall", 1)?;
    ensure!(enabled == "disabled", "{enabled}");
    container.ok("systemctl enable --quiet --now onair-wall")?;
    let view = container.ok(&format!("onairctl --json session show {session}"))?;
    let view: Value = serde_json::from_str(&view)?;
    let id = view["id"].as_str().context("its id")?;
    shows(container, id, take)?;
    let first = pid(container)?;
    container.ok("systemctl kill --signal SIGKILL onair-wall")?;
    restarted(container, &first)?;
    shows(container, id, take)?;
    let second = pid(container)?;
    container.ok("dpkg --install /wall.deb")?;
    restarted(container, &second)?;
    shows(container, id, take)?;

    container.ok("dpkg --purge onair-wall")?;
    for path in [UNIT, &format!("/usr/bin/{}", WALL.program)] {
        let there = fs::symlink_metadata(container.path(path)).is_ok();
        ensure!(!there, "{path} is there");
    }
    Ok(())
}

/// A viewer gets pictures of the session and of its recording.
fn shows(container: &Container, id: &str, take: &str) -> Result<()> {
    let line = ["python3", "-c", VIEWER, id, take];
    let mut last = String::new();
    until("pictures", Deadline::seconds(30), || {
        let (status, text) = container.run(&line)?;
        last.clone_from(&text);
        let counts = text.split(' ').map(str::parse::<u32>);
        let all = status == 0 && counts.into_iter().all(|it| it.is_ok_and(|it| it > 0));
        Ok(all.then_some(()))
    })
    .with_context(|| last.clone())
}

fn restarted(container: &Container, before: &str) -> Result<()> {
    until("onair-wall to restart", Deadline::seconds(20), || {
        let now = pid(container)?;
        Ok((now != before && now != "0").then_some(()))
    })
}

fn pid(container: &Container) -> Result<String> {
    container.ok("systemctl show onair-wall --property=MainPID --value")
}
