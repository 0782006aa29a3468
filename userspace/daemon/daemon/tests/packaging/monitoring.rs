//! What is packaged for Prometheus and Grafana, against the daemon's metrics and the page about alerts.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use onair_api::{CounterMetric, SessionCounters};
use onair_stage::Prometheus;
use serde_yaml_ng::Value;

const BOARD: &str = include_str!("../../../../../packaging/grafana/onair.json");
const RULES: &str = include_str!("../../../../../packaging/prometheus/onair.rules.yml");
const RULE_TESTS: &str = include_str!("../../../../../packaging/prometheus/onair.tests.yml");
const PAGE: &str = include_str!("../../../../../docs/monitoring.md");
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs");

/// The names of OnAir's metrics in `text`.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("onair_")).collect()
}

/// The metrics that the daemon serves.
fn served() -> BTreeSet<&'static str> {
    let sources = [
        include_str!("../../../engine/src/report/mod.rs"),
        include_str!("../../../engine/src/report/metrics.rs"),
        include_str!("../../../engine/src/report/clock_metrics.rs"),
        include_str!("../../../engine/src/report/service_metrics.rs"),
        include_str!("../../../engine/src/session/report/metrics.rs"),
    ];
    let counters = SessionCounters::ALL
        .iter()
        .filter_map(|it| match it.metric {
            CounterMetric::Total(metric) => Some(metric),
            CounterMetric::Dropped(_) => None,
        });
    sources
        .into_iter()
        .flat_map(metrics)
        .chain(counters)
        .collect()
}

fn rules() -> Vec<Value> {
    let rules: Value = serde_yaml_ng::from_str(RULES).unwrap();
    rules["groups"][0]["rules"].as_sequence().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn rules_name_metrics_that_the_daemon_has_and_say_what_to_do() {
    let (rules, served) = (rules(), served());
    let mut named = 0;
    for rule in &rules {
        for metric in metrics(&text(&rule["expr"])) {
            assert!(served.contains(metric), "{metric}");
            named += 1;
        }
        assert!(!text(&rule["annotations"]["action"]).is_empty(), "{rule:?}");
        let severity = text(&rule["labels"]["severity"]);
        assert!(["critical", "warning"].contains(&severity.as_str()));
    }
    assert!(rules.len() >= 10 && named >= 10);
}

#[test]
fn rules_have_a_case_that_raises_each_and_one_that_raises_none() {
    let tests: Value = serde_yaml_ng::from_str(RULE_TESTS).unwrap();
    let (quiet, raised) = (&tests["tests"][0], &tests["tests"][1]);
    let series = |test: &Value| serde_yaml_ng::to_string(&test["input_series"]).unwrap();
    let served = served();
    for rule in rules() {
        let alert = format!("alertname=\"{}\"", text(&rule["alert"]));
        let expected = serde_yaml_ng::to_string(&raised["promql_expr_test"]).unwrap();
        assert!(expected.contains(&alert), "{alert}");
        for metric in metrics(&text(&rule["expr"])) {
            assert!(series(quiet).contains(metric), "{metric}");
        }
    }
    for test in [quiet, raised] {
        let series = series(test);
        let unknown = metrics(&series).into_iter().find(|it| !served.contains(it));
        assert_eq!(unknown, None);
    }
}

#[test]
fn rules_and_their_cases_pass_promtool() {
    let promtool = Prometheus::program("promtool").unwrap();
    for (what, file) in [("check", "onair.rules.yml"), ("test", "onair.tests.yml")] {
        let mut run = Command::new(&promtool);
        run.args([what, "rules"])
            .arg(Prometheus::rules().join(file));
        let done = run.output().unwrap();
        assert!(done.status.success(), "{file}: {done:?}");
    }
}

#[test]
fn alerts_of_the_page_are_the_rules_except_for_the_two_it_names() {
    let table = PAGE.split_once("| alert | rule |").unwrap().1;
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let column: Vec<_> = rows
        .map(|row| row.split('|').nth(2).unwrap().trim())
        .collect();
    let without = column.iter().filter(|rule| **rule == "–").count();
    assert_eq!(without, 2, "{column:?}");
    let on_the_page = column
        .iter()
        .filter_map(|it| it.strip_prefix('`')?.strip_suffix('`'));
    let on_the_page: BTreeSet<_> = on_the_page.map(str::to_owned).collect();
    let all: BTreeSet<_> = rules().iter().map(|rule| text(&rule["alert"])).collect();
    assert_eq!(on_the_page, all);
}

/// Asserts that a page has a section with the title.
fn assert_section(name: &str, title: &str) {
    let page = fs::read_to_string(format!("{DOCS}/{name}.md"));
    let page = page.unwrap_or_else(|error| panic!("docs/{name}.md: {error}"));
    let mut titles = page.lines().filter(|line| line.starts_with('#'));
    assert!(
        titles.any(|line| line.trim_start_matches(['#', ' ']) == title),
        "docs/{name}.md has no section {title}"
    );
}

/// The title of an anchor as pages have it: all letters small, a hyphen for each space.
fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}

#[test]
fn actions_and_panels_name_sections_of_pages_that_exist() {
    let mut named = 0;
    let texts = [RULES, BOARD].into_iter().flat_map(str::lines);
    for line in texts.filter(|line| line.contains("docs/") && !line.starts_with('#')) {
        let (_, rest) = line.split_once("docs/").unwrap();
        let (name, rest) = rest.split_once(".md: ").unwrap();
        let title = rest.split(['"', '.']).next().unwrap();
        assert_section(name, title);
        named += 1;
    }
    assert!(named >= 10, "{named}");
}

#[test]
fn remedies_of_the_page_exist() {
    let mut linked = 0;
    for link in PAGE.split("](").skip(1) {
        let target = link.split(')').next().unwrap();
        let Some((file, section)) = target.split_once('#') else {
            continue;
        };
        let page = fs::read_to_string(format!("{DOCS}/{file}")).unwrap();
        let mut titles = page.lines().filter(|line| line.starts_with('#'));
        let is_there = titles.any(|line| anchor(line.trim_start_matches(['#', ' '])) == section);
        assert!(is_there, "{target}");
        linked += 1;
    }
    assert!(linked >= 15, "{linked}");
}

#[test]
fn board_names_metrics_of_the_daemon_and_explains_each_panel() {
    let board: Value = serde_yaml_ng::from_str(BOARD).unwrap();
    let served = served();
    let mut ids = BTreeSet::new();
    let mut named = BTreeSet::new();
    for panel in board["panels"].as_sequence().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel:?}");
        if panel["type"] == "row" {
            continue;
        }
        assert!(text(&panel["description"]).ends_with('.'), "{panel:?}");
        for target in panel["targets"].as_sequence().unwrap() {
            let query = text(&target["expr"]);
            named.extend(metrics(&query).into_iter().map(str::to_owned));
        }
    }
    let unknown: Vec<_> = named.iter().filter(|it| !served.contains(&***it)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(named.len() >= 30, "{named:?}");
}
