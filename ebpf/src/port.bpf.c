// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Which packets of an interface go to the socket of an AF_XDP port: those of its sessions, and those for addresses and
 * networks that the kernel has not. The kernel gets all others: its PTP, its ssh, its groups' queries.
 *
 * libxdp takes this program for its own default one, and enters its sockets in `xsks_map`: by the name of the function,
 * `refcnt` and `xsk_prog_version` (lib/libxdp/xsk.c of xdp-tools).
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Bits of the value of `taken` for a network. */
#define IGMP_OF_NETWORK 1 /* queries */
#define MLD_OF_NETWORK 2 /* queries */
#define UDP_OF_NETWORK 4 /* but PTP's: `taken` is full */

#define NOT_RTP 0xff
#define QUERY_BYTES 80
#define PTP_EVENT 319
#define PTP_GENERAL 320
#define IGMP_QUERY 0x11
#define MLD_QUERY 130
#define SOLICITATION 135
#define ARP_BYTES 28
#define ARP_TARGET 24
#define ICMPV6_TARGET 8
#define HOP_BY_HOP 8
#define RTP_BYTES 12

struct key {
	__u32 address[4]; /* in the network's order; IPv4 as ::ffff:a.b.c.d */
	__be16 port;
	__u16 vlan; /* 0: none */
};

struct flow {
	struct key key;
	__u8 payload_type;
	__u8 pad[3];
};

struct seen {
	__u64 first_ns;
	__u64 last_ns;
	__u64 packets;
};

struct query {
	__u64 at_ns;
	__u8 packet[QUERY_BYTES];
};

/* What the kernel got: of networks in which no port is, multicast that no session has, and all of a port's network. */
struct passed {
	__u64 untagged;
	__u64 tagged;
	__u64 no_session;
	__u64 own;
};

/* libxdp counts its sockets here: it must be the first variable, and 1. */
volatile int refcnt = 1;

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

/* A flow; with port 0 all that is for an address; without an address either, a port's network. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct key);
	__type(value, __u32);
} taken SEC(".maps");

/* Multicast that no session has: the kernel gets it, and it is shown. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 128);
	__type(key, struct flow);
	__type(value, struct seen);
} unclaimed SEC(".maps");

/* The last query of IGMP and of MLD that the kernel got, from its IP header on. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct query);
} queries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct passed);
} counts SEC(".maps");

struct tag {
	__be16 control;
	__be16 proto;
};

static __always_inline int to_socket(struct xdp_md *ctx)
{
	/* Of a queue without a socket the kernel gets them. */
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

static __always_inline int pass(struct key *network)
{
	__u32 zero = 0;
	struct passed *passed = bpf_map_lookup_elem(&counts, &zero);

	if (!passed)
		return XDP_PASS;
	if (bpf_map_lookup_elem(&taken, network))
		passed->own++;
	else if (network->vlan)
		passed->tagged++;
	else
		passed->untagged++;
	return XDP_PASS;
}

static __always_inline void note_flow(struct key *key, __u8 payload_type)
{
	struct flow flow = { .key = *key, .payload_type = payload_type };
	struct seen *seen = bpf_map_lookup_elem(&unclaimed, &flow);
	__u64 now = bpf_ktime_get_ns();
	__u32 zero = 0;
	struct passed *passed = bpf_map_lookup_elem(&counts, &zero);

	if (passed)
		passed->no_session++;
	if (seen) {
		seen->last_ns = now;
		__sync_fetch_and_add(&seen->packets, 1);
	} else {
		struct seen first = { now, now, 1 };

		bpf_map_update_elem(&unclaimed, &flow, &first, BPF_ANY);
	}
}

