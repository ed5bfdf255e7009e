// modern.cpp: a caller of hxgrid.hpp.
#include <hxgrid/hxgrid.hpp>

#include <atomic>

#include "check.h"

int main() {
    std::atomic<unsigned> good(0), cancelled(0);
    hxgrid::Session session;
    for (int index = 0; index < 50; index++) {
        session.run("tasks.py", "echo", "abc", [&](const hxgrid::Result &result) {
            if (result.is_good() && result.text() == "abc") good++;
        });
    }
    CHECK(session.wait());
    CHECK(good == 50 && session.count() == 0);
    session.run("tasks.py", "echo", "", [](const hxgrid::Result &) { throw 42; });
    try {
        session.wait();
        CHECK(!"what a callback throws comes out of wait()");
    } catch (int number) {
        CHECK(number == 42);
    }
    session.set("max_attempts", "1");
    CHECK(session.setting("max_attempts") == "1");
    session.run("tasks.py", "fail", "");
    try {
        session.wait();
        CHECK(!"a failure comes out of wait()");
    } catch (const hxgrid::Error &error) {
        CHECK(error.status() == HXG_E_FAILED);
    }
    const std::vector<hxgrid::Failure> failures = session.take_failures();
    CHECK(failures.size() == 1 && failures[0].why.find("the reason") != std::string::npos);
    session.bind_data([](const std::string &name, std::string &data) {
        data = name + name;
        return name != "none";
    });
    session.run("tasks.py", "data", "two", [&](const hxgrid::Result &result) {
        if (result.text() == "twotwo") good++;
    });
    CHECK(session.wait() && good == 51);
    try {
        session.run("gone.py", "echo", "");
        CHECK(!"a missing module is thrown");
    } catch (const hxgrid::Error &error) {
        CHECK(error.status() == HXG_E_MODULE);
    }
    CHECK(session.connection().agents == 1);
    session.run("tasks.py", "endless", "", [&](const hxgrid::Result &) { cancelled++; });
    session.cancel_all();
    CHECK(cancelled == 1);
    return 0;
}
