// The answer of a query on a terminal: a box with names and types, numbers to the right, cut to the width of the
// terminal.
#pragma once

#include <string>

#include "app/query.h"
#include "cli/terminal.h"

namespace shoplake::cli {

// Lines with their ends, the count of rows last. Wide columns are cut first; where even narrow ones do not fit, columns
// in the middle are left out and counted. Line ends and control characters in cells are shown as escapes.
std::string render_box(const app::QueryTable& table, const Terminal& terminal);

// For pipes: the same cells in aligned columns, nothing cut, no lines drawn, no count.
std::string render_plain(const app::QueryTable& table);

}  // namespace shoplake::cli
