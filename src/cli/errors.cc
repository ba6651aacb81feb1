#include "cli/errors.h"

#include <fmt/format.h>

namespace shoplake::cli {

namespace {

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

}  // namespace shoplake::cli
