#include "app/warehouse.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/log.h"
#include "io/staged_folder.h"
#include "model/iceberg_type.h"
#include "query/guard.h"
#include "query/lake_views.h"
#include "warehouse/external_table.h"
#include "warehouse/stage.h"

namespace shoplake::app {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using warehouse::Dialect;

constexpr int kSnapshotAttempts = 5;
constexpr std::size_t kPieceBytes = 1 << 20;

struct Destination {
  Dialect dialect = Dialect::postgres;
  std::string url;  // as libpq takes it
};

Result<Destination> parse_destination(const std::string& to) {
  constexpr std::string_view kRedshift = "redshift://";
  if (to.starts_with("postgresql://") || to.starts_with("postgres://"))
    return Destination{Dialect::postgres, to};
  if (to.starts_with(kRedshift)) {
    std::string url = "postgresql://" + to.substr(kRedshift.size());
    if (url.find("sslmode=") == std::string::npos)
      url += std::string(url.find('?') == std::string::npos ? "?" : "&") + "sslmode=require";
    return Destination{Dialect::redshift, url};
  }
  return make_error(ErrorKind::usage, "warehouse.bad_url", "--to names no warehouse",
                    "Write postgresql://user@host/database or redshift://user@host:5439/database.");
}

std::string without_slash(std::string text) {
  while (text.ends_with('/'))
    text.pop_back();
  return text;
}

// What a path of the lake is in S3.
Result<std::string> s3_url(const App& app, const std::string& s3_root, const std::string& path) {
  const std::string& lake = app.home().lake_root;
  const std::string root = without_slash(s3_root.empty() ? lake : s3_root);
  if (!root.starts_with("s3://")) {
    return make_error(ErrorKind::usage, "warehouse.bad_url", fmt::format("The lake {} is not in S3", lake),
                      "Keep the lake in S3, or name the place it is copied to: --s3-root s3://bucket/prefix.");
  }
  if (!path.starts_with(lake + "/"))
    return make_error(ErrorKind::usage, "warehouse.bad_url", fmt::format("{} is not below the lake {}", path, lake),
                      "Copy the table into the lake: shoplake catalog compact.");
  return root + path.substr(lake.size());
}

catalog::TableIdentifier identifier_of(const std::vector<std::string>& parts) {
  return {catalog::Namespace{{parts.begin(), parts.end() - 1}}, parts.back()};
}

Result<catalog::TableIdentifier> parse_identifier(const std::string& text) {
  const std::vector<std::string> parts = engine::split_name(text);
  if (parts.size() != 2) {
    return make_error(ErrorKind::usage, "warehouse.bad_name", fmt::format("\"{}\" is no name of a table", text),
                      "Write namespace.table; shoplake catalog ls lists them.");
  }
  return identifier_of(parts);
}

// The rows of a table or view as of one moment, in an engine of their own.
class Source {
 public:
  static Result<std::unique_ptr<Source>> open(App& app, const std::string& table, const std::string& where) {
    std::unique_ptr<Source> source(new Source);
    const catalog::TableIdentifier identifier = SHOPLAKE_TRY(parse_identifier(table));
    catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
    const bool is_table = SHOPLAKE_TRY(catalog->table_exists(identifier));
    if (!is_table && !catalog->load_view(identifier).ok()) {
      return make_error(ErrorKind::not_found, "warehouse.no_such_table", fmt::format("There is no table {}", table),
                        "shoplake catalog ls lists them.");
    }
    source->database_ = SHOPLAKE_TRY(app.open_engine());
    source->sql_ =
        fmt::format("SELECT * FROM {}.{}{}", engine::quote_identifier(identifier.name_space.levels.front()),
                    engine::quote_identifier(identifier.name), where.empty() ? "" : " WHERE (" + where + "\n)");
    for (int attempt = 0; attempt < kSnapshotAttempts; ++attempt) {
      const auto before = SHOPLAKE_TRY(source->snapshot_of(*catalog, identifier, is_table));
      source->session_ = SHOPLAKE_TRY(source->database_->connect());
      query::LakeViews views = SHOPLAKE_TRY(query::LakeViews::open(*source->session_, *catalog));
      SHOPLAKE_TRY(query::check_query(*source->session_, source->sql_));
      SHOPLAKE_TRY(views.prepare(source->sql_));
      source->snapshot_id_ = SHOPLAKE_TRY(source->snapshot_of(*catalog, identifier, is_table));
      if (before == source->snapshot_id_)
        break;
    }
    const engine::ResultSet shape =
        SHOPLAKE_TRY(source->session_->query(fmt::format("SELECT * FROM ({}) AS source LIMIT 0", source->sql_)));
    model::StoredColumns stored = SHOPLAKE_TRY(model::stored_columns(shape.columns()));
    source->schema_ = std::move(stored.schema);
    source->sql_ = fmt::format("SELECT {} FROM ({}) AS source", stored.select_list, source->sql_);
    return source;
  }

