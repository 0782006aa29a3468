//! The package `onair-wall` beside a daemon with sessions on air: within the limits of its unit it shows a session and plays
//! a recording, once its user may read it.

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, until};
use serde_json::Value;

use super::container::Container;
use crate::dist::{Made, copy};

const UNIT: &str = "/etc/systemd/system/multi-user.target.wants/onair-wall.service";
/// What the wall tells an operator to run before it plays a recording.
const RIGHTS: &str = "setfacl -R -m u:onair-wall:rX,d:u:onair-wall:rX /var/lib/onair/recordings";
const RESTART: &str = "systemctl restart onair-wall";
/// Prints how often these came: the page, pictures of a session, and of a recording.
const VIEWER: &str = r"
import json, sys, urllib.request as web
def get(path):
    return web.urlopen('http://127.0.0.1:8180/' + path, timeout=20).read()
session, name = sys.argv[1:]
try:
    page = get('')
    takes = json.loads(get('api/recordings'))['recordings']
    take = [it['id'] for it in takes if it['name'] == name][0]
    looks = get(f'api/looks?width=160&every=200&after=0&ids={session}')
    played = get(f'api/recordings/{take}/play?what=pictures&from=0&length=500')
except web.HTTPError as error:
    sys.exit(error.read().decode())
print(page.count(b'<html'), *(it.count(b'\xff\xd8\xff') for it in (looks, played)))
";

/// Installs the package, has it show `session` and play its recording `take`, and one that comes after it was told to; kills,
/// upgrades and purges it.
pub(super) fn run(container: &Container, made: &Made, session: &str, take: &str) -> Result<()> {
    copy(&made.wall, &container.path("/wall.deb"), 0o644)?;
    container.ok("dpkg --install /wall.deb")?;
    let enabled = container.ends("systemctl is-enabled onair-wall", 1)?;
    ensure!(enabled == "disabled", "{enabled}");
    container.ok("systemctl enable --quiet --now onair-wall")?;
    let id = id(container, session)?;
    until("a refusal", Deadline::seconds(20), || {
        let (status, said) = view(container, &id, take)?;
        let advice = format!("`{RIGHTS} && {RESTART}`");
        Ok((status == 1 && said.contains(&advice)).then_some(()))
    })?;

    container.ok(RIGHTS)?;
    container.ok(RESTART)?;
    shows(container, &id, take)?;
    let record = format!("onairctl record start {session} --format pcapng --duration 500ms --wait");
    container.ok(&format!("{record} --name later"))?;
    shows(container, &id, "later")?;
    let first = container.main_pid("onair-wall")?;
    container.ok("systemctl kill --signal SIGKILL onair-wall")?;
    restarted(container, &first)?;
    shows(container, &id, take)?;
    let second = container.main_pid("onair-wall")?;
    container.ok("dpkg --install /wall.deb")?;
    restarted(container, &second)?;
    shows(container, &id, take)?;

    container.ok("dpkg --purge onair-wall")?;
    container.gone(&[UNIT, "/usr/bin/onair-wall"])
}

fn id(container: &Container, session: &str) -> Result<String> {
    let view = container.ok(&format!("onairctl --json session show {session}"))?;
    let view: Value = serde_json::from_str(&view)?;
    Ok(view["id"].as_str().context("its id")?.to_owned())
}

fn view(container: &Container, id: &str, take: &str) -> Result<(i32, String)> {
    container.run(&["python3", "-c", VIEWER, id, take])
}

/// A viewer gets the page, pictures of the session, and of its recording.
fn shows(container: &Container, id: &str, take: &str) -> Result<()> {
    let mut last = String::new();
    until("pictures", Deadline::seconds(30), || {
        let (status, text) = view(container, id, take)?;
        last.clone_from(&text);
        let counts = text.split(' ').map(str::parse::<u32>);
        let all = status == 0 && counts.into_iter().all(|it| it.is_ok_and(|it| it > 0));
        Ok(all.then_some(()))
    })
    .with_context(|| last.clone())
}

fn restarted(container: &Container, before: &str) -> Result<()> {
    until("onair-wall to restart", Deadline::seconds(20), || {
        let now = container.main_pid("onair-wall")?;
        Ok((now != before && now != "0").then_some(()))
    })
}
