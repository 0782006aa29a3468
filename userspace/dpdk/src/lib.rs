//! Safe DPDK: EAL, mempool, mbuf, port, queue
