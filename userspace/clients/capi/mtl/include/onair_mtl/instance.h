/* MTL's instance: parameters, time, memory, log. See onair_mtl.h. */
#ifndef ONAIR_MTL_INSTANCE_H
#define ONAIR_MTL_INSTANCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MTL_VERSION_MAJOR 26
#define MTL_VERSION_MINOR 1
#define MTL_VERSION_LAST 0
#define MTL_VERSION_NUM(a, b, c) ((a) << 16 | (b) << 8 | (c))
#define MTL_VERSION MTL_VERSION_NUM(MTL_VERSION_MAJOR, MTL_VERSION_MINOR, MTL_VERSION_LAST)

#define MTL_BIT32(n) (UINT32_C(1) << (n))
#define MTL_BIT64(n) (UINT64_C(1) << (n))
#define MTL_PACK(declaration) declaration __attribute__((__packed__))
#define MTL_MAY_UNUSED(x) (void)(x)
#define MTL_ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define MTL_LITTLE_ENDIAN

#define MTL_PORT_MAX_LEN 64
#define MTL_IP_ADDR_LEN 4
#define MTL_MAC_ADDR_LEN 6
#define MTL_PKT_MAX_RTP_BYTES 1352
#define MTL_DMA_DEV_MAX 32
#define MTL_PCAP_FILE_MAX_LEN 32
#define MTL_BAD_IOVA ((mtl_iova_t)-1)

typedef struct mtl_main_impl *mtl_handle;
typedef struct mtl_dma_mem *mtl_dma_mem_handle;
typedef uint64_t mtl_iova_t;
typedef uint64_t mtl_cpuva_t;

enum mtl_port { MTL_PORT_P, MTL_PORT_R, MTL_PORT_2, MTL_PORT_3, MTL_PORT_4, MTL_PORT_5, MTL_PORT_6, MTL_PORT_7 };
#define MTL_PORT_MAX 8
enum mtl_session_port { MTL_SESSION_PORT_P, MTL_SESSION_PORT_R };
#define MTL_SESSION_PORT_MAX 2

enum mtl_log_level {
    MTL_LOG_LEVEL_DEBUG,
    MTL_LOG_LEVEL_INFO,
    MTL_LOG_LEVEL_NOTICE,
    MTL_LOG_LEVEL_WARNING,
    MTL_LOG_LEVEL_ERR,
    MTL_LOG_LEVEL_CRIT,
    MTL_LOG_LEVEL_MAX
};
#define MTL_LOG_LEVEL_ERROR MTL_LOG_LEVEL_ERR
typedef void (*mtl_log_printer_t)(enum mtl_log_level level, const char *format, ...);
typedef void (*mtl_log_prefix_formatter_t)(char *buf, size_t buf_sz);

enum mtl_pmd_type {
    MTL_PMD_DPDK_USER = 0,
    MTL_PMD_NATIVE_AF_XDP = 4,
    MTL_PMD_EXPERIMENTAL = 16,
    MTL_PMD_KERNEL_SOCKET = 17,
    MTL_PMD_DPDK_AF_XDP = 19,
    MTL_PMD_DPDK_AF_PACKET = 20,
    MTL_PMD_TYPE_MAX
};
enum mtl_rss_mode { MTL_RSS_MODE_NONE, MTL_RSS_MODE_L3, MTL_RSS_MODE_L3_L4, MTL_RSS_MODE_MAX };
enum mtl_iova_mode { MTL_IOVA_MODE_AUTO, MTL_IOVA_MODE_VA, MTL_IOVA_MODE_PA, MTL_IOVA_MODE_MAX };
enum mtl_net_proto { MTL_PROTO_STATIC, MTL_PROTO_DHCP, MTL_PROTO_MAX };
enum mtl_simd_level {
    MTL_SIMD_LEVEL_NONE,
    MTL_SIMD_LEVEL_AVX2,
    MTL_SIMD_LEVEL_AVX512,
    MTL_SIMD_LEVEL_AVX512_VBMI2,
    MTL_SIMD_LEVEL_MAX
};
enum st21_tx_pacing_way {
    ST21_TX_PACING_WAY_AUTO,
    ST21_TX_PACING_WAY_RL,
    ST21_TX_PACING_WAY_TSC,
    ST21_TX_PACING_WAY_TSN,
    ST21_TX_PACING_WAY_PTP,
    ST21_TX_PACING_WAY_BE,
    ST21_TX_PACING_WAY_TSC_NARROW,
    ST21_TX_PACING_WAY_MAX
};

