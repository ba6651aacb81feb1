// base::Progress for the command line. On a terminal: a bar on standard error, drawn after the first second of a unit
// of work and ten times a second at most, and taken away at the end. Elsewhere: a plain line every ten seconds, so that
// logs of long runs live.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "base/progress.h"
#include "cli/terminal.h"

namespace shoplake::cli {

class ProgressDisplay final : public base::Progress {
 public:
  explicit ProgressDisplay(const Terminal& terminal) : terminal_(terminal) {}
  ~ProgressDisplay() override { hide(); }

  void begin(std::string_view what, std::uint64_t total, Unit unit) override;
  void update(std::uint64_t done) override;
  void end() override;
  // Takes the bar off the screen, before other text is printed; the next update draws it again.
  void hide();

 private:
  void draw(std::int64_t now_micros);
  void erase();

  const Terminal& terminal_;
  std::mutex mutex_;
  std::string what_;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
  Unit unit_ = Unit::items;
  std::int64_t began_micros_ = 0;
  std::int64_t drawn_micros_ = 0;
  bool active_ = false;
  bool visible_ = false;
};

}  // namespace shoplake::cli
