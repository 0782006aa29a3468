/*
 * The trunk port of a switch: frames of VLAN 100 come in, and go in without a tag; frames go out with
 * that tag. For tc-bpf(8).
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN 100
#define ADDRESSES 12
#define TAG 4

SEC("in")
int take_tag(struct __sk_buff *frame)
{
	if (!frame->vlan_present || (frame->vlan_tci & 0xfff) != VLAN)
		return TC_ACT_SHOT;
	return bpf_skb_vlan_pop(frame) ? TC_ACT_SHOT : TC_ACT_OK;
}

/*
 * With bpf_skb_vlan_push the tag would stay beside the frame, where XDP does not see it: as with a
 * NIC that takes tags out.
 */
SEC("out")
int put_tag(struct __sk_buff *frame)
{
	__u8 addresses[ADDRESSES];
	__u16 tag[2] = { bpf_htons(0x8100), bpf_htons(VLAN) };

	if (bpf_skb_change_head(frame, TAG, 0) ||
	    bpf_skb_load_bytes(frame, TAG, addresses, ADDRESSES) ||
	    bpf_skb_store_bytes(frame, 0, addresses, ADDRESSES, 0) ||
	    bpf_skb_store_bytes(frame, ADDRESSES, tag, TAG, 0))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}
