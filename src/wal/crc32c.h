// CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: by the processor's own instruction (SSE 4.2) where it has one,
// else by tables.
#pragma once

#include <cstdint>
#include <string_view>

namespace shoplake::wal {

// The checksum of what `crc` is the checksum of, followed by `bytes`. Begin with 0, or with a salt to make checksums
// that outsiders cannot compute.
std::uint32_t extend_crc32c(std::uint32_t crc, std::string_view bytes);

// Only for the test that both give the same.
std::uint32_t extend_crc32c_by_tables(std::uint32_t crc, std::string_view bytes);

}  // namespace shoplake::wal
