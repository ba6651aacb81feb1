#include <algorithm>
#include <atomic>
#include <filesystem>
#include <system_error>

#include "engine/duckdb_handle.h"
#include "engine/session.h"
#include "engine/session_state.h"
#include "engine/spill_folder.h"

namespace shoplake::engine {
namespace {

Result<ConnectionHandle> new_connection(const DatabaseHandle& database) {
  ConnectionHandle connection;
  if (duckdb_connect(database.get(), connection.address()) != DuckDBSuccess)
    return base::make_error(base::ErrorKind::internal, "engine.connect", "cannot connect to the engine");
  return connection;
}

// In the order in which they need each other.
constexpr struct {
  const char* name;
  bool required;
} kExtensions[] = {{"avro", true}, {"httpfs", false}, {"iceberg", true}};

Result<void> set_option(ConfigurationHandle& configuration, const char* name, const std::string& value) {
  if (duckdb_set_config(configuration.get(), name, value.c_str()) != DuckDBSuccess) {
    return base::make_error(base::ErrorKind::internal, "engine.configuration",
                            std::string("DuckDB does not know the option ") + name);
  }
  return {};
}

Result<void> run(duckdb_connection connection, const std::string& sql) {
  ResultHandle result;
  if (duckdb_query(connection, sql.c_str(), result.address()) != DuckDBSuccess) {
    return duckdb_error(duckdb_result_error(result.address()));
  }
  return {};
}

// httpfs waits 0.1 s after the first failure and then twice as long each time: 6.3 s for all.
constexpr int kRetriesMax = 6;

// Settings of httpfs, for all connections: the URL is the object's name and nothing else (so that no query can send the
// keys elsewhere by "?s3_endpoint="), and requests are tried again as shoplake's own are.
Result<void> configure_object_store(duckdb_connection connection, const ObjectStoreAccess& access) {
  SHOPLAKE_TRY(run(connection, "SET GLOBAL s3_url_compatibility_mode = true"));
  SHOPLAKE_TRY(
      run(connection, "SET GLOBAL http_retries = " + std::to_string(std::clamp(access.retries - 1, 0, kRetriesMax))));
  SHOPLAKE_TRY(run(connection, "SET GLOBAL http_retry_backoff = 2"));
  SHOPLAKE_TRY(run(connection, "SET GLOBAL http_timeout = " + std::to_string(access.timeout_seconds)));
  // Objects of a lake never change, so what a request told of one stays true.
  for (const char* setting : {"httpfs_connection_caching", "enable_http_metadata_cache", "parquet_metadata_cache"}) {
    SHOPLAKE_TRY(run(connection, std::string("SET GLOBAL ") + setting + " = true"));
  }
  return {};
}

}  // namespace

Result<void> StoreSecret::renew(duckdb_connection connection) {
  const std::lock_guard lock(mutex_);
  if (is_frozen_) {
    return {};
  }
  const ObjectStoreKeys keys = SHOPLAKE_TRY(access_.keys());
  if (keys == known_) {
    return {};
  }
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  std::string sql = "CREATE OR REPLACE TEMPORARY SECRET lake (TYPE s3, PROVIDER config, KEY_ID " +
                    quote_literal(keys.access_key_id) + ", SECRET " + quote_literal(keys.secret_access_key) +
                    ", REGION " + quote_literal(access_.region) + ", ENDPOINT " + quote_literal(access_.endpoint) +
                    ", URL_STYLE " + (access_.path_style ? "'path'" : "'vhost'") + ", USE_SSL " +
                    flag(access_.uses_tls) + ", SCOPE " + quote_literal(access_.scope);
  if (!keys.session_token.empty()) {
    sql += ", SESSION_TOKEN " + quote_literal(keys.session_token);
  }
  SHOPLAKE_TRY(run(connection, sql + ")").within("keys of the object store"));
  known_ = keys;
  return {};
}

void StoreSecret::freeze() {
  const std::lock_guard lock(mutex_);
  is_frozen_ = true;
}

struct Database::State {
  std::unique_ptr<SpillFolder> spill;  // outlives the handle
  std::uint64_t memory_limit_bytes = 0;
  DatabaseHandle handle;
  std::shared_ptr<StoreSecret> secret;
  std::atomic<bool> locked_down = false;
};

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(const DatabaseOptions& options) {
  auto state = std::make_unique<State>();
  state->memory_limit_bytes = options.memory_limit_bytes;
  ConfigurationHandle configuration;
  SHOPLAKE_CHECK(duckdb_create_config(configuration.address()) == DuckDBSuccess);
  SHOPLAKE_TRY(set_option(configuration, "autoinstall_known_extensions", "false"));
  SHOPLAKE_TRY(set_option(configuration, "autoload_known_extensions", "false"));
  SHOPLAKE_TRY(set_option(configuration, "allow_unsigned_extensions", options.verify_signatures ? "false" : "true"));
  SHOPLAKE_TRY(set_option(configuration, "allow_persistent_secrets", "false"));
  SHOPLAKE_TRY(set_option(configuration, "preserve_insertion_order", "true"));
  if (options.threads > 0) {
    SHOPLAKE_TRY(set_option(configuration, "threads", std::to_string(options.threads)));
  }
  if (options.memory_limit_bytes > 0) {
    SHOPLAKE_TRY(set_option(configuration, "memory_limit", std::to_string(options.memory_limit_bytes) + "B"));
  }
  if (!options.temporary_directory.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.temporary_directory, error);
    if (error) {
      return base::make_error(base::ErrorKind::environment, "engine.io",
                              "cannot create the folder " + options.temporary_directory + ": " + error.message());
    }
    state->spill = std::make_unique<SpillFolder>(options.temporary_directory);
    SHOPLAKE_TRY(set_option(configuration, "temp_directory", state->spill->path()));
  }

