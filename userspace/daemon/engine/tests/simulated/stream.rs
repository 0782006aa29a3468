//! The frames that the session `cam` receives, as their packets.

use std::net::SocketAddr;

use onair_essence::send::Packetise as _;
use onair_sim_machine::life::{Life, member};
use serde_json::json;

/// A sender of frames, each of the time at which it is asked for.
#[derive(Default)]
pub(crate) struct Stream {
    unit: u64,
}

impl Stream {
    /// The packets of the next frame.
    pub(crate) fn frame(&mut self, life: &Life) -> Vec<Vec<u8>> {
        let format = member("cam", "receive", json!({})).format;
        let first = format
            .packetiser(1452)
            .unwrap()
            .slot_at(life.world.tai_ns());
        let slot = first.max(self.unit);
        self.unit = slot + 1;
        let per_frame = format
            .test_stream((96, 7), 0, slot..slot + 1)
            .unwrap()
            .len() as u64;
        let sequence = u32::try_from(slot * per_frame % 65_536).unwrap();
        let sent = format.test_stream((96, 7), sequence, slot..slot + 1);
        sent.unwrap().into_iter().map(|it| it.1).collect()
    }

    /// The next frame comes, whole.
    pub(crate) fn sends(&mut self, life: &mut Life) {
        let packets = self.frame(life);
        comes(life, &packets);
    }
}

/// These packets come.
pub(crate) fn comes(life: &mut Life, packets: &[Vec<u8>]) {
    let [from, to] = ["10.9.1.9:5004", "239.9.1.1:5004"].map(|it| it.parse::<SocketAddr>());
    life.world
        .deliver("a", (from.unwrap(), to.unwrap()), packets);
    life.settle();
}
