// Owners of DuckDB's C handles, and its error texts as Errors. Private to engine/.
#pragma once

#include <duckdb.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace shoplake::engine {

// Owns a handle that is destroyed by a function taking a pointer to it.
template <typename T, void (*destroy)(T*)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T handle) : handle_(handle) {}
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, T{})) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Handle() { destroy(&handle_); }

  T get() const { return handle_; }
  T* address() { return &handle_; }

 private:
  T handle_{};
};

using DatabaseHandle = Handle<duckdb_database, duckdb_close>;
using ConnectionHandle = Handle<duckdb_connection, duckdb_disconnect>;
using ConfigurationHandle = Handle<duckdb_config, duckdb_destroy_config>;
using ResultHandle = Handle<duckdb_result, duckdb_destroy_result>;
using StatementsHandle = Handle<duckdb_extracted_statements, duckdb_destroy_extracted>;
using PreparedHandle = Handle<duckdb_prepared_statement, duckdb_destroy_prepare>;
using PendingHandle = Handle<duckdb_pending_result, duckdb_destroy_pending>;
using ChunkHandle = Handle<duckdb_data_chunk, duckdb_destroy_data_chunk>;
using TypeHandle = Handle<duckdb_logical_type, duckdb_destroy_logical_type>;
using ValueHandle = Handle<duckdb_value, duckdb_destroy_value>;
using ErrorDataHandle = Handle<duckdb_error_data, duckdb_destroy_error_data>;
using ArrowOptionsHandle = Handle<duckdb_arrow_options, duckdb_destroy_arrow_options>;

// Takes a string that DuckDB has allocated.
inline std::string take_text(char* text) {
  const std::unique_ptr<char, void (*)(void*)> owner(text, duckdb_free);
  return text != nullptr ? std::string(text) : std::string();
}

// DuckDB's message, which begins with its class ("Binder Error: …"), as an Error; see Session::query() for the codes.
base::Error duckdb_error(const char* message);

}  // namespace shoplake::engine
