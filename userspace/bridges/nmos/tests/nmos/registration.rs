//! The registration with registries that are fine, and others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use onair_nmos::endpoint::Endpoint;
use onair_nmos::model::Model;
use onair_nmos::registration::{Registering, apart, run};
use onair_nmos::system::Parameters;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::facts::{every_session, formats, ids, many, session};
use crate::support::registry::{Mood, TestRegistry};
use crate::support::site::{Site, runtime};

pub(crate) struct Bench {
    site: Site,
    registries: watch::Sender<Vec<Endpoint>>,
    pub(crate) system: watch::Sender<Option<Parameters>>,
    registered: watch::Receiver<Option<Endpoint>>,
    ending: watch::Sender<bool>,
    run: JoinHandle<()>,
}

impl Bench {
    pub(crate) async fn start(sessions: &[Value], registries: &[&TestRegistry]) -> Self {
        Self::trusting(PathBuf::new(), sessions, registries).await
    }

    /// With the authorities of this file.
    pub(crate) async fn trusting(
        ca: PathBuf,
        sessions: &[Value],
        registries: &[&TestRegistry],
    ) -> Self {
        let site = Site::start(sessions).await;
        let list = registries.iter().map(|it| it.registry.clone()).collect();
        let (registries, registries_of) = watch::channel(list);
        let (registered_as, registered) = watch::channel(None);
        let (system, system_of) = watch::channel(None);
        let (ending, over) = watch::channel(false);
        let run = tokio::spawn(run(Registering {
            node: ids().node(),
            model: site.model.clone(),
            registries: registries_of,
            ca,
            system: system_of,
            ending: over,
            registered: registered_as,
        }));
        Self {
            site,
            registries,
            system,
            registered,
            ending,
            run,
        }
    }

    /// Waits until a registry has exactly the model.
    pub(crate) async fn in_step(&self, registry: &TestRegistry) {
        let model = self.site.model.borrow().clone();
        let shown = shown(&model);
        registry.until(|it| it.resources == shown).await;
    }
}

/// The resources as a registry has them.
fn shown(model: &Model) -> BTreeMap<(String, String), Value> {
    let documents = model.documents.iter();
    let shown = documents
        .map(|((kind, id), it)| ((kind.name().to_owned(), id.to_string()), it.body.clone()));
    shown.collect()
}

#[tokio::test]
async fn every_kind_of_session_then_the_registry_has_the_model() {
    let registry = TestRegistry::start(0).await;
    let bench = Bench::start(&every_session(), &[&registry]).await;
    bench.in_step(&registry).await;
    assert_eq!(*bench.registered.borrow(), Some(registry.registry.clone()));
}

