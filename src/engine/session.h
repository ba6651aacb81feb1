// The embedded SQL engine: DuckDB behind its C API. engine/ is the only includer of duckdb.h, and no DuckDB error
// leaves it but as a Result.
//
// A Database is one in-memory DuckDB instance with shoplake's extensions loaded by path from the installation; it is
// thread safe. A Session is one connection to it and belongs to one thread at a time, except interrupt() and
// progress(). A ResultSet is materialised in engine memory, belongs to one thread at a time, may outlive its Session
// and must not outlive its Database.
//
// Every Database runs with TimeZone UTC, keeps the order of insertion (so that one input gives one output, whatever the
// number of threads) and neither installs nor loads extensions by itself. Signatures of extensions are not checked when
// they are loaded: that costs 0.1 s a process, the set-up has checked their hashes, and `shoplake doctor` checks the
// signatures.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

struct ArrowArrayStream;

namespace shoplake::engine {

using base::Result;

struct Value;
using List = std::vector<Value>;
struct StructField;
using Struct = std::vector<StructField>;

// A SQL value of any type. Integers up to 64 bits are int64; UBIGINT above its range, HUGEINT, UHUGEINT, BIGNUM and
// DECIMAL are Exact. DATE, TIME, TIMESTAMP, INTERVAL, UUID, ENUM, BLOB and BIT are text in DuckDB's spelling. LIST and
// ARRAY are a List, MAP is a List of {key, value} structs, a UNION is the value of its member.
struct Exact {
  std::string text;  // an exact number that fits no native type
};
struct Value {
  std::variant<std::monostate, bool, std::int64_t, double, Exact, std::string, List, Struct> data;
  bool is_null() const { return data.index() == 0; }
};
struct StructField {
  std::string name;
  Value value;
};

struct Column {
  std::string name;
  std::string type;  // DuckDB's spelling: "VARCHAR", "STRUCT(a BIGINT)[]"
};

class ResultSet {
 public:
  ResultSet(ResultSet&&) noexcept;
  ResultSet& operator=(ResultSet&&) noexcept;
  ~ResultSet();

  const std::vector<Column>& columns() const;
  std::int64_t row_count() const;     // rows of the answer
  std::int64_t rows_changed() const;  // by INSERT, COPY …
  // 0 <= row < row_count(), 0 <= column < columns().size().
  Value value(std::int64_t row, std::size_t column) const;
  // The same as text; no value for NULL. Nested values are JSON.
  std::optional<std::string> text(std::int64_t row, std::size_t column) const;
  std::int64_t integer(std::int64_t row, std::size_t column) const;  // 0 for NULL

