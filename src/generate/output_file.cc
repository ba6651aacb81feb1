#include "generate/output_file.h"

#include <utility>

#include <fmt/format.h>

#include "base/moment.h"

namespace shoplake::generate {

using base::ErrorKind;
using base::make_error;
using base::Result;

Result<OutputFile> OutputFile::create(io::Env& env, const std::string& path) {
  const std::string temporary = path + ".part";
  auto file = SHOPLAKE_TRY(env.create_file(temporary));
  return OutputFile(env, path, temporary, std::move(file));
}

OutputFile::OutputFile(io::Env& env, std::string path, std::string temporary, std::unique_ptr<io::WritableFile> file)
    : env_(&env), path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}

OutputFile::~OutputFile() {
  if (file_ != nullptr) {
    file_.reset();
    (void)env_->remove_file(temporary_);
  }
}

Result<void> OutputFile::finish() {
  SHOPLAKE_TRY(file_->close());
  SHOPLAKE_TRY(env_->rename(temporary_, path_));
  file_.reset();
  return {};
}

Result<std::int64_t> parse_date(const std::string& text) {
  const auto days = text.size() == 10 ? base::parse_date(text) : std::nullopt;
  if (days && base::civil_day(*days).year >= 1990 && base::civil_day(*days).year < 2200) {
    return *days;
  }
  return make_error(ErrorKind::usage, "generate.bad_date", fmt::format("\"{}\" is no date from 1990 to 2199", text),
                    "write it as YYYY-MM-DD");
}

}  // namespace shoplake::generate
