// Positional reads of an object, in blocks that are kept for a while; internal to s3/.
#pragma once

#include <memory>

#include "io/env.h"
#include "s3/upload.h"

namespace shoplake::s3 {

inline constexpr std::size_t kBlocksKept = 6;
inline constexpr std::size_t kBlocksAhead = 3;  // of a sequential reader

// One request; it brings the object's first bytes. Error io.not_found.
Result<std::unique_ptr<io::RandomAccessFile>> open_object(Transfers& transfers, const Location& location);

}  // namespace shoplake::s3
