/* Preloaded: the process ends when it allocates inside a handler that set `in_handler`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void __libc_free(void *);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

__attribute__((tls_model("initial-exec"))) __thread int in_handler;

static void look(void) {
    static const char text[] = "an allocation in a signal handler\n";
    if (in_handler) {
        (void)!write(2, text, sizeof text - 1);
        _exit(99);
    }
}

void *malloc(size_t bytes) {
    look();
    return __libc_malloc(bytes);
}
void free(void *pointer) {
    look();
    __libc_free(pointer);
}
void *calloc(size_t n, size_t bytes) {
    look();
    return __libc_calloc(n, bytes);
}
void *realloc(void *pointer, size_t bytes) {
    look();
    return __libc_realloc(pointer, bytes);
}
int posix_memalign(void **pointer, size_t alignment, size_t bytes) {
    look();
    *pointer = __libc_memalign(alignment, bytes);
    return *pointer == NULL ? 12 : 0;
}
