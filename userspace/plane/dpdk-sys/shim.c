/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <rte_alarm.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_version.h>

#include "shim.h"

#define IS_AT(NAME, field)                                                                        \
	_Static_assert(ONAIR_MBUF_##NAME == offsetof(struct rte_mbuf, field), #field " lies elsewhere")
IS_AT(BUF_ADDR, buf_addr);
IS_AT(DATA_OFF, data_off);
IS_AT(REFCNT, refcnt);
IS_AT(NB_SEGS, nb_segs);
IS_AT(OL_FLAGS, ol_flags);
IS_AT(PKT_LEN, pkt_len);
IS_AT(DATA_LEN, data_len);
IS_AT(VLAN_TCI, vlan_tci);
IS_AT(BUF_LEN, buf_len);
IS_AT(POOL, pool);
_Static_assert(sizeof(struct rte_mbuf) == 128 && _Alignof(struct rte_mbuf) == 64, "another mbuf");
_Static_assert(ONAIR_MBUF_VLAN_STRIPPED == RTE_MBUF_F_RX_VLAN_STRIPPED, "another flag");
_Static_assert(ONAIR_MBUF_HEADROOM == RTE_PKTMBUF_HEADROOM, "another headroom");
_Static_assert(RTE_VER_YEAR > 22 || (RTE_VER_YEAR == 22 && RTE_VER_MONTH >= 11), "an older DPDK");

unsigned int onair_built_year(void)
{
	return RTE_VER_YEAR;
}

unsigned int onair_built_month(void)
{
	return RTE_VER_MONTH;
}

uint16_t onair_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, mbufs, count);
}

uint16_t onair_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, mbufs, count);
}

int onair_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, count);
}

