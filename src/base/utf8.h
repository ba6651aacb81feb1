// UTF-8 as it is written.
#pragma once

#include <cstdint>
#include <string>

namespace shoplake::base {

// Appends a code point, up to 0x10FFFF, as one to four bytes.
void append_code_point(std::string& text, std::uint32_t point);

}  // namespace shoplake::base
