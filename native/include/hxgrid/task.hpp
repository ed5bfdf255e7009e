/* task.hpp: a comfortable way to write tasks in C++11 and later, in headers only.
 *
 *     #include <hxgrid/task.hpp>
 *
 *     HXGRID_TASK(Double, task) {
 *         task.out.write(task.in.read<std::uint32_t>() * 2);
 *     }
 *
 * exports `Double`. The body fails by throwing; nothing it throws leaves the module. What was thrown
 * is printed to the standard error output, which the application gets to see with the failure.
 */
#ifndef HXGRID_TASK_HPP
#define HXGRID_TASK_HPP

#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "hxGridInterface.h"

#if !defined(_WIN32)
#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#endif

namespace hxgrid {

/* The result is no longer wanted. Let it pass: the task ends as cancelled. */
class Cancelled : public std::exception {
   public:
    const char *what() const noexcept override { return "the task was cancelled"; }
};

/* There is less in a stream than was asked for. */
class EndOfStream : public std::runtime_error {
   public:
    EndOfStream() : std::runtime_error("a stream ends before what was to be read") {}
};

/* The application has no global data of this name. */
class NoData : public std::runtime_error {
   public:
    explicit NoData(const std::string &name)
        : std::runtime_error("there is no global data named '" + name + "'") {}
};

/* Typed reading and writing; keeps nothing of its own, and does not count the stream.
 *
 * Values of the basic types and of plain structures travel as they lie in memory: read them on the
 * kind of processor that wrote them. All that agents run on today keep the lowest byte first. */
class Stream {
   public:
    explicit Stream(IGenericStream *stream) : stream_(stream) {}

    template <typename T>
    T read() {
        static_assert(std::is_trivially_copyable<T>::value, "only plain values can be read");
        T value;
        read_bytes(&value, sizeof value);
        return value;
    }

    template <typename T>
    void write(const T &value) {
        static_assert(std::is_trivially_copyable<T>::value, "only plain values can be written");
        static_assert(!std::is_pointer<T>::value, "a pointer means nothing elsewhere");
        write_bytes(&value, sizeof value);
    }

    /* u32 count, then the bytes. */
    std::string read_string() {
        const std::uint32_t count = read<std::uint32_t>();
        if (count > left()) throw EndOfStream();
        std::string text(count, '\0');
        if (count != 0) read_bytes(&text[0], count);
        return text;
    }

    void write_string(const std::string &text) {
        write(narrowed(text.size()));
        write_bytes(text.data(), text.size());
    }

    template <typename T>
    std::vector<T> read_vector() {
        static_assert(std::is_trivially_copyable<T>::value, "only plain values can be read");
        const std::uint32_t count = read<std::uint32_t>();
        if (count > left() / sizeof(T)) throw EndOfStream();
        std::vector<T> values(count);
        if (count != 0) read_bytes(values.data(), count * sizeof(T));
        return values;
    }

    template <typename T>
    void write_vector(const std::vector<T> &values) {
        static_assert(std::is_trivially_copyable<T>::value, "only plain values can be written");
        write(narrowed(values.size()));
        write_bytes(values.data(), values.size() * sizeof(T));
    }

    void read_bytes(void *data, std::size_t count) {
        if (count > left()) throw EndOfStream();
        if (count != 0) stream_->Read(data, static_cast<DWORD>(count));
    }

    void write_bytes(const void *data, std::size_t count) {
        if (count != 0) stream_->Write(data, narrowed(count));
    }

    const std::uint8_t *data() { return stream_->GetBasePointer(); }
    std::uint32_t size() { return stream_->GetLength(); }
    std::uint32_t position() { return stream_->GetPos(); }
    void seek(std::uint32_t new_position) { stream_->Seek(new_position); }
    /* Bytes from the position to the end. */
    std::uint32_t left() {
        const std::uint32_t end = size(), at = position();
        return at < end ? end - at : 0;
    }
    IGenericStream *raw() const { return stream_; }

   private:
    static std::uint32_t narrowed(std::size_t count) {
        const std::uint32_t narrow = static_cast<std::uint32_t>(count);
        if (narrow != count) throw std::length_error("a stream holds less than 4 GiB");
        return narrow;
    }

    IGenericStream *stream_;
};

/* Global data: a read-only stream that is released with this object. */
class Data : public Stream {
   public:
    explicit Data(IGenericStream *owned) : Stream(owned) {}
    Data(Data &&other) noexcept : Stream(std::move(other)) { other.is_owner_ = false; }
    Data(const Data &) = delete;
    Data &operator=(const Data &) = delete;
    ~Data() {
        if (is_owner_) raw()->Release();
    }

   private:
    bool is_owner_ = true;
};

/* Global data for several threads at once: a stream is for one at a time, so its place and its size
 * are looked up here, once. */
class SharedData {
   public:
    explicit SharedData(Data &&owned)
        : owned_(std::move(owned)), data_(owned_.data()), size_(owned_.size()) {}

