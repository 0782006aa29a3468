//! A Prometheus of Debian's that scrapes a daemon each second, with the rules that ship.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::machine::command::output;
use crate::process::Running;
use crate::programs::program;
use crate::stage::Stage;
use crate::until::{Deadline, until, wait_for};

const TIMEOUT_S: u64 = 30;

/// A running `prometheus`. It is killed when dropped.
#[derive(Debug)]
pub struct Prometheus {
    _running: Running,
    url: String,
}

impl Prometheus {
    /// A port of this host that is free now.
    pub fn free_port() -> Result<u16> {
        Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
    }

    /// The folder of the rules that ship.
    #[must_use]
    pub fn rules() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/prometheus")
    }

    /// One of its programs, as `cargo xtask setup --for test` has unpacked it.
    pub fn program(name: &str) -> Result<PathBuf> {
        let onaird = program("onaird")?;
        let target = onaird.ancestors().nth(2).context("a target folder")?;
        Ok(target.join("third-party/prometheus/usr/bin").join(name))
    }

    /// Starts one that scrapes the daemon whose `[metrics]` listen on `port` of 127.0.0.1. Each alert fires at
    /// once: how long it waits is for promtool.
    pub fn start(stage: &Stage, port: u16) -> Result<Self> {
        let own = Self::free_port()?;
        let folder = stage.directory().join("prometheus");
        fs::create_dir_all(&folder)?;
        let config = folder.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [onair.rules.yml]\n\
             scrape_configs: [{{job_name: onair, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
        );
        fs::write(&config, text)?;
        let rules = fs::read_to_string(Self::rules().join("onair.rules.yml"))?;
        let at_once = rules
            .lines()
            .filter(|line| !line.trim_start().starts_with("for: "));
        let at_once: Vec<_> = at_once.collect();
        fs::write(folder.join("onair.rules.yml"), at_once.join("\n"))?;
        let log = File::create(folder.join("log"))?;
        let child = stage
            .command(&Self::program("prometheus")?)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{own}"))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting prometheus")?;
        let running = Running::new("prometheus", child)?;
        let this = Self {
            _running: running,
            url: format!("http://127.0.0.1:{own}/api/v1"),
        };
        wait_for("prometheus to have scraped", TIMEOUT_S, || {
            Ok(this.query("up").is_ok_and(|it| it == ["1"]))
        })?;
        Ok(this)
    }

    fn get(&self, path: &str, parameter: &str) -> Result<Value> {
        let url = format!("{}/{path}", self.url);
        let text = output("curl", &["-sfG", "--data-urlencode", parameter, &url])?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The values of an instant query.
    pub fn query(&self, query: &str) -> Result<Vec<String>> {
        let answer = self.get("query", &format!("query={query}"))?;
        let all = answer["data"]["result"].as_array().context("results")?;
        let values = all.iter().filter_map(|it| it["value"][1].as_str());
        Ok(values.map(str::to_owned).collect())
    }

    /// The alerts that fire, with their session, port or recording: `OnAirNoSignal in`.
    pub fn firing(&self) -> Result<BTreeSet<String>> {
        let answer = self.get("alerts", "")?;
        let all = answer["data"]["alerts"].as_array().context("alerts")?;
        let firing = all.iter().filter(|it| it["state"] == "firing");
        let named = firing.map(|it| {
            let labels = &it["labels"];
            let name = labels["alertname"].as_str().unwrap_or_default();
            let of = ["session", "port", "poller"].map(|key| labels[key].as_str());
            let of = of.into_iter().flatten().next().unwrap_or_default();
            format!("{name} {of}").trim_end().to_owned()
        });
        Ok(named.collect())
    }

    /// Waits until all of these fire.
    pub fn wait(&self, alerts: &[&str]) -> Result<()> {
        let wanted: BTreeSet<_> = alerts.iter().map(|it| (*it).to_owned()).collect();
        let mut last = BTreeSet::new();
        let fires = until("alerts", Deadline::seconds(TIMEOUT_S), || {
            last = self.firing()?;
            Ok(last.is_superset(&wanted).then_some(()))
        });
        fires.with_context(|| format!("wanted {wanted:?}, firing {last:?}"))
    }
}