  const catalog::Schema& schema() const { return schema_; }
  std::optional<std::int64_t> snapshot_id() const { return snapshot_id_; }

  // Returns the rows written. A stop ends it with engine.interrupted.
  Result<std::int64_t> write(const std::string& path, Dialect dialect, const std::stop_token& stop) {
    const std::stop_callback interrupt(stop, [this] { session_->interrupt(); });
    const char* const format = dialect == Dialect::postgres
                                   ? "FORMAT csv, HEADER false, FORCE_QUOTE *, DELIMITER ',', QUOTE '\"', ESCAPE '\"'"
                                   : "FORMAT parquet, COMPRESSION snappy";
    const engine::ResultSet written = SHOPLAKE_TRY(session_->query(
        fmt::format("COPY (SELECT {} FROM ({}) AS stored) TO {} ({})", warehouse::export_list(schema_, dialect), sql_,
                    engine::quote_literal(path), format)));
    return written.rows_changed();
  }

 private:
  static Result<std::optional<std::int64_t>> snapshot_of(catalog::Catalog& catalog,
                                                         const catalog::TableIdentifier& identifier, bool is_table) {
    if (!is_table)
      return std::optional<std::int64_t>();
    const catalog::Table table = SHOPLAKE_TRY(catalog.load_table(identifier));
    return table.metadata->current_snapshot_id();
  }

  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<engine::Session> session_;
  std::string sql_;
  catalog::Schema schema_;
  std::optional<std::int64_t> snapshot_id_;
};

Result<warehouse::Batch> make_batch(const WarehouseLoadOptions& options, Dialect dialect, const Source& source) {
  warehouse::Batch batch;
  batch.dialect = dialect;
  batch.target =
      SHOPLAKE_TRY(warehouse::parse_table_name(options.into.empty() ? options.table : options.into, dialect));
  batch.columns = SHOPLAKE_TRY(warehouse::columns(source.schema(), dialect));
  batch.mode = options.mode;
  for (const std::string& name : options.key)
    batch.key.push_back(warehouse::folded(name, dialect));
  batch.source = options.table;
  batch.snapshot_id = source.snapshot_id();
  batch.id = options.batch_id;
  if (batch.id.empty()) {
    if (!batch.snapshot_id) {
      return make_error(ErrorKind::usage, "warehouse.no_batch",
                        fmt::format("{} has no snapshot that would name the batch", options.table),
                        "Name it: --batch ID. The same id is loaded once.");
    }
    batch.id = fmt::format("{}@{}", options.table, *batch.snapshot_id);
    if (!options.where.empty())
      batch.id += "?" + base::sha256_hex(options.where).substr(0, 16);
  }
  SHOPLAKE_TRY(warehouse::check(batch));
  return batch;
}

// The stage's file in pieces.
std::function<Result<std::string>()> reader_of(std::shared_ptr<io::RandomAccessFile> file) {
  return [file = std::move(file), offset = std::uint64_t{0}]() mutable -> Result<std::string> {
    std::string piece(kPieceBytes, '\0');
    piece.resize(SHOPLAKE_TRY(file->read(offset, piece.size(), piece.data())));
    offset += piece.size();
    return piece;
  };
}

}  // namespace

