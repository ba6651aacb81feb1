// The words of DQDL. `#` begins a comment to the end of the line.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shoplake::dqdl {

struct Token {
  enum class Kind { word, number, text, symbol, end };
  Kind kind = Kind::end;
  std::string value;  // of a text: without its quotes and escapes
  std::size_t offset = 0;
};

// Says what is wrong at an offset.
using ErrorAt = std::function<base::Error(std::size_t offset, std::string message, std::string advice)>;

// All words; the last is of kind end. In a quoted text \" is a quote and \\ a backslash; any other backslash stands for
// itself, so that regular expressions need none twice.
base::Result<std::vector<Token>> tokens_of(std::string_view text, const ErrorAt& error_at);

}  // namespace shoplake::dqdl
