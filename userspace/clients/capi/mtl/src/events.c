/* mtl_session_*: posted buffers and events. All copying is done in the callers' threads: after a stop and a join the
 * library touches no memory of the program. */
#include "internal.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ENTER(handle, otherwise) ENTER_KIND(handle, KIND_SESSION, otherwise)

bool take_signals(int fd) {
    char signals[512];
    /* Not onair_event_clear: a frame that nothing waits for must not wake a poll again and again. */
    return read(fd, signals, sizeof signals) != 0;
}

void clear_fd(struct stream *stream) {
    eventfd_t count;
    take_signals(onair_event_fd(stream->session));
    eventfd_read(stream->wake_fd, &count);
}

/* Copies a frame out of the program's memory, or into it. */
static int copy(struct stream *stream, struct slot *slot, struct post *post) {
    void *own[ST_MAX_PLANES], *theirs[ST_MAX_PLANES];
    plane_pointers(stream, slot->pixels != NULL ? slot->pixels : slot->held.data, own);
    plane_pointers(stream, post->data, theirs);
    if (stream->wish.sends)
        copy_planes(stream, own, stream->linesize, theirs, stream->linesize);
    else
        copy_planes(stream, theirs, stream->linesize, own, stream->linesize);
    post->buffer = slot->buffer;
    post->buffer.data = post->data;
    post->buffer.iova = (mtl_iova_t)(uintptr_t)post->data;
    post->buffer.user_data = post->ctx;
    post->buffer.flags |= MTL_BUF_FLAG_EXT;
    memcpy(post->buffer.video.planes, theirs, sizeof theirs);
    slot->state = SLOT_BUSY;
    return frame_put(stream, slot, false);
}

/* Serves posts in their order, as long as frames are there: -ETIMEDOUT if there are none, 0 if no post waits. */
static int serve(struct stream *stream, uint32_t timeout_ms) {
    for (;;) {
        pthread_mutex_lock(&stream->post_lock);
        unsigned at = 0;
        while (at < stream->posted && stream->posts[(stream->first + at) % POSTS].is_done)
            at++;
        struct post *post = at < stream->posted ? &stream->posts[(stream->first + at) % POSTS] : NULL;
        struct slot *slot;
        int error = post != NULL ? frame_get(stream, 0, &slot) : 0;
        if (post != NULL && error == 0) {
            post->status = copy(stream, slot, post);
            post->is_done = true;
        }
        pthread_mutex_unlock(&stream->post_lock);
        if (post == NULL)
            return 0;
        if (error == -ETIMEDOUT && timeout_ms > 0) {
            /* Waits without the lock, and tries again. */
            uint64_t start = monotonic_ns();
            error = frame_get(stream, timeout_ms, &slot);
            uint64_t gone = (monotonic_ns() - start) / 1000000;
            if (timeout_ms != ONAIR_FOREVER)
                timeout_ms = gone < timeout_ms ? timeout_ms - (uint32_t)gone : 0;
            if (error == 0) {
                slot->state = SLOT_BUSY;
                frame_put(stream, slot, true);
            }
        }
        if (error < 0)
            return error;
    }
}

API int mtl_session_buffer_post(mtl_session_t *session, void *data, size_t size, void *user_ctx) {
    ENTER(session, -EINVAL);
    if (!stream->is_user_owned || data == NULL || size < stream->bytes)
        return leave(stream, -EINVAL);
    if (onair_session_is_stopped(stream->session) == 1)
        return leave(stream, -EAGAIN);
    pthread_mutex_lock(&stream->post_lock);
    bool has_room = stream->posted < POSTS;
    if (has_room)
        stream->posts[(stream->first + stream->posted++) % POSTS] =
            (struct post){.data = data, .size = size, .ctx = user_ctx};
    pthread_mutex_unlock(&stream->post_lock);
    if (!has_room)
        return leave(stream, -ENOSPC);
    if (stream->wish.sends)
        serve(stream, 0);
    stream_wake(stream);
    return leave(stream, 0);
}

API int mtl_session_buffer_flush(mtl_session_t *session, uint32_t timeout_ms) {
    ENTER(session, -EINVAL);
    if (!stream->wish.sends)
        return leave(stream, 0);
    uint64_t start = monotonic_ns();
    int error = serve(stream, timeout_ms);
    stream_wake(stream);
    uint64_t gone = (monotonic_ns() - start) / 1000000;
    if (timeout_ms != ONAIR_FOREVER)
        timeout_ms = gone < timeout_ms ? timeout_ms - (uint32_t)gone : 0;
    if (error == 0)
        error = onair_session_flush(stream->session, timeout_ms, NULL);
    return leave(stream, error);
}

API int mtl_session_mem_register(mtl_session_t *session, void *addr, size_t size, mtl_dma_mem_t **handle) {
    ENTER(session, -EINVAL);
    int error = addr != NULL && size > 0 && handle != NULL ? -ENOSPC : -EINVAL;
    pthread_mutex_lock(&stream->post_lock);
    for (unsigned i = 0; error == -ENOSPC && i < REGIONS; i++)
        if ((stream->regions & 1u << i) == 0) {
            stream->regions |= 1u << i;
            *handle = (mtl_dma_mem_t *)&stream->region_names[i];
            error = 0;
        }
    pthread_mutex_unlock(&stream->post_lock);
    return leave(stream, error);
}

