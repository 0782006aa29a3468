/*
 * All of DPDK that OnAir uses: its functions as they are, and what it gives only as static inline
 * functions, macros, or structures that its versions lay out differently. It needs none of DPDK's
 * headers, so src/bindings.rs is the same for each version; shim.c includes both, and the compiler
 * compares what both declare. A new call into DPDK is a new line here.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rte_device;
struct rte_flow;
struct rte_mbuf;
struct rte_mempool;
struct rte_ring;

/* EAL (rte_eal.h, rte_errno.h, rte_version.h) */
int rte_eal_init(int argc, char **argv);
int rte_eal_cleanup(void);
const char *rte_strerror(int errnum);
int rte_thread_register(void);
void rte_thread_unregister(void);
const char *rte_version(void);
unsigned int rte_version_year(void);
unsigned int rte_version_month(void);
/* The version whose headers the shim was compiled with. */
unsigned int onair_built_year(void);
unsigned int onair_built_month(void);

/* What DPDK's interrupt thread calls, once, after so many microseconds (rte_alarm.h) */
int rte_eal_alarm_set(uint64_t us, void (*cb)(void *arg), void *cb_arg);

/* Devices (rte_dev.h) */
int rte_dev_probe(const char *devargs);
int rte_dev_remove(struct rte_device *dev);
/* `wanted` is called on DPDK's interrupt thread, with the name of a device that the kernel wants back. */
int onair_on_removal(void (*wanted)(const char *name));

/* Ports (rte_ethdev.h, rte_eth_ring.h) */
int rte_eth_allmulticast_enable(uint16_t port_id);
int rte_eth_dev_adjust_nb_rx_tx_desc(uint16_t port_id, uint16_t *nb_rx_desc, uint16_t *nb_tx_desc);
int rte_eth_dev_close(uint16_t port_id);
int rte_eth_dev_get_mtu(uint16_t port_id, uint16_t *mtu);
int rte_eth_dev_get_port_by_name(const char *name, uint16_t *port_id);
int rte_eth_dev_rx_intr_ctl_q_get_fd(uint16_t port_id, uint16_t queue_id);
int rte_eth_dev_rx_intr_disable(uint16_t port_id, uint16_t queue_id);
int rte_eth_dev_rx_intr_enable(uint16_t port_id, uint16_t queue_id);
const char *rte_eth_dev_rx_offload_name(uint64_t offload);
int rte_eth_dev_socket_id(uint16_t port_id);
int rte_eth_dev_start(uint16_t port_id);
int rte_eth_dev_stop(uint16_t port_id);
const char *rte_eth_dev_tx_offload_name(uint64_t offload);
int rte_eth_from_rings(const char *name, struct rte_ring *const rx_queues[],
		       const unsigned int nb_rx_queues, struct rte_ring *const tx_queues[],
		       const unsigned int nb_tx_queues, const unsigned int numa_node);
int rte_eth_promiscuous_disable(uint16_t port_id);
int rte_eth_promiscuous_enable(uint16_t port_id);
int rte_eth_stats_reset(uint16_t port_id);
int rte_eth_tx_done_cleanup(uint16_t port_id, uint16_t queue_id, uint32_t free_cnt);

/* What a driver says of a port (struct rte_eth_dev_info). */
struct onair_port_info {
	struct rte_device *device;
	const char *driver_name;
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint32_t interface_index;
	uint16_t most_rx_queues;
	uint16_t most_tx_queues;
	uint16_t most_rx_places;
};
int onair_port_info(uint16_t port, struct onair_port_info *info);
/*
 * As many receive as transmit queues, over which received packets are spread by a hash of their
 * flow (RSS) if the device can; else all go to the first. An MTU of 0 is Ethernet's.
 */
int onair_port_configure(uint16_t port, uint16_t queues, uint32_t mtu, int with_interrupt);
int onair_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t places, unsigned int node,
			 struct rte_mempool *pool);
int onair_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t places, unsigned int node);
/* `groups`: `count` addresses of six bytes. */
int onair_port_set_groups(uint16_t port, const uint8_t *groups, uint32_t count);
/* Writes six bytes. */
int onair_port_mac(uint16_t port, uint8_t *mac);
/* The counters of struct rte_eth_stats that do not belong to a queue. */
struct onair_port_stats {
	uint64_t rx_packets;
	uint64_t tx_packets;
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	uint64_t rx_missed;
	uint64_t rx_errors;
	uint64_t tx_errors;
	uint64_t rx_no_mbuf;
};
int onair_port_stats(uint16_t port, struct onair_port_stats *stats);
/* 1 up, 0 down, negative errno; writes the speed in Mbit/s, 0 if it is unknown. */
int onair_link(uint16_t port, uint32_t *mbps);

/* Memory (rte_mempool.h, rte_ring.h) */
unsigned int rte_mempool_avail_count(const struct rte_mempool *mp);
void rte_mempool_free(struct rte_mempool *mp);
struct rte_ring *rte_ring_create(const char *name, unsigned int count, int socket_id,
				 unsigned int flags);
void rte_ring_free(struct rte_ring *r);

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
/* All mbufs are in the pool again, trimmed ones, too. None may be in use or in a cache. */
void onair_pool_refill(struct rte_mempool *pool);

/* Counts mbufs of any pools as held. */
void onair_mbuf_hold(struct rte_mbuf **mbufs, unsigned int count);
/* Frees held mbufs of any pools; counts each as no longer held after that. */
void onair_mbuf_release(struct rte_mbuf **mbufs, unsigned int count);

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

/* Where the fields that the hot path reads lie; shim.c compares them with DPDK's headers. */
enum onair_mbuf_offset {
	ONAIR_MBUF_BUF_ADDR = 0,
	ONAIR_MBUF_DATA_OFF = 16,
	ONAIR_MBUF_REFCNT = 18,
	ONAIR_MBUF_NB_SEGS = 20,
	ONAIR_MBUF_OL_FLAGS = 24,
	ONAIR_MBUF_PKT_LEN = 36,
	ONAIR_MBUF_DATA_LEN = 40,
	ONAIR_MBUF_VLAN_TCI = 42,
	ONAIR_MBUF_BUF_LEN = 54,
	ONAIR_MBUF_POOL = 56,
};

enum onair_mbuf {
	/* A flag of a packet that the device has set (rte_mbuf_core.h). */
	ONAIR_MBUF_VLAN_STRIPPED = 1 << 6,
	/* Bytes before the data of a new packet (rte_config.h). */
	ONAIR_MBUF_HEADROOM = 128,
};
