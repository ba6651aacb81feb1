#include "cli/table.h"

#include <algorithm>
#include <numeric>

namespace shoplake::cli {

namespace {
constexpr int kGap = 2;
constexpr int kNarrowest = 8;  // a column is not cut below this
}  // namespace

void Table::add_row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::render(const Terminal& terminal) const {
  std::vector<int> widths;
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    int width = display_width(columns_[column].heading);
    for (const auto& row : rows_) {
      width = std::max(width, display_width(row[column]));
    }
    widths.push_back(width);
  }
  if (terminal.interactive && !widths.empty()) {
    const int used =
        indent_ + kGap * (static_cast<int>(widths.size()) - 1) + std::accumulate(widths.begin(), widths.end(), 0);
    for (int excess = used - terminal.width; excess > 0;) {
      auto widest = std::max_element(widths.begin(), widths.end());
      if (*widest <= kNarrowest) {
        break;
      }
      --*widest;
      --excess;
    }
  }

  std::string text;
  const auto add_line = [&](const std::vector<std::string>& cells, Style style) {
    std::string line(indent_, ' ');
    for (std::size_t column = 0; column < cells.size(); ++column) {
      const std::string cell =
          display_width(cells[column]) > widths[column] ? shortened(cells[column], widths[column]) : cells[column];
      const std::string padding(std::max(0, widths[column] - display_width(cell)), ' ');
      if (column > 0) {
        line.append(kGap, ' ');
      }
      line += columns_[column].align == Align::right ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text.append(text.empty() ? "" : "\n").append(terminal.styled(style, line));
  };

  std::vector<std::string> headings;
  bool any_heading = false;
  for (const Column& column : columns_) {
    headings.push_back(column.heading);
    any_heading = any_heading || !column.heading.empty();
  }
  if (any_heading) {
    add_line(headings, Style::dim);
  }
  for (const auto& row : rows_) {
    add_line(row, Style::plain);
  }
  return text;
}

}  // namespace shoplake::cli