void onair_mbuf_free(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

struct rte_mbuf *onair_ring_take(struct rte_ring *ring)
{
	void *object = NULL;

	return rte_ring_dequeue(ring, &object) == 0 ? object : NULL;
}

struct private_area {
	struct rte_pktmbuf_pool_private mbufs; /* first, for DPDK looks there */
	uint64_t held __rte_cache_aligned;
};

uint64_t *onair_pool_held(struct rte_mempool *pool)
{
	return &((struct private_area *)rte_mempool_get_priv(pool))->held;
}

struct rte_mempool *onair_pool_create(const char *name, unsigned int count, unsigned int cache,
				      uint16_t room, int socket)
{
	struct rte_pktmbuf_pool_private mbufs = { .mbuf_data_room_size = room };
	struct rte_mempool *pool =
		rte_mempool_create_empty(name, count, sizeof(struct rte_mbuf) + room, cache,
					 sizeof(struct private_area), socket, 0);
	int rc;

	if (pool == NULL)
		return NULL;
	rc = rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL);
	if (rc == 0) {
		rte_pktmbuf_pool_init(pool, &mbufs);
		*onair_pool_held(pool) = 0;
		rc = rte_mempool_populate_default(pool);
	}
	if (rc < 0) {
		rte_mempool_free(pool);
		rte_errno = -rc;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

unsigned int onair_pool_chunks(const struct rte_mempool *pool)
{
	return pool->nb_mem_chunks;
}

/*
 * DPDK 22.11 registers as much as the mbufs have without the gaps that keep them
 * off the boundaries of pages. The kernel drops packets in the mbufs past that.
 */
unsigned int onair_pool_trim(struct rte_mempool *pool)
{
	size_t bytes = rte_mempool_calc_obj_size(pool->elt_size, pool->flags, NULL);
	const char *end = (const char *)STAILQ_FIRST(&pool->mem_list)->addr;
	struct rte_mbuf *inside = NULL;
	unsigned int count = 0;
	void *object;

	end += pool->populated_size * bytes;
	while (rte_mempool_generic_get(pool, &object, 1, NULL) == 0) {
		struct rte_mbuf *mbuf = object;

		if ((const char *)object - pool->header_size + bytes > end)
			continue;
		mbuf->next = inside;
		inside = mbuf;
		count++;
	}
	while (inside != NULL) {
		object = inside;
		inside = inside->next;
		((struct rte_mbuf *)object)->next = NULL;
		rte_mempool_generic_put(pool, &object, 1, NULL);
	}
	return count;
}

static void put_back(struct rte_mempool *pool, void *unused, void *object, unsigned int index)
{
	rte_pktmbuf_init(pool, unused, object, index);
	rte_mempool_generic_put(pool, &object, 1, NULL);
}

void onair_pool_refill(struct rte_mempool *pool)
{
	void *object;

	while (rte_mempool_generic_get(pool, &object, 1, NULL) == 0)
		;
	rte_mempool_obj_iter(pool, put_back, NULL);
}

/*
 * SYNC: pool-held. Relaxed: whoever may free the pool waits for the release.
 * One atomic for each run of mbufs of one pool.
 */
void onair_mbuf_hold(struct rte_mbuf **mbufs, unsigned int count)
{
	for (unsigned int i = 0; i < count;) {
		struct rte_mempool *pool = mbufs[i]->pool;
		unsigned int run = 0;

		while (i < count && mbufs[i]->pool == pool) {
			i++;
			run++;
		}
		__atomic_fetch_add(onair_pool_held(pool), run, __ATOMIC_RELAXED);
	}
}

/*
 * SYNC: pool-held. Release, and only after the free: a pool whose count is
 * seen at 0 is touched by nobody any more. One atomic for each run of mbufs of
 * one pool.
 */
void onair_mbuf_release(struct rte_mbuf **mbufs, unsigned int count)
{
	for (unsigned int i = 0; i < count;) {
		struct rte_mempool *pool = mbufs[i]->pool;
		unsigned int first = i, run;

		while (i < count && mbufs[i]->pool == pool)
			i++;
		run = i - first;
		rte_pktmbuf_free_bulk(mbufs + first, run);
		__atomic_fetch_sub(onair_pool_held(pool), run, __ATOMIC_RELEASE);
	}
}

/* Of all devices. The kernel repeats a request, and only a removal has one. */
static void on_event(const char *name, enum rte_dev_event_type event, void *wanted)
{
	if (name != NULL && event == RTE_DEV_EVENT_REMOVE)
		((void (*)(const char *))wanted)(name);
}

int onair_on_removal(void (*wanted)(const char *name))
{
	return rte_dev_event_callback_register(NULL, on_event, (void *)wanted);
}

int onair_port_info(uint16_t port, struct onair_port_info *info)
{
	struct rte_eth_dev_info all;
	int rc = rte_eth_dev_info_get(port, &all);

	if (rc < 0)
		return rc;
	*info = (struct onair_port_info){
		.device = all.device,
		.driver_name = all.driver_name,
		.rx_offloads = all.rx_offload_capa,
		.tx_offloads = all.tx_offload_capa,
		.interface_index = all.if_index,
		.most_rx_queues = all.max_rx_queues,
		.most_tx_queues = all.max_tx_queues,
		.most_rx_places = all.rx_desc_lim.nb_max,
	};
	return 0;
}

int onair_port_configure(uint16_t port, uint16_t queues, uint32_t mtu, int with_interrupt)
{
	struct rte_eth_conf conf = { .rxmode.mtu = mtu, .intr_conf.rxq = with_interrupt != 0 };
	struct rte_eth_dev_info info;
	int rc;

	if (queues > 1) {
		rc = rte_eth_dev_info_get(port, &info);
		if (rc < 0)
			return rc;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
		if (conf.rx_adv_conf.rss_conf.rss_hf != 0)
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	}
	return rte_eth_dev_configure(port, queues, queues, &conf);
}

int onair_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t places, unsigned int node,
			 struct rte_mempool *pool)
{
	return rte_eth_rx_queue_setup(port, queue, places, node, NULL, pool);
}

int onair_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t places, unsigned int node)
{
	return rte_eth_tx_queue_setup(port, queue, places, node, NULL);
}

_Static_assert(sizeof(struct rte_ether_addr) == 6, "another address");

/* The driver keeps none of the memory, and only reads it. */
int onair_port_set_groups(uint16_t port, const uint8_t *groups, uint32_t count)
{
	return rte_eth_dev_set_mc_addr_list(port, (struct rte_ether_addr *)(uintptr_t)groups, count);
}

int onair_port_mac(uint16_t port, uint8_t *mac)
{
	return rte_eth_macaddr_get(port, (struct rte_ether_addr *)mac);
}

int onair_port_stats(uint16_t port, struct onair_port_stats *stats)
{
	struct rte_eth_stats all = { 0 };
	int rc = rte_eth_stats_get(port, &all);

	*stats = (struct onair_port_stats){
		.rx_packets = all.ipackets,
		.tx_packets = all.opackets,
		.rx_bytes = all.ibytes,
		.tx_bytes = all.obytes,
		.rx_missed = all.imissed,
		.rx_errors = all.ierrors,
		.tx_errors = all.oerrors,
		.rx_no_mbuf = all.rx_nombuf,
	};
	return rc;
}

int onair_link(uint16_t port, uint32_t *mbps)
{
	struct rte_eth_link link;
	int rc = rte_eth_link_get_nowait(port, &link);

	if (rc < 0)
		return rc;
	*mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	return link.link_status == RTE_ETH_LINK_UP;
}

