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
    let of = |sign: char, kind: Kind, id: &Uuid| match kind {
        Kind::Sender => format!("{sign}{}", id.as_u128()),
        _ => format!("{sign}{}", kind.name()),
    };
    match call {
        Call::Heartbeat(_) => "beat".to_owned(),
        Call::Post(kind, id, _) => of('+', *kind, id),
        Call::Delete(kind, id) => of('-', *kind, id),
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
    /// With these senders of version 1, and these registries, the first of which has the highest priority.
    fn new(senders: &[u128], registries: &[&str]) -> Self {
        let senders: Vec<_> = senders.iter().map(|id| (*id, 1)).collect();
        let registries = registries.iter().zip(0..);
        Self {
            machine: Machine::new(NODE),
            now: Instant::now(),
            model: model(&senders),
            registries: registries.map(|(it, at)| registry(it, at)).collect(),
            notes: Vec::new(),
        }
    }

    /// Registered with one registry.
    fn registered(senders: &[u128]) -> Self {
        let mut bench = Self::new(senders, &["a"]);
        bench.plays("a +node 201, a +device 201");
        for id in senders {
            bench.plays(&format!("a +{id} 201"));
        }
        bench
    }

    /// The next request, with the registry's name, which answers with this status; 0: not at all.
    fn step(&mut self, status: u16) -> String {
        let request = match self.machine.next(self.now, &self.model, &self.registries) {
            Step::Send(request) => request,
            Step::Wait(_) => return "wait".to_owned(),
            Step::Done => return "done".to_owned(),
        };
        let text = format!("{} {}", request.registry.host, shown(&request.call));
        let outcome = match status {
            0 => Outcome::Failed("nothing".to_owned()),
            status => Outcome::Status(status),
        };
        let note = self.machine.answered(self.now, request, outcome);
        self.notes.extend(note);
        text
    }

    /// It has nothing to send for so long.
    fn waits(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        let step = self.machine.next(self.now, &self.model, &self.registries);
        assert_eq!(step, Step::Wait(Some(until)));
    }

    /// Steps as written: `a +5 201` is sender 5, posted to the registry `a`, which answers 201; `wait` and `done` have no
    /// answer, a number alone is a pause in seconds.
    #[track_caller]
    fn plays(&mut self, steps: &str) {
        for step in steps.split(", ") {
            if let Ok(seconds) = step.parse() {
                self.now += Duration::from_secs(seconds);
                continue;
            }
            let (request, status) = match step {
                "wait" | "done" => (step, "0"),
                _ => step.rsplit_once(' ').unwrap(),
            };
            assert_eq!(self.step(status.parse().unwrap()), request, "of {steps}");
        }
    }
}

#[test]
fn first_registration_then_in_order_and_heartbeats_after() {
    let mut bench = Bench::new(&[5, 6], &["a"]);
    bench.plays("a +node 201, a +device 201, a +5 201, a +6 201, wait, 5, a beat 200, wait");
    assert_eq!(bench.notes, [Note::Registered(registry("a", 0))]);
}

#[test]
fn other_heartbeat_of_the_plant_then_kept_from_now_on() {
    let mut bench = Bench::registered(&[]);
    let beat = |it: &mut Bench, s| it.machine.set_heartbeat(it.now, Duration::from_secs(s));
    beat(&mut bench, 2);
    bench.plays("1, wait, 1, a beat 200, wait, 1, wait, 1, a beat 200, wait");
    beat(&mut bench, 60);
    bench.plays("2, a beat 200, 59, wait, 1, a beat 200");
}

#[test]
fn daemon_or_registry_not_there_yet_then_nothing_is_asked() {
    let mut bench = Bench::new(&[], &[]);
    bench.plays("wait");
    bench.registries.push(registry("a", 0));
    bench.model.is_known = false;
    bench.plays("wait");
    bench.model.is_known = true;
    bench.plays("a +node 201");
}

#[test]
fn many_resources_then_a_due_heartbeat_goes_first() {
    let senders: Vec<_> = (10..310).collect();
    let mut bench = Bench::new(&senders, &["a"]);
    let (mut beats, mut posts) = (0, 0);
    while posts < 302 {
        let step = bench.step(201);
        beats += u32::from(step == "a beat");
        posts += u32::from(step.contains('+'));
        bench.now += Duration::from_millis(100);
    }
    assert_eq!(beats, 6);
}

#[test]
fn node_of_another_life_then_deleted_and_sent_again() {
    let mut bench = Bench::new(&[], &["a"]);
    bench.plays("a +node 200, a -node 204, a +node 201, a +device 201, wait");
    // A registry that says so for ever is believed in the end.
    let mut bench = Bench::new(&[], &["a"]);
    bench.plays("a +node 409, a -node 404, a +node 200, a +device 201, wait");
}

