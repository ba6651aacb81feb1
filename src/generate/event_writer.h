// Visits as lines of JSON in the schema of Google's GA4 export to BigQuery (31 top-level columns), spelled as
// BigQuery's JSON export does: INT64 as strings, FLOAT64 as numbers, NULL fields left out.
// https://support.google.com/analytics/answer/7029846
//
// Among them: e-mail addresses in URLs (newsletter links, checkout confirmation), click ids, money that adds up to the
// cent, parameters that are int in one event and double in the next, visitors without consent (no ids), non-ASCII text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "generate/journey.h"
#include "generate/plan.h"

namespace shoplake::generate {

// One line in a buffer of lines.
struct Line {
  std::int64_t at_micros;  // event_timestamp
  std::size_t begin;
  std::size_t size;  // with its line end
};

// Not thread safe; one for each thread.
class EventWriter {
 public:
  EventWriter(std::uint64_t seed, std::int64_t first_day, int days) : seed_(seed), first_day_(first_day), days_(days) {}

  // Appends the visit's lines of its file to `text` and where they stand to `lines`.
  void write(const PlannedVisit& planned, std::string& text, std::vector<Line>& lines);

 private:
  struct Facts;
  void write_event(const Facts& facts, const VisitEvent& event, std::string& text);
  void write_parameters(const Facts& facts, const VisitEvent& event, std::string& text);
  void write_ecommerce(const Facts& facts, const VisitEvent& event, std::string& text);
  void write_items(const Facts& facts, const VisitEvent& event, std::string& text);
  void prepare_constants(Facts& facts);

  const std::uint64_t seed_;
  const std::int64_t first_day_;
  const int days_;
  Visit visit_;
  std::string about_user_;      // user_id … event_dimensions, the same for all events of a visit
  std::string about_session_;   // session_traffic_source_last_click
  std::string landing_source_;  // collected_traffic_source of the landing page
  std::string landing_parameters_;
  std::vector<std::string> urls_;  // of the visit's pages
};

}  // namespace shoplake::generate
