// Files of the generators: under a temporary name until they are whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::generate {

class OutputFile {
 public:
  static base::Result<OutputFile> create(io::Env& env, const std::string& path);
  OutputFile(OutputFile&& other) noexcept = default;
  ~OutputFile();  // removes what was not finished

  base::Result<void> append(std::string_view bytes) { return file_->append(bytes); }
  base::Result<void> finish();

 private:
  OutputFile(io::Env& env, std::string path, std::string temporary, std::unique_ptr<io::WritableFile> file);
  io::Env* env_;
  std::string path_;
  std::string temporary_;
  std::unique_ptr<io::WritableFile> file_;
};

// Days since 1970-01-01 of YYYY-MM-DD. Error generate.bad_date (usage): not a date from 1990 to 2199.
base::Result<std::int64_t> parse_date(const std::string& text);

}  // namespace shoplake::generate
