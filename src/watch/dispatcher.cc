#include "watch/dispatcher.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"

namespace shoplake::watch {
namespace {

using base::Result;

constexpr std::int64_t kMinuteMicros = 60'000'000;
constexpr std::chrono::seconds kForgetInterval{3600};
constexpr double kJitter = 0.2;  // of a delay, at its end
constexpr int kNoteAttemptsMax = 30;
constexpr std::chrono::seconds kNoteAgain{1};

}  // namespace

std::chrono::microseconds retry_delay(std::int64_t attempt, double random) {
  const int doublings = static_cast<int>(std::clamp<std::int64_t>(attempt - 1, 0, 20));
  const std::chrono::microseconds delay =
      std::min<std::chrono::microseconds>(kRetryFirst * (1LL << doublings), kRetryMax);
  return std::chrono::microseconds(
      static_cast<std::int64_t>(static_cast<double>(delay.count()) * (1 - kJitter * random)));
}

struct Dispatcher::State {
  explicit State(DispatcherOptions given) : options(std::move(given)) {
    for (const Subscription& subscription : options.subscriptions)
      by_name.emplace(subscription.name, &subscription);
    describe();
  }

  void describe() {
    if (options.metrics == nullptr)
      return;
    options.metrics->describe_counter("shoplake_notifications_total",
                                      "Attempts to bring a notification to a subscription.");
  }

  // The lock, the outbox, what a crash left. Under `mutex`.
  Result<void> open() {
    lock = SHOPLAKE_TRY(options.env->lock_file(options.control_plane + ".outbox"));
    outbox = SHOPLAKE_TRY(Outbox::open(options.control_plane));
    return outbox->recover(options.env->now_micros());
  }

  // Subscriptions that take nothing now: one is on its way, or the minute is full.
  std::set<std::string> busy_now(std::int64_t now) {
    std::set<std::string> busy = sending;
    for (auto& [name, times] : sent_at) {
      while (!times.empty() && times.front() <= now - kMinuteMicros)
        times.pop_front();
      const auto found = by_name.find(name);
      if (found != by_name.end() && std::ssize(times) >= found->second->per_minute)
        busy.insert(name);
    }
    return busy;
  }

  // The next delivery to send. Under `mutex`.
  Result<std::optional<Delivery>> take() {
    const std::int64_t now = options.env->now_micros();
    if (now >= forget_next) {
      forget_next = now + std::chrono::microseconds(kForgetInterval).count();
      SHOPLAKE_TRY(outbox->forget_before(now - std::chrono::microseconds(kNotificationsKept).count()));
    }
    SHOPLAKE_TRY(outbox->route(options.subscriptions, now));
    auto delivery = SHOPLAKE_TRY(outbox->take(now, busy_now(now)));
    if (delivery) {
      sending.insert(delivery->subscription);
      sent_at[delivery->subscription].push_back(now);
    }
    return delivery;
  }

  SendOutcome send(const Delivery& delivery) const {
    const auto found = by_name.find(delivery.subscription);
    if (found == by_name.end())
      return {SendOutcome::Kind::refused, "shoplake.yml has no such subscription any more"};
    return options.sender->send(*found->second, delivery.notification, delivery.published_micros);
  }

  struct Ending {
    DeliveryState state = DeliveryState::delivered;
    std::int64_t at = 0;  // when it ended, or is tried again
    std::string error;
  };

  Ending decide(const Delivery& delivery, const SendOutcome& outcome) {
    const std::int64_t now = options.env->now_micros();
    const bool is_too_old = now - delivery.published_micros >= std::chrono::microseconds(kRetryFor).count();
    count(delivery, outcome.kind);
    if (outcome.kind == SendOutcome::Kind::delivered)
      return {DeliveryState::delivered, now, {}};
    if (outcome.kind == SendOutcome::Kind::failed && !is_too_old) {
      const double random = static_cast<double>(options.env->random_uint64() >> 11) * 0x1.0p-53;
      const std::chrono::microseconds delay = outcome.retry_after ? std::chrono::microseconds(*outcome.retry_after)
                                                                  : retry_delay(delivery.attempts, random);
      return {DeliveryState::waiting, now + delay.count(), outcome.error};
    }
    base::log::error("watch.notification_given_up", {{"notification", delivery.notification.id},
                                                     {"topic", delivery.notification.topic},
                                                     {"subscription", delivery.subscription},
                                                     {"attempts", delivery.attempts},
                                                     {"error", outcome.error}});
    return {DeliveryState::refused, now, outcome.error};
  }

