// Aligned columns for reports, in a terminal and in a pipe: a heading and rows. Cells that do not fit the width of the
// terminal are cut with '…' in the widest text column; in a pipe nothing is cut.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace shoplake::cli {

enum class Align { left, right };

class Table {
 public:
  struct Column {
    std::string heading;  // all empty: no heading is printed
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns, int indent = 2) : columns_(std::move(columns)), indent_(indent) {}
  void add_row(std::vector<std::string> cells);        // cells may hold styled() text; missing ones are empty
  std::string render(const Terminal& terminal) const;  // lines, without the last line's end

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
  int indent_;
};

}  // namespace shoplake::cli
