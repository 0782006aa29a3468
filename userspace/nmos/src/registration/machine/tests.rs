//! The machine against a registry that answers by a script.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::Tai;
use crate::model::Document;

const NODE: Uuid = Uuid::from_u128(1);

fn registry(name: &str, priority: u32) -> Endpoint {
    Endpoint {
        priority,
        host: name.to_owned(),
        port: 80,
        tls: None,
    }
}

/// A node, a device, and a sender for each of `senders`, which have this version.
fn model(senders: &[(u128, u64)]) -> Model {
    let document = |seconds| {
        Arc::new(Document {
            version: Tai::at(Duration::from_secs(seconds)),
            body: json!({}),
        })
    };
    let fixed = [(Kind::Node, NODE), (Kind::Device, Uuid::from_u128(2))];
    let mut documents: BTreeMap<_, _> = fixed.map(|key| (key, document(1))).into();
    let senders = senders.iter();
    let senders = senders.map(|(id, at)| ((Kind::Sender, Uuid::from_u128(*id)), document(*at)));
    documents.extend(senders);
    Model {
        documents,
        is_known: true,
    }
}

fn shown(call: &Call) -> String {
    match call {
        Call::Heartbeat(_) => "heartbeat".to_owned(),
        Call::Post(kind, id, _) => format!("post {} {}", kind.name(), id.as_u128()),
        Call::Delete(kind, id) => format!("delete {} {}", kind.name(), id.as_u128()),
    }
}

struct Bench {
    machine: Machine,
    now: Instant,
    model: Model,
    registries: Vec<Endpoint>,
    notes: Vec<Note>,
}

impl Bench {
    fn new(model: Model, registries: &[Endpoint]) -> Self {
        Self {
            machine: Machine::new(NODE),
            now: Instant::now(),
            model,
            registries: registries.to_vec(),
            notes: Vec::new(),
        }
    }

    /// The next request, with the registry's name, which answers with this status; 0: not at all.
    fn step(&mut self, status: u16) -> String {
        let step = self.machine.next(self.now, &self.model, &self.registries);
        let Step::Send(request) = step else {
            return format!("{step:?}")
                .chars()
                .take_while(|it| it.is_alphabetic())
                .collect();
        };
        let text = format!("{}: {}", request.registry.host, shown(&request.call));
        let outcome = match status {
            0 => Outcome::Failed("nothing".to_owned()),
            status => Outcome::Status(status),
        };
        let note = self.machine.answered(self.now, request, outcome);
        self.notes.extend(note);
        text
    }

