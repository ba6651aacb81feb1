#include "cli/box_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "cli/format.h"
#include "cli/table.h"

namespace shoplake::cli {
namespace {

constexpr int kNarrowest = 12;    // a column is not cut below this
constexpr int kNumberMax = 40;    // nor one of numbers below them: a cut number looks like another number
constexpr int kCellOverhead = 3;  // " x │"
constexpr const char* kNull = "NULL";

std::string printable(const std::string& text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      shown.append("\\n");
    } else if (c == '\t') {
      shown.append("\\t");
    } else if (c == '\r') {
      shown.append("\\r");
    } else if (byte < 0x20 || byte == 0x7f) {
      shown.append(fmt::format("\\x{:02x}", byte));
    } else {
      shown.push_back(c);
    }
  }
  return shown;
}

std::string repeated(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    out.append(text);
  }
  return out;
}

// One column as it will stand: what its cells show and how wide it is.
struct Column {
  std::string name;
  std::string type;
  bool is_right = false;
  bool is_gap = false;             // stands for columns left out
  std::vector<std::string> cells;  // of first, then last rows
  std::vector<bool> is_null;
  int width = 0;
  int narrowest = kNarrowest;
};

std::vector<Column> columns_of(const app::QueryTable& table) {
  std::vector<Column> columns;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    Column column{
        printable(table.columns[i].name), printable(table.columns[i].type), table.columns[i].is_number, false, {}, {}};
    column.width = std::max(display_width(column.name), std::min(display_width(column.type), 24));
    for (const auto* rows : {&table.first, &table.last}) {
      for (const app::QueryTable::Row& row : *rows) {
        column.cells.push_back(row[i] ? printable(*row[i]) : kNull);
        column.is_null.push_back(!row[i]);
        const int width = display_width(column.cells.back());
        column.width = std::max(column.width, width);
        if (column.is_right) {
          column.narrowest = std::max(column.narrowest, std::min(width, kNumberMax));
        }
      }
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

int total_width(const std::vector<Column>& columns) {
  return std::accumulate(columns.begin(), columns.end(), 1,
                         [](int sum, const Column& column) { return sum + column.width + kCellOverhead; });
}

// Narrows wide columns, then leaves out middle ones; returns how many.
int fit(std::vector<Column>& columns, int width) {
  for (int excess = total_width(columns) - width; excess > 0; --excess) {
    const auto room = [](const Column& column) { return column.width > column.narrowest ? column.width : 0; };
    const auto widest = std::ranges::max_element(columns, {}, room);
    if (room(*widest) == 0) {
      break;
    }
    --widest->width;
  }
  int left_out = 0;
  while (total_width(columns) > width && columns.size() > 3) {
    const auto middle = columns.begin() + static_cast<std::ptrdiff_t>(columns.size() / 2);
    if (left_out == 0) {
      const std::size_t rows = middle->cells.size();
      *middle = Column{"…", "", false, true, std::vector<std::string>(rows, "…"), std::vector<bool>(rows, false), 1, 1};
      left_out = 1;
      continue;
    }
    const auto gap = std::ranges::find_if(columns, &Column::is_gap);
    const auto before = gap - columns.begin();
    const auto after = columns.end() - gap - 1;
    columns.erase(before > after ? gap - 1 : gap + 1);
    ++left_out;
  }
  return left_out;
}

std::string padded(const std::string& text, int width, bool right) {
  const std::string cut = display_width(text) > width ? shortened(text, width) : text;
  const std::string padding(static_cast<std::size_t>(std::max(0, width - display_width(cut))), ' ');
  return right ? padding + cut : cut + padding;
}

std::string rule(const std::vector<Column>& columns, const char* left, const char* between, const char* right) {
  std::string line = left;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    line.append(i == 0 ? "" : between).append(repeated("─", columns[i].width + 2));
  }
  return line.append(right);
}

}  // namespace

std::string render_box(const app::QueryTable& table, const Terminal& terminal) {
  if (table.columns.empty()) {
    return "done\n";
  }
  std::vector<Column> columns = columns_of(table);
  const int left_out = fit(columns, terminal.width);
  const std::string edge = terminal.styled(Style::dim, "│");
  std::string text;
  const auto add_rule = [&](const char* left, const char* between, const char* right) {
    text.append(terminal.styled(Style::dim, rule(columns, left, between, right))).append("\n");
  };
  const auto add_row = [&](const auto& cell_of) {
    for (const Column& column : columns) {
      text.append(edge).append(" ").append(cell_of(column)).append(" ");
    }
    text.append(edge).append("\n");
  };
  add_rule("┌", "┬", "┐");
  add_row([&](const Column& column) {
    return terminal.styled(Style::bold, padded(column.name, column.width, column.is_right));
  });
  add_row([&](const Column& column) {
    return terminal.styled(Style::dim, padded(column.type, column.width, column.is_right));
  });
  add_rule("├", "┼", "┤");
  const std::size_t rows = table.first.size() + table.last.size();
  for (std::size_t row = 0; row < rows; ++row) {
    if (row == table.first.size()) {
      add_row([&](const Column& column) {
        return terminal.styled(Style::dim, padded("·", column.width, column.is_right));
      });
    }
    add_row([&](const Column& column) {
      return terminal.styled(column.is_null[row] ? Style::dim : Style::plain,
                             padded(column.cells[row], column.width, column.is_right));
    });
  }
  add_rule("└", "┴", "┘");
  std::string count = "  " + format_noun(table.row_count, "row");
  std::string notes;
  if (!table.last.empty()) {
    notes = fmt::format("{} shown; --rows 0 shows all", rows);
  }
  if (left_out > 0) {
    notes.append(notes.empty() ? "" : ", ")
        .append(fmt::format("{} of {} left out", format_noun(left_out, "column"), table.columns.size()));
  }
  return text.append(terminal.styled(Style::dim, notes.empty() ? count : count + " (" + notes + ")")).append("\n");
}

std::string render_plain(const app::QueryTable& table) {
  std::vector<Table::Column> headings;
  for (const app::QueryTable::Column& column : table.columns) {
    headings.push_back({printable(column.name), column.is_number ? Align::right : Align::left});
  }
  if (headings.empty()) {
    return "";
  }
  Table plain(std::move(headings), 0);
  for (const auto* rows : {&table.first, &table.last}) {
    for (const app::QueryTable::Row& row : *rows) {
      std::vector<std::string> cells;
      for (const auto& cell : row) {
        cells.push_back(cell ? printable(*cell) : kNull);
      }
      plain.add_row(std::move(cells));
    }
  }
  return plain.render(Terminal{}) + "\n";
}

}  // namespace shoplake::cli
