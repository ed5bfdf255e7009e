/* hxgrid.hpp: the grid for applications in C++11 and later, in headers only; see hxgrid.h.
 *
 *     hxgrid::Session session;
 *     session.run("pi_task.py", "run_task", input, [&](const hxgrid::Result &result) { ... });
 *     session.wait();
 *
 * What goes wrong is thrown as hxgrid::Error. Callbacks run on a thread of the library; what they
 * throw is caught and thrown by the next wait().
 */
#ifndef HXGRID_HPP
#define HXGRID_HPP

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#if __cplusplus >= 202002L
#include <span>
#endif

#include "hxgrid.h"

namespace hxgrid {

/* What every function throws; `status` is one of HXG_E_*. */
class Error : public std::runtime_error {
   public:
    Error(hxg_status status, const std::string &text) : std::runtime_error(text), status_(status) {}
    hxg_status status() const noexcept { return status_; }

   private:
    hxg_status status_;
};

inline void check(hxg_status status) {
    if (status != HXG_OK) throw Error(status, hxg_last_error());
}

/* How a task ended; lent to its callback. */
class Result {
   public:
    explicit Result(const hxg_result &result) : result_(result) {}

    std::uint32_t task() const { return result_.task; }
    bool is_good() const { return result_.status == HXG_OK; }
    hxg_status status() const { return result_.status; }
    std::string why() const { return result_.why; }
    std::string details() const { return result_.details; }
    const std::uint8_t *data() const { return result_.data; }
    std::size_t size() const { return static_cast<std::size_t>(result_.bytes); }
    std::string text() const {
        return std::string(reinterpret_cast<const char *>(data()), size());
    }
#if __cplusplus >= 202002L
    std::span<const std::uint8_t> bytes() const { return {data(), size()}; }
#endif

   private:
    const hxg_result &result_;
};

struct Failure {
    std::uint32_t task;
    hxg_status status;
    std::string why;
    std::string details;
};

/* What a session is opened with. */
struct Options {
    std::string address;   /* HOST[:PORT] or "local"; empty: found by the settings */
    std::string settings;  /* lines of TOML as in section [user] */
    std::uint32_t timeout_ms = 10000;
    std::uint32_t agents = 0; /* of "local" */
    std::uint32_t slots = 0;
};

/* One connected run. Cannot be copied; its methods may be called from any thread. */
class Session {
   public:
    typedef std::function<void(const Result &)> Done;
    /* Gives the data of a name; false: there are none. */
    typedef std::function<bool(const std::string &name, std::string &data)> GetData;

    explicit Session(const Options &options = Options()) {
        hxg_open_options given = HXG_OPEN_OPTIONS_INIT;
        given.address = options.address.empty() ? nullptr : options.address.c_str();
        given.settings = options.settings.empty() ? nullptr : options.settings.c_str();
        given.timeout_ms = options.timeout_ms;
        given.agents = options.agents;
        given.slots = options.slots;
        check(hxg_open(&session_, &given));
    }

    /* Waits for all tasks; leaving by an exception cancels them. What a callback has thrown and
       nobody has waited for is lost: call wait() before. */
    ~Session() { hxg_close(session_, is_unwinding()); }

    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    /* Queues a task and returns its number; waits while the queue is full. `done` is called once,
       whatever becomes of the task. */
    std::uint32_t run(const std::string &modules, const std::string &function, const void *data,
                      std::size_t bytes, Done done = Done(), std::uint32_t flags = 0) {
        std::uint32_t task = 0;
        check(try_run(task, modules, function, data, bytes, std::move(done), flags));
        return task;
    }
    std::uint32_t run(const std::string &modules, const std::string &function,
                      const std::string &data, Done done = Done()) {
        return run(modules, function, data.data(), data.size(), std::move(done));
    }
#if __cplusplus >= 202002L
    std::uint32_t run(const std::string &modules, const std::string &function,
                      std::span<const std::uint8_t> data, Done done = Done()) {
        return run(modules, function, data.data(), data.size(), std::move(done));
    }
#endif

    /* The same without waiting; false: the queue is full. */
    bool run_at_once(std::uint32_t &task, const std::string &modules, const std::string &function,
                     const std::string &data, Done done = Done()) {
        const hxg_status status = try_run(task, modules, function, data.data(), data.size(),
                                          std::move(done), HXG_RUN_NOT_BLOCKING);
        if (status == HXG_E_FULL) return false;
        check(status);
        return true;
    }

    /* Waits for all tasks. Throws HXG_E_FAILED if some have failed, and what callbacks threw. False:
       the time is over. */
    bool wait(std::int32_t timeout_ms = HXG_FOREVER) {
        const hxg_status status = hxg_wait_all(session_, timeout_ms);
        if (status == HXG_E_TIMEOUT) return false;
        rethrow();
        check(status);
        return true;
    }

