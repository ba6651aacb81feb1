#include "serve/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace shoplake::serve {
namespace {

using base::Result;

constexpr std::string_view kBegin = "<!-- page\n";
constexpr std::string_view kEnd = "-->\n";
constexpr std::string_view kContent = "content";
constexpr std::array<std::string_view, 7> kNeeded{"title", "heading", "description", "status",
                                                  "skip",  "script",  "json"};
constexpr std::array<std::string_view, 1> kOptional{"preload"};

using Values = std::map<std::string, std::string_view, std::less<>>;

base::Error wrong(std::string what) {
  return base::make_error(base::ErrorKind::environment, "serve.bad_page", std::move(what),
                          "install shoplake again: share/shoplake/web belongs to it");
}

// The line at the begin, which is taken off.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

Result<Values> values_of(std::string_view page) {
  Values values;
  const std::size_t end = page.find(kEnd);
  if (end == std::string_view::npos)
    return wrong("the comment at the begin of the page does not end");
  std::string_view lines = page.substr(kBegin.size(), end - kBegin.size());
  while (!lines.empty()) {
    const std::string_view line = take_line(lines);
    const std::size_t colon = line.find(": ");
    const std::string_view name = line.substr(0, colon);
    const bool is_known =
        std::ranges::find(kNeeded, name) != kNeeded.end() || std::ranges::find(kOptional, name) != kOptional.end();
    if (colon == std::string_view::npos || !is_known)
      return wrong(fmt::format("\"{}\" is nothing that a page says of itself", line));
    if (!values.emplace(name, line.substr(colon + 2)).second)
      return wrong(fmt::format("{} stands twice", name));
  }
  for (const std::string_view name : kNeeded) {
    if (!values.contains(name))
      return wrong(fmt::format("the page has no {}", name));
  }
  std::string_view content = page.substr(end + kEnd.size());
  while (content.ends_with('\n'))
    content.remove_suffix(1);
  values.emplace(kContent, content);
  return values;
}

// Appends the line with its values; nothing of it if it names one that the page has left out.
Result<void> append(std::string& out, std::string_view line, const Values& values) {
  std::string text;
  for (;;) {
    const std::size_t begin = line.find("{{");
    const std::size_t end = begin == std::string_view::npos ? begin : line.find("}}", begin);
    text += line.substr(0, end == std::string_view::npos ? line.size() : begin);
    if (end == std::string_view::npos)
      break;
    const std::string_view name = line.substr(begin + 2, end - begin - 2);
    const auto value = values.find(name);
    if (value != values.end())
      text += value->second;
    else if (std::ranges::find(kOptional, name) != kOptional.end())
      return {};
    else
      return wrong(fmt::format("the frame asks for {}, which no page has", name));
    line.remove_prefix(end + 2);
  }
  out += text + "\n";
  return {};
}

}  // namespace

bool is_page(std::string_view text) { return text.starts_with(kBegin); }

Result<std::string> framed_page(std::string_view frame, std::string_view page, std::string_view address) {
  const Values values = SHOPLAKE_TRY(values_of(page));
  if (frame.find("{{content}}") == std::string_view::npos)
    return wrong("the frame has no place for the content of a page");
  const std::string link = fmt::format("<a href=\"{}\">", address);
  const std::string current = fmt::format("<a href=\"{}\" aria-current=\"page\">", address);
  std::string out;
  out.reserve(frame.size() + page.size());
  while (!frame.empty()) {
    std::string line(take_line(frame));
    if (const std::size_t at = line.find(link); at != std::string::npos)
      line.replace(at, link.size(), current);
    SHOPLAKE_TRY(append(out, line, values));
  }
  return out;
}

}  // namespace shoplake::serve
