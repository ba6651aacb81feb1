#include "app/send.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <queue>
#include <thread>
#include <utility>
#include <vector>

#include "app/generate.h"
#include "base/base64.h"
#include "generate/journeys.h"
#include "http/client.h"

namespace shoplake::app {
namespace {

using base::Result;
using Protocol = SendOptions::Protocol;

// How often a connection looks for what is due.
constexpr std::chrono::milliseconds kTick{20};
// A refused or broken request is tried again after this long, doubled each time up to the second.
constexpr std::chrono::milliseconds kRetryMin{50};
constexpr std::chrono::milliseconds kRetryMax{2000};
// Google's limit, and the endpoint's.
constexpr std::size_t kMeasurementEventsMax = 25;
constexpr std::size_t kLatenciesMax = 100'000;
constexpr std::uint64_t kSeedsOfRun = 1000;  // connections have seeds of their own
constexpr std::uint64_t kQueuedEventsMax = 20'000;
constexpr std::int64_t kVisitMicros = 300'000'000;     // most visits take less
constexpr std::int64_t kFirstEventMicros = 1'000'000;  // a visit begins within the second after it was asked for

struct Due {
  std::int64_t at_micros;
  std::uint64_t number;  // of the event, so that those of one moment keep their order
  std::string line;
  friend bool operator>(const Due& a, const Due& b) {
    return std::pair(a.at_micros, a.number) > std::pair(b.at_micros, b.number);
  }
};

// ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────

struct Request {
  std::string target;
  http::Headers headers;
  std::string body;
  std::size_t events = 0;
};

// A line of the GA4 export as an event of the Measurement Protocol.
nlohmann::ordered_json measurement_event(const nlohmann::ordered_json& row) {
  using Json = nlohmann::ordered_json;
  const auto number = [](const Json& value) {
    return value.is_string() ? Json(std::stoll(value.get<std::string>())) : value;
  };
  Json params = Json::object();
  for (const Json& param : row.value("event_params", Json::array())) {
    const Json& value = param["value"];
    if (value.contains("string_value")) {
      params[param["key"].get<std::string>()] = value["string_value"];
    } else if (value.contains("int_value")) {
      params[param["key"].get<std::string>()] = number(value["int_value"]);
    } else if (value.contains("double_value")) {
      params[param["key"].get<std::string>()] = value["double_value"];
    }
  }
  if (const auto ecommerce = row.find("ecommerce"); ecommerce != row.end() && ecommerce->is_object()) {
    if (ecommerce->contains("transaction_id"))
      params["transaction_id"] = (*ecommerce)["transaction_id"];
    if (ecommerce->contains("purchase_revenue"))
      params["value"] = (*ecommerce)["purchase_revenue"];
  }
  return {{"name", row.value("event_name", "")},
          {"timestamp_micros", row.value("event_timestamp", "")},
          {"params", std::move(params)}};
}

class Requests {
 public:
  explicit Requests(const SendOptions& options) : options_(options) {}

  std::vector<Request> make(const std::vector<std::string>& lines) const {
    switch (options_.protocol) {
      case Protocol::plain: return {plain(lines)};
      case Protocol::firehose: return {firehose(lines)};
      case Protocol::measurement_protocol: return measurement(lines);
    }
    return {};
  }

 private:
  Request plain(const std::vector<std::string>& lines) const {
    Request request{"/v1/events/" + options_.stream, {{"Content-Type", "application/x-ndjson"}}, "", lines.size()};
    if (!options_.api_key.empty())
      request.headers.emplace_back("X-Api-Key", options_.api_key);
    for (const std::string& line : lines)
      request.body += line;
    return request;
  }

  Request firehose(const std::vector<std::string>& lines) const {
    Request request{
        "/",
        {{"Content-Type", "application/x-amz-json-1.1"}, {"X-Amz-Target", "Firehose_20150804.PutRecordBatch"}},
        fmt::format(R"({{"DeliveryStreamName":"{}","Records":[)", options_.stream),
        lines.size()};
    for (const std::string& line : lines)
      request.body += fmt::format(R"({}{{"Data":"{}"}})", &line == lines.data() ? "" : ",", base::base64_encode(line));
    request.body += "]}";
    return request;
  }

