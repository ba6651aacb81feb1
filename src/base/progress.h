// How long work tells its caller where it stands. The command line draws a bar on a terminal; elsewhere nothing is
// drawn. Calls may come from any thread; implementations are thread safe and cheap (they drop updates that come too
// fast).
#pragma once

#include <cstdint>
#include <string_view>

namespace shoplake::base {

class Progress {
 public:
  enum class Unit { bytes, rows, items };

  virtual ~Progress() = default;
  // Begins one unit of work ("load ga4.ndjson.gz"); total 0: not known.
  virtual void begin(std::string_view what, std::uint64_t total, Unit unit) = 0;
  virtual void update(std::uint64_t done) = 0;
  virtual void end() = 0;
};

// The progress of callers that do not show any.
Progress& no_progress();

}  // namespace shoplake::base
