#include "live/parquet_copy.h"

#include <fmt/format.h>

#include "catalog/duckdb_statistics.h"
#include "io/staged_folder.h"
#include "model/iceberg_type.h"

namespace shoplake::live {
namespace {

// The engine takes so much for each column of text, nested ones included, before the first row; by default 1 MiB, which
// for the hundred such columns of GA4 events is more than live may take for everything.
constexpr int kDictionaryBytes = 128 * 1024;

// Reserved field ids of position deletes. Source: https://iceberg.apache.org/spec/#reserved-field-ids
constexpr std::int32_t kDeletePathId = 2147483546;
constexpr std::int32_t kDeletePositionId = 2147483545;

catalog::Schema position_delete_schema() {
  catalog::Schema schema;
  schema.fields = {{kDeletePathId, "file_path", catalog::Type::primitive("string"), true, ""},
                   {kDeletePositionId, "pos", catalog::Type::primitive("long"), true, ""}};
  return schema;
}

}  // namespace

Result<transform::DataFile> copy_rows(io::Env& env, engine::Session& session, const std::string& query,
                                      const catalog::Schema& schema, const std::string& path, int row_group_rows) {
  const std::string groups = row_group_rows > 0 ? fmt::format(", ROW_GROUP_SIZE {}", row_group_rows) : std::string();
  const auto stage = SHOPLAKE_TRY(io::StagedFolder::open(env, io::parent_path(path)));
  const std::string written = io::join_path(stage->directory(), io::file_name(path));
  const engine::ResultSet result = SHOPLAKE_TRY(session.query(
      fmt::format("COPY ({}) TO {} (FORMAT parquet, COMPRESSION snappy, RETURN_STATS, FIELD_IDS {}, "
                  "STRING_DICTIONARY_PAGE_SIZE_LIMIT {}{})",
                  query, engine::quote_literal(written), model::field_ids_option(schema), kDictionaryBytes, groups)));
  std::vector<transform::DataFile> files = SHOPLAKE_TRY(catalog::data_files_from_copy(result, schema, {}));
  SHOPLAKE_CHECK(files.size() == 1);
  files[0].path = path;
  SHOPLAKE_TRY(stage->send(written));
  return std::move(files[0]);
}

Result<transform::DataFile> copy_position_deletes(io::Env& env, engine::Session& session, const std::string& query,
                                                  const std::string& path) {
  transform::DataFile file = SHOPLAKE_TRY(copy_rows(env, session, query, position_delete_schema(), path));
  file.content = transform::DataFile::Content::position_deletes;
  return file;
}

void remove_files(io::Env& env, const std::vector<std::string>& paths) { env.remove_files_quietly(paths); }

}  // namespace shoplake::live