/* All are accepted and have no effect: what they choose is the daemon's configuration. */
#define MTL_FLAG_BIND_NUMA MTL_BIT64(0)
#define MTL_FLAG_PTP_ENABLE MTL_BIT64(1)
#define MTL_FLAG_RX_SEPARATE_VIDEO_LCORE MTL_BIT64(2)
#define MTL_FLAG_TX_VIDEO_MIGRATE MTL_BIT64(3)
#define MTL_FLAG_RX_VIDEO_MIGRATE MTL_BIT64(4)
#define MTL_FLAG_TASKLET_THREAD MTL_BIT64(5)
#define MTL_FLAG_TASKLET_SLEEP MTL_BIT64(6)
#define MTL_FLAG_RXTX_SIMD_512 MTL_BIT64(7)
#define MTL_FLAG_ENABLE_HW_TIMESTAMP MTL_BIT64(8)
#define MTL_FLAG_PTP_PI MTL_BIT64(9)
#define MTL_FLAG_UDP_LCORE MTL_BIT64(10)
#define MTL_FLAG_RANDOM_SRC_PORT MTL_BIT64(11)
#define MTL_FLAG_MULTI_SRC_PORT MTL_BIT64(12)
#define MTL_FLAG_SHARED_TX_QUEUE MTL_BIT64(13)
#define MTL_FLAG_SHARED_RX_QUEUE MTL_BIT64(14)
#define MTL_FLAG_PHC2SYS_ENABLE MTL_BIT64(15)
#define MTL_FLAG_VIRTIO_USER MTL_BIT64(16)
#define MTL_FLAG_DEV_AUTO_START_STOP MTL_BIT64(17)
#define MTL_FLAG_ALLOW_ACROSS_NUMA_CORE MTL_BIT64(18)
#define MTL_FLAG_NO_MULTICAST MTL_BIT64(19)
#define MTL_FLAG_DEDICATED_SYS_LCORE MTL_BIT64(20)
#define MTL_FLAG_NOT_BIND_NUMA MTL_BIT64(21)
#define MTL_FLAG_CNI_THREAD MTL_BIT64(32)
#define MTL_FLAG_CNI_TASKLET MTL_BIT64(33)
#define MTL_FLAG_NIC_RX_PROMISCUOUS MTL_BIT64(34)
#define MTL_FLAG_PTP_UNICAST_ADDR MTL_BIT64(35)
#define MTL_FLAG_RX_MONO_POOL MTL_BIT64(36)
#define MTL_FLAG_TASKLET_TIME_MEASURE MTL_BIT64(38)
#define MTL_FLAG_AF_XDP_ZC_DISABLE MTL_BIT64(39)
#define MTL_FLAG_TX_MONO_POOL MTL_BIT64(40)
#define MTL_FLAG_DISABLE_SYSTEM_RX_QUEUES MTL_BIT64(41)
#define MTL_FLAG_PTP_SOURCE_TSC MTL_BIT64(42)
#define MTL_FLAG_TX_NO_CHAIN MTL_BIT64(43)
#define MTL_FLAG_TX_NO_BURST_CHK MTL_BIT64(44)
#define MTL_FLAG_RX_USE_CNI MTL_BIT64(45)
#define MTL_FLAG_RX_UDP_PORT_ONLY MTL_BIT64(46)
#define MTL_FLAG_NOT_BIND_PROCESS_NUMA MTL_BIT64(47)
#define MTL_FLAG_ALLOW_DOWN_PORTS MTL_BIT64(48)

struct mtl_ptp_sync_notify_meta {
    int16_t master_utc_offset;
    int64_t delta;
};
struct mtl_port_init_params {
    uint64_t flags;
    int socket_id;
};

/* `port`, `num_ports`, `sip_addr` and `log_level` have an effect; `sip_addr` only for unicast receivers. */
struct mtl_init_params {
    char port[MTL_PORT_MAX][MTL_PORT_MAX_LEN];
    uint8_t num_ports;
    enum mtl_net_proto net_proto[MTL_PORT_MAX];
    enum mtl_pmd_type pmd[MTL_PORT_MAX];
    uint16_t tx_queues_cnt[MTL_PORT_MAX];
    uint16_t rx_queues_cnt[MTL_PORT_MAX];
    uint8_t sip_addr[MTL_PORT_MAX][MTL_IP_ADDR_LEN];
    uint8_t netmask[MTL_PORT_MAX][MTL_IP_ADDR_LEN];
    uint8_t gateway[MTL_PORT_MAX][MTL_IP_ADDR_LEN];
    uint64_t flags;
    void *priv;
    enum mtl_log_level log_level;
    char *lcores;
    char dma_dev_port[MTL_DMA_DEV_MAX][MTL_PORT_MAX_LEN];
    uint8_t num_dma_dev_port;
    enum mtl_rss_mode rss_mode;
    enum mtl_iova_mode iova_mode;
    uint16_t nb_tx_desc;
    uint16_t nb_rx_desc;
    uint64_t (*ptp_get_time_fn)(void *priv);
    void (*ptp_sync_notify)(void *priv, struct mtl_ptp_sync_notify_meta *meta);
    uint16_t dump_period_s;
    void (*stat_dump_cb_fn)(void *priv);
    enum st21_tx_pacing_way pacing;
    uint32_t data_quota_mbs_per_sch;
    uint32_t tx_audio_sessions_max_per_sch;
    uint32_t rx_audio_sessions_max_per_sch;
    uint16_t pkt_udp_suggest_max_size;
    uint16_t nb_rx_hdr_split_queues;
    uint16_t rx_pool_data_size;
    uint32_t memzone_max;
    uint32_t tasklets_nb_per_sch;
    uint16_t arp_timeout_s;
    uint16_t rss_sch_nb[MTL_PORT_MAX];
    double kp;
    double ki;
    struct mtl_port_init_params port_params[MTL_PORT_MAX];
    uint32_t main_lcore;
};

