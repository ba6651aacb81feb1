#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "cli/format.h"

namespace shoplake::cli {

namespace {

constexpr std::int64_t kFirstDrawMicros = 1'000'000;
constexpr std::int64_t kRedrawMicros = 100'000;
constexpr std::int64_t kPlainLineMicros = 10'000'000;
constexpr int kBarWidth = 24;

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string amount(std::uint64_t value, base::Progress::Unit unit) {
  return unit == base::Progress::Unit::bytes ? format_bytes(value) : format_count(static_cast<std::int64_t>(value));
}

}  // namespace

void ProgressDisplay::begin(std::string_view what, std::uint64_t total, Unit unit) {
  const std::scoped_lock lock(mutex_);
  erase();
  what_ = what;
  total_ = total;
  unit_ = unit;
  done_ = 0;
  began_micros_ = now();
  drawn_micros_ = 0;
  active_ = true;
}

void ProgressDisplay::update(std::uint64_t done) {
  const std::scoped_lock lock(mutex_);
  if (!active_) {
    return;
  }
  done_ = done;
  const std::int64_t time = now();
  const std::int64_t pause = terminal_.interactive ? kRedrawMicros : kPlainLineMicros;
  const std::int64_t first = terminal_.interactive ? kFirstDrawMicros : kPlainLineMicros;
  if (time - began_micros_ >= first && time - drawn_micros_ >= pause) {
    draw(time);
  }
}

void ProgressDisplay::end() {
  const std::scoped_lock lock(mutex_);
  erase();
  active_ = false;
}

void ProgressDisplay::hide() {
  const std::scoped_lock lock(mutex_);
  erase();
  drawn_micros_ = 0;
}

void ProgressDisplay::draw(std::int64_t time) {
  drawn_micros_ = time;
  const std::int64_t elapsed = time - began_micros_;
  const char* unit = unit_ == Unit::bytes ? "B" : unit_ == Unit::rows ? "rows" : "items";
  std::string text = what_ + "  ";
  if (total_ > 0) {
    const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    if (terminal_.interactive) {
      const int filled = static_cast<int>(share * kBarWidth);
      text += "[";
      for (int cell = 0; cell < kBarWidth; ++cell) {
        text += cell < filled ? "█" : "·";
      }
      text += "]  ";
    }
    text += fmt::format("{:3.0f} %  {} of {}", share * 100, amount(done_, unit_), amount(total_, unit_));
    if (share > 0.02 && share < 1) {
      text += "  " + format_duration(static_cast<std::int64_t>(static_cast<double>(elapsed) * (1 - share) / share)) +
              " left";
    }
  } else {
    text += amount(done_, unit_);
  }
  if (unit_ != Unit::items) {
    text += "  " + format_rate(done_, elapsed, unit);
  }
  if (terminal_.interactive) {
    std::fprintf(stderr, "\r\033[K%s", shortened(text, terminal_.width - 1).c_str());
    visible_ = true;
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
}

void ProgressDisplay::erase() {
  if (visible_) {
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    visible_ = false;
  }
}

}  // namespace shoplake::cli