 private:
  friend class Session;
  struct State;
  explicit ResultSet(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// JSON text of a value, as dbt, the API and --format json print it. Non-finite doubles become null.
std::string to_json(const Value& value);
std::string to_json_string(std::string_view text);  // quoted and escaped

class Session {
 public:
  ~Session();

  // Runs one or more statements; the result of the last. Errors: engine.sql (kind failed) with DuckDB's own message;
  // engine.interrupted (kind cancelled); engine.out_of_memory and engine.io (kind environment); engine.forbidden (kind
  // usage: lock_down() does not allow it); engine.unsupported_type (kind usage: VARIANT and GEOMETRY want a cast).
  Result<ResultSet> query(std::string_view sql);
  Result<void> execute(std::string_view sql);

  // Checks that `sql` is exactly one statement that only reads (SELECT, and its forms VALUES, FROM, WITH, DESCRIBE,
  // SHOW, SUMMARIZE, EXPLAIN). Error engine.not_a_query (kind usage) says what it is instead.
  Result<void> check_read_only(std::string_view sql);

  // Names of the tables and views that a query reads, as it spells them ("marts.x", "x"; parts quoted only where
  // needed), in order of appearance, without table functions and CTEs. They need not exist, unless the statement is no
  // SELECT.
  Result<std::vector<std::string>> table_names(std::string_view sql);

  // The syntax tree of one or more SELECT statements (of the statement that an EXPLAIN explains) as JSON, in the form
  // of DuckDB's json_serialize_sql(). Nothing is bound or run. Errors: engine.sql (syntax), engine.not_a_query (kind
  // usage).
  Result<std::string> syntax_tree(std::string_view sql);

  // Streams the answer of a query as Arrow (C data interface); the stream must be released before the session goes.
  Result<void> query_arrow(std::string_view sql, ArrowArrayStream* out);

  // Asks the running statement to end with engine.interrupted. Any thread.
  void interrupt();
  // 0…100 of the running statement, or -1 if not known. Any thread.
  double progress() const;

 private:
  friend class Database;
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// An object store that the engine may read: s3://… below `scope`, and nothing else of it.
struct ObjectStoreKeys {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // of temporary keys

  bool operator==(const ObjectStoreKeys&) const = default;
};
struct ObjectStoreAccess {
  std::string endpoint;  // host and port
  bool uses_tls = true;
  std::string region;
  bool path_style = false;
  std::string scope;  // "s3://bucket/prefix/"
  int retries = 9;
  int timeout_seconds = 30;
  // Those of now; asked before each statement, so it must be cheap when nothing has changed. Thread safe.
  std::function<Result<ObjectStoreKeys>()> keys;
};

struct DatabaseOptions {
  std::string extension_directory;  // holds *.duckdb_extension; avro, httpfs (absent is fine) and iceberg are loaded
  std::string temporary_directory;  // where large operators spill, each database in a folder of its own; created
  std::uint64_t memory_limit_bytes = 0;                          // 0: DuckDB's default (80 % of the machine)
  int threads = 0;                                               // 0: all cores
  bool verify_signatures = false;                                // of the extensions, by DuckDB's key
  std::optional<ObjectStoreAccess> object_store = std::nullopt;  // wants httpfs
  bool returns_memory = false;  // that is free to the system, soon: for an engine that lives as long as a server
};

class Database {
 public:
  static Result<std::unique_ptr<Database>> open(const DatabaseOptions& options);
  ~Database();

  Result<std::unique_ptr<Session>> connect();

  // Attaches a database for rows that are needed as long as this object lives: in a file of the temporary directory, in
  // small blocks and row groups, without a log, compressed only by what is quick. (DuckDB gives each column of a table
  // in memory 512 KiB as soon as rows are appended to it, and compresses what does not fit into the limit; here it is
  // 32 KiB, and a file.) Without a temporary directory it is in memory. A crash leaves the file to the next Database in
  // that directory, which removes it.
  Result<void> attach_scratch(std::string_view name);

  // Gives back the memory of blocks that can be read again or spilled, and of what the engine keeps of blocks that are
  // gone (a handle of each of the last 32,768 of a kind, until it lacks memory). A statement that runs at the same time
  // may fail for want of memory. Nothing without memory_limit_bytes; an error after lock_down().
  Result<void> release_memory();

  // The folder of this object alone that is removed with it, or, after a crash, by the next Database of the temporary
  // directory; empty without one.
  std::string spill_directory() const;

  // For ever after, in all sessions: no file access but below `readable_directories` (where writing too stays possible:
  // check_read_only() is what refuses it), no configuration change, no extension loading.
  // (allowed_directories, enable_external_access=false, lock_configuration=true.) An object store's directories are
  // readable with the keys that the database has then. No query can see a secret key: DuckDB blackens it.
  Result<void> lock_down(std::span<const std::string> readable_directories);

  static std::string version();  // of DuckDB: "v1.5.5"

 private:
  struct State;
  explicit Database(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The parts of a name as table_names() gives it, without quotes: {"marts", "x"}.
std::vector<std::string> split_name(std::string_view name);

// SQL spelling.
std::string quote_identifier(std::string_view name);           // "a""b"
std::string quote_literal(std::string_view text);              // 'a''b'
std::string literal_list(std::span<const std::string> texts);  // ['a', 'b']

}  // namespace shoplake::engine