Result<WarehouseLoadReport> warehouse_load(App& app, const WarehouseLoadOptions& options) {
  io::Env& env = app.env();
  const std::int64_t begin_micros = env.monotonic_micros();
  const Home& home = app.home();
  const Destination destination = SHOPLAKE_TRY(parse_destination(options.to));
  const bool is_redshift = destination.dialect == Dialect::redshift;
  const auto source = SHOPLAKE_TRY(Source::open(app, options.table, options.where));
  WarehouseLoadReport report;
  report.batch = SHOPLAKE_TRY(make_batch(options, destination.dialect, *source));
  warehouse::Staged staged;
  staged.iam_role = options.iam_role;
  staged.region = options.region;
  if (is_redshift) {
    staged.url = SHOPLAKE_TRY(s3_url(app, options.s3_root, io::join_path(home.temporary_directory, "warehouse"))) + "/";
    SHOPLAKE_TRY(warehouse::check(staged));
  }
  if (options.only_statements) {
    report.statements = warehouse::statements(report.batch, staged);
    return report;
  }

  // Also where this load has nothing to stage: what a killed one left goes.
  SHOPLAKE_TRY(warehouse::remove_abandoned_stages(env, home.directory, home.temporary_directory));
  const auto connection = SHOPLAKE_TRY(warehouse::Connection::open(destination.url, options.stop));
  report.outcome.is_loaded_before = SHOPLAKE_TRY(warehouse::prepare(*connection, report.batch));
  if (!report.outcome.is_loaded_before) {
    const auto stage = SHOPLAKE_TRY(warehouse::Stage::make(env, home.directory, home.temporary_directory));
    const auto folder = SHOPLAKE_TRY(io::StagedFolder::open(env, stage->directory()));
    const std::string path = io::join_path(folder->directory(), is_redshift ? "rows.parquet" : "rows.csv");
    staged.rows = SHOPLAKE_TRY(source->write(path, destination.dialect, options.stop));
    report.staged_bytes = SHOPLAKE_TRY(env.file_size(path));
    if (is_redshift) {
      SHOPLAKE_TRY(folder->publish({path}));
      staged.url = SHOPLAKE_TRY(s3_url(app, options.s3_root, stage->directory())) + "/";
    } else {
      staged.read = reader_of(SHOPLAKE_TRY(env.open_file(path)));
    }
    report.outcome = SHOPLAKE_TRY(warehouse::load(*connection, report.batch, staged));
  }
  report.micros = env.monotonic_micros() - begin_micros;
  base::log::info("warehouse.loaded", {{"table", options.table},
                                       {"into", warehouse::to_string(report.batch.target, destination.dialect)},
                                       {"batch", report.batch.id},
                                       {"rows", report.outcome.rows_staged},
                                       {"loaded_before", report.outcome.is_loaded_before}});
  return report;
}

Result<ExternalTableReport> external_table(App& app, const ExternalTableOptions& options) {
  const catalog::TableIdentifier identifier = SHOPLAKE_TRY(parse_identifier(options.table));
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  if (!SHOPLAKE_TRY(catalog->table_exists(identifier))) {
    return make_error(ErrorKind::not_found, "warehouse.no_such_table",
                      fmt::format("There is no table {}", options.table),
                      "shoplake catalog ls lists them; a view has no files.");
  }
  const catalog::Table table = SHOPLAKE_TRY(catalog->load_table(identifier));
  ExternalTableReport report;
  report.snapshot_id = table.metadata->current_snapshot_id();
  std::vector<warehouse::ExternalFile> files;
  for (const transform::DataFile& file : SHOPLAKE_TRY(catalog->list_files(table, {}, false))) {
    if (file.content != transform::DataFile::Content::data) {
      return make_error(ErrorKind::usage, "warehouse.has_deletes",
                        fmt::format("{} has delete files, which only readers of Iceberg understand", options.table),
                        fmt::format("Merge them into the data first: shoplake catalog compact {}", options.table));
    }
    files.push_back({SHOPLAKE_TRY(s3_url(app, options.s3_root, file.path)), file.file_size_bytes});
    report.rows += file.record_count;
  }
  report.files = static_cast<std::int64_t>(files.size());
  std::ranges::sort(files, {}, &warehouse::ExternalFile::url);

  warehouse::ExternalTable external;
  external.dialect = options.dialect;
  external.name =
      SHOPLAKE_TRY(warehouse::parse_table_name(options.into.empty() ? options.table : options.into, options.dialect));
  external.columns = SHOPLAKE_TRY(warehouse::columns(table.metadata->current_schema(), options.dialect));
  const bool is_spectrum = options.dialect == Dialect::spectrum;
  const std::string folder = fmt::format("external/{}.{}/{}", identifier.name_space.levels.front(), identifier.name,
                                         is_spectrum ? "spectrum" : "athena");
  report.file_list = fmt::format("{}/{}", folder, is_spectrum ? "manifest" : "files.txt");
  const std::string& lake = app.home().lake_root;
  external.location =
      SHOPLAKE_TRY(s3_url(app, options.s3_root, io::join_path(lake, is_spectrum ? report.file_list : folder)));
  if (!is_spectrum)
    external.location += "/";
  SHOPLAKE_TRY(app.env().create_directories(io::join_path(lake, folder)));
  SHOPLAKE_TRY(
      app.env().write_file(io::join_path(lake, report.file_list), warehouse::file_list(options.dialect, files)));
  report.statement = warehouse::create_statement(external);
  return report;
}

}  // namespace shoplake::app