API int mtl_session_mem_unregister(mtl_session_t *session, mtl_dma_mem_t *handle) {
    ENTER(session, -EINVAL);
    int error = -EINVAL;
    pthread_mutex_lock(&stream->post_lock);
    for (unsigned i = 0; i < REGIONS; i++)
        if ((void *)handle == &stream->region_names[i] && (stream->regions & 1u << i) != 0) {
            stream->regions &= ~(1u << i);
            error = 0;
        }
    pthread_mutex_unlock(&stream->post_lock);
    return leave(stream, error);
}

/* Takes the oldest post that is done; one that waits, too, if the session is stopped or gone. */
static bool take_post(struct stream *stream, mtl_event_t *event, bool is_over) {
    pthread_mutex_lock(&stream->post_lock);
    struct post *post = &stream->posts[stream->first];
    bool is_taken = stream->posted > 0 && (post->is_done || is_over);
    if (is_taken) {
        if (!post->is_done)
            post->status = -ECANCELED;
        bool is_ready = !stream->wish.sends && post->status == 0;
        event->type = is_ready ? MTL_EVENT_BUFFER_READY : MTL_EVENT_BUFFER_DONE;
        event->status = post->status;
        event->ctx = post->ctx;
        stream->last = post->buffer;
        event->buffer.buf = is_ready ? &stream->last : NULL;
        stream->first = (stream->first + 1) % POSTS;
        stream->posted--;
    }
    pthread_mutex_unlock(&stream->post_lock);
    return is_taken;
}

/* Looks for an event: 0, -ETIMEDOUT if there is none, or why there is none any more. */
static int look(struct stream *stream, mtl_event_t *event, uint32_t stops) {
    clear_fd(stream);
    *event = (mtl_event_t){.timestamp = tai_ns()};
    int error = stream->is_user_owned ? serve(stream, 0) : 0;
    bool is_over = onair_session_is_stopped(stream->session) == 1 || (error < 0 && error != -ETIMEDOUT);
    if (stream->is_user_owned && take_post(stream, event, is_over))
        return 0;
    if (is_over || stream_stops(stream) != stops)
        return error < 0 && error != -ETIMEDOUT ? error : -EAGAIN;
    onair_event own = {.size = sizeof own};
    while ((error = onair_event_poll(stream->session, &own, 0)) == 0)
        if (own.kind == ONAIR_EVENT_DRAINING) {
            event->type = MTL_EVENT_ERROR;
            event->status = -ESHUTDOWN;
            event->error.code = -ESHUTDOWN;
            return 0;
        }
    if (error != -ETIMEDOUT)
        return error;
    uint64_t period = event->timestamp / stream->period_ns;
    if (stream->has_vsync && period >= stream->next_vsync) {
        stream->next_vsync = period + 1;
        event->type = MTL_EVENT_VSYNC;
        event->vsync.epoch = period;
        event->vsync.ptp_time = period * stream->period_ns;
        return 0;
    }
    struct slot *slot;
    if (stream->is_user_owned || stream->wish.sends)
        return -ETIMEDOUT;
    error = frame_get(stream, 0, &slot);
    if (error == 0) {
        event->type = MTL_EVENT_BUFFER_READY;
        event->ctx = &slot->buffer;
        event->buffer.buf = &slot->buffer;
        frame_set_ready(stream, slot);
    }
    return error;
}

API int mtl_session_event_poll(mtl_session_t *session, mtl_event_t *event, uint32_t timeout_ms) {
    ENTER(session, -EINVAL);
    if (event == NULL)
        return leave(stream, -EINVAL);
    uint32_t stops = stream_stops(stream);
    uint64_t end = monotonic_ns() + timeout_ms * 1000000ull;
    struct pollfd fds[] = {{.fd = onair_event_fd(stream->session), .events = POLLIN},
                           {.fd = stream->wake_fd, .events = POLLIN}};
    int error;
    while ((error = look(stream, event, stops)) == -ETIMEDOUT) {
        uint64_t now = monotonic_ns();
        uint64_t left = timeout_ms == ONAIR_FOREVER ? NS_PER_S : now < end ? end - now : 0;
        if (left == 0)
            break;
        if (stream->has_vsync) {
            uint64_t tai = tai_ns(), next = stream->next_vsync * stream->period_ns;
            uint64_t until = next > tai ? next - tai : 1;
            left = until < left ? until : left;
        }
        struct timespec wait = {.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
        ppoll(fds, 2, &wait, NULL);
    }
    if (error == 0)
        stream_wake(stream); /* maybe there are more */
    return leave(stream, error);
}

API int mtl_session_get_event_fd(mtl_session_t *session) {
    ENTER(session, -EINVAL);
    int error = stream->has_notifier ? -ENOTSUP : 0;
    pthread_mutex_lock(&stream->post_lock);
    if (error == 0 && !stream->has_fd) {
        struct epoll_event readable = {.events = EPOLLIN};
        int fd = epoll_create1(EPOLL_CLOEXEC);
        int fds[] = {onair_event_fd(stream->session), stream->wake_fd};
        for (int i = 0; i < 2 && fd >= 0 && error == 0; i++)
            error = fds[i] < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, fds[i], &readable) < 0 ? -EIO : 0;
        stream->epoll_fd = fd;
        stream->has_fd = fd >= 0;
        error = fd < 0 ? -EMFILE : error;
    }
    pthread_mutex_unlock(&stream->post_lock);
    return leave(stream, error < 0 ? error : stream->epoll_fd);
}

