#include "model/repeatable.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <iterator>

#include "model/lake_sql.h"
#include "model/statement_names.h"

namespace shoplake::model {
namespace {

constexpr std::string_view kFileEndings[] = {".avro", ".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".tsv", ".txt"};

// What needs no parenthesis: functions of SQL's own, samples, and the schemas of the engine's views on itself.
const std::set<std::string, std::less<>> kWords{
    "current_catalog",   "current_date", "current_role",       "current_schema", "current_time",
    "current_timestamp", "current_user", "information_schema", "localtime",      "localtimestamp",
    "pg_catalog",        "sample",       "session_user",       "tablesample",    "user"};

// from 'orders': a relation, or a file, by a text.
bool reads_by_text(std::string_view lower_sql) {
  for (const std::string_view word : {"from", "join"}) {
    for (std::size_t at = lower_sql.find(word); at != std::string_view::npos; at = lower_sql.find(word, at + 1)) {
      const std::size_t next = lower_sql.find_first_not_of(" \t\r\n", at + word.size());
      if (next != std::string_view::npos && lower_sql[next] == '\'')
        return true;
    }
  }
  return false;
}

}  // namespace

const std::set<std::string, std::less<>>& unrepeatable_functions() {
  static const std::set<std::string, std::less<>> kNames{
      // Clocks.
      "ago", "current_date", "current_localtime", "current_localtimestamp", "current_time", "current_timestamp",
      "get_current_time", "get_current_timestamp", "localtime", "localtimestamp", "now", "pg_conf_load_time",
      "pg_postmaster_start_time", "today", "transaction_timestamp",
      // Chance.
      "gen_random_uuid", "random", "setseed", "tablesample", "uuid", "uuidv4", "uuidv7",
      // State of the process, the session and the engine. age() of one argument counts from today.
      "age", "current_catalog", "current_connection_id", "current_database", "current_query", "current_query_id",
      "current_role", "current_schema", "current_schemas", "current_setting", "current_transaction_id", "current_user",
      "currval", "error", "get_block_size", "getenv", "getvariable", "iceberg_verify_equality_deletes",
      "in_search_path", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port", "nextval",
      "session_user", "sleep_ms", "stats", "txid_current", "user", "version", "write_log",
      // Files and catalogs.
      "arrow_scan", "arrow_scan_dumb", "check_peg_parser", "checkpoint", "disable_logging", "disable_peg_parser",
      "disable_profiling", "duckdb_approx_database_count", "duckdb_columns", "duckdb_connection_count",
      "duckdb_constraints", "duckdb_coordinate_systems", "duckdb_databases", "duckdb_dependencies", "duckdb_extensions",
      "duckdb_external_file_cache", "duckdb_functions", "duckdb_indexes", "duckdb_keywords", "duckdb_log_contexts",
      "duckdb_logs", "duckdb_logs_parsed", "duckdb_memory", "duckdb_optimizers", "duckdb_prepared_statements",
      "duckdb_profiling_settings", "duckdb_schemas", "duckdb_secret_types", "duckdb_secrets", "duckdb_sequences",
      "duckdb_settings", "duckdb_table_sample", "duckdb_tables", "duckdb_temporary_files", "duckdb_types",
      "duckdb_variables", "duckdb_views", "enable_logging", "enable_peg_parser", "enable_profiling", "force_checkpoint",
      "glob", "iceberg_column_stats", "iceberg_load_table_response", "iceberg_metadata", "iceberg_partition_stats",
      "iceberg_scan", "iceberg_schema_properties", "iceberg_snapshots", "iceberg_table_properties",
      "iceberg_to_ducklake", "icu_calendar_names", "information_schema", "json_execute_serialized_sql",
      "parquet_bloom_probe", "parquet_file_metadata", "parquet_full_metadata", "parquet_kv_metadata",
      "parquet_metadata", "parquet_scan", "parquet_schema", "pg_catalog", "pg_timezone_names", "pragma_collations",
      "pragma_database_size", "pragma_metadata_info", "pragma_platform", "pragma_show", "pragma_storage_info",
      "pragma_table_info", "pragma_user_agent", "pragma_version", "query", "query_table", "read_avro", "read_blob",
      "read_csv", "read_csv_auto", "read_duckdb", "read_json", "read_json_auto", "read_json_objects",
      "read_json_objects_auto", "read_ndjson", "read_ndjson_auto", "read_ndjson_objects", "read_parquet", "read_text",
      "remove_iceberg_schema_properties", "remove_iceberg_table_properties", "seq_scan",
      "set_iceberg_schema_properties", "set_iceberg_table_properties", "sniff_csv", "sql_auto_complete", "summary",
      "test_all_types", "test_vector_types", "truncate_duckdb_logs", "which_secret"};
  return kNames;
}

bool only_reads(std::string_view sql) {
  std::string_view rest = sql;
  while (!rest.empty() && (std::isspace(static_cast<unsigned char>(rest.front())) != 0 || rest.front() == '('))
    rest.remove_prefix(1);
  const std::string begin = lower(rest.substr(0, 8));
  const bool is_query = std::ranges::any_of(
      std::initializer_list<std::string_view>{"select", "with", "from", "describe", "values", "show", "table"},
      [&](std::string_view word) { return begin.starts_with(word); });
  return is_query && rest.find(';') == std::string_view::npos;
}

bool is_repeatable(std::string_view sql) {
  const auto is_state = [](const std::string& name) {
    return kWords.contains(name) || name.starts_with("duckdb_") || name.starts_with("pragma_") ||
           name.starts_with("sqlite_");
  };
  for (const RelationName& name : possible_relations(sql)) {
    if (is_state(name.schema) || is_state(name.identifier))
      return false;
  }
  for (const std::string& name : called_names(sql)) {
    if (unrepeatable_functions().contains(name))
      return false;
  }
  // A file that stands where a relation can stand is read.
  const std::string text = lower(sql);
  return !has_odd_spaces(sql) && !reads_by_text(text) &&
         std::none_of(std::begin(kFileEndings), std::end(kFileEndings),
                      [&](std::string_view ending) { return text.find(ending) != std::string::npos; });
}

}  // namespace shoplake::model
