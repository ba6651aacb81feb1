#include "live/parquet_copy.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "catalog/duckdb_statistics.h"
#include "model/iceberg_type.h"

namespace shoplake::live {
namespace {

constexpr std::size_t kSyncThreadsMax = 12;
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

Result<transform::DataFile> copy_rows(engine::Session& session, const std::string& query, const catalog::Schema& schema,
                                      const std::string& path) {
  const engine::ResultSet result = SHOPLAKE_TRY(
      session.query(fmt::format("COPY ({}) TO {} (FORMAT parquet, COMPRESSION snappy, RETURN_STATS, FIELD_IDS {})",
                                query, engine::quote_literal(path), model::field_ids_option(schema))));
  std::vector<transform::DataFile> files = SHOPLAKE_TRY(catalog::data_files_from_copy(result, schema, {}));
  SHOPLAKE_CHECK(files.size() == 1);
  return std::move(files[0]);
}

Result<transform::DataFile> copy_position_deletes(engine::Session& session, const std::string& query,
                                                  const std::string& path) {
  transform::DataFile file = SHOPLAKE_TRY(copy_rows(session, query, position_delete_schema(), path));
  file.content = transform::DataFile::Content::position_deletes;
  return file;
}

Result<void> sync_files(io::Env& env, const std::vector<std::string>& paths) {
  std::mutex mutex;
  std::optional<base::Error> failure;
  std::atomic<std::size_t> next = 0;
  const auto work = [&](const std::vector<std::string>& names, bool folders) {
    while (true) {
      const std::size_t index = next.fetch_add(1);
      if (index >= names.size())
        return;
      const auto synced = [&]() -> Result<void> {
        if (folders)
          return env.sync_directory(names[index]);
        const auto file = SHOPLAKE_TRY(env.append_file(names[index]));
        SHOPLAKE_TRY(file->sync());
        return file->close();
      }();
      if (!synced.ok()) {
        const std::lock_guard guard(mutex);
        if (!failure)
          failure = synced.error();
      }
    }
  };
  const auto run = [&](const std::vector<std::string>& names, bool folders) {
    next = 0;
    std::vector<std::jthread> threads;
    for (std::size_t index = 1; index < std::min(names.size(), kSyncThreadsMax); ++index)
      threads.emplace_back([&] { work(names, folders); });
    work(names, folders);
  };
  run(paths, false);
  std::set<std::string> folders;
  for (const std::string& path : paths)
    folders.insert(io::parent_path(path));
  if (!failure)
    run({folders.begin(), folders.end()}, true);
  return failure ? Result<void>(*failure) : Result<void>();
}

void remove_files(io::Env& env, const std::vector<std::string>& paths) {
  for (const std::string& path : paths)
    (void)env.remove_file(path);
}

}  // namespace shoplake::live