#[tokio::test]
async fn sessions_come_change_and_go_then_only_they_are_sent() {
    let (one, other) = (&formats()[0], &formats()[1]);
    let registry = TestRegistry::start(0).await;
    let mut bench = Bench::start(&[session("a", "send", one)], &[&registry]).await;
    bench.in_step(&registry).await;
    for (sessions, expected) in [
        (
            vec![session("a", "send", one), session("b", "receive", one)],
            vec!["post device", "post receiver"],
        ),
        (
            vec![session("a", "send", other), session("b", "receive", one)],
            vec!["post source", "post flow", "post sender"],
        ),
        (
            vec![session("b", "receive", one)],
            vec![
                "delete sender",
                "delete flow",
                "delete source",
                "post device",
            ],
        ),
    ] {
        registry.books().log.clear();
        bench.site.model.mark_unchanged();
        bench.site.says(&sessions);
        bench.site.model.changed().await.unwrap();
        bench.in_step(&registry).await;
        let log = registry.books().log.clone();
        let log: Vec<_> = log.iter().filter(|it| *it != "heartbeat").collect();
        assert_eq!(log, expected.iter().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn registry_restarts_then_it_has_the_model_again() {
    let registry = TestRegistry::start(0).await;
    let bench = Bench::start(&every_session(), &[&registry]).await;
    bench.in_step(&registry).await;
    registry.restart();
    bench.in_step(&registry).await;
}

#[tokio::test]
async fn registry_says_500_or_nothing_then_another_has_the_model() {
    for mood in [
        Mood::Says(500),
        Mood::Silent,
        Mood::Says(302),
        Mood::Says(401),
    ] {
        let (bad, good) = (TestRegistry::start(0).await, TestRegistry::start(10).await);
        bad.always(mood);
        let bench = Bench::start(&every_session(), &[&bad, &good]).await;
        bench.in_step(&good).await;
        assert!(bad.books().resources.is_empty());
    }
}

#[tokio::test]
async fn registry_fails_at_some_then_it_has_the_model_at_last() {
    let registry = TestRegistry::start(0).await;
    // The device, for which the others are refused.
    let fails = [Mood::Fine, Mood::Says(500)];
    registry.moods(&fails);
    let bench = Bench::start(&every_session(), &[&registry]).await;
    bench.in_step(&registry).await;
    let log = registry.books().log.clone();
    let nodes = log.iter().filter(|it| *it == "post node");
    assert_eq!(nodes.count(), 1, "{log:?}");
}

#[tokio::test]
async fn registry_that_lies_then_its_resources_come_in_the_end() {
    let registry = TestRegistry::start(0).await;
    // The node is there, it says; the device is in conflict.
    registry.moods(&[Mood::Says(200), Mood::Fine, Mood::Fine, Mood::Says(409)]);
    let bench = Bench::start(&every_session(), &[&registry]).await;
    bench.in_step(&registry).await;
    let log = registry.books().log.clone();
    let expected = [
        "200",
        "delete node",
        "post node",
        "409",
        "delete device",
        "post device",
    ];
    assert_eq!(log[..6], expected);
}

#[tokio::test]
async fn another_life_left_the_node_then_its_old_sessions_are_gone() {
    let registry = TestRegistry::start(0).await;
    let first = Bench::start(&every_session(), &[&registry]).await;
    first.in_step(&registry).await;
    first.run.abort();
    let second = Bench::start(&[session("a", "send", &formats()[0])], &[&registry]).await;
    second.in_step(&registry).await;
}

#[tokio::test]
async fn no_registry_then_one_comes_and_300_sessions_are_in_it() {
    let bench = Bench::start(&many(150), &[]).await;
    let registry = TestRegistry::start(0).await;
    bench
        .registries
        .send_replace(vec![registry.registry.clone()]);
    bench.in_step(&registry).await;
    assert_eq!(registry.books().resources.len(), 2 + 150 * 4);
}

#[tokio::test]
async fn end_then_the_registry_has_nothing() {
    let registry = TestRegistry::start(0).await;
    let bench = Bench::start(&every_session(), &[&registry]).await;
    bench.in_step(&registry).await;
    bench.ending.send_replace(true);
    bench.run.await.unwrap();
    let books = registry.books();
    assert!(books.resources.is_empty());
    assert_eq!(books.log.last().unwrap(), "delete node");
}

/// Nothing else of the program has a turn: this thread only waits.
#[tokio::test]
async fn apis_that_are_busy_for_ever_then_heartbeats_all_the_same() {
    let (told, registry) = mpsc::channel();
    let (beats, beaten) = mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let registry = TestRegistry::start(0).await;
            told.send(registry.clone()).unwrap();
            let beat = |it: &&String| *it == "heartbeat";
            registry
                .until(|it| it.log.iter().filter(beat).count() >= 10)
                .await;
            beats.send(()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let registry = registry.recv().unwrap();
    let site = Site::start(&every_session()).await;
    let parameters = Parameters {
        heartbeat: Duration::from_millis(100),
        ptp_domain: 0,
    };
    let (registries, registries_of) = watch::channel(vec![registry.registry.clone()]);
    let (system, system_of) = watch::channel(Some(parameters));
    let (ending, over) = watch::channel(false);
    let ended = apart(Registering {
        node: ids().node(),
        model: site.model.clone(),
        registries: registries_of,
        ca: PathBuf::new(),
        system: system_of,
        ending: over,
        registered: watch::channel(None).0,
    });
    beaten.recv().unwrap();
    ending.send_replace(true);
    ended.unwrap().await.unwrap();
    drop((registries, system));
}