static __always_inline void note_query(struct xdp_md *ctx, __u32 which, __u32 offset)
{
	struct query *query = bpf_map_lookup_elem(&queries, &which);

	if (!query)
		return;
	query->at_ns = bpf_ktime_get_ns();
	/* Lengths of queries without sources, and with one; the verifier wants constants. */
	if (bpf_xdp_load_bytes(ctx, offset, query->packet, QUERY_BYTES) &&
	    bpf_xdp_load_bytes(ctx, offset, query->packet, 76) && bpf_xdp_load_bytes(ctx, offset, query->packet, 72) &&
	    bpf_xdp_load_bytes(ctx, offset, query->packet, 40) && bpf_xdp_load_bytes(ctx, offset, query->packet, 36) &&
	    bpf_xdp_load_bytes(ctx, offset, query->packet, 32))
		bpf_xdp_load_bytes(ctx, offset, query->packet, 28);
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	void *next = eth + 1;
	struct key key = {}, network = {};
	struct udphdr *udp = 0;
	__u32 kind = 0, offset;
	__u8 payload_type = NOT_RTP;
	int is_multicast = 0;
	__be16 proto;
	__u32 *found;

	if (!refcnt || next > end)
		return XDP_PASS;
	proto = eth->h_proto;
	if (proto == bpf_htons(ETH_P_8021Q)) {
		struct tag *tag = next;

		next = tag + 1;
		if (next > end)
			return XDP_PASS;
		key.vlan = bpf_ntohs(tag->control) & 0xfff;
		proto = tag->proto;
	}
	network.vlan = key.vlan;
	offset = next - data;

	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = next;
		__u32 header;

		if ((void *)(ip + 1) > end)
			return pass(&network);
		header = ip->ihl * 4;
		key.address[2] = bpf_htonl(0xffff);
		key.address[3] = ip->daddr;
		is_multicast = (bpf_ntohl(ip->daddr) >> 28) == 14;
		if (ip->protocol == IPPROTO_UDP && header >= sizeof(*ip) && !(ip->frag_off & bpf_htons(0x3fff)))
			udp = next + header;
		if (ip->protocol == IPPROTO_IGMP && header >= sizeof(*ip)) {
			__u8 *igmp = next + header;

			if ((void *)(igmp + 1) <= end && *igmp == IGMP_QUERY)
				kind = IGMP_OF_NETWORK;
		}
	} else if (proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = next;
		__u8 *icmp = (void *)(ip + 1);

		if ((void *)(ip + 1) > end)
			return pass(&network);
		__builtin_memcpy(key.address, &ip->daddr, sizeof(key.address));
		is_multicast = ip->daddr.s6_addr[0] == 0xff;
		if (ip->nexthdr == IPPROTO_UDP) {
			udp = (void *)(ip + 1);
		} else if (ip->nexthdr == IPPROTO_ICMPV6) {
			if ((void *)(icmp + ICMPV6_TARGET + sizeof(key.address)) <= end && *icmp == SOLICITATION) {
				__builtin_memcpy(key.address, icmp + ICMPV6_TARGET, sizeof(key.address));
				is_multicast = 0;
			}
		} else if (ip->nexthdr == IPPROTO_HOPOPTS) {
			if ((void *)(icmp + HOP_BY_HOP + 1) <= end && icmp[0] == IPPROTO_ICMPV6 && icmp[1] == 0 &&
			    icmp[HOP_BY_HOP] == MLD_QUERY)
				kind = MLD_OF_NETWORK;
		}
	} else if (proto == bpf_htons(ETH_P_ARP)) {
		if (next + ARP_BYTES > end)
			return pass(&network);
		key.address[2] = bpf_htonl(0xffff);
		__builtin_memcpy(&key.address[3], next + ARP_TARGET, sizeof(key.address[3]));
	} else {
		return pass(&network);
	}

	if (udp && (void *)(udp + 1) <= end) {
		__u8 *rtp = (void *)(udp + 1);

		key.port = udp->dest;
		if (bpf_map_lookup_elem(&taken, &key))
			return to_socket(ctx);
		if (key.port != bpf_htons(PTP_EVENT) && key.port != bpf_htons(PTP_GENERAL))
			kind = UDP_OF_NETWORK;
		if ((void *)(rtp + RTP_BYTES) <= end && rtp[0] >> 6 == 2 && !(rtp[1] >= 192 && rtp[1] <= 223))
			payload_type = rtp[1] & 0x7f;
	}
	if (!is_multicast) {
		key.port = 0;
		if (bpf_map_lookup_elem(&taken, &key))
			return to_socket(ctx);
	}
	if (kind) {
		found = bpf_map_lookup_elem(&taken, &network);
		if (found && *found & kind)
			return to_socket(ctx);
		if (kind != UDP_OF_NETWORK)
			note_query(ctx, kind == MLD_OF_NETWORK, offset);
		else if (is_multicast)
			note_flow(&key, payload_type);
	}
	return pass(&network);
}

/* A type of the program's BTF, never in memory. */
int (*xsk_prog_version)[1] SEC("xdp_metadata");

char LICENSE[] SEC("license") = "Dual MIT/GPL";
