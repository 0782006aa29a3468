//! Why rows miss their targets, as traces and profiles on the machine of `docs/results/bench.json` showed.

use crate::result::row::Row;

/// Property, how the row's name begins, cause.
const CAUSES: [(&str, &str, &str); 34] = [
    (
        "P1",
        "N = ",
        "futex_waitv on two words costs the woken thread 3 to 10 % more than FUTEX_WAIT",
    ),
    (
        "P3",
        "publisher on",
        "each call writes its slot twice and reads both gates",
    ),
    (
        "P5",
        "N = ",
        "the kernel's sendto takes three quarters of the core",
    ),
    (
        "P5",
        "1080p59.94 each",
        "only whole sessions count: the rate is enough for 1.7 to 2.0",
    ),
    (
        "P5",
        "Cinst",
        "the poller that receives also sends, and reads its clock once a turn",
    ),
    (
        "P19",
        "the last line",
        "a frame begins at the next frame time, 8.3 ms later in the mean; udpsink sends at once",
    ),
    (
        "P23",
        "1080p59.94 each way",
        "none is lost: now and then the machine does half the work for the time of a frame, and a frame goes one later",
    ),
    (
        "P23",
        "2160p59.94 each way",
        "none is lost: now and then the machine does half the work for the time of a frame, and a frame goes one later",
    ),
    (
        "P23",
        "Cinst",
        "the poller that receives also sends, and reads its clock once a turn",
    ),
    (
        "P6",
        "1080p 10 bit",
        "copy and headers wait for cache lines; a packet costs 196 ns, its copy alone 167",
    ),
    (
        "P7",
        "last put → verdict",
        "most of it is a round trip through the control socket",
    ),
    (
        "P7",
        "last put → owner",
        "half of it comes before the certificate is on disk; the rest is its JSON, the socket and the client",
    ),
    (
        "P8",
        "frame ready",
        "the return from a wait passes one uprobe: a trap and a deletion from a map, 1 to 2 µs",
    ),
    (
        "P10",
        "SIGTERM → all 512",
        "512 sessions need more than 100 ms of two cores",
    ),
    (
        "P10",
        "SIGTERM → exit",
        "the kernel takes the probe's programs away, 28 to 142 ms",
    ),
    (
        "P11",
        "bytes",
        "each byte is copied out of the ring and summed; three threads and writeback share two cores",
    ),
    (
        "P12",
        "destroy",
        "the disk is a fifth of it; the rest is socket, witnesses, certificate and its file, and the client's JSON",
    ),
    (
        "P12",
        "create, 1080p",
        "a GET alone takes longer; memory file and runtime take 90 µs",
    ),
    (
        "P13",
        "of it ours, N = ",
        "state, bitmap and frame of each session come from memory",
    ),
    (
        "P15",
        "handler",
        "the write to the pipe wakes the thread that takes signals",
    ),
    (
        "P18",
        "last packet",
        "the wake of a client in another process is most of it; the poller's turn comes before",
    ),
    (
        "P20",
        "create, 64",
        "the machine's noise: with 1000 others it is as without",
    ),
    (
        "P25",
        "1024 callers",
        "the callers run on the two cores on which their stops are answered",
    ),
    (
        "P25",
        "4096 callers",
        "the callers run on the two cores on which their stops are answered",
    ),
    (
        "P25",
        "16384 callers",
        "the callers run on the two cores on which their stops are answered",
    ),
    (
        "P28",
        "af_packet, 1280x720",
        "the machine's noise: no poller of AF_PACKET spins, with either setting",
    ),
    (
        "P32",
        "",
        "now and then the machine does half the work for the time of a frame, which then goes one later",
    ),
    (
        "P35",
        "af_packet: taken over",
        "now and then a sync of the state directory takes 50 ms, else less than 5",
    ),
    (
        "P35",
        "af_xdp: taken over",
        "now and then a sync of the state directory takes 50 ms, else less than 5",
    ),
    (
        "P35",
        "af_packet: kill -9, start",
        "the kernel takes 80 ms more for the ports of one start in thirty",
    ),
    (
        "P35",
        "af_packet: kill -9 of the client",
        "once in sixty starts the machine takes 30 ms until the process runs; it has the newest frame 3 to 5 ms later",
    ),
    (
        "P35",
        "af_xdp: kill -9 of the client",
        "once in sixty starts the machine takes 30 ms until the process runs; it has the newest frame 3 to 5 ms later",
    ),
    (
        "P28",
        "virtio, 1280x720",
        "it looks all the time, and so knows when each packet came",
    ),
    (
        "P28",
        "af_xdp, 1280x720",
        "it looks all the time, and so knows when each packet came",
    ),
];

/// The known cause; `None` for a row that has met its target, or has none.
pub(crate) fn of(row: &Row) -> Option<&'static str> {
    if row.met != Some(false) || row.value.is_none() {
        return None;
    }
    let is_it = |it: &&(&str, &str, &str)| it.0 == row.id && row.variant.starts_with(it.1);
    // The longest of those that fit: N = 64 is no N = 6.
    let found = CAUSES.iter().filter(is_it).max_by_key(|it| it.1.len());
    found.map(|it| it.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property::PROPERTIES;
    use crate::result::samples::Samples;

    fn row(id: &str, variant: &str, met: bool) -> Row {
        let ours: Samples = [1.0].into_iter().collect();
        Row::of(id, variant, "µs", &ours).target("≤ 1", |_| met)
    }

    #[test]
    fn cause_then_of_missed_rows_only_and_by_the_longest_name() {
        let found = |id, variant, met| of(&row(id, variant, met));
        assert!(
            found("P5", "N = 4 each way", false)
                .unwrap()
                .contains("sendto")
        );
        assert!(found("P5", "Cinst", false).unwrap().contains("poller"));
        assert_eq!(found("P5", "Cinst", true), None);
        assert_eq!(found("P2", "N = 1", false), None);
        assert_eq!(of(&Row::failed("P5", "no veth")), None);
    }

    #[test]
    fn causes_then_each_of_a_property() {
        for (id, ..) in CAUSES {
            assert!(PROPERTIES.iter().any(|it| it.id == id), "{id}");
        }
    }
}
