use super::*;

const MS: u64 = 1_000_000;

struct World {
    groups: PortGroups,
    info: PortInfo,
    kernel: KernelGroups,
    now_ns: u64,
}

impl World {
    fn new() -> Self {
        let events = Arc::new(Events::new().unwrap());
        let addresses = PortAddresses::default();
        let info = PortInfo::without_device("a", [2, 0, 0, 0, 0, 1], addresses);
        let queries = Arc::new(QueryInbox::new(Arc::clone(&events)));
        Self {
            groups: PortGroups::new(None, &info, queries),
            info,
            kernel: KernelGroups::new(events),
            now_ns: 0,
        }
    }

    /// The types of the first records that the port says, after so many milliseconds.
    fn said(&mut self, group: IpAddr, after_ms: u64) -> Vec<u8> {
        self.now_ns += after_ms * MS;
        while let Some(group) = self.groups.come_back(self.now_ns) {
            self.settle(group);
        }
        self.settle(group);
        let frames = self.groups.turn(&self.info, self.now_ns);
        // Behind Ethernet, IPv4 with an option, and the head of the report.
        frames.iter().map(|it| it[14 + 24 + 8]).collect()
    }

    fn settle(&mut self, group: IpAddr) {
        let kernel = &mut self.kernel;
        self.groups.settle(None, "a", group, kernel, self.now_ns);
    }
}

#[test]
fn group_joined_again_then_left_and_joined_for_all() {
    const ROBUST_MS: u64 = 2_000;
    let (leaves, joins) = (vec![3], vec![4]);
    let group = IpAddr::from([239, 1, 0, 1]);
    let mut world = World::new();
    world.groups.join(1, group, &[]);
    assert_eq!(world.said(group, 0), joins);
    world.said(group, ROBUST_MS);
    assert!(!world.groups.leave_for_a_moment(2, group, world.now_ns));
    assert!(world.said(group, ROBUST_MS).is_empty());

    assert!(world.groups.leave_for_a_moment(1, group, world.now_ns));
    assert_eq!(world.said(group, 0), leaves);
    // Another session comes, and the first one asks again: neither makes it shorter or longer.
    world.groups.join(2, group, &[IpAddr::from([10, 0, 0, 1])]);
    let again_ns = world.now_ns + 90 * MS;
    assert!(world.groups.leave_for_a_moment(1, group, again_ns));
    assert!(!world.said(group, 99).contains(&4));
    assert!(world.groups.due_ns() <= Some(world.now_ns + MS));
    assert_eq!(world.said(group, 1), joins);
    assert_eq!(world.groups.membership(group, 0).unwrap().sessions, 2);

    // The last one leaves while it waits: nothing is joined.
    world.said(group, ROBUST_MS);
    assert!(world.groups.leave_for_a_moment(1, group, world.now_ns));
    assert_eq!(world.said(group, 0), leaves);
    world.groups.part(1, None);
    world.groups.part(2, None);
    assert!(!world.said(group, ROBUST_MS).contains(&4));
}