  std::vector<Request> measurement(const std::vector<std::string>& lines) const {
    std::map<std::string, std::vector<nlohmann::ordered_json>> by_client;
    for (const std::string& line : lines) {
      const auto row = nlohmann::ordered_json::parse(line);
      by_client[row.value("user_pseudo_id", "anonymous")].push_back(measurement_event(row));
    }
    std::vector<Request> requests;
    for (auto& [client, events] : by_client) {
      for (std::size_t from = 0; from < events.size(); from += kMeasurementEventsMax) {
        const std::size_t to = std::min(events.size(), from + kMeasurementEventsMax);
        nlohmann::ordered_json body{{"client_id", client}, {"events", nlohmann::ordered_json::array()}};
        for (std::size_t index = from; index < to; ++index)
          body["events"].push_back(std::move(events[index]));
        requests.push_back(
            {fmt::format("/mp/collect?measurement_id={}&api_secret={}", options_.measurement_id, options_.api_secret),
             {{"Content-Type", "application/json"}},
             body.dump(),
             to - from});
      }
    }
    return requests;
  }

  const SendOptions& options_;
};

// How many of a PutRecordBatch's records failed; 0 for other answers.
std::size_t failed_records(const http::Response& response, Protocol protocol) {
  if (protocol != Protocol::firehose)
    return 0;
  const auto answer = nlohmann::json::parse(response.body, nullptr, false);
  return answer.is_object() ? answer.value("FailedPutCount", std::size_t{0}) : 0;
}

bool comes_again(int status) { return status == 408 || status == 429 || status >= 500; }

// ── the run ─────────────────────────────────────────────────────────────────────────────────────────────────────

class Run {
 public:
  Run(io::Env& env, const SendOptions& options, generate::Dataset dataset, http::Url url, std::stop_token stop)
      : env_(env),
        options_(options),
        dataset_(dataset),
        url_(std::move(url)),
        requests_(options_),
        stop_(std::move(stop)) {
    const double ahead = static_cast<double>(kQueuedEventsMax) / options_.rate;
    begun_before_micros_ =
        std::max<std::int64_t>(kFirstEventMicros, kVisitMicros - static_cast<std::int64_t>(ahead * 1e6));
  }

  Result<SendReport> go(const std::function<void(const SendReport&)>& told) {
    const std::int64_t began = env_.monotonic_micros();
    {
      std::vector<std::jthread> connections;
      for (int index = 0; index < options_.connections; ++index)
        connections.emplace_back([this, index] { send(index); });
      std::unique_lock lock(mutex_);
      while (done_ < options_.connections) {
        changed_.wait_for(lock, std::chrono::seconds(1), [&] { return done_ == options_.connections; });
        SendReport now = report_;
        now.micros = env_.monotonic_micros() - began;
        lock.unlock();
        told(now);
        lock.lock();
      }
    }
    report_.micros = env_.monotonic_micros() - began;
    if (!latencies_.empty()) {
      std::ranges::sort(latencies_);
      report_.ack_p50_micros = latencies_[latencies_.size() / 2];
      report_.ack_p99_micros = latencies_[latencies_.size() * 99 / 100];
    }
    if (report_.events == 0 && refusal_)
      return *refusal_;
    return report_;
  }

 private:
  // One connection: begins visits and sends their events when they are due, at its share of the rate.
  void send(int index) {
    generate::Journeys journeys(dataset_, options_.seed * kSeedsOfRun + static_cast<std::uint64_t>(index));
    http::Client client(url_.host, url_.port);
    const double rate = options_.rate / options_.connections;
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
    std::uint64_t number = 0;
    const std::int64_t began = env_.monotonic_micros();
    const auto elapsed = [&] { return env_.monotonic_micros() - began; };
    double taken = 0;
    bool is_behind = true;
    std::int64_t looked = 0;
    while (!stop_.stop_requested() && !gone() && (options_.seconds == 0 || elapsed() < options_.seconds * 1'000'000)) {
      // What becomes due within a tick goes together: a request costs both sides more than an event.
      if (!is_behind)
        pause(std::chrono::microseconds(looked - env_.monotonic_micros()) + kTick);
      looked = env_.monotonic_micros();
      const std::int64_t now = env_.now_micros();
      const double budget = rate * static_cast<double>(elapsed()) / 1e6;
      std::vector<std::string> lines;
      const auto take = [&] {
        while (!due.empty() && due.top().at_micros <= now && taken < budget &&
               lines.size() < options_.batch_events_max) {
          lines.push_back(due.top().line);
          due.pop();
          ++taken;
        }
      };
      take();
      while (taken < budget && lines.size() < options_.batch_events_max) {
        const std::int64_t begin = now - begun_before_micros_;
        for (generate::JourneyEvent& event : journeys.next(begin))
          due.push({begin + event.offset_micros, number++, std::move(event.json) + "\n"});
        take();
      }
      is_behind = lines.size() == options_.batch_events_max;
      if (lines.empty())
        continue;
      for (const Request& request : requests_.make(lines)) {
        if (!deliver(client, request))
          break;
      }
    }
    const std::lock_guard lock(mutex_);
    ++done_;
    changed_.notify_all();
  }

