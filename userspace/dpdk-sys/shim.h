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
struct rte_mbuf *onair_mbuf_alloc(struct rte_mempool *pool);
int onair_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count);
void onair_mbuf_free(struct rte_mbuf *mbuf);
char *onair_mbuf_append(struct rte_mbuf *mbuf, uint16_t length);

/* Memory */
unsigned int onair_mempool_chunks(const struct rte_mempool *pool);
unsigned int onair_mempool_size(const struct rte_mempool *pool);
struct rte_mbuf *onair_ring_take(struct rte_ring *ring);

/* Ports: 1 up, 0 down, negative errno. The C structure changed in DPDK 24. */
int onair_link_up(uint16_t port);

/* rte_errno is a macro over a thread-local. */
int onair_errno(void);

/*
 * libxdp and libbpf print to stderr. Sends each of their lines to `sink`
 * instead, in the thread that caused it; `level` is theirs (0 warning,
 * 1 information, 2 debug). Returns how many of the two libraries are loaded.
 */
typedef void (*onair_print_sink)(int level, const char *line, size_t length);
int onair_hook_prints(onair_print_sink sink);

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
};
