#include "base/utf8.h"

namespace shoplake::base {

void append_code_point(std::string& text, std::uint32_t point) {
  if (point < 0x80) {
    text.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    text.push_back(static_cast<char>(0xC0 | point >> 6));
    text.push_back(static_cast<char>(0x80 | (point & 63)));
  } else if (point < 0x10000) {
    text.push_back(static_cast<char>(0xE0 | point >> 12));
    text.push_back(static_cast<char>(0x80 | (point >> 6 & 63)));
    text.push_back(static_cast<char>(0x80 | (point & 63)));
  } else {
    text.push_back(static_cast<char>(0xF0 | point >> 18));
    text.push_back(static_cast<char>(0x80 | (point >> 12 & 63)));
    text.push_back(static_cast<char>(0x80 | (point >> 6 & 63)));
    text.push_back(static_cast<char>(0x80 | (point & 63)));
  }
}

}  // namespace shoplake::base
