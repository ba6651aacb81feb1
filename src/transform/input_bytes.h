// InputBytes: the bytes of an input file one after another, inflated where they are gzip. Belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/env.h"
#include "io/inflate.h"

namespace shoplake::transform {

class InputBytes {
 public:
  // `name` is for messages. The file must outlive this object.
  InputBytes(const io::RandomAccessFile& file, std::string_view name) : file_(file), name_(name) {}

  // Fills `out`; fewer bytes only at the end. Errors: of the file and of io::Inflater.
  base::Result<std::size_t> read(char* out, std::size_t size);
  bool at_end() const { return at_end_; }  // a read has found the end
  // Bytes of the file, as it is stored, that were read.
  std::uint64_t position() const { return inflater_ ? inflater_->bytes_read() : offset_; }

 private:
  const io::RandomAccessFile& file_;
  std::string name_;
  std::optional<io::Inflater> inflater_;
  std::uint64_t offset_ = 0;
  bool started_ = false;
  bool at_end_ = false;
};

}  // namespace shoplake::transform