    const std::uint8_t *data() const { return data_; }
    std::uint32_t size() const { return size_; }

   private:
    Data owned_;
    const std::uint8_t *data_;
    std::uint32_t size_;
};

/* What a task has been given. */
class Task {
   public:
    Task(IAgent *its_agent, DWORD its_session, IGenericStream *in_stream,
         IGenericStream *out_stream)
        : agent(its_agent), session_id(its_session), in(in_stream), out(out_stream) {}

    /* Whether to go on; waits while the computer's owner needs it. */
    bool is_wanted() const { return agent->TestConnection(session_id) == S_OK; }

    /* The same, leaving the task if not. */
    void check() const {
        if (!is_wanted()) throw Cancelled();
    }

    Data get_data(const std::string &name) const {
        IGenericStream *stream = nullptr;
        if (agent->GetData(session_id, name.c_str(), &stream) != S_OK) {
            check();
            throw NoData(name);
        }
        return Data(stream);
    }

    void free_cached_data(const std::string &name) const {
        agent->FreeCachedData(session_id, name.c_str());
    }

    /* A folder for files of this session, with a separator at its end. */
    std::string cache_directory() const {
        char path[MAX_PATH];
        if (agent->GetSessionCacheDirectory(session_id, path) != S_OK) {
            throw std::runtime_error("this session has no cache folder with a path that fits");
        }
        return path;
    }

    IAgent *const agent;
    const DWORD session_id;
    Stream in;
    Stream out;
};

#if !defined(_WIN32) || defined(HXG_HAS_WINDOWS_H)
/* Holds the one critical section of all tasks of this process. */
class GlobalLock {
   public:
    explicit GlobalLock(const Task &task) {
        task.agent->GetGlobalCriticalSection(&section_);
#if defined(_WIN32)
        EnterCriticalSection(section_);
#else
        pthread_mutex_lock(&section_->mutex);
#endif
    }
    ~GlobalLock() {
#if defined(_WIN32)
        LeaveCriticalSection(section_);
#else
        pthread_mutex_unlock(&section_->mutex);
#endif
    }
    GlobalLock(const GlobalLock &) = delete;
    GlobalLock &operator=(const GlobalLock &) = delete;

   private:
    CRITICAL_SECTION *section_ = nullptr;
};
#endif

/* On Windows this needs windows.h, as GlobalLock does, and Windows Vista or later. */
#if !defined(_WIN32) || (defined(HXG_HAS_WINDOWS_H) && _WIN32_WINNT >= 0x0600)
namespace detail {

enum { LOOK_UP_MS = 50 /* how often a waiting task looks whether it is still wanted */ };

/* A mutex, and a condition to wait for with it. On Windows they are the system's, since the C++
 * library of some compilers has none there. */
class Monitor {
   public:
    Monitor(const Monitor &) = delete;
    Monitor &operator=(const Monitor &) = delete;
#if defined(_WIN32)
    Monitor() {
        InitializeSRWLock(&mutex_);
        InitializeConditionVariable(&changed_);
    }
    void lock() { AcquireSRWLockExclusive(&mutex_); }
    void unlock() { ReleaseSRWLockExclusive(&mutex_); }
    void wait() { SleepConditionVariableSRW(&changed_, &mutex_, LOOK_UP_MS, 0); }
    void wake_all() { WakeAllConditionVariable(&changed_); }

   private:
    SRWLOCK mutex_;
    CONDITION_VARIABLE changed_;
#else
    Monitor() {}
    void lock() { mutex_.lock(); }
    void unlock() { mutex_.unlock(); }
    void wait() {
        std::unique_lock<std::mutex> held(mutex_, std::adopt_lock);
        changed_.wait_for(held, std::chrono::milliseconds(LOOK_UP_MS));
        held.release();
    }
    void wake_all() { changed_.notify_all(); }

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
#endif
};

class Hold {
   public:
    explicit Hold(Monitor &monitor) : monitor_(monitor) { monitor_.lock(); }
    ~Hold() { monitor_.unlock(); }
    Hold(const Hold &) = delete;
    Hold &operator=(const Hold &) = delete;

   private:
    Monitor &monitor_;
};

}  // namespace detail

/* What the tasks of a session share in this process, as a global variable: the first one that wants
 * it makes it, and the others use the same, from several threads at once.
 *
 *     hxgrid::PerSession<hxgrid::SharedData> tables;
 *
 *     HXGRID_TASK(Look, task) {
 *         const auto table = tables.get(task, [&] { return task.get_data("table"); });
 *         ...
 *     }
 *
 *     extern "C" HXG_EXPORT void HXG_CDECL EndSession(IAgent *, DWORD session_id) {
 *         tables.end(session_id);
 *     }
 *
 * All methods may be called from any thread. What is shared lives until the last shared_ptr to it is
 * gone, and is destroyed by whoever drops that one, without a lock. */
template <typename T>
class PerSession {
   public:
    PerSession() {}
    PerSession(const PerSession &) = delete;
    PerSession &operator=(const PerSession &) = delete;

