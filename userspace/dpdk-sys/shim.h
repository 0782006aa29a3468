/*
 * Symbols for what DPDK gives only as static inline functions or macros.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

/* Packets (rte_ethdev.h, rte_mbuf.h) */
uint16_t onair_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);
uint16_t onair_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);
int onair_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count);
void onair_mbuf_free(struct rte_mbuf *mbuf);
struct rte_mbuf *onair_ring_take(struct rte_ring *ring);

/*
 * A pool of mbufs as rte_pktmbuf_pool_create makes it, with one more word in
 * its private area: how many of its mbufs the program holds, that is, how
 * many are neither in the pool nor with a driver. NULL: see onair_errno.
 */
struct rte_mempool *onair_pool_create(const char *name, unsigned int count, unsigned int cache,
				      uint16_t room, int socket);
uint64_t *onair_pool_held(struct rte_mempool *pool);
unsigned int onair_pool_chunks(const struct rte_mempool *pool);
/*
 * Takes the mbufs out of a new pool of one chunk that the AF_XDP driver does not
 * register with the kernel. Returns how many stay.
 */
unsigned int onair_pool_trim(struct rte_mempool *pool);

/* Counts mbufs of any pools as held. */
void onair_mbuf_hold(struct rte_mbuf **mbufs, unsigned int count);
/* Frees held mbufs of any pools; counts each as no longer held after that. */
void onair_mbuf_release(struct rte_mbuf **mbufs, unsigned int count);

/*
 * Ports: 1 up, 0 down, negative errno; writes the speed in Mbit/s
 * (RTE_ETH_SPEED_NUM_*). The C structure changed in DPDK 24.
 */
int onair_link(uint16_t port, uint32_t *mbps);

/*
 * Spreads received packets over the queues by a hash of their flow (RSS), with
 * what the device has `offered` (flow_type_rss_offloads); else all go to the first.
 */
void onair_spread(struct rte_eth_conf *conf, uint64_t offered);

/*
 * Lets the device put the datagrams to an IPv4 address and a UDP port into one
 * receive queue. NULL: see onair_errno. `only_try` makes no rule, returns NULL,
 * and sets rte_errno to 0 if the device could.
 */
struct rte_flow *onair_flow_create(uint16_t port, uint32_t address, uint16_t udp, uint16_t queue,
				   int only_try);
int onair_flow_destroy(uint16_t port, struct rte_flow *flow);

/* rte_errno is a macro over a thread-local. */
int onair_errno(void);

/*
 * What DPDK and its libraries log, in the thread that caused it. A message of
 * DPDK's may come in several pieces.
 */
typedef void (*onair_log_sink)(int level, const char *text, size_t length);

/* Before rte_eal_init. `level` is DPDK's (rte_log.h). 0 or negative errno. */
int onair_hook_dpdk_log(onair_log_sink sink);

/*
 * After rte_eal_init, which loads them with a driver: libxdp and libbpf print
 * to stderr otherwise. `level` is theirs: 0 warning, 1 information, 2 debug.
 * Returns how many of the two are loaded.
 */
int onair_hook_library_logs(onair_log_sink sink);

/*
 * Attaches libxdp's program for AF_XDP to an interface, in its driver (native)
 * or in generic (SKB) mode: the AF_XDP socket that is opened next uses it. The
 * program stays when the socket is closed. After onair_hook_library_logs. 0 or
 * negative errno.
 */
int onair_xdp_attach(int interface, int native);

/*
 * Where the fields that the hot path reads lie. By offset, because DPDK 24
 * moved some of them into anonymous unions, which changes their path from
 * Rust but not their place.
 */
enum onair_mbuf_offset {
	ONAIR_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	ONAIR_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	ONAIR_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	ONAIR_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	ONAIR_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	ONAIR_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
	ONAIR_MBUF_POOL = offsetof(struct rte_mbuf, pool),
	ONAIR_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
	ONAIR_MBUF_VLAN_TCI = offsetof(struct rte_mbuf, vlan_tci),
};

/* Flags of a packet that the device has set (rte_mbuf_core.h). */
enum onair_mbuf_flag {
	ONAIR_MBUF_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED,
};

/*
 * DMA engines (rte_dmadev.h): one channel of the device `name`, which is probed
 * if it is not there, for up to `depth` copies under way. Returns the device's
 * number, or a negative errno; `step` then says what failed. Only an engine that
 * takes the process's own addresses will do.
 */
int onair_dma_open(const char *name, uint16_t depth, const char **step);
/* Returns whether the engine takes the copy. It begins with the submit. */
int onair_dma_copy(int16_t engine, const void *from, void *to, uint32_t length);
void onair_dma_submit(int16_t engine);
/* How many copies have ended, in their order; of each, whether it failed. */
uint16_t onair_dma_completed(int16_t engine, uint8_t *failed, uint16_t most);
/* 0: the engine copies nothing any more. */
int onair_dma_stop(int16_t engine);
int onair_dma_close(int16_t engine);
