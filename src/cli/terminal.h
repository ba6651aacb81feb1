// What the standard streams are: a terminal (how wide, with colour) or something else. Colour is never the only carrier
// of meaning; NO_COLOR (https://no-color.org), TERM=dumb and a stream that is no terminal turn it off.
#pragma once

#include <string>
#include <string_view>

namespace shoplake::cli {

enum class Style { plain, bold, dim, good, warning, bad, accent };

struct Terminal {
  bool interactive = false;
  bool colour = false;
  int width = 100;  // columns; 100 where there is no terminal

  // `text` in a style, or as it is where there is no colour.
  std::string styled(Style style, std::string_view text) const;
};

// Asked once; the width is the one at that time.
const Terminal& standard_output();
const Terminal& standard_error();

// The width of UTF-8 text on a terminal: code points without escape sequences and combining marks, East Asian wide ones
// as two.
int display_width(std::string_view text);
// At most `width` columns of the text, ending in '…' where something was cut.
std::string shortened(std::string_view text, int width);

}  // namespace shoplake::cli
