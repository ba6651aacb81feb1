#include "transform/json_string.h"

#include <charconv>
#include <system_error>

namespace shoplake::transform {

namespace {

void append_utf8(std::uint32_t code, char*& out) {
  if (code < 0x80) {
    *out++ = static_cast<char>(code);
  } else if (code < 0x800) {
    *out++ = static_cast<char>(0xC0 | code >> 6);
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out++ = static_cast<char>(0xE0 | code >> 12);
    *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
  } else {
    *out++ = static_cast<char>(0xF0 | code >> 18);
    *out++ = static_cast<char>(0x80 | (code >> 12 & 0x3F));
    *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
  }
}

bool hex4(const char* text, const char* end, std::uint32_t& code) {
  if (end - text < 4)
    return false;
  const auto parsed = std::from_chars(text, text + 4, code, 16);
  return parsed.ec == std::errc() && parsed.ptr == text + 4 && *text != '-';
}

}  // namespace

bool unescape(std::string_view raw, char* out, std::size_t& size) {
  char* const begin = out;
  const char* at = raw.data();
  const char* const end = at + raw.size();
  while (at < end) {
    if (*at != '\\') {
      *out++ = *at++;
      continue;
    }
    if (++at == end)
      return false;
    switch (*at++) {
      case '"': *out++ = '"'; break;
      case '\\': *out++ = '\\'; break;
      case '/': *out++ = '/'; break;
      case 'b': *out++ = '\b'; break;
      case 'f': *out++ = '\f'; break;
      case 'n': *out++ = '\n'; break;
      case 'r': *out++ = '\r'; break;
      case 't': *out++ = '\t'; break;
      case 'u': {
        std::uint32_t code = 0;
        if (!hex4(at, end, code))
          return false;
        at += 4;
        if (code >= 0xD800 && code < 0xDC00) {
          std::uint32_t low = 0;
          if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || !hex4(at + 2, end, low) || low < 0xDC00 || low >= 0xE000)
            return false;
          at += 6;
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC00 && code < 0xE000) {
          return false;
        }
        append_utf8(code, out);
        break;
      }
      default: return false;
    }
  }
  size = static_cast<std::size_t>(out - begin);
  return true;
}

}  // namespace shoplake::transform