#[test]
fn registry_that_forgot_the_node_then_all_is_sent_again() {
    let mut bench = Bench::registered(&[5]);
    bench.plays("5, a beat 404, a +node 201, a +device 201, a +5 201, wait");
    assert!(bench.notes.contains(&Note::Forgotten(registry("a", 0))));
}

#[test]
fn resource_in_conflict_then_deleted_and_sent_once_more() {
    let mut bench = Bench::registered(&[]);
    bench.model = model(&[(5, 1)]);
    bench.plays("a +5 409, a -5 204, a +5 409, wait");
    let refused = Note::Refused(registry("a", 0), Kind::Sender, Uuid::from_u128(5), 409);
    assert_eq!(bench.notes.last(), Some(&refused));
}

#[test]
fn refused_resource_then_others_go_on_and_it_waits_for_a_change() {
    let mut bench = Bench::registered(&[]);
    bench.model = model(&[(5, 1), (6, 1)]);
    bench.plays("a +5 400, a +6 201, wait");
    bench.model = model(&[(5, 2), (6, 1)]);
    bench.plays("a +5 201, wait");
    bench.model = model(&[(6, 1)]);
    bench.plays("a -5 204, wait");
}

#[test]
fn refused_resource_that_goes_then_it_is_not_deleted() {
    let mut bench = Bench::new(&[5], &["a"]);
    bench.plays("a +node 201, a +device 201, a +5 400");
    bench.model = model(&[]);
    bench.plays("wait");
}

#[test]
fn registry_fails_then_the_next_has_a_heartbeat_first() {
    let mut bench = Bench::registered(&[5]);
    bench.registries.push(registry("b", 10));
    // Both are of one cluster: the second knows the node.
    bench.plays("5, a beat 500, b beat 200, wait");
    // It fails at once, too, and the first has lost everything.
    bench.plays("5, b beat 0, wait, 1, a beat 404, a +node 201, a +device 201, a +5 201");
}

#[test]
fn every_registry_fails_then_pauses_that_grow() {
    let mut bench = Bench::new(&[], &["a", "b"]);
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        bench.plays("a +node 0, b +node 503");
        bench.waits(pause);
        bench.now += Duration::from_secs(pause);
    }
}

#[test]
fn registry_refuses_the_node_then_another_is_asked() {
    Bench::new(&[], &["a", "b"]).plays("a +node 400, b +node 201");
}

#[test]
fn end_then_deleted_in_reverse_and_the_node_last() {
    let mut bench = Bench::registered(&[5, 6]);
    bench.machine.leave();
    bench.plays("a -6 204, a -5 404, a -device 204, a -node 204, done");
}

#[test]
fn end_while_the_registry_is_gone_then_it_is_over() {
    let mut bench = Bench::registered(&[]);
    bench.machine.leave();
    bench.plays("a -device 0, done");
}

#[test]
fn resource_that_fails_then_heartbeats_and_others_go_on() {
    let mut bench = Bench::registered(&[]);
    bench.model = model(&[(5, 1), (6, 1)]);
    bench.plays("a +5 500, a +6 201, wait");
    let failed = Note::Failed(registry("a", 0), Kind::Sender, Uuid::from_u128(5), 500);
    assert_eq!(bench.notes.last(), Some(&failed));
    bench.waits(1);
    // After 1 s, 2 s, 4 s, and heartbeats all along.
    bench.plays("1, a +5 500, wait, 1, wait, 1, a +5 500, wait, 1, wait");
    bench.plays("1, a beat 200, wait, 1, wait, 1, a +5 201, wait");
}

#[test]
fn resource_that_fails_and_changes_then_it_still_waits() {
    let mut bench = Bench::registered(&[]);
    bench.model = model(&[(5, 1)]);
    bench.plays("a +5 503");
    bench.model = model(&[(5, 2)]);
    bench.plays("wait, 1, a +5 201, wait");
}

#[test]
fn resource_refused_for_one_that_failed_then_sent_again() {
    let mut bench = Bench::new(&[5], &["a"]);
    // The registry fails at the device, and therefore refuses the sender.
    bench.plays("a +node 201, a +device 500, a +5 400, wait, 1, a +device 201, a +5 201, wait");
}

#[test]
fn delete_that_fails_then_it_is_sent_again() {
    let mut bench = Bench::registered(&[5]);
    bench.model = model(&[]);
    bench.plays("a -5 500, wait, 1, a -5 204, wait");
}

#[test]
fn end_while_a_resource_fails_then_the_others_are_deleted() {
    let mut bench = Bench::registered(&[5]);
    bench.machine.leave();
    bench.plays("a -5 500, a -device 204, a -node 204, done");
}
