/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "shim.h"

uint16_t onair_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, mbufs, count);
}

uint16_t onair_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, mbufs, count);
}

struct rte_mbuf *onair_mbuf_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

int onair_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, count);
}

void onair_mbuf_free(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

char *onair_mbuf_append(struct rte_mbuf *mbuf, uint16_t length)
{
	return rte_pktmbuf_append(mbuf, length);
}

unsigned int onair_mempool_chunks(const struct rte_mempool *pool)
{
	return pool->nb_mem_chunks;
}

unsigned int onair_mempool_size(const struct rte_mempool *pool)
{
	return pool->size;
}

struct rte_mbuf *onair_ring_take(struct rte_ring *ring)
{
	void *object = NULL;

	return rte_ring_dequeue(ring, &object) == 0 ? object : NULL;
}

int onair_link_up(uint16_t port)
{
	struct rte_eth_link link;
	int rc = rte_eth_link_get_nowait(port, &link);

	return rc < 0 ? rc : link.link_status == RTE_ETH_LINK_UP;
}

int onair_errno(void)
{
	return rte_errno;
}

static onair_print_sink print_sink;

static int print_line(int level, const char *format, va_list arguments)
{
	char line[512];
	int length = vsnprintf(line, sizeof(line), format, arguments);

	if (length > 0)
		print_sink(level, line,
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

int onair_hook_prints(onair_print_sink sink)
{
	print_sink = sink;
	return hook("libxdp.so.1", "libxdp_set_print") + hook("libbpf.so.1", "libbpf_set_print");
}
