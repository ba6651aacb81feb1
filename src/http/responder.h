// What stands behind Responder and Feed: how answers and chunks that other threads give reach the I/O thread of their
// connection. Internal to http; knows no sockets.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "http/message.h"

namespace shoplake::http {

// Work for one I/O thread from any other. What is put while earlier work still waits costs no wake-up of its own.
class Handover {
 public:
  // `wake` makes the I/O thread call run(), soon and once. It is not called any more after close().
  explicit Handover(std::function<void()> wake) : wake_(std::move(wake)) {}

  // False if the handover is closed: then the work is dropped.
  bool put(std::function<void()> work);
  void run();    // on the I/O thread
  void close();  // after it, nobody calls `wake`, and what was not run is dropped

 private:
  std::mutex mutex_;
  std::function<void()> wake_;
  std::vector<std::function<void()>> waiting_;
  std::vector<std::function<void()>> running_;
  bool closed_ = false;
};

// One answer that is awaited. Everything but `asked` and `offer` belongs to the I/O thread.
struct Awaited {
  std::optional<Response> response;
  bool abandoned = false;        // the connection goes: no answer is wanted
  std::function<void()> resume;  // set while the connection's coroutine waits

  void settle(std::optional<Response> with);
};

// Runs blocking work on a worker thread; false if too many wait for one.
using RunOnWorker = std::function<bool(std::function<void()>)>;

struct Responder::State {
  State(std::shared_ptr<Awaited> awaited_, std::shared_ptr<Handover> handover_,
        std::shared_ptr<const RunOnWorker> worker_)
      : awaited(std::move(awaited_)), handover(std::move(handover_)), worker(std::move(worker_)) {}
  ~State();  // answers 500 if nobody has answered

  // True for the first caller.
  bool claim() { return !answered.exchange(true, std::memory_order_relaxed); }
  void deliver(std::function<Response()> make);

  std::atomic<bool> answered{false};
  std::shared_ptr<Awaited> awaited;
  std::shared_ptr<Handover> handover;
  std::shared_ptr<const RunOnWorker> worker;
};

// `make()`, or the answer that says that the request failed inside shoplake.
Response answer_of(const std::function<Response()>& make, std::string_view path);

// The connection's side of a feed.
class FeedReader {
 public:
  // `changed` is called, from any thread, when there is something to take or the feed closed; not while earlier news
  // were not taken.
  FeedReader(std::shared_ptr<Feed> feed, std::function<void()> changed);
  ~FeedReader();  // closes the feed
  FeedReader(const FeedReader&) = delete;
  FeedReader& operator=(const FeedReader&) = delete;

  // All that was pushed since. Empty and `*ended` once the feed is closed and everything was taken.
  std::string take(bool* ended);

 private:
  std::shared_ptr<Feed> feed_;
};

}  // namespace shoplake::http
