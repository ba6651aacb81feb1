#include "query/format.h"

#include <algorithm>
#include <set>
#include <vector>

namespace shoplake::query {
namespace {

using base::Result;

constexpr std::size_t kPieceBytes = 64 * 1024;

// Gathers small pieces into larger ones.
class Buffer {
 public:
  explicit Buffer(const Output& output) : output_(output) {}

  std::string& text() { return text_; }
  Result<void> flush_if_large() { return text_.size() < kPieceBytes ? Result<void>() : flush(); }
  Result<void> flush() {
    auto outcome = output_(text_);
    text_.clear();
    return outcome;
  }

 private:
  const Output& output_;
  std::string text_;
};

void append_field(std::string& line, std::string_view field) {
  // A text with a blank at an end is quoted too: some readers trim it otherwise.
  const bool quoted = field.empty() || field.find_first_of(",\"\r\n") != std::string_view::npos ||
                      field.front() == ' ' || field.back() == ' ';
  if (!quoted) {
    line.append(field);
    return;
  }
  line.push_back('"');
  for (const char c : field) {
    line.append(c == '"' ? 2 : 1, c);
  }
  line.push_back('"');
}

std::vector<std::string> unique_names(const std::vector<engine::Column>& columns) {
  std::set<std::string> taken;
  for (const engine::Column& column : columns) {
    taken.insert(column.name);
  }
  std::set<std::string> used;
  std::vector<std::string> names;
  for (const engine::Column& column : columns) {
    std::string name = column.name;
    for (int i = 1; used.contains(name) || (i > 1 && taken.contains(name)); ++i) {
      name = column.name + "_" + std::to_string(i);
    }
    used.insert(name);
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

Result<void> write_csv(const engine::ResultSet& answer, const Output& output) {
  Buffer buffer(output);
  const std::size_t columns = answer.columns().size();
  for (std::size_t column = 0; column < columns; ++column) {
    buffer.text().append(column == 0 ? "" : ",");
    append_field(buffer.text(), answer.columns()[column].name);
  }
  buffer.text().append("\r\n");
  for (std::int64_t row = 0; row < answer.row_count(); ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      buffer.text().append(column == 0 ? "" : ",");
      if (const auto text = answer.text(row, column)) {
        append_field(buffer.text(), *text);
      }
    }
    buffer.text().append("\r\n");
    SHOPLAKE_TRY(buffer.flush_if_large());
  }
  return buffer.flush();
}

Result<void> write_json(const engine::ResultSet& answer, const Output& output) {
  Buffer buffer(output);
  const std::vector<std::string> names = unique_names(answer.columns());
  std::vector<std::string> keys;
  for (const std::string& name : names) {
    keys.push_back(engine::to_json_string(name) + ":");
  }
  buffer.text().append("[");
  for (std::int64_t row = 0; row < answer.row_count(); ++row) {
    buffer.text().append(row == 0 ? "\n{" : ",\n{");
    for (std::size_t column = 0; column < keys.size(); ++column) {
      buffer.text().append(column == 0 ? "" : ",").append(keys[column]);
      if (answer.columns()[column].type == "JSON") {
        buffer.text().append(answer.text(row, column).value_or("null"));
      } else {
        buffer.text().append(engine::to_json(answer.value(row, column)));
      }
    }
    buffer.text().append("}");
    SHOPLAKE_TRY(buffer.flush_if_large());
  }
  buffer.text().append(answer.row_count() == 0 ? "]\n" : "\n]\n");
  return buffer.flush();
}

}  // namespace shoplake::query
