#include "cli/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace shoplake::cli {

namespace {

// Damerau-Levenshtein distance with adjacent transpositions.
std::size_t typing_mistakes(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      cost[i][j] =
          std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

// Length of the valid UTF-8 sequence at the beginning of the text; 0 if there is none.
std::size_t valid_sequence(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const auto continues = [&](std::size_t at) { return at < text.size() && (byte(at) & 0xC0) == 0x80; };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xC2 && lead < 0xE0) {
    return continues(1) ? 2 : 0;
  }
  if (lead >= 0xE0 && lead < 0xF0 && continues(1) && continues(2)) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead >= 0xF0 && lead < 0xF5 && continues(1) && continues(2) && continues(3)) {
    const bool out_of_range = (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) >= 0x90);
    return out_of_range ? 0 : 4;
  }
  return 0;
}

std::string indented(std::string_view text, std::string_view indent) {
  std::string out;
  for (char c : text) {
    out.push_back(c);
    if (c == '\n') {
      out += indent;
    }
  }
  return out;
}

}  // namespace

std::string error_for_people(const base::Error& error, const Terminal& terminal) {
  std::string text = terminal.styled(Style::bad, "error:") + " " + indented(error.message, "  ");
  if (!error.advice.empty()) {
    text += "\n  " + terminal.styled(Style::bold, "do:") + " " + indented(error.advice, "      ");
  }
  if (!error.code.empty()) {
    text += "\n  " +
            terminal.styled(Style::dim, fmt::format("code: {} (exit {})", error.code, base::exit_code(error.kind)));
  }
  return text;
}

std::string error_as_json(const base::Error& error) {
  return fmt::format(R"({{"error":{{"code":{},"kind":{},"message":{},"advice":{}}},"exit_code":{}}})",
                     json_quoted(error.code), json_quoted(base::name(error.kind)), json_quoted(error.message),
                     json_quoted(error.advice), base::exit_code(error.kind));
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (std::size_t position = 0; position < text.size();) {
    const char c = text[position];
    const std::size_t length = valid_sequence(text.substr(position));
    if (length == 0) {
      out += "\\ufffd";
      ++position;
      continue;
    }
    if (c == '"' || c == '\\') {
      out.append("\\").push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out.append(text.substr(position, length));
    }
    position += length;
  }
  return out + "\"";
}

std::string closest(std::string_view given, std::span<const std::string> candidates) {
  std::string best;
  const std::size_t allowed = given.size() <= 3 ? 1 : given.size() <= 6 ? 2 : 3;
  std::size_t best_mistakes = allowed + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t mistakes = typing_mistakes(given, candidate);
    if (mistakes < best_mistakes) {
      best_mistakes = mistakes;
      best = candidate;
    }
  }
  if (best.empty() && given.size() >= 2) {
    const auto begins = std::find_if(candidates.begin(), candidates.end(),
                                     [&](const std::string& candidate) { return candidate.starts_with(given); });
    if (begins != candidates.end()) {
      best = *begins;
    }
  }
  return best;
}

}  // namespace shoplake::cli