    /* Waits until a task has ended since the last call, or none is left. False: the time is over. */
    bool wait_event(std::int32_t timeout_ms) {
        const hxg_status status = hxg_wait_event(session_, timeout_ms);
        if (status == HXG_E_TIMEOUT) return false;
        check(status);
        return true;
    }

    std::uint32_t count() const {
        std::uint32_t count = 0;
        check(hxg_count(&count, session_));
        return count;
    }

    void cancel(std::uint32_t task) { check(hxg_cancel(session_, task)); }
    void cancel_all() { check(hxg_cancel_all(session_)); }

    std::vector<Failure> take_failures() {
        std::vector<Failure> found;
        hxg_failure *one = nullptr;
        while (hxg_take_failure(&one, session_) == HXG_OK && one != nullptr) {
            const std::unique_ptr<hxg_failure, void (*)(hxg_failure *)> owner(one, hxg_failure_free);
            found.push_back(Failure{one->task, one->status, one->why, one->details});
        }
        return found;
    }

    double progress(std::uint32_t task) {
        double fraction = 0;
        check(hxg_progress(&fraction, nullptr, 0, session_, task));
        return fraction;
    }

    std::string why(std::uint32_t task) {
        char text[2000] = "";
        check(hxg_why(text, sizeof text, session_, task));
        return text;
    }

    /* Has `callback` answer what tasks ask for by name. Once, before tasks that ask. */
    void bind_data(GetData callback) {
        get_data_ = std::move(callback);
        check(hxg_bind_data(session_, get_data_ ? answer : nullptr, this, 0));
    }
    void forget_data(const std::string &name) {
        check(hxg_forget_data(session_, name.c_str()));
    }

    std::string setting(const std::string &key) const {
        char text[2000] = "";
        check(hxg_get_setting(text, sizeof text, session_, key.c_str()));
        return text;
    }
    void set(const std::string &key, const std::string &value) {
        check(hxg_set_setting(session_, key.c_str(), value.c_str()));
    }

    hxg_connection connection() const {
        hxg_connection found = HXG_CONNECTION_INIT;
        check(hxg_get_connection(&found, session_));
        return found;
    }

    /* For what is only in hxgrid.h. */
    hxg_session *get() const { return session_; }

   private:
    static bool is_unwinding() {
#if __cplusplus >= 201703L
        return std::uncaught_exceptions() > 0;
#else
        return std::uncaught_exception();
#endif
    }

    struct Call {
        Session *session;
        Done done;
    };

    hxg_status try_run(std::uint32_t &task, const std::string &modules, const std::string &function,
                       const void *data, std::size_t bytes, Done done, std::uint32_t flags) {
        hxg_run_options options = HXG_RUN_OPTIONS_INIT;
        options.flags = flags;
        std::unique_ptr<Call> call(new Call{this, std::move(done)});
        const hxg_status status =
            hxg_run(&task, session_, modules.c_str(), function.c_str(), data, bytes, &options,
                    finish, call.get());
        if (status == HXG_OK) call.release(); /* finish() is called for it once */
        return status;
    }

    static void HXG_CDECL finish(const hxg_result *result, void *raw) {
        const std::unique_ptr<Call> call(static_cast<Call *>(raw));
        try {
            if (call->done) call->done(Result(*result));
        } catch (...) {
            call->session->keep(std::current_exception());
        }
    }

    static void HXG_CDECL answer(hxg_question *question, const char *name, void *raw) {
        Session *session = static_cast<Session *>(raw);
        try {
            std::string data;
            if (session->get_data_(name, data)) hxg_answer(question, data.data(), data.size());
        } catch (...) {
            session->keep(std::current_exception());
        }
    }

    /* Some compilers for Windows have no std::mutex; what this guards takes no time. */
    class Guard {
       public:
        explicit Guard(std::atomic_flag &flag) : flag_(flag) {
            while (flag_.test_and_set(std::memory_order_acquire)) {
            }
        }
        ~Guard() { flag_.clear(std::memory_order_release); }
        Guard(const Guard &) = delete;
        Guard &operator=(const Guard &) = delete;

       private:
        std::atomic_flag &flag_;
    };

    void keep(std::exception_ptr thrown) {
        const Guard guard(lock_);
        if (!thrown_) thrown_ = thrown;
    }

    void rethrow() {
        std::exception_ptr thrown;
        {
            const Guard guard(lock_);
            std::swap(thrown, thrown_);
        }
        if (thrown) std::rethrow_exception(thrown);
    }

    hxg_session *session_ = nullptr;
    GetData get_data_;
    std::atomic_flag lock_ = ATOMIC_FLAG_INIT; /* guards what follows */
    std::exception_ptr thrown_;
};

}  // namespace hxgrid

#endif
