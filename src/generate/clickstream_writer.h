// Visits as flat events of the dataset "clickstream" (datasets/clickstream.yml), one JSON object a line, as a shop's
// own tracker sends them: absent values left out, times in ISO 8601 with Z, the visitor's address and e-mail in the
// clear, which a load has to remove.
//
// The same visits as the GA4 export of the same seed (journey.h), told flat: an event names one product, the first of
// its cart lines. Days are UTC days. An event that is sent twice has the same event_id twice.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "generate/event_writer.h"
#include "generate/journey.h"
#include "generate/plan.h"

namespace shoplake::generate {

// Not thread safe; one for each thread.
class ClickstreamWriter {
 public:
  ClickstreamWriter(std::uint64_t seed, std::int64_t first_day, int days)
      : seed_(seed), first_day_(first_day), days_(days) {}

  // Appends the visit's lines of its file to `text` and where they stand to `lines`.
  void write(const PlannedVisit& planned, std::string& text, std::vector<Line>& lines);

 private:
  struct Facts;
  void write_event(const Facts& facts, std::size_t index, std::string& text);
  void prepare(Facts& facts);
  void make_urls(const Facts& facts);

  const std::uint64_t seed_;
  const std::int64_t first_day_;
  const int days_;
  Visit visit_;
  std::string about_user_;         // user_id and session_id
  std::string about_device_;       // user_agent, device, country
  std::string campaign_;           // utm_source … utm_content, of the events of the landing page
  std::string personal_;           // ip and email, the end of the object
  std::vector<std::string> urls_;  // of the visit's pages
  std::string_view landing_referrer_;
};

}  // namespace shoplake::generate
