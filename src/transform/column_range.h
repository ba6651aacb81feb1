// ColumnRange: the least and the greatest value of a column, and how Parquet's statistics and Iceberg's bounds write
// them. Sources: https://github.com/apache/parquet-format (Statistics),
// https://iceberg.apache.org/spec/#appendix-d-single-value-serialization
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "transform/layout.h"

namespace shoplake::transform {

// Dates and decimals of few digits, which are as short as Iceberg wants them; other integers take eight bytes.
bool is_four_bytes(const Node& node);

struct ColumnRange {
  bool has_values = false;
  std::int64_t integer_min = std::numeric_limits<std::int64_t>::max();
  std::int64_t integer_max = std::numeric_limits<std::int64_t>::min();
  double real_min = std::numeric_limits<double>::infinity();
  double real_max = -std::numeric_limits<double>::infinity();
  std::int64_t nan_count = 0;
  std::string text_min;
  std::string text_max;

  void add(std::string_view text) {
    if (!has_values) {
      has_values = true;
      text_min.assign(text);
      text_max.assign(text);
    } else if (text < std::string_view(text_min)) {
      text_min.assign(text);
    } else if (text > std::string_view(text_max)) {
      text_max.assign(text);
    }
  }
  void merge(const ColumnRange& other, ColumnType type);

  // Decimals are written differently.
  enum class Form { parquet, iceberg };
  // As Parquet's statistics or Iceberg's bounds have them, no value: there is none. Longer texts are cut to so many
  // code points; the upper bound is then greater than every text that begins so, and there may be no such text.
  std::optional<std::string> lower(const Node& node, std::size_t code_points, Form form) const;
  std::optional<std::string> upper(const Node& node, std::size_t code_points, Form form) const;
};

}  // namespace shoplake::transform
