#include "app/load.h"

#include <fmt/format.h>

#include "app/file_loader.h"

namespace shoplake::app {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

Result<void> check_paths(io::Env& env, const LoadOptions& options) {
  for (const std::string& path : options.paths) {
    if (!SHOPLAKE_TRY(env.exists(path))) {
      return make_error(ErrorKind::usage, "load.no_such_file", fmt::format("There is no file {}", path),
                        "Check the path; nothing was loaded.");
    }
    if (SHOPLAKE_TRY(env.is_directory(path))) {
      return make_error(
          ErrorKind::usage, "load.is_directory", fmt::format("{} is a directory", path),
          fmt::format("Name the files in it: shoplake load {} {}", options.dataset, io::join_path(path, "*")));
    }
  }
  return {};
}

}  // namespace

std::string_view name(LoadedFile::Status status) {
  switch (status) {
    case LoadedFile::Status::loaded: return "loaded";
    case LoadedFile::Status::skipped: return "skipped";
    case LoadedFile::Status::failed: return "failed";
  }
  return "";
}

std::int64_t LoadReport::rows() const {
  std::int64_t total = 0;
  for (const LoadedFile& file : files)
    total += file.rows;
  return total;
}

std::int64_t LoadReport::rejected() const {
  std::int64_t total = 0;
  for (const LoadedFile& file : files)
    total += file.rejected;
  return total;
}

const base::Error* LoadReport::first_error() const {
  for (const LoadedFile& file : files) {
    if (file.error)
      return &*file.error;
  }
  return nullptr;
}

base::Result<LoadReport> load(App& app, const LoadOptions& options) {
  const std::int64_t begin = app.env().monotonic_micros();
  FileLoaderOptions loader_options;
  loader_options.dataset = options.dataset;
  loader_options.progress = options.progress;
  loader_options.stop = options.stop;
  loader_options.reload = options.reload;
  auto loader = SHOPLAKE_TRY(FileLoader::open(app, loader_options));
  SHOPLAKE_TRY(check_paths(app.env(), options));
  LoadReport report;
  report.dataset = options.dataset;
  report.table = loader->contract().table;
  report.quarantine_table = catalog::to_string(loader->tables().quarantine);
  if (options.on_begin) {
    std::uint64_t bytes = 0;
    for (const std::string& path : options.paths)
      bytes += app.env().file_size(path).value_or(0);
    options.on_begin(report, bytes);
  }
  std::vector<FileToLoad> files;
  for (const std::string& path : options.paths)
    files.push_back({path});
  loader->load_all(files, [&](const LoadedFile& file) {
    report.files.push_back(file);
    if (options.on_file)
      options.on_file(file);
    // An interruption or a full disk will not be better for the next file.
    return !file.error || file.error->kind == ErrorKind::input || file.error->code == quality::kBlocked;
  });
  report.micros = app.env().monotonic_micros() - begin;
  return report;
}

}  // namespace shoplake::app
