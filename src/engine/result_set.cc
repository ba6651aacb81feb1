#include "engine/result_set_state.h"

#include <algorithm>
#include <utility>

namespace shoplake::engine {

// Finds the chunk of a row. Chunks are of different sizes; where they begin is learnt as they are read.
idx_t ResultSet::State::locate(std::int64_t row) {
  const auto wanted = static_cast<idx_t>(row);
  while (known_rows <= wanted) {
    load_chunk(chunk_begins.size());
  }
  const auto after = std::ranges::upper_bound(chunk_begins, wanted);
  const auto index = static_cast<idx_t>(after - chunk_begins.begin()) - 1;
  if (index != loaded_chunk) {
    load_chunk(index);
  }
  return wanted - chunk_begins[index];
}

void ResultSet::State::load_chunk(idx_t index) {
  chunk = ChunkHandle(duckdb_result_get_chunk(result.get(), index));
  SHOPLAKE_CHECK(chunk.get() != nullptr);
  loaded_chunk = index;
  if (index == chunk_begins.size()) {
    chunk_begins.push_back(known_rows);
    known_rows += duckdb_data_chunk_get_size(chunk.get());
  }
}

ResultSet::ResultSet(std::unique_ptr<State> state) : state_(std::move(state)) {}
ResultSet::ResultSet(ResultSet&&) noexcept = default;
ResultSet& ResultSet::operator=(ResultSet&&) noexcept = default;
ResultSet::~ResultSet() = default;

const std::vector<Column>& ResultSet::columns() const { return state_->columns; }
std::int64_t ResultSet::row_count() const { return state_->row_count; }
std::int64_t ResultSet::rows_changed() const { return state_->rows_changed; }

Value ResultSet::value(std::int64_t row, std::size_t column) const {
  SHOPLAKE_CHECK(row >= 0 && row < state_->row_count && column < state_->types.size());
  const idx_t place = state_->locate(row);
  return read_value(state_->types[column], duckdb_data_chunk_get_vector(state_->chunk.get(), column), place);
}

std::optional<std::string> ResultSet::text(std::int64_t row, std::size_t column) const {
  SHOPLAKE_CHECK(row >= 0 && row < state_->row_count && column < state_->types.size());
  const idx_t place = state_->locate(row);
  return read_text(state_->types[column], duckdb_data_chunk_get_vector(state_->chunk.get(), column), place);
}

std::int64_t ResultSet::integer(std::int64_t row, std::size_t column) const {
  const Value found = value(row, column);
  if (const auto* integer = std::get_if<std::int64_t>(&found.data)) {
    return *integer;
  }
  if (const auto* number = std::get_if<double>(&found.data)) {
    return static_cast<std::int64_t>(*number);
  }
  if (const auto* truth = std::get_if<bool>(&found.data)) {
    return *truth ? 1 : 0;
  }
  if (const auto* exact = std::get_if<Exact>(&found.data)) {
    return std::strtoll(exact->text.c_str(), nullptr, 10);
  }
  return 0;
}

}  // namespace shoplake::engine