    /* What the task's session has; if it has nothing, `make()` returns a T, or what a T is made of.
     *
     * No lock is held while it is made, so `make` may ask for global data and compute for long; but
     * it must not ask here for the same thing again. Tasks that come meanwhile wait for it as long
     * as they are wanted, and leave by Cancelled when they are not. What `make` throws reaches the
     * task that has called it and nobody else: one of those who wait, or else the next, tries
     * again. */
    template <typename Make>
    std::shared_ptr<const T> get(const Task &task, Make make) {
        return get(task, std::string(), make);
    }

    /* The same for things with names, of which a session keeps the one that was wanted last. Another
     * name lets the one before go; tasks that wait for that one still get it. */
    template <typename Make>
    std::shared_ptr<const T> get(const Task &task, const std::string &name, Make make) {
        for (;;) {
            bool is_mine = false;
            const std::shared_ptr<One> one = join(task.session_id, name, &is_mine);
            const std::shared_ptr<const T> made =
                is_mine ? fill(task.session_id, one, make) : wait(task, *one);
            if (made) return made;
        }
    }

    /* Forgets what the session has, for EndSession; harmless if there is nothing. */
    void end(DWORD session_id) noexcept {
        std::shared_ptr<One> gone;
        const detail::Hold hold(monitor_);
        const auto found = of_session_.find(session_id);
        if (found == of_session_.end()) return;
        gone.swap(found->second);
        of_session_.erase(found);
    }

   private:
    /* What one task makes and others wait for; all but the name changes under the lock. */
    struct One {
        explicit One(const std::string &its_name) : name(its_name) {}

        const std::string name;
        bool is_over = false;
        std::shared_ptr<const T> made;  // NULL when that is over: it has failed
    };

    /* The one of this name, or a new one, which the caller has to fill. */
    std::shared_ptr<One> join(DWORD session_id, const std::string &name, bool *is_mine) {
        std::shared_ptr<One> gone;  // goes after the lock: unmapping can take a while
        const detail::Hold hold(monitor_);
        std::shared_ptr<One> &kept = of_session_[session_id];
        if (kept && kept->name == name) return kept;
        gone.swap(kept);
        kept = std::make_shared<One>(name);
        *is_mine = true;
        return kept;
    }

    template <typename Make>
    std::shared_ptr<const T> fill(DWORD session_id, const std::shared_ptr<One> &one, Make &make) {
        std::shared_ptr<const T> made;
        try {
            made = std::make_shared<T>(make());
        } catch (...) {
            settle(session_id, one, nullptr);
            throw;
        }
        settle(session_id, one, made);
        return made;
    }

    void settle(DWORD session_id, const std::shared_ptr<One> &one,
                const std::shared_ptr<const T> &made) noexcept {
        const detail::Hold hold(monitor_);
        one->made = made;
        one->is_over = true;
        const auto found = of_session_.find(session_id);
        // By now the session may have ended, or another name may have been wanted.
        if (!made && found != of_session_.end() && found->second == one) of_session_.erase(found);
        monitor_.wake_all();
    }

    /* What the one comes to; NULL if it fails. */
    std::shared_ptr<const T> wait(const Task &task, const One &one) {
        for (;;) {
            {
                const detail::Hold hold(monitor_);
                if (!one.is_over) monitor_.wait();
                if (one.is_over) return one.made;
            }
            task.check();
        }
    }

    detail::Monitor monitor_;
    std::map<DWORD, std::shared_ptr<One>> of_session_;
};
#endif

/* Runs `body` and turns what it throws into false. */
template <typename Body>
bool run(const char *name, Body body, IAgent *agent, DWORD session_id, IGenericStream *in_stream,
         IGenericStream *out_stream) {
    try {
        Task task(agent, session_id, in_stream, out_stream);
        body(task);
        return true;
    } catch (const Cancelled &) {
        return false;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
    } catch (...) {
        std::fprintf(stderr, "%s: threw something that is no std::exception\n", name);
    }
    std::fflush(stderr);
    return false;
}

}  // namespace hxgrid

/* Exports the task `name`; its body follows, with `variable` as the hxgrid::Task. */
#define HXGRID_TASK(name, variable)                                                                \
    static void hxgrid_body_##name(hxgrid::Task &variable);                                        \
    extern "C" HXG_EXPORT bool HXG_CDECL name(IAgent *agent, DWORD session_id,                     \
                                              IGenericStream *in_stream,                           \
                                              IGenericStream *out_stream) {                        \
        return hxgrid::run(#name, hxgrid_body_##name, agent, session_id, in_stream, out_stream);   \
    }                                                                                              \
    static void hxgrid_body_##name(hxgrid::Task &variable)

#endif
