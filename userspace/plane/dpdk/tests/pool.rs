//! Pools run dry and recover.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use onair_dpdk::{Burst, Error, Mbuf, Pool, RegisteredThread};
use onair_stage::in_own_process;

use crate::common;

#[test]
fn pool_exhausted_gives_none_until_an_mbuf_is_dropped() {
    in_own_process!();
    let eal = common::eal();
    let registered = RegisteredThread::new(&eal).unwrap();
    let pool = Pool::new(&eal, "p", 256).unwrap();
    assert_eq!((pool.size(), pool.available(), pool.held()), (256, 256, 0));
    let taken = Pool::new(&eal, "p", 256).unwrap_err();
    assert!(
        matches!(taken, Error::Dpdk { code, .. } if code == -libc::EEXIST),
        "{taken}"
    );
    let long = Pool::new(&eal, "a name that is far too long for DPDK", 64);
    assert!(matches!(long, Err(Error::Invalid { .. })));

    let mut all: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(all.len(), 256);
    assert_eq!((pool.available(), pool.held()), (0, 256));
    let mut burst = Burst::new();
    assert!(!pool.alloc_bulk(&mut burst, 1));
    assert!(burst.is_empty());

    let mut mbuf = all.pop().unwrap();
    let room = mbuf.tailroom();
    assert_eq!(room, 2048);
    assert!(mbuf.append(room + 1).is_none());
    assert!(mbuf.is_empty());
    mbuf.append(room).unwrap().fill(9);
    assert!(mbuf.append(1).is_none());
    drop(mbuf);
    assert_eq!(pool.available(), 1);
    let fresh = pool.alloc().unwrap();
    assert!(fresh.is_empty(), "of an mbuf used before");

    // Freed by a thread that is not registered with DPDK.
    thread::spawn(move || drop((fresh, all))).join().unwrap();
    assert_eq!((pool.available(), pool.held()), (256, 0));

    assert!(pool.alloc_bulk(&mut burst, 128));
    assert!(!pool.alloc_bulk(&mut burst, 1), "no room");
    let given_back = burst.push(pool.alloc().unwrap()).unwrap_err();
    drop((given_back, burst));
    assert_eq!((pool.available(), pool.held()), (256, 0));

    // Of two owners the last one frees it, and none writes it before.
    let mut one = pool.alloc().unwrap();
    one.append(4).unwrap().fill(7);
    let mut other = one.share();
    let written = catch_unwind(AssertUnwindSafe(|| one.data_mut()[0] = 1));
    assert!(written.is_err() && pool.held() == 2);
    thread::spawn(move || drop(one)).join().unwrap();
    assert_eq!((pool.available(), pool.held()), (255, 1));
    other.data_mut()[0] = 8;
    assert_eq!(other.data(), [8, 7, 7, 7]);
    drop(other);
    assert_eq!((pool.available(), pool.held()), (256, 0));

    // A pool dropped before its mbufs keeps their memory.
    let mut late = pool.alloc().unwrap();
    late.append(64).unwrap().fill(5);
    drop(pool);
    assert_eq!(late.data(), [5; 64]);
    let still = Pool::new(&eal, "p", 64).unwrap_err();
    assert!(
        matches!(still, Error::Dpdk { .. }),
        "its name is still taken"
    );
    drop(late);
    drop(Pool::new(&eal, "p", 64).unwrap());
    drop(registered);
    eal.cleanup().unwrap();
}
