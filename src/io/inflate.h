// Streaming gzip (RFC 1952) by ISA-L: several members one after another, checksums verified, memory bounded by one read
// buffer.
//
// Errors (kind input): io.gzip_truncated, the data ends inside a member; io.gzip_corrupt, it is no gzip, a checksum is
// wrong, or something other than zeros follows the last member. Belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::io {

// The first two bytes of every gzip file.
bool is_gzip(std::string_view begin);

class Inflater {
 public:
  // `name` is for messages. The file must outlive the inflater.
  Inflater(const RandomAccessFile& file, std::string_view name);
  ~Inflater();

  // Up to `size` bytes of the inflated data; 0 at its end.
  base::Result<std::size_t> read(char* out, std::size_t size);
  // Compressed bytes taken from the file so far.
  std::uint64_t bytes_read() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::io
