#include "engine/duckdb_handle.h"

namespace shoplake::engine {

using base::ErrorKind;

base::Error duckdb_error(const char* message) {
  const std::string_view text = message != nullptr ? message : "DuckDB gave no message";
  const auto make = [&](ErrorKind kind, const char* code, const char* advice) {
    return base::make_error(kind, code, std::string(text), advice);
  };
  if (text.starts_with("INTERRUPT")) {
    return make(ErrorKind::cancelled, "engine.interrupted", "");
  }
  if (text.starts_with("Out of Memory Error")) {
    return make(ErrorKind::environment, "engine.out_of_memory",
                "Raise memory_limit in shoplake.yml, free space for spilling in the lake's tmp folder, or ask for less "
                "at once.");
  }
  if (text.starts_with("IO Error") || text.starts_with("HTTP Error")) {
    return make(ErrorKind::environment, "engine.io", "");
  }
  if (text.starts_with("Permission Error")) {
    return make(ErrorKind::usage, "engine.forbidden",
                "A query reads tables of the lake only: no files, settings or extensions.");
  }
  if (text.starts_with("INTERNAL Error") || text.starts_with("FATAL Error")) {
    return make(ErrorKind::internal, "engine.internal", "");
  }
  return make(ErrorKind::failed, "engine.sql", "");
}

}  // namespace shoplake::engine
