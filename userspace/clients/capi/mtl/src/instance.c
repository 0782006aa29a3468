/* The instance: a check that the daemon answers, and what programs ask a library for beside sessions. */
#include "internal.h"

#include <arpa/inet.h>
#include <unistd.h>

struct mtl_main_impl {
    struct mtl_main_impl *next;
    struct mtl_init_params params;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mtl_main_impl *instances;

static _Atomic(mtl_log_printer_t) printer;
static _Atomic(mtl_log_prefix_formatter_t) prefix;
static _Atomic(FILE *) stream;
static _Atomic int log_level = MTL_LOG_LEVEL_INFO;

void say(enum mtl_log_level level, const char *format, ...) {
    if ((int)level < atomic_load(&log_level))
        return;
    char text[768], before[128] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    mtl_log_prefix_formatter_t formatter = atomic_load(&prefix);
    if (formatter != NULL)
        formatter(before, sizeof before);
    mtl_log_printer_t print = atomic_load(&printer);
    FILE *file = atomic_load(&stream);
    if (print != NULL)
        print(level, "%sonair: %s\n", before, text);
    else
        fprintf(file != NULL ? file : stderr, "%sonair: %s\n", before, text);
}

API mtl_handle mtl_init(struct mtl_init_params *p) {
    if (p == NULL || p->num_ports == 0 || p->num_ports > MTL_PORT_MAX) {
        say(MTL_LOG_LEVEL_ERR, "mtl_init: no parameters, or no port");
        return NULL;
    }
    atomic_store(&log_level, p->log_level);
    int error = onair_connect(NULL);
    if (error < 0) {
        char text[512];
        onair_last_error(text, sizeof text);
        say(MTL_LOG_LEVEL_ERR, "mtl_init: %s: %s", onair_strerror(error), text);
        return NULL;
    }
    struct mtl_main_impl *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->params = *p;
    say(MTL_LOG_LEVEL_INFO, "cores, queues, descriptors, NUMA, pacing and PTP are the daemon's configuration");
    pthread_mutex_lock(&lock);
    made->next = instances;
    instances = made;
    pthread_mutex_unlock(&lock);
    return made;
}

int instance_find(mtl_handle mt, struct mtl_init_params *params) {
    pthread_mutex_lock(&lock);
    struct mtl_main_impl *it = instances;
    while (it != NULL && it != mt)
        it = it->next;
    if (it != NULL && params != NULL)
        *params = it->params;
    pthread_mutex_unlock(&lock);
    return it != NULL ? 0 : -EINVAL;
}

API int mtl_uninit(mtl_handle mt) {
    pthread_mutex_lock(&lock);
    struct mtl_main_impl **at = &instances;
    while (*at != NULL && *at != mt)
        at = &(*at)->next;
    struct mtl_main_impl *found = *at;
    if (found != NULL)
        *at = found->next;
    pthread_mutex_unlock(&lock);
    if (found == NULL)
        return -EINVAL;
    stream_abort_all(mt);
    free(found);
    return 0;
}

API int mtl_start(mtl_handle mt) { return instance_find(mt, NULL); }
API int mtl_stop(mtl_handle mt) { return instance_find(mt, NULL); }
/* A signal handler calls it: there is nothing to abort. */
API int mtl_abort(mtl_handle mt) { return mt != NULL ? 0 : -EINVAL; }

API const char *mtl_version(void) { return "26.1.0 (OnAir)"; }

API int mtl_get_fix_info(mtl_handle mt, struct mtl_fix_info *info) {
    struct mtl_init_params params;
    int error = info != NULL ? instance_find(mt, &params) : -EINVAL;
    if (error == 0)
        *info = (struct mtl_fix_info){.init_flags = params.flags, .num_ports = params.num_ports};
    return error;
}

API int mtl_get_var_info(mtl_handle mt, struct mtl_var_info *info) {
    int error = info != NULL ? instance_find(mt, NULL) : -EINVAL;
    if (error == 0)
        *info = (struct mtl_var_info){.dev_started = true};
    return error;
}

API int mtl_set_log_level(mtl_handle mt, enum mtl_log_level level) {
    (void)mt;
    atomic_store(&log_level, level);
    return 0;
}

API enum mtl_log_level mtl_get_log_level(mtl_handle mt) {
    (void)mt;
    return (enum mtl_log_level)atomic_load(&log_level);
}

API int mtl_set_log_printer(mtl_log_printer_t own) {
    atomic_store(&printer, own);
    return 0;
}

API int mtl_set_log_prefix_formatter(mtl_log_prefix_formatter_t formatter) {
    atomic_store(&prefix, formatter);
    return 0;
}

API int mtl_openlog_stream(FILE *file) {
    atomic_store(&stream, file);
    return 0;
}

static uint64_t now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

uint64_t tai_ns(void) { return now(CLOCK_TAI); }
uint64_t monotonic_ns(void) { return now(CLOCK_MONOTONIC); }

API uint64_t mtl_ptp_read_time(mtl_handle mt) { return instance_find(mt, NULL) == 0 ? tai_ns() : 0; }
API uint64_t mtl_ptp_read_time_raw(mtl_handle mt) { return mtl_ptp_read_time(mt); }

API void mtl_sleep_us(unsigned int us) { usleep(us); }

API void mtl_delay_us(unsigned int us) {
    for (uint64_t end = monotonic_ns() + us * 1000ull; monotonic_ns() < end;)
        ;
}

API void *mtl_memcpy(void *dest, const void *src, size_t n) { return memcpy(dest, src, n); }

API size_t mtl_page_size(mtl_handle mt) {
    (void)mt;
    return (size_t)sysconf(_SC_PAGESIZE);
}

API void *mtl_hp_malloc(mtl_handle mt, size_t size, enum mtl_port port) {
    (void)port;
    void *memory;
    bool is_valid = instance_find(mt, NULL) == 0 && size > 0;
    return is_valid && posix_memalign(&memory, mtl_page_size(mt), size) == 0 ? memory : NULL;
}

API void *mtl_hp_zmalloc(mtl_handle mt, size_t size, enum mtl_port port) {
    void *memory = mtl_hp_malloc(mt, size, port);
    return memory != NULL ? memset(memory, 0, size) : NULL;
}

API void mtl_hp_free(mtl_handle mt, void *ptr) {
    (void)mt;
    free(ptr);
}

API mtl_iova_t mtl_hp_virt2iova(mtl_handle mt, const void *vaddr) {
    (void)mt;
    return (mtl_iova_t)(uintptr_t)vaddr;
}

API mtl_iova_t mtl_dma_map(mtl_handle mt, const void *vaddr, size_t size) {
    return instance_find(mt, NULL) == 0 && vaddr != NULL && size > 0 ? (mtl_iova_t)(uintptr_t)vaddr : MTL_BAD_IOVA;
}

API int mtl_dma_unmap(mtl_handle mt, const void *vaddr, mtl_iova_t iova, size_t size) {
    (void)size;
    return instance_find(mt, NULL) == 0 && iova == (mtl_iova_t)(uintptr_t)vaddr ? 0 : -EINVAL;
}

struct mtl_dma_mem {
    void *memory;
};

API mtl_dma_mem_handle mtl_dma_mem_alloc(mtl_handle mt, size_t size) {
    struct mtl_dma_mem *made = malloc(sizeof *made);
    void *memory = mtl_hp_zmalloc(mt, size, MTL_PORT_P);
    if (made == NULL || memory == NULL) {
        free(made);
        free(memory);
        return NULL;
    }
    made->memory = memory;
    return made;
}

API void mtl_dma_mem_free(mtl_handle mt, mtl_dma_mem_handle handle) {
    (void)mt;
    if (handle != NULL)
        free(handle->memory);
    free(handle);
}

API void *mtl_dma_mem_addr(mtl_dma_mem_handle handle) { return handle->memory; }
API mtl_iova_t mtl_dma_mem_iova(mtl_dma_mem_handle handle) { return (mtl_iova_t)(uintptr_t)handle->memory; }

API enum mtl_pmd_type mtl_pmd_by_port_name(const char *port) {
    static const struct {
        const char *prefix;
        enum mtl_pmd_type pmd;
    } all[] = {{"dpdk_af_xdp:", MTL_PMD_DPDK_AF_XDP},
               {"dpdk_af_packet:", MTL_PMD_DPDK_AF_PACKET},
               {"kernel:", MTL_PMD_KERNEL_SOCKET},
               {"native_af_xdp:", MTL_PMD_NATIVE_AF_XDP}};
    for (size_t i = 0; i < MTL_ARRAY_SIZE(all); i++)
        if (strncmp(port, all[i].prefix, strlen(all[i].prefix)) == 0)
            return all[i].pmd;
    return MTL_PMD_DPDK_USER;
}

API int mtl_para_port_set(struct mtl_init_params *p, enum mtl_port port, char *name) {
    int length = snprintf(p->port[port], MTL_PORT_MAX_LEN, "%s", name);
    return length < MTL_PORT_MAX_LEN ? 0 : -EINVAL;
}

static int address_set(uint8_t *to, const char *ip) { return inet_pton(AF_INET, ip, to) == 1 ? 0 : -EINVAL; }

API int mtl_para_sip_set(struct mtl_init_params *p, enum mtl_port port, char *ip) {
    return address_set(p->sip_addr[port], ip);
}
API int mtl_para_gateway_set(struct mtl_init_params *p, enum mtl_port port, char *gateway) {
    return address_set(p->gateway[port], gateway);
}
API int mtl_para_netmask_set(struct mtl_init_params *p, enum mtl_port port, char *netmask) {
    return address_set(p->netmask[port], netmask);
}
API int mtl_thread_setname(pthread_t tid, const char *name) { return -pthread_setname_np(tid, name); }