  Result<void> note(const Delivery& delivery, const Ending& ending) {
    switch (ending.state) {
      case DeliveryState::delivered: return outbox->delivered(delivery, ending.at);
      case DeliveryState::waiting: return outbox->try_again(delivery, ending.at, ending.error);
      default: return outbox->give_up(delivery, ending.at, ending.error);
    }
  }

  void count(const Delivery& delivery, SendOutcome::Kind kind) const {
    if (options.metrics == nullptr)
      return;
    const char* outcome = kind == SendOutcome::Kind::delivered ? "delivered"
                          : kind == SendOutcome::Kind::failed  ? "failed"
                                                               : "refused";
    options.metrics->add("shoplake_notifications_total",
                         {{"topic", delivery.notification.topic}, {"outcome", outcome}});
  }

  // One delivery, if any is due; `worked` says whether. The mutex is free while it is sent.
  Result<bool> step(std::unique_lock<std::mutex>& guard, Report& report) {
    auto delivery = SHOPLAKE_TRY(take());
    if (!delivery)
      return false;
    guard.unlock();
    const SendOutcome outcome = send(*delivery);
    guard.lock();
    const Ending ending = decide(*delivery, outcome);
    Result<void> noted = note(*delivery, ending);
    // What is not noted would be taken for cut off, so it is noted before anything else goes on.
    for (int attempt = 1; !noted.ok() && attempt < kNoteAttemptsMax; ++attempt) {
      changed.wait_for(guard, kNoteAgain);
      noted = note(*delivery, ending);
    }
    sending.erase(delivery->subscription);
    SHOPLAKE_TRY(std::move(noted));
    ++(ending.state == DeliveryState::delivered ? report.delivered
       : ending.state == DeliveryState::waiting ? report.failed
                                                : report.refused);
    return true;
  }

  void work(const std::stop_token& stop) {
    std::unique_lock guard(mutex);
    Report report;
    std::string told;  // the last error, so that one that stays is logged once
    while (!stop.stop_requested()) {
      Result<bool> worked = false;
      if (!outbox) {
        const Result<void> opened = open();
        if (!opened.ok())
          worked = opened.error().code == "io.locked" ? Result<bool>(false) : Result<bool>(opened.error());
      }
      if (outbox)
        worked = step(guard, report);
      if (!worked.ok() && worked.error().message != told)
        base::log::warning("watch.outbox", {{"error", worked.error().message}, {"code", worked.error().code}});
      told = worked.ok() ? "" : worked.error().message;
      if (!worked.ok() || !*worked)
        changed.wait_for(guard, stop, kOutboxPollInterval, [&] { return std::exchange(is_woken, false); });
    }
  }

  DispatcherOptions options;
  std::map<std::string, const Subscription*> by_name;

  std::mutex mutex;  // guards all below
  std::condition_variable_any changed;
  bool is_woken = false;
  std::unique_ptr<io::FileLock> lock;
  std::unique_ptr<Outbox> outbox;
  std::set<std::string> sending;
  std::map<std::string, std::deque<std::int64_t>> sent_at;  // of the last minute
  std::int64_t forget_next = 0;
  std::vector<std::jthread> workers;
};

Dispatcher::Dispatcher(DispatcherOptions options) : state_(std::make_unique<State>(std::move(options))) {}

Dispatcher::~Dispatcher() { stop(); }

void Dispatcher::start() {
  State* state = state_.get();
  for (int i = 0; i < kSendersAtOnce; ++i)
    state->workers.emplace_back([state](const std::stop_token& stop) { state->work(stop); });
}

void Dispatcher::stop() {
  for (std::jthread& worker : state_->workers)
    worker.request_stop();
  state_->workers.clear();
  state_->outbox.reset();
  state_->lock.reset();
}

void Dispatcher::wake() {
  const std::scoped_lock guard(state_->mutex);
  state_->is_woken = true;
  state_->changed.notify_one();
}

Result<Dispatcher::Report> Dispatcher::run_once(const std::stop_token& stop) {
  State& state = *state_;
  std::unique_lock guard(state.mutex);
  SHOPLAKE_TRY(state.open());
  Report report;
  while (!stop.stop_requested() && SHOPLAKE_TRY(state.step(guard, report))) {
  }
  state.outbox.reset();
  state.lock.reset();
  return report;
}

}  // namespace shoplake::watch
