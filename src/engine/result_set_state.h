// What a ResultSet holds; Session fills it. Private to engine/.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "engine/duckdb_handle.h"
#include "engine/session.h"
#include "engine/type.h"

namespace shoplake::engine {

struct ResultSet::State {
  ResultHandle result;
  std::vector<Column> columns;
  std::vector<Type> types;
  std::int64_t row_count = 0;
  std::int64_t rows_changed = 0;

  // One chunk is held at a time; rows are mostly asked for in order.
  std::vector<idx_t> chunk_begins;
  idx_t known_rows = 0;
  idx_t loaded_chunk = std::numeric_limits<idx_t>::max();
  ChunkHandle chunk;

  idx_t locate(std::int64_t row);  // loads the row's chunk; the answer is the row's place in it
  void load_chunk(idx_t index);
};

}  // namespace shoplake::engine