    fn steps(&mut self, statuses: &[u16]) -> Vec<String> {
        statuses.iter().map(|it| self.step(*it)).collect()
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

#[test]
fn first_registration_then_in_order_and_heartbeats_after() {
    let mut bench = Bench::new(model(&[(5, 1), (6, 1)]), &[registry("a", 0)]);
    let expected = [
        "a: post node 1",
        "a: post device 2",
        "a: post sender 5",
        "a: post sender 6",
        "Wait",
    ];
    assert_eq!(bench.steps(&[201; 5]), expected);
    bench.later(5);
    assert_eq!(bench.steps(&[200, 0]), ["a: heartbeat", "Wait"]);
    assert_eq!(bench.notes, [Note::Registered(registry("a", 0))]);
}

#[test]
fn other_heartbeat_of_the_plant_then_kept_from_now_on() {
    let mut bench = Bench::new(model(&[]), &[registry("a", 0)]);
    bench.steps(&[201, 201]);
    bench
        .machine
        .set_heartbeat(bench.now, Duration::from_secs(2));
    for _ in 0..2 {
        bench.later(1);
        assert_eq!(bench.step(0), "Wait");
        bench.later(1);
        assert_eq!(bench.steps(&[200, 0]), ["a: heartbeat", "Wait"]);
    }
    bench
        .machine
        .set_heartbeat(bench.now, Duration::from_secs(60));
    bench.later(2);
    assert_eq!(bench.step(200), "a: heartbeat");
    bench.later(59);
    assert_eq!(bench.step(0), "Wait");
}

#[test]
fn daemon_or_registry_not_there_yet_then_nothing_is_asked() {
    let mut bench = Bench::new(model(&[]), &[]);
    assert_eq!(bench.step(201), "Wait");
    bench.registries.push(registry("a", 0));
    bench.model.is_known = false;
    assert_eq!(bench.step(201), "Wait");
    bench.model.is_known = true;
    assert_eq!(bench.step(201), "a: post node 1");
}

#[test]
fn many_resources_then_a_due_heartbeat_goes_first() {
    let senders: Vec<_> = (10..310).map(|id| (id, 1)).collect();
    let mut bench = Bench::new(model(&senders), &[registry("a", 0)]);
    let (mut beats, mut posts) = (0, 0);
    while posts < 302 {
        let step = bench.step(201);
        beats += u32::from(step == "a: heartbeat");
        posts += u32::from(step.contains("post"));
        bench.now += Duration::from_millis(100);
    }
    assert_eq!(beats, 6);
}

#[test]
fn node_of_another_life_then_deleted_and_sent_again() {
    let mut bench = Bench::new(model(&[]), &[registry("a", 0)]);
    let expected = [
        "a: post node 1",
        "a: delete node 1",
        "a: post node 1",
        "a: post device 2",
    ];
    assert_eq!(bench.steps(&[200, 204, 201, 201]), expected);
    // A registry that says so for ever is believed in the end.
    let mut bench = Bench::new(model(&[]), &[registry("a", 0)]);
    assert_eq!(bench.steps(&[409, 404, 200, 201]), expected);
}

#[test]
fn registry_that_forgot_the_node_then_all_is_sent_again() {
    let mut bench = Bench::new(model(&[(5, 1)]), &[registry("a", 0)]);
    bench.steps(&[201; 4]);
    bench.later(5);
    let expected = [
        "a: heartbeat",
        "a: post node 1",
        "a: post device 2",
        "a: post sender 5",
        "Wait",
    ];
    assert_eq!(bench.steps(&[404, 201, 201, 201, 0]), expected);
    assert!(bench.notes.contains(&Note::Forgotten(registry("a", 0))));
}

#[test]
fn resource_in_conflict_then_deleted_and_sent_once_more() {
    let mut bench = Bench::new(model(&[(5, 1)]), &[registry("a", 0)]);
    bench.steps(&[201, 201]);
    let expected = [
        "a: post sender 5",
        "a: delete sender 5",
        "a: post sender 5",
        "Wait",
    ];
    assert_eq!(bench.steps(&[409, 204, 409, 0]), expected);
    let refused = Note::Refused(registry("a", 0), Kind::Sender, Uuid::from_u128(5), 409);
    assert_eq!(bench.notes.last(), Some(&refused));
}

#[test]
fn refused_resource_then_others_go_on_and_it_waits_for_a_change() {
    let mut bench = Bench::new(model(&[(5, 1), (6, 1)]), &[registry("a", 0)]);
    bench.steps(&[201, 201]);
    let expected = ["a: post sender 5", "a: post sender 6", "Wait"];
    assert_eq!(bench.steps(&[400, 201, 0]), expected);
    bench.model = model(&[(5, 2), (6, 1)]);
    assert_eq!(bench.steps(&[201, 0]), ["a: post sender 5", "Wait"]);
    bench.model = model(&[(6, 1)]);
    assert_eq!(bench.steps(&[204, 0]), ["a: delete sender 5", "Wait"]);
}

#[test]
fn refused_resource_that_goes_then_it_is_not_deleted() {
    let mut bench = Bench::new(model(&[(5, 1)]), &[registry("a", 0)]);
    bench.steps(&[201, 201, 400]);
    bench.model = model(&[]);
    assert_eq!(bench.step(0), "Wait");
}

#[test]
fn registry_fails_then_the_next_has_a_heartbeat_first() {
    let both = [registry("a", 0), registry("b", 10)];
    let mut bench = Bench::new(model(&[(5, 1)]), &both);
    bench.steps(&[201; 4]);
    bench.later(5);
    // Both are of one cluster: the second knows the node.
    assert_eq!(
        bench.steps(&[500, 200, 0]),
        ["a: heartbeat", "b: heartbeat", "Wait"]
    );
    // It fails at once, too, and the first has lost everything.
    bench.later(5);
    assert_eq!(bench.steps(&[0, 0]), ["b: heartbeat", "Wait"]);
    bench.later(1);
    let expected = [
        "a: heartbeat",
        "a: post node 1",
        "a: post device 2",
        "a: post sender 5",
    ];
    assert_eq!(bench.steps(&[404, 201, 201, 201]), expected);
}

#[test]
fn every_registry_fails_then_pauses_that_grow() {
    let both = [registry("a", 0), registry("b", 10)];
    let mut bench = Bench::new(model(&[]), &both);
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(bench.steps(&[0, 503]), ["a: post node 1", "b: post node 1"]);
        let until = bench.now + Duration::from_secs(pause);
        let step = bench.machine.next(bench.now, &bench.model, &both);
        assert_eq!(step, Step::Wait(Some(until)));
        bench.now = until;
    }
}

#[test]
fn registry_refuses_the_node_then_another_is_asked() {
    let both = [registry("a", 0), registry("b", 10)];
    let mut bench = Bench::new(model(&[]), &both);
    assert_eq!(
        bench.steps(&[400, 201]),
        ["a: post node 1", "b: post node 1"]
    );
}

#[test]
fn end_then_deleted_in_reverse_and_the_node_last() {
    let mut bench = Bench::new(model(&[(5, 1), (6, 1)]), &[registry("a", 0)]);
    bench.steps(&[201; 4]);
    bench.machine.leave();
    let expected = [
        "a: delete sender 6",
        "a: delete sender 5",
        "a: delete device 2",
        "a: delete node 1",
        "Done",
    ];
    assert_eq!(bench.steps(&[204, 404, 204, 204, 0]), expected);
}

#[test]
fn end_while_the_registry_is_gone_then_it_is_over() {
    let mut bench = Bench::new(model(&[]), &[registry("a", 0)]);
    bench.steps(&[201; 2]);
    bench.machine.leave();
    assert_eq!(bench.steps(&[0, 0]), ["a: delete device 2", "Done"]);
}

#[test]
fn resource_that_fails_then_heartbeats_and_others_go_on() {
    let mut bench = Bench::new(model(&[(5, 1), (6, 1)]), &[registry("a", 0)]);
    bench.steps(&[201, 201]);
    let expected = ["a: post sender 5", "a: post sender 6", "Wait"];
    assert_eq!(bench.steps(&[500, 201, 0]), expected);
    let failed = Note::Failed(registry("a", 0), Kind::Sender, Uuid::from_u128(5), 500);
    assert_eq!(bench.notes.last(), Some(&failed));
    let step = bench
        .machine
        .next(bench.now, &bench.model, &bench.registries);
    let due = bench.now + Duration::from_secs(1);
    assert_eq!(step, Step::Wait(Some(due)));
    // After 1 s, 2 s, 4 s, and heartbeats all along.
    let mut seen = Vec::new();
    for (second, status) in (1..).zip([500, 500, 500, 500, 200, 500, 201, 0]) {
        bench.later(1);
        let step = bench.step(status);
        if step != "Wait" {
            assert_eq!(bench.step(0), "Wait");
            seen.push((second, step));
        }
    }
    let post = |at| (at, "a: post sender 5".to_owned());
    let beat = |at| (at, "a: heartbeat".to_owned());
    assert_eq!(seen, [post(1), post(3), beat(5), post(7)]);
}

#[test]
fn resource_that_fails_and_changes_then_it_still_waits() {
    let mut bench = Bench::new(model(&[(5, 1)]), &[registry("a", 0)]);
    bench.steps(&[201, 201, 503]);
    bench.model = model(&[(5, 2)]);
    assert_eq!(bench.step(0), "Wait");
    bench.later(1);
    assert_eq!(bench.steps(&[201, 0]), ["a: post sender 5", "Wait"]);
}

#[test]
fn resource_refused_for_one_that_failed_then_sent_again() {
    let mut bench = Bench::new(model(&[(5, 1)]), &[registry("a", 0)]);
    // The registry fails at the device, and therefore refuses the sender.
    assert_eq!(bench.steps(&[201, 500, 400, 0])[3], "Wait");
    bench.later(1);
    let expected = ["a: post device 2", "a: post sender 5", "Wait"];
    assert_eq!(bench.steps(&[201, 201, 0]), expected);
}

#[test]
fn delete_that_fails_then_it_is_sent_again() {
    let mut bench = Bench::new(model(&[(5, 1)]), &[registry("a", 0)]);
    bench.steps(&[201; 3]);
    bench.model = model(&[]);
    assert_eq!(bench.steps(&[500, 0]), ["a: delete sender 5", "Wait"]);
    bench.later(1);
    assert_eq!(bench.steps(&[204, 0]), ["a: delete sender 5", "Wait"]);
}

#[test]
fn end_while_a_resource_fails_then_the_others_are_deleted() {
    let mut bench = Bench::new(model(&[(5, 1)]), &[registry("a", 0)]);
    bench.steps(&[201; 3]);
    bench.machine.leave();
    let expected = [
        "a: delete sender 5",
        "a: delete device 2",
        "a: delete node 1",
        "Done",
    ];
    assert_eq!(bench.steps(&[500, 204, 204, 0]), expected);
}
