// SpilledBytes: bytes that are written once and looked at here and there, in a file instead of in memory. The file has
// no name any more when it is there, so nothing is left of it when the process ends, however it ends; what is read
// again and again stays in the system's cache as long as nothing else needs that memory.
//
// Where there is no folder, or the file cannot be written, they stay in memory. Threads may read at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::live {

using base::Result;

// Where bytes are spilled to; without a folder they are not.
struct SpillPlace {
  io::Env* env = nullptr;
  std::string directory;  // exists
};

class SpilledBytes {
 public:
  SpilledBytes(const SpillPlace& place, std::vector<std::uint8_t> bytes);

  // The bytes [offset, offset + size), which are there; valid until `buffer` changes. Error: the file cannot be read.
  Result<std::span<const std::uint8_t>> read(std::size_t offset, std::size_t size,
                                             std::vector<std::uint8_t>& buffer) const;
  std::size_t size() const { return size_; }
  std::size_t memory_bytes() const { return bytes_.capacity(); }

 private:
  Result<void> spill(const SpillPlace& place);

  std::size_t size_;
  std::vector<std::uint8_t> bytes_;  // empty: in the file
  std::unique_ptr<io::RandomAccessFile> file_;
};

}  // namespace shoplake::live
