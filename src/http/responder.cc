#include "http/responder.h"

#include <exception>
#include <utility>

#include "base/log.h"

namespace shoplake::http {

// --- Handover ---

bool Handover::put(std::function<void()> work) {
  const std::scoped_lock lock(mutex_);
  if (closed_)
    return false;
  waiting_.push_back(std::move(work));
  // Under the lock, so that close() can promise that nobody is in here any more.
  if (waiting_.size() == 1)
    wake_();
  return true;
}

void Handover::run() {
  {
    const std::scoped_lock lock(mutex_);
    running_.swap(waiting_);
  }
  for (auto& work : running_)
    work();
  running_.clear();
}

void Handover::close() {
  std::vector<std::function<void()>> dropped;
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  dropped.swap(waiting_);
}

// --- Responder ---

void Awaited::settle(std::optional<Response> with) {
  if (response || abandoned)
    return;
  if (with) {
    response = std::move(with);
  } else {
    abandoned = true;
  }
  if (auto continuation = std::exchange(resume, nullptr))
    continuation();
}

Response answer_of(const std::function<Response()>& make, std::string_view path) {
  std::string reason = "no reason was given";
  try {
    return make();
  } catch (const std::exception& exception) {
    reason = exception.what();
  }
  base::log::error("http.handler_failed", {{"path", path}, {"reason", reason}});
  return error_response(500, "serve.internal", "the request failed inside shoplake: " + reason,
                        "this is a defect of shoplake; the server's log has the request");
}

void Responder::State::deliver(std::function<Response()> make) {
  handover->put([awaited = awaited, make = std::move(make)] { awaited->settle(answer_of(make, {})); });
}

Responder::State::~State() {
  if (!claim())
    return;
  deliver([] {
    base::log::error("http.unanswered", {});
    return error_response(500, "serve.internal", "the request was dropped inside shoplake",
                          "this is a defect of shoplake; the server's log has the request");
  });
}

void Responder::answer(Response response) const {
  if (!state_->claim())
    return;
  auto shared = std::make_shared<Response>(std::move(response));
  state_->handover->put([awaited = state_->awaited, shared] { awaited->settle(std::move(*shared)); });
}

void Responder::answer_with(std::function<Response()> make) const {
  if (state_->claim())
    state_->deliver(std::move(make));
}

void Responder::answer_on_worker(std::function<Response()> make) const {
  if (!state_->claim())
    return;
  const bool taken = (*state_->worker)([state = state_, make = std::move(make)] {
    auto response = std::make_shared<Response>(answer_of(make, {}));
    state->handover->put([awaited = state->awaited, response] { awaited->settle(std::move(*response)); });
  });
  if (!taken) {
    state_->deliver([] {
      Response response =
          error_response(503, "serve.busy", "the server has too many requests waiting", "try again in a second");
      response.set("Retry-After", "1");
      return response;
    });
  }
}

// --- Feed ---

struct Feed::State {
  std::mutex mutex;
  std::size_t bytes_max = 0;
  std::string waiting;
  bool closed = false;
  bool told = false;  // the reader knows that there is news
  std::function<void()> changed;

  // With the lock held.
  void tell() {
    if (changed && !std::exchange(told, true))
      changed();
  }
};

Feed::Feed(std::size_t buffer_bytes_max) : state_(std::make_shared<State>()) { state_->bytes_max = buffer_bytes_max; }
Feed::~Feed() = default;

bool Feed::push(std::string_view chunk) {
  const std::scoped_lock lock(state_->mutex);
  if (state_->closed)
    return false;
  if (state_->waiting.size() + chunk.size() > state_->bytes_max) {
    state_->waiting.clear();
    state_->closed = true;
    state_->tell();
    return false;
  }
  state_->waiting.append(chunk);
  state_->tell();
  return true;
}

void Feed::close() {
  const std::scoped_lock lock(state_->mutex);
  state_->closed = true;
  state_->tell();
}

bool Feed::closed() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->closed;
}

FeedReader::FeedReader(std::shared_ptr<Feed> feed, std::function<void()> changed) : feed_(std::move(feed)) {
  const std::scoped_lock lock(feed_->state_->mutex);
  feed_->state_->changed = std::move(changed);
  feed_->state_->told = false;
}

FeedReader::~FeedReader() {
  std::function<void()> dropped;
  const std::scoped_lock lock(feed_->state_->mutex);
  dropped.swap(feed_->state_->changed);
  feed_->state_->closed = true;
  feed_->state_->waiting.clear();
}

std::string FeedReader::take(bool* ended) {
  const std::scoped_lock lock(feed_->state_->mutex);
  feed_->state_->told = false;
  std::string taken = std::exchange(feed_->state_->waiting, {});
  *ended = taken.empty() && feed_->state_->closed;
  return taken;
}

}  // namespace shoplake::http
