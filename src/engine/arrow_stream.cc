// Session::query_arrow(): a streaming DuckDB result behind the Arrow C stream interface.
#include <cerrno>
#include <utility>
#include <vector>

#include "engine/arrow_interface.h"
#include "engine/duckdb_handle.h"
#include "engine/session.h"
#include "engine/session_state.h"

namespace shoplake::engine {
namespace {

struct Stream {
  ResultHandle result;
  ArrowOptionsHandle options;
  std::vector<TypeHandle> types;
  std::vector<const char*> names;  // owned by `result`
  std::string error;

  // Takes DuckDB's verdict on a conversion; 0 or an errno, as the interface wants it.
  int outcome(duckdb_error_data data) {
    const ErrorDataHandle owner(data);
    if (data == nullptr || !duckdb_error_data_has_error(data)) {
      return 0;
    }
    error = duckdb_error_data_message(data);
    return EIO;
  }

  int schema(ArrowSchema* out) {
    std::vector<duckdb_logical_type> logical;
    for (const TypeHandle& type : types) {
      logical.push_back(type.get());
    }
    return outcome(duckdb_to_arrow_schema(options.get(), logical.data(), names.data(), names.size(), out));
  }

  int next(ArrowArray* out) {
    const ChunkHandle chunk(duckdb_fetch_chunk(*result.address()));
    if (chunk.get() == nullptr) {
      if (const char* message = duckdb_result_error(result.address()); message != nullptr && *message != '\0') {
        error = message;
        return EIO;
      }
      *out = ArrowArray{};  // the end: a released array
      return 0;
    }
    return outcome(duckdb_data_chunk_to_arrow(options.get(), chunk.get(), out));
  }
};

Stream* stream_of(ArrowArrayStream* interface) { return static_cast<Stream*>(interface->private_data); }

}  // namespace

Result<void> Session::query_arrow(std::string_view sql, ArrowArrayStream* out) {
  const PreparedHandle prepared = SHOPLAKE_TRY(state_->run_up_to_last(std::string(sql)));
  PendingHandle pending;
  if (duckdb_pending_prepared_streaming(prepared.get(), pending.address()) != DuckDBSuccess) {
    return duckdb_error(duckdb_pending_error(pending.get()));
  }
  auto stream = std::make_unique<Stream>();
  duckdb_result* result = stream->result.address();
  if (duckdb_execute_pending(pending.get(), result) != DuckDBSuccess) {
    return duckdb_error(duckdb_result_error(result));
  }
  stream->options = ArrowOptionsHandle(duckdb_result_get_arrow_options(result));
  for (idx_t i = 0; i < duckdb_column_count(result); ++i) {
    stream->types.emplace_back(duckdb_column_logical_type(result, i));
    stream->names.push_back(duckdb_column_name(result, i));
  }
  out->get_schema = [](ArrowArrayStream* self, ArrowSchema* schema) { return stream_of(self)->schema(schema); };
  out->get_next = [](ArrowArrayStream* self, ArrowArray* array) { return stream_of(self)->next(array); };
  out->get_last_error = [](ArrowArrayStream* self) { return stream_of(self)->error.c_str(); };
  out->release = [](ArrowArrayStream* self) {
    delete stream_of(self);
    self->release = nullptr;
  };
  out->private_data = stream.release();
  return {};
}

}  // namespace shoplake::engine
