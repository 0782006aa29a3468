// RAII over onair.h: a session that detaches, a buffer that returns itself. C++17, header only.
#ifndef ONAIR_HPP
#define ONAIR_HPP

#include <onair.h>

#include <string>
#include <system_error>
#include <utility>

namespace onair {

// Throws std::system_error with the errno of a failed call.
inline int check(int result) {
    if (result < 0) {
        char text[512];
        onair_last_error(text, sizeof text);
        throw std::system_error(-result, std::generic_category(), text);
    }
    return result;
}

// A held buffer. Its destructor returns it.
class Buffer {
public:
    explicit Buffer(const onair_buffer &held) : held_(held) {}
    Buffer(Buffer &&other) noexcept : held_(std::exchange(other.held_, onair_buffer{})) {}
    Buffer &operator=(Buffer &&other) noexcept {
        std::swap(held_, other.held_);
        return *this;
    }
    ~Buffer() {
        if (held_.loan != 0) {
            onair_buffer_put(held_.session, &held_);
        }
    }
    const onair_buffer *operator->() const { return &held_; }
    const onair_buffer &get() const { return held_; }
    // Waits until so many lines stand; fewer if the buffer has ended. Throws EAGAIN and ETIMEDOUT, too.
    uint32_t wait_lines(uint32_t lines, uint32_t timeout_ms = ONAIR_FOREVER) {
        return static_cast<uint32_t>(check(onair_buffer_wait_lines(held_.session, &held_, lines, timeout_ms)));
    }
    // Sender: submits it.
    void submit() {
        check(onair_buffer_submit(held_.session, &held_));
        held_ = onair_buffer{};
    }

private:
    onair_buffer held_;
};

// An attachment. Its destructor detaches; put the buffers before.
class Session {
public:
    static Session attach(const std::string &name, const char *layout = nullptr, const onair_daemon *daemon = nullptr) {
        onair_session handle = 0;
        check(onair_session_attach(daemon, name.c_str(), layout, &handle));
        return Session(handle);
    }
    static Session attach_to_fill(const std::string &name, const onair_daemon *daemon = nullptr) {
        onair_session handle = 0;
        check(onair_session_attach_to_fill(daemon, name.c_str(), &handle));
        return Session(handle);
    }
    static Session attach_to_sample(const std::string &name, const char *layout = nullptr,
                                    const onair_daemon *daemon = nullptr) {
        onair_session handle = 0;
        check(onair_session_attach_to_sample(daemon, name.c_str(), layout, &handle));
        return Session(handle);
    }
    static Session create(const std::string &spec, const onair_daemon *daemon = nullptr) {
        onair_session handle = 0;
        check(onair_session_create(daemon, spec.c_str(), &handle));
        return Session(handle);
    }
    Session(Session &&other) noexcept : handle_(std::exchange(other.handle_, 0)) {}
    Session &operator=(Session &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Session() {
        if (handle_ != 0) {
            onair_session_detach(handle_);
        }
    }
    onair_session handle() const { return handle_; }
    void stop() const noexcept { onair_session_stop(handle_); }
    void start() const noexcept { onair_session_start(handle_); }
    bool is_stopped() const { return check(onair_session_is_stopped(handle_)) != 0; }
    int quota() const { return check(onair_session_quota(handle_)); }
    // Throws EAGAIN and ETIMEDOUT, too.
    Buffer get(uint32_t timeout_ms = ONAIR_FOREVER) const {
        onair_buffer buffer{};
        buffer.size = sizeof buffer;
        check(onair_buffer_get(handle_, &buffer, timeout_ms));
        return Buffer(buffer);
    }
    // A buffer of which so many lines stand, also while it is received.
    Buffer get_open(uint32_t lines, uint32_t timeout_ms = ONAIR_FOREVER) const {
        onair_buffer buffer{};
        buffer.size = sizeof buffer;
        check(onair_buffer_get_open(handle_, &buffer, lines, timeout_ms));
        return Buffer(buffer);
    }
    onair_video video() const {
        onair_video view{};
        view.size = sizeof view;
        check(onair_video_view(handle_, &view));
        return view;
    }
    onair_audio audio() const {
        onair_audio view{};
        view.size = sizeof view;
        check(onair_audio_view(handle_, &view));
        return view;
    }
    onair_anc anc() const {
        onair_anc view{};
        view.size = sizeof view;
        check(onair_anc_view(handle_, &view));
        return view;
    }
    onair_jpeg_xs jpeg_xs() const {
        onair_jpeg_xs view{};
        view.size = sizeof view;
        check(onair_jpeg_xs_view(handle_, &view));
        return view;
    }
    void destroy(uint32_t wait_ms = 0) {
        check(onair_session_destroy(handle_, wait_ms));
        handle_ = 0;
    }

private:
    explicit Session(onair_session handle) : handle_(handle) {}
    onair_session handle_;
};

} // namespace onair

#endif
