#include "s3/xml.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace shoplake::s3 {
namespace {

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (code >> 6)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (code >> 12)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (code >> 18)));
    out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Element> document() {
    SHOPLAKE_TRY(skip_between());
    Element root = SHOPLAKE_TRY(element(0));
    SHOPLAKE_TRY(skip_between());
    if (at_ != text_.size())
      return error("something follows the document");
    return root;
  }

 private:
  base::Error error(const std::string& what) const {
    return base::make_error(base::ErrorKind::environment, "s3.bad_answer",
                            "the server's answer is no XML: " + what + " at byte " + std::to_string(at_),
                            "Check that `s3: endpoint` of shoplake.yml is an S3-compatible store.");
  }

  bool starts(std::string_view with) const { return text_.substr(at_).starts_with(with); }

  Result<void> skip_past(std::string_view end) {
    const std::size_t found = text_.find(end, at_);
    if (found == std::string_view::npos)
      return error("an open end");
    at_ = found + end.size();
    return {};
  }

  // Comments and instructions.
  Result<bool> skip_markup() {
    if (starts("<?")) {
      SHOPLAKE_TRY(skip_past("?>"));
      return true;
    }
    if (starts("<!--")) {
      SHOPLAKE_TRY(skip_past("-->"));
      return true;
    }
    return false;
  }

  Result<void> skip_between() {
    while (at_ < text_.size()) {
      if (is_space(text_[at_])) {
        ++at_;
      } else if (!SHOPLAKE_TRY(skip_markup())) {
        break;
      }
    }
    return {};
  }

  Result<Element> element(int depth) {
    if (depth >= kXmlDepthMax)
      return error("elements are nested too deeply");
    const std::size_t begin = at_;
    if (at_ >= text_.size() || text_[at_] != '<')
      return error("no element");
    ++at_;
    const std::size_t name_begin = at_;
    while (at_ < text_.size() && !is_space(text_[at_]) && text_[at_] != '>' && text_[at_] != '/')
      ++at_;
    const std::string_view whole_name = text_.substr(name_begin, at_ - name_begin);
    if (whole_name.empty() || whole_name[0] == '!')
      return error("no element");
    Element made;
    made.name = whole_name.substr(whole_name.rfind(':') + 1);
    const bool is_empty = SHOPLAKE_TRY(skip_attributes());
    if (!is_empty)
      SHOPLAKE_TRY(content(made, whole_name, depth));
    made.source_begin = begin;
    made.source_size = at_ - begin;
    return made;
  }

  // Up to and with '>'; true for "/>".
  Result<bool> skip_attributes() {
    char quote = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quote != 0) {
        quote = c == quote ? 0 : quote;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '>') {
        ++at_;
        return text_[at_ - 2] == '/';
      }
    }
    return error("an open tag");
  }

  Result<void> content(Element& into, std::string_view whole_name, int depth) {
    while (true) {
      if (at_ >= text_.size())
        return error("an open element");
      if (text_[at_] == '&') {
        SHOPLAKE_TRY(entity(into.text));
      } else if (text_[at_] != '<') {
        const std::size_t end = std::min(text_.find_first_of("<&", at_), text_.size());
        into.text.append(text_.substr(at_, end - at_));
        at_ = end;
      } else if (starts("<![CDATA[")) {
        at_ += 9;
        const std::size_t end = text_.find("]]>", at_);
        if (end == std::string_view::npos)
          return error("an open end");
        into.text.append(text_.substr(at_, end - at_));
        at_ = end + 3;
      } else if (starts("</")) {
        at_ += 2;
        if (!starts(whole_name))
          return error("an end tag of another element");
        at_ += whole_name.size();
        while (at_ < text_.size() && is_space(text_[at_]))
          ++at_;
        if (at_ >= text_.size() || text_[at_] != '>')
          return error("an open end tag");
        ++at_;
        return {};
      } else if (!SHOPLAKE_TRY(skip_markup())) {
        into.children.push_back(SHOPLAKE_TRY(element(depth + 1)));
      }
    }
  }

  Result<void> entity(std::string& out) {
    const std::size_t end = text_.find(';', at_);
    if (end == std::string_view::npos || end - at_ > 12)
      return error("an open entity");
    const std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
    if (name == "amp") {
      out.push_back('&');
    } else if (name == "lt") {
      out.push_back('<');
    } else if (name == "gt") {
      out.push_back('>');
    } else if (name == "quot") {
      out.push_back('"');
    } else if (name == "apos") {
      out.push_back('\'');
    } else if (name.starts_with('#')) {
      const bool is_hex = name.starts_with("#x");
      const std::string_view digits = name.substr(is_hex ? 2 : 1);
      std::uint32_t code = 0;
      const auto [stopped, failed] =
          std::from_chars(digits.data(), digits.data() + digits.size(), code, is_hex ? 16 : 10);
      const bool is_character = code != 0 && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
      if (failed != std::errc() || stopped != digits.data() + digits.size() || !is_character)
        return error("an impossible character");
      append_utf8(out, code);
    } else {
      return error("an unknown entity");
    }
    at_ = end + 1;
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

const Element* Element::find(std::string_view child) const {
  for (const Element& candidate : children) {
    if (candidate.name == child)
      return &candidate;
  }
  return nullptr;
}

std::string Element::text_of(std::string_view child) const {
  const Element* found = find(child);
  return found == nullptr ? std::string() : found->text;
}

Result<Element> parse_xml(std::string_view text) { return Parser(text).document(); }

std::string escape_xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\r': out += "&#13;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

}  // namespace shoplake::s3
