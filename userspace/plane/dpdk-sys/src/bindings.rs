#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rte_device {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rte_flow {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rte_mbuf {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rte_mempool {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rte_ring {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct onair_port_info {
    pub device: *mut rte_device,
    pub driver_name: *const ::core::ffi::c_char,
    pub rx_offloads: u64,
    pub tx_offloads: u64,
    pub interface_index: u32,
    pub most_rx_queues: u16,
    pub most_tx_queues: u16,
    pub most_rx_places: u16,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of onair_port_info"][::core::mem::size_of::<onair_port_info>() - 48usize];
    [
        "Alignment of onair_port_info",
    ][::core::mem::align_of::<onair_port_info>() - 8usize];
    [
        "Offset of field: onair_port_info::device",
    ][::core::mem::offset_of!(onair_port_info, device) - 0usize];
    [
        "Offset of field: onair_port_info::driver_name",
    ][::core::mem::offset_of!(onair_port_info, driver_name) - 8usize];
    [
        "Offset of field: onair_port_info::rx_offloads",
    ][::core::mem::offset_of!(onair_port_info, rx_offloads) - 16usize];
    [
        "Offset of field: onair_port_info::tx_offloads",
    ][::core::mem::offset_of!(onair_port_info, tx_offloads) - 24usize];
    [
        "Offset of field: onair_port_info::interface_index",
    ][::core::mem::offset_of!(onair_port_info, interface_index) - 32usize];
    [
        "Offset of field: onair_port_info::most_rx_queues",
    ][::core::mem::offset_of!(onair_port_info, most_rx_queues) - 36usize];
    [
        "Offset of field: onair_port_info::most_tx_queues",
    ][::core::mem::offset_of!(onair_port_info, most_tx_queues) - 38usize];
    [
        "Offset of field: onair_port_info::most_rx_places",
    ][::core::mem::offset_of!(onair_port_info, most_rx_places) - 40usize];
};
impl Default for onair_port_info {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct onair_port_stats {
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_missed: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_no_mbuf: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of onair_port_stats"][::core::mem::size_of::<onair_port_stats>() - 64usize];
    [
        "Alignment of onair_port_stats",
    ][::core::mem::align_of::<onair_port_stats>() - 8usize];
    [
        "Offset of field: onair_port_stats::rx_packets",
    ][::core::mem::offset_of!(onair_port_stats, rx_packets) - 0usize];
    [
        "Offset of field: onair_port_stats::tx_packets",
    ][::core::mem::offset_of!(onair_port_stats, tx_packets) - 8usize];
    [
        "Offset of field: onair_port_stats::rx_bytes",
    ][::core::mem::offset_of!(onair_port_stats, rx_bytes) - 16usize];
    [
        "Offset of field: onair_port_stats::tx_bytes",
    ][::core::mem::offset_of!(onair_port_stats, tx_bytes) - 24usize];
    [
        "Offset of field: onair_port_stats::rx_missed",
    ][::core::mem::offset_of!(onair_port_stats, rx_missed) - 32usize];
    [
        "Offset of field: onair_port_stats::rx_errors",
    ][::core::mem::offset_of!(onair_port_stats, rx_errors) - 40usize];
    [
        "Offset of field: onair_port_stats::tx_errors",
    ][::core::mem::offset_of!(onair_port_stats, tx_errors) - 48usize];
    [
        "Offset of field: onair_port_stats::rx_no_mbuf",
    ][::core::mem::offset_of!(onair_port_stats, rx_no_mbuf) - 56usize];
};
pub type onair_log_sink = ::core::option::Option<
    unsafe extern "C" fn(
        level: ::core::ffi::c_int,
        text: *const ::core::ffi::c_char,
        length: usize,
    ),
>;
pub const ONAIR_MBUF_BUF_ADDR: onair_mbuf_offset = 0;
pub const ONAIR_MBUF_DATA_OFF: onair_mbuf_offset = 16;
pub const ONAIR_MBUF_REFCNT: onair_mbuf_offset = 18;
pub const ONAIR_MBUF_NB_SEGS: onair_mbuf_offset = 20;
pub const ONAIR_MBUF_OL_FLAGS: onair_mbuf_offset = 24;
pub const ONAIR_MBUF_PKT_LEN: onair_mbuf_offset = 36;
pub const ONAIR_MBUF_DATA_LEN: onair_mbuf_offset = 40;
pub const ONAIR_MBUF_VLAN_TCI: onair_mbuf_offset = 42;
pub const ONAIR_MBUF_BUF_LEN: onair_mbuf_offset = 54;
pub const ONAIR_MBUF_POOL: onair_mbuf_offset = 56;
pub type onair_mbuf_offset = ::core::ffi::c_uint;
pub const ONAIR_MBUF_VLAN_STRIPPED: onair_mbuf = 64;
pub const ONAIR_MBUF_HEADROOM: onair_mbuf = 128;
pub type onair_mbuf = ::core::ffi::c_uint;
unsafe extern "C" {
    pub fn rte_eal_init(
        argc: ::core::ffi::c_int,
        argv: *mut *mut ::core::ffi::c_char,
    ) -> ::core::ffi::c_int;
    pub fn rte_eal_cleanup() -> ::core::ffi::c_int;
    pub fn rte_strerror(errnum: ::core::ffi::c_int) -> *const ::core::ffi::c_char;
    pub fn rte_thread_register() -> ::core::ffi::c_int;
    pub fn rte_thread_unregister();
    pub fn rte_version() -> *const ::core::ffi::c_char;
    pub fn rte_version_year() -> ::core::ffi::c_uint;
    pub fn rte_version_month() -> ::core::ffi::c_uint;
    pub fn onair_built_year() -> ::core::ffi::c_uint;
    pub fn onair_built_month() -> ::core::ffi::c_uint;
    pub fn rte_eal_alarm_set(
        us: u64,
        cb: ::core::option::Option<unsafe extern "C" fn(arg: *mut ::core::ffi::c_void)>,
        cb_arg: *mut ::core::ffi::c_void,
    ) -> ::core::ffi::c_int;
    pub fn rte_dev_probe(devargs: *const ::core::ffi::c_char) -> ::core::ffi::c_int;
    pub fn rte_dev_remove(dev: *mut rte_device) -> ::core::ffi::c_int;
    pub fn onair_on_removal(
        wanted: ::core::option::Option<
            unsafe extern "C" fn(name: *const ::core::ffi::c_char),
        >,
    ) -> ::core::ffi::c_int;
    pub fn rte_eth_allmulticast_enable(port_id: u16) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_adjust_nb_rx_tx_desc(
        port_id: u16,
        nb_rx_desc: *mut u16,
        nb_tx_desc: *mut u16,
    ) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_close(port_id: u16) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_get_mtu(port_id: u16, mtu: *mut u16) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_get_port_by_name(
        name: *const ::core::ffi::c_char,
        port_id: *mut u16,
    ) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_rx_intr_ctl_q_get_fd(
        port_id: u16,
        queue_id: u16,
    ) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_rx_intr_disable(
        port_id: u16,
        queue_id: u16,
    ) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_rx_intr_enable(port_id: u16, queue_id: u16) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_rx_offload_name(offload: u64) -> *const ::core::ffi::c_char;
    pub fn rte_eth_dev_socket_id(port_id: u16) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_start(port_id: u16) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_stop(port_id: u16) -> ::core::ffi::c_int;
    pub fn rte_eth_dev_tx_offload_name(offload: u64) -> *const ::core::ffi::c_char;
    pub fn rte_eth_from_rings(
        name: *const ::core::ffi::c_char,
        rx_queues: *const *mut rte_ring,
        nb_rx_queues: ::core::ffi::c_uint,
        tx_queues: *const *mut rte_ring,
        nb_tx_queues: ::core::ffi::c_uint,
        numa_node: ::core::ffi::c_uint,
    ) -> ::core::ffi::c_int;
    pub fn rte_eth_promiscuous_disable(port_id: u16) -> ::core::ffi::c_int;
    pub fn rte_eth_promiscuous_enable(port_id: u16) -> ::core::ffi::c_int;
    pub fn rte_eth_stats_reset(port_id: u16) -> ::core::ffi::c_int;
    pub fn rte_eth_tx_done_cleanup(
        port_id: u16,
        queue_id: u16,
        free_cnt: u32,
    ) -> ::core::ffi::c_int;
    pub fn onair_port_info(port: u16, info: *mut onair_port_info) -> ::core::ffi::c_int;
    pub fn onair_port_configure(
        port: u16,
        queues: u16,
        mtu: u32,
        with_interrupt: ::core::ffi::c_int,
    ) -> ::core::ffi::c_int;
    pub fn onair_rx_queue_setup(
        port: u16,
        queue: u16,
        places: u16,
        node: ::core::ffi::c_uint,
        pool: *mut rte_mempool,
    ) -> ::core::ffi::c_int;
    pub fn onair_tx_queue_setup(
        port: u16,
        queue: u16,
        places: u16,
        node: ::core::ffi::c_uint,
    ) -> ::core::ffi::c_int;
    pub fn onair_port_set_groups(
        port: u16,
        groups: *const u8,
        count: u32,
    ) -> ::core::ffi::c_int;
    pub fn onair_port_mac(port: u16, mac: *mut u8) -> ::core::ffi::c_int;
    pub fn onair_port_stats(
        port: u16,
        stats: *mut onair_port_stats,
    ) -> ::core::ffi::c_int;
    pub fn onair_link(port: u16, mbps: *mut u32) -> ::core::ffi::c_int;
    pub fn rte_mempool_avail_count(mp: *const rte_mempool) -> ::core::ffi::c_uint;
    pub fn rte_mempool_free(mp: *mut rte_mempool);
    pub fn rte_ring_create(
        name: *const ::core::ffi::c_char,
        count: ::core::ffi::c_uint,
        socket_id: ::core::ffi::c_int,
        flags: ::core::ffi::c_uint,
    ) -> *mut rte_ring;
    pub fn rte_ring_free(r: *mut rte_ring);
    pub fn onair_rx_burst(
        port: u16,
        queue: u16,
        mbufs: *mut *mut rte_mbuf,
        count: u16,
    ) -> u16;
    pub fn onair_tx_burst(
        port: u16,
        queue: u16,
        mbufs: *mut *mut rte_mbuf,
        count: u16,
    ) -> u16;
    pub fn onair_mbuf_alloc_bulk(
        pool: *mut rte_mempool,
        mbufs: *mut *mut rte_mbuf,
        count: ::core::ffi::c_uint,
    ) -> ::core::ffi::c_int;
    pub fn onair_mbuf_free(mbuf: *mut rte_mbuf);
    pub fn onair_ring_take(ring: *mut rte_ring) -> *mut rte_mbuf;
    pub fn onair_pool_create(
        name: *const ::core::ffi::c_char,
        count: ::core::ffi::c_uint,
        cache: ::core::ffi::c_uint,
        room: u16,
        socket: ::core::ffi::c_int,
    ) -> *mut rte_mempool;
    pub fn onair_pool_held(pool: *mut rte_mempool) -> *mut u64;
    pub fn onair_pool_chunks(pool: *const rte_mempool) -> ::core::ffi::c_uint;
    pub fn onair_pool_trim(pool: *mut rte_mempool) -> ::core::ffi::c_uint;
    pub fn onair_pool_refill(pool: *mut rte_mempool);
    pub fn onair_mbuf_hold(mbufs: *mut *mut rte_mbuf, count: ::core::ffi::c_uint);
    pub fn onair_mbuf_release(mbufs: *mut *mut rte_mbuf, count: ::core::ffi::c_uint);
    pub fn onair_flow_create(
        port: u16,
        address: u32,
        udp: u16,
        queue: u16,
        only_try: ::core::ffi::c_int,
    ) -> *mut rte_flow;
    pub fn onair_flow_destroy(port: u16, flow: *mut rte_flow) -> ::core::ffi::c_int;
    pub fn onair_errno() -> ::core::ffi::c_int;
    pub fn onair_hook_dpdk_log(sink: onair_log_sink) -> ::core::ffi::c_int;
    pub fn onair_hook_library_logs(sink: onair_log_sink) -> ::core::ffi::c_int;
    pub fn onair_xdp_attach(
        interface: ::core::ffi::c_int,
        native: ::core::ffi::c_int,
    ) -> ::core::ffi::c_int;
}
