// The rules of the Measurement Protocol: what is wrong with a request and its events, in the words of Google's
// validation server. Internal to collect/ga4_measurement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collect/ga4_collect.h"
#include "collect/ga4_measurement_json.h"

namespace shoplake::collect {

// Whether a violation makes an event unreadable, or is against what Google recommends.
enum class Severity { malformed, recommendation };

// What is wrong with a request: messages for its sender, and which events and whether the request as a whole must not
// become rows.
class Findings {
 public:
  Findings(std::vector<ValidationMessage>& messages, std::size_t events) : messages_(messages), refused_(events) {}

  void strict() { strict_ = true; }
  // Of the whole request.
  void add(Severity severity, std::string_view code, std::string path, std::string description,
           std::string_view reason) {
    refuse(severity, request_reason_, request_message_, reason, description);
    append(code, std::move(path), std::move(description));
  }
  void add(std::size_t event, Severity severity, std::string_view code, std::string path, std::string description,
           std::string_view reason) {
    refuse(severity, refused_[event].first, refused_[event].second, reason, description);
    append(code, std::move(path), std::move(description));
  }

  bool request_refused() const { return !request_reason_.empty(); }
  std::string_view request_reason() const { return request_reason_; }
  const std::string& request_message() const { return request_message_; }
  bool refused(std::size_t event) const { return !refused_[event].first.empty(); }
  std::string_view reason(std::size_t event) const { return refused_[event].first; }
  const std::string& message(std::size_t event) const { return refused_[event].second; }

 private:
  void refuse(Severity severity, std::string_view& reason, std::string& message, std::string_view given,
              const std::string& description) {
    if ((severity == Severity::malformed || strict_) && reason.empty()) {
      reason = given;
      message = description;
    }
  }
  void append(std::string_view code, std::string path, std::string description) {
    if (messages_.size() < kMessagesMax) {
      messages_.push_back({std::move(path), std::move(description), std::string(code)});
    }
  }
  static constexpr std::size_t kMessagesMax = 100;

  std::vector<ValidationMessage>& messages_;
  bool strict_ = false;
  std::string_view request_reason_;
  std::string request_message_;
  std::vector<std::pair<std::string_view, std::string>> refused_;  // by event: reason, message
};

// One request with its events; findings are for as many.
void check_measurement(const MeasurementQuery& query, dom::object body, const dom::array& events,
                       std::int64_t received_at_micros, Findings& findings);

}  // namespace shoplake::collect
