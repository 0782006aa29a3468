//! The end of a recording. The order is what makes its manifest true:
//!
//! 1. Every ring is emptied until no producer is inside: what was accepted is in a file.
//! 2. The files end and are synced. A disk that does not answer is given up.
//! 3. The manifest is counted, and written last: it speaks of bytes that are on disk.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use onair_mutant::mutant;

use crate::manifest::{Manifest, Stage};
use crate::producer::gate::Rounds;

use super::Drain;
use super::manifest_file::text;

/// Interval between two checks for producers still inside.
const GLANCE: Duration = Duration::from_micros(50);

impl Drain {
    /// Writes every accepted event to the files and syncs them to disk.
    pub(super) fn finish(&mut self) -> Manifest {
        if !mutant!("recorder: does not drain at the end") {
            self.final_drain();
        }
        self.encoder.end_file(&mut self.files);
        let shared = Arc::clone(&self.shared);
        if !shared.busy(|| self.files.pump(true)) {
            self.files.give_up();
        }
        self.gaps.end(self.files.producers());
        let manifest_file = shared.busy(|| self.files.end());
        let mut manifest = self.manifest(Stage::Complete);
        self.publish();
        match manifest_file {
            Some(manifest_file) => {
                let result = shared.busy(|| manifest_file.finish(&text(&manifest)));
                if let Err(error) = result {
                    let problem = format!("writing the manifest: {error}");
                    manifest.problems.push(problem);
                }
            }
            None => manifest
                .problems
                .push("the manifest's writer thread has failed".to_owned()),
        }
        manifest
    }

    /// Takes every accepted event: until each producer that passed the door has left, and every
    /// ring is empty.
    fn final_drain(&mut self) {
        let mut rounds = Rounds::default();
        let shared = Arc::clone(&self.shared);
        self.files.write_directly();
        loop {
            // Checked before the rings: a producer that has left has put its events into its ring.
            let out = shared.gate.all_out(|| shared.producers(), &mut rounds);
            self.take_in();
            self.pass(true);
            self.files.collect();
            if self.files.fault().is_some() {
                self.files.give_up();
                self.pass(true);
            }
            if out {
                return;
            }
            thread::park_timeout(GLANCE);
        }
    }
}