struct mtl_fix_info {
    uint64_t init_flags;
    uint8_t num_ports;
    uint8_t dma_dev_cnt_max;
};
struct mtl_var_info {
    uint8_t sch_cnt;
    uint8_t lcore_cnt;
    uint8_t dma_dev_cnt;
    bool dev_started;
};

mtl_handle mtl_init(struct mtl_init_params *p);
int mtl_uninit(mtl_handle mt);
int mtl_start(mtl_handle mt);
int mtl_stop(mtl_handle mt);
int mtl_abort(mtl_handle mt);
const char *mtl_version(void);
int mtl_get_fix_info(mtl_handle mt, struct mtl_fix_info *info);
int mtl_get_var_info(mtl_handle mt, struct mtl_var_info *info);

int mtl_set_log_level(mtl_handle mt, enum mtl_log_level level);
enum mtl_log_level mtl_get_log_level(mtl_handle mt);
int mtl_set_log_printer(mtl_log_printer_t printer);
int mtl_set_log_prefix_formatter(mtl_log_prefix_formatter_t formatter);
int mtl_openlog_stream(FILE *file);

/* CLOCK_TAI of this host, in nanoseconds: the daemon's clock. */
uint64_t mtl_ptp_read_time(mtl_handle mt);
uint64_t mtl_ptp_read_time_raw(mtl_handle mt);
void mtl_sleep_us(unsigned int us);
void mtl_delay_us(unsigned int us);

/* Plain memory: no device reads it. An IOVA is the address. */
void *mtl_memcpy(void *dest, const void *src, size_t n);
void *mtl_hp_malloc(mtl_handle mt, size_t size, enum mtl_port port);
void *mtl_hp_zmalloc(mtl_handle mt, size_t size, enum mtl_port port);
void mtl_hp_free(mtl_handle mt, void *ptr);
mtl_iova_t mtl_hp_virt2iova(mtl_handle mt, const void *vaddr);
size_t mtl_page_size(mtl_handle mt);
mtl_iova_t mtl_dma_map(mtl_handle mt, const void *vaddr, size_t size);
int mtl_dma_unmap(mtl_handle mt, const void *vaddr, mtl_iova_t iova, size_t size);
mtl_dma_mem_handle mtl_dma_mem_alloc(mtl_handle mt, size_t size);
void mtl_dma_mem_free(mtl_handle mt, mtl_dma_mem_handle handle);
void *mtl_dma_mem_addr(mtl_dma_mem_handle handle);
mtl_iova_t mtl_dma_mem_iova(mtl_dma_mem_handle handle);

enum mtl_pmd_type mtl_pmd_by_port_name(const char *port);
int mtl_para_port_set(struct mtl_init_params *p, enum mtl_port port, char *name);
int mtl_para_sip_set(struct mtl_init_params *p, enum mtl_port port, char *ip);
int mtl_para_gateway_set(struct mtl_init_params *p, enum mtl_port port, char *gateway);
int mtl_para_netmask_set(struct mtl_init_params *p, enum mtl_port port, char *netmask);
int mtl_thread_setname(pthread_t tid, const char *name);

static inline void mtl_para_tx_queues_cnt_set(struct mtl_init_params *p, enum mtl_port port, uint16_t cnt) {
    p->tx_queues_cnt[port] = cnt;
}
static inline void mtl_para_rx_queues_cnt_set(struct mtl_init_params *p, enum mtl_port port, uint16_t cnt) {
    p->rx_queues_cnt[port] = cnt;
}
static inline void mtl_para_pmd_set(struct mtl_init_params *p, enum mtl_port port, enum mtl_pmd_type pmd) {
    p->pmd[port] = pmd;
}
static inline char *mtl_para_port_get(struct mtl_init_params *p, enum mtl_port port) { return p->port[port]; }
static inline char *mtl_p_port(struct mtl_init_params *p) { return p->port[MTL_PORT_P]; }
static inline char *mtl_r_port(struct mtl_init_params *p) { return p->port[MTL_PORT_R]; }
static inline uint8_t *mtl_p_sip_addr(struct mtl_init_params *p) { return p->sip_addr[MTL_PORT_P]; }
static inline uint8_t *mtl_r_sip_addr(struct mtl_init_params *p) { return p->sip_addr[MTL_PORT_R]; }
static inline bool mtl_pmd_is_af_xdp(enum mtl_pmd_type pmd) {
    return pmd == MTL_PMD_DPDK_AF_XDP || pmd == MTL_PMD_NATIVE_AF_XDP;
}
static inline size_t mtl_size_page_align(size_t size, size_t page) { return (size + page - 1) / page * page; }

#ifdef __cplusplus
}
#endif

#endif