  char* message = nullptr;
  if (duckdb_open_ext(nullptr, state->handle.address(), configuration.get(), &message) != DuckDBSuccess) {
    return duckdb_error(take_text(message).c_str()).within("cannot start the engine");
  }
  const ConnectionHandle connection = SHOPLAKE_TRY(new_connection(state->handle));
  SHOPLAKE_TRY(run(connection.get(), "SET GLOBAL TimeZone = 'UTC'"));
  if (options.returns_memory) {
    for (const char* setting :
         {"allocator_flush_threshold = '8MB'", "allocator_bulk_deallocation_flush_threshold = '8MB'",
          "allocator_background_threads = true"}) {
      SHOPLAKE_TRY(run(connection.get(), std::string("SET GLOBAL ") + setting));
    }
  }
  if (!options.extension_directory.empty()) {
    for (const auto& extension : kExtensions) {
      const std::string path = options.extension_directory + "/" + extension.name + ".duckdb_extension";
      const bool is_required =
          extension.required || (options.object_store && std::string_view(extension.name) == "httpfs");
      if (!is_required && !std::filesystem::exists(path)) {
        continue;
      }
      auto loaded = run(connection.get(), "LOAD " + quote_literal(path));
      if (!loaded.ok()) {
        auto error = std::move(loaded).error();
        error.kind = base::ErrorKind::environment;
        error.code = "engine.extension";
        error.advice = "The installation is not complete; `shoplake doctor` says what is missing.";
        return std::move(error).within(std::string("cannot load the engine's extension ") + extension.name);
      }
    }
  }
  if (options.object_store) {
    SHOPLAKE_TRY(configure_object_store(connection.get(), *options.object_store));
    state->secret = std::make_shared<StoreSecret>(*options.object_store);
    SHOPLAKE_TRY(state->secret->renew(connection.get()));
  }
  return std::unique_ptr<Database>(new Database(std::move(state)));
}

Result<std::unique_ptr<Session>> Database::connect() {
  auto session = std::make_unique<Session::State>();
  session->connection = SHOPLAKE_TRY(new_connection(state_->handle));
  if (!state_->locked_down) {
    // Progress is counted only where a bar is on; nothing is printed.
    SHOPLAKE_TRY(run(session->connection.get(), "SET enable_progress_bar = true"));
    SHOPLAKE_TRY(run(session->connection.get(), "SET enable_progress_bar_print = false"));
  }
  session->secret = state_->secret;
  return std::unique_ptr<Session>(new Session(std::move(session)));
}

Result<void> Database::attach_scratch(std::string_view name) {
  const ConnectionHandle connection = SHOPLAKE_TRY(new_connection(state_->handle));
  const std::string as = " AS " + quote_identifier(name);
  if (!state_->spill)
    return run(connection.get(), "ATTACH ':memory:'" + as + " (COMPRESS)");
  const std::string path = state_->spill->path() + "/" + std::string(name) + ".scratch";
  // Rows are rewritten again and again: what takes long to compress is not worth it.
  SHOPLAKE_TRY(run(connection.get(), "SET GLOBAL disabled_compression_methods = 'fsst,dict_fsst,zstd,alp,alprd'"));
  return run(connection.get(),
             "ATTACH " + quote_literal(path) + as +
                 " (BLOCK_SIZE 16384, ROW_GROUP_SIZE 8192, STORAGE_VERSION 'latest', RECOVERY_MODE 'no_wal_writes')");
}

Result<void> Database::release_memory() {
  if (state_->memory_limit_bytes == 0)
    return {};
  const ConnectionHandle connection = SHOPLAKE_TRY(new_connection(state_->handle));
  // A limit that cannot be kept to is refused, when everything has gone that can go.
  (void)run(connection.get(), "SET GLOBAL memory_limit = '1B'");
  return run(connection.get(), "SET GLOBAL memory_limit = '" + std::to_string(state_->memory_limit_bytes) + "B'");
}

std::string Database::spill_directory() const { return state_->spill ? state_->spill->path() : std::string(); }

Result<void> Database::lock_down(std::span<const std::string> readable_directories) {
  const ConnectionHandle connection = SHOPLAKE_TRY(new_connection(state_->handle));
  if (state_->secret) {
    SHOPLAKE_TRY(state_->secret->renew(connection.get()));
    state_->secret->freeze();
  }
  std::string directories;
  for (const std::string& directory : readable_directories) {
    // DuckDB compares prefixes of text; without the slash "/lake" would open "/lake-of-others".
    const std::string folder = directory.ends_with('/') ? directory : directory + "/";
    directories.append(directories.empty() ? "" : ", ").append(quote_literal(folder));
  }
  SHOPLAKE_TRY(run(connection.get(), "SET GLOBAL allowed_directories = [" + directories + "]"));
  SHOPLAKE_TRY(run(connection.get(), "SET GLOBAL enable_external_access = false"));
  SHOPLAKE_TRY(run(connection.get(), "SET GLOBAL lock_configuration = true"));
  state_->locked_down = true;
  return {};
}

std::string Database::version() { return duckdb_library_version(); }

std::string quote_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    quoted.append(c == '"' ? 2 : 1, c);
  }
  return quoted.append("\"");
}

std::string quote_literal(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    quoted.append(c == '\'' ? 2 : 1, c);
  }
  return quoted.append("'");
}

std::string literal_list(std::span<const std::string> texts) {
  std::string list;
  for (const std::string& text : texts)
    list += (list.empty() ? "" : ", ") + quote_literal(text);
  return "[" + list + "]";
}

}  // namespace shoplake::engine
