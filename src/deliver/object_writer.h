// Collects the payloads of one raw object, compressing as they come: a gzip file of members of about kMemberBytes of
// payload each (RFC 1952 section 2.2 allows several), by libdeflate, without time or name in it. The same payloads
// in the same order give the same bytes. Belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "deliver/object_name.h"

struct libdeflate_compressor;

namespace shoplake::deliver {

// A member ends with the payload that fills it.
inline constexpr std::size_t kMemberBytes = 1 << 20;

// Shared by the writers of one thread: it is the large part of a compressor's state.
class Compressor {
 public:
  Compressor();
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  // Appends one gzip member.
  void compress(std::string_view bytes, std::string& out);

 private:
  libdeflate_compressor* compressor_;
};

class ObjectWriter {
 public:
  // The compressor must outlive the writer.
  ObjectWriter(Compression compression, Compressor& compressor) : compression_(compression), compressor_(&compressor) {}

  void append(std::string_view payload);
  std::uint64_t payload_bytes() const { return payload_bytes_; }
  // Of memory.
  std::size_t held_bytes() const { return waiting_.capacity() + written_.capacity(); }
  // The object's bytes; the writer is empty afterwards.
  std::string finish();

 private:
  void end_member();

  Compression compression_;
  Compressor* compressor_;
  std::string waiting_;  // of the member that is not full yet
  std::string written_;
  std::uint64_t payload_bytes_ = 0;
};

}  // namespace shoplake::deliver