  // Until it is acknowledged, refused for good, or the run is stopped.
  bool deliver(http::Client& client, const Request& request) {
    std::chrono::milliseconds wait = kRetryMin;
    while (true) {
      const std::int64_t began = env_.monotonic_micros();
      auto response = client.send("POST", request.target, request.headers, request.body);
      const bool again =
          !response.ok() || comes_again(response->status) || failed_records(*response, options_.protocol) > 0;
      {
        const std::lock_guard lock(mutex_);
        if (!again && response->status < 300) {
          report_.events += request.events;
          ++report_.requests;
          if (latencies_.size() < kLatenciesMax)
            latencies_.push_back(env_.monotonic_micros() - began);
          return true;
        }
        if (!again) {
          report_.refused += request.events;
          if (!refusal_) {
            refusal_ = base::make_error(
                base::ErrorKind::failed, "generate.refused",
                fmt::format("{} answers {}: {}", options_.url, response->status, response->body.substr(0, 500)),
                "Check stream and keys.");
          }
          return true;
        }
        ++report_.retries;
        if (!response.ok() && report_.events == 0 && !refusal_)
          refusal_ = response.error();
      }
      pause(wait);
      wait = std::min(wait * 2, kRetryMax);
      if (stop_.stop_requested() || gone())
        return false;
    }
  }

  // Nothing was ever acknowledged and nobody answers: the address is wrong.
  bool gone() {
    const std::lock_guard lock(mutex_);
    return report_.events == 0 && report_.retries > kAttemptsWithoutAnswerMax && refusal_ &&
           refusal_->code == "http.cannot_connect";
  }

  void pause(std::chrono::microseconds time) {
    std::unique_lock lock(pause_mutex_);
    paused_.wait_for(lock, stop_, time, [] { return false; });
  }

  static constexpr std::uint64_t kAttemptsWithoutAnswerMax = 5;

  io::Env& env_;
  const SendOptions& options_;
  generate::Dataset dataset_;
  http::Url url_;
  Requests requests_;
  // So that the first event of a visit is due at once, and a visit always adds to what can be sent. Visits take
  // minutes, and events that are not due yet wait in memory. At high rates visits therefore begin in the
  // past, so that only their ends are still to come.
  std::int64_t begun_before_micros_ = 0;
  std::stop_token stop_;

  std::mutex mutex_;
  std::condition_variable changed_;
  SendReport report_;
  std::vector<std::int64_t> latencies_;
  std::optional<base::Error> refusal_;
  int done_ = 0;
  std::mutex pause_mutex_;
  std::condition_variable_any paused_;
};

}  // namespace

Result<SendReport> send_generated(io::Env& env, const SendOptions& options,
                                  const std::function<void(const SendReport&)>& told, std::stop_token stop) {
  SendOptions complete = options;
  const generate::Dataset dataset = SHOPLAKE_TRY(generated_dataset(complete.dataset));
  if (complete.protocol == Protocol::measurement_protocol && dataset != generate::Dataset::events) {
    return base::make_error(base::ErrorKind::usage, "generate.bad_protocol",
                            "the Measurement Protocol takes GA4 events only", "Send clickstream by plain or firehose.");
  }
  if (complete.stream.empty())
    complete.stream = complete.dataset;
  Run run(env, complete, dataset, SHOPLAKE_TRY(http::parse_url(complete.url)), std::move(stop));
  return run.go(told);
}

}  // namespace shoplake::app
