//! Requests in flight.

use super::*;

#[test]
fn operations_in_flight_and_late_then_waited_for_and_refused() {
    let coordinator = coordinator();
    let guard = coordinator.begin_operation().unwrap();
    let (released, servers) = std::sync::mpsc::channel();
    coordinator.register_server_shutdown("server", move |_| {
        released.send(()).unwrap();
        Ok(())
    });
    coordinator.begin(Cause::Signal(15));
    let runs = {
        let coordinator = coordinator.clone();
        thread::spawn(move || coordinator.run())
    };
    servers.recv_timeout(TIMEOUT).unwrap();
    assert_eq!(coordinator.begin_operation().unwrap_err(), ShuttingDown);
    let look = coordinator.count_operation();
    assert_eq!(coordinator.status().operations, 2);
    drop((guard, look));
    let report = runs.join().unwrap();
    assert_eq!(report.troubled().count(), 0);
    assert_eq!(
        (report.operations_refused, coordinator.operations()),
        (1, 0)
    );
}
