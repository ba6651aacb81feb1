#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace shoplake::cli {

namespace {

Terminal examine(int descriptor) {
  Terminal terminal;
  terminal.interactive = isatty(descriptor) == 1;
  if (!terminal.interactive) {
    return terminal;
  }
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.width = std::max<int>(size.ws_col, 20);
  }
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  terminal.colour = (no_color == nullptr || *no_color == '\0') && term != nullptr && std::string_view(term) != "dumb";
  return terminal;
}

// One code point at `position`, which is moved past it; a broken byte counts as one code point.
std::uint32_t next_code_point(std::string_view text, std::size_t& position) {
  const auto lead = static_cast<unsigned char>(text[position++]);
  if (lead >= 0x80 && (lead < 0xC2 || lead > 0xF4)) {
    return 0xFFFD;
  }
  int more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  std::uint32_t code = more == 0 ? lead : lead & (0x3Fu >> more);
  for (; more > 0 && position < text.size(); --more) {
    const auto byte = static_cast<unsigned char>(text[position]);
    if ((byte & 0xC0) != 0x80) {
      return 0xFFFD;
    }
    code = code << 6 | (byte & 0x3Fu);
    ++position;
  }
  return code;
}

int width_of(std::uint32_t code) {
  // The blocks that matter in practice (Unicode 15, EastAsianWidth W and F; combining marks of the Latin and joiner
  // blocks).
  static constexpr std::pair<std::uint32_t, std::uint32_t> kZero[] = {
      {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x064B, 0x065F},
      {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}};
  static constexpr std::pair<std::uint32_t, std::uint32_t> kWide[] = {
      {0x1100, 0x115F}, {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},
      {0xA000, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
      {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  if (code < 0x300) {
    return code < 0x20 || code == 0x7F ? 0 : 1;
  }
  for (auto [first, last] : kZero) {
    if (code >= first && code <= last) {
      return 0;
    }
  }
  for (auto [first, last] : kWide) {
    if (code >= first && code <= last) {
      return 2;
    }
  }
  return 1;
}

// Moves past an escape sequence "ESC [ … letter" that begins at `position`.
bool skip_escape(std::string_view text, std::size_t& position) {
  if (text[position] != '\033' || position + 1 >= text.size() || text[position + 1] != '[') {
    return false;
  }
  position += 2;
  while (position < text.size() && (text[position] < 0x40 || text[position] > 0x7E)) {
    ++position;
  }
  position = std::min(position + 1, text.size());
  return true;
}

}  // namespace

std::string Terminal::styled(Style style, std::string_view text) const {
  if (!colour || style == Style::plain) {
    return std::string(text);
  }
  static constexpr const char* kCodes[] = {"", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m", "\033[36m"};
  return std::string(kCodes[static_cast<int>(style)]).append(text).append("\033[0m");
}

const Terminal& standard_output() {
  static const Terminal terminal = examine(STDOUT_FILENO);
  return terminal;
}

const Terminal& standard_error() {
  static const Terminal terminal = examine(STDERR_FILENO);
  return terminal;
}

int display_width(std::string_view text) {
  int width = 0;
  for (std::size_t position = 0; position < text.size();) {
    if (!skip_escape(text, position)) {
      width += width_of(next_code_point(text, position));
    }
  }
  return width;
}

std::string shortened(std::string_view text, int width) {
  if (display_width(text) <= width) {
    return std::string(text);
  }
  if (width <= 1) {
    return width == 1 ? "…" : "";
  }
  int used = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    std::size_t next = end;
    used += width_of(next_code_point(text, next));
    if (used > width - 1) {
      break;
    }
    end = next;
  }
  return std::string(text.substr(0, end)).append("…");
}

}  // namespace shoplake::cli