static const struct rte_flow_attr received = { .ingress = 1 };

struct rte_flow *onair_flow_create(uint16_t port, uint32_t address, uint16_t udp, uint16_t queue,
				   int only_try)
{
	struct rte_flow_item_ipv4 ip = { .hdr.dst_addr = rte_cpu_to_be_32(address) };
	struct rte_flow_item_ipv4 ip_mask = { .hdr.dst_addr = RTE_BE32(0xffffffff) };
	struct rte_flow_item_udp datagram = { .hdr.dst_port = rte_cpu_to_be_16(udp) };
	struct rte_flow_item_udp datagram_mask = { .hdr.dst_port = RTE_BE16(0xffff) };
	struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ip, .mask = &ip_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &datagram, .mask = &datagram_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	struct rte_flow_action_queue to = { .index = queue };
	struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &to },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_error error = { 0 };

	if (!only_try)
		return rte_flow_create(port, &received, pattern, actions, &error);
	rte_errno = -rte_flow_validate(port, &received, pattern, actions, &error);
	return NULL;
}

int onair_flow_destroy(uint16_t port, struct rte_flow *flow)
{
	struct rte_flow_error error = { 0 };

	return rte_flow_destroy(port, flow, &error);
}

int onair_errno(void)
{
	return rte_errno;
}

static onair_log_sink dpdk_sink;

/* DPDK flushes after each message, so it still knows whose level this is. */
static ssize_t write_log(void *cookie, const char *text, size_t length)
{
	(void)cookie;
	dpdk_sink(rte_log_cur_msg_loglevel(), text, length);
	return (ssize_t)length;
}

int onair_hook_dpdk_log(onair_log_sink sink)
{
	cookie_io_functions_t functions = { .write = write_log };
	FILE *stream = fopencookie(NULL, "w", functions);

	if (stream == NULL)
		return -ENOMEM;
	setvbuf(stream, NULL, _IOLBF, 0);
	dpdk_sink = sink;
	/* Never closed: DPDK writes to it as long as the process lives. */
	return rte_openlog_stream(stream);
}

static onair_log_sink library_sink;

static int print_line(int level, const char *format, va_list arguments)
{
	char line[512];
	int length = vsnprintf(line, sizeof(line), format, arguments);

	if (length > 0)
		library_sink(level, line,
			     (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
	return length;
}

typedef int (*print_function)(int level, const char *format, va_list arguments);

/* Both libraries come in with a driver plugin: only a copy that is loaded. */
static int hook(const char *library, const char *setter)
{
	print_function (*set)(print_function);
	void *handle = dlopen(library, RTLD_NOLOAD | RTLD_NOW);

	if (handle == NULL)
		return 0;
	set = (print_function(*)(print_function))dlsym(handle, setter);
	if (set == NULL)
		return 0;
	set(print_line);
	return 1;
}

int onair_hook_library_logs(onair_log_sink sink)
{
	library_sink = sink;
	return hook("libxdp.so.1", "libxdp_set_print") + hook("libbpf.so.1", "libbpf_set_print");
}

/* What is used of xdp/libxdp.h: its header is no dependency of the build. */
struct xdp_program;
typedef struct xdp_program *(*find_program)(const char *file, const char *section, void *options);
typedef int (*attach_program)(struct xdp_program *program, int interface, int mode,
			      unsigned int flags);
typedef void (*close_program)(struct xdp_program *program);
enum { MODE_NATIVE = 1, MODE_SKB = 2 };

int onair_xdp_attach(int interface, int native)
{
	void *handle = dlopen("libxdp.so.1", RTLD_NOLOAD | RTLD_NOW);
	find_program find;
	attach_program attach;
	close_program release;
	struct xdp_program *program;
	int rc;

	if (handle == NULL)
		return -ENOSYS;
	find = (find_program)dlsym(handle, "xdp_program__find_file");
	attach = (attach_program)dlsym(handle, "xdp_program__attach");
	release = (close_program)dlsym(handle, "xdp_program__close");
	if (find == NULL || attach == NULL || release == NULL)
		return -ENOSYS;
	/* The one that libxdp itself takes: it knows it again by its name and version. */
	program = find("xsk_def_xdp_prog.o", NULL, NULL);
	/* libxdp returns errors as pointers (ERR_PTR). */
	if (program == NULL || ((intptr_t)program >= -4095 && (intptr_t)program < 0))
		return program == NULL ? -ENOENT : (int)(intptr_t)program;
	rc = attach(program, interface, native ? MODE_NATIVE : MODE_SKB, 0);
	release(program);
	return rc;
}
