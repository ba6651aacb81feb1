#include "deliver/object_writer.h"

#include <libdeflate.h>

#include <utility>

#include "base/result.h"

namespace shoplake::deliver {
namespace {

// Measured on GA4 export lines in members of 1 MiB: 5.1 % of their size at 470 MB/s a core; level 1 gives 6.8 % at 820,
// which the pace of a collector does not need.
constexpr int kLevel = 6;

}  // namespace

Compressor::Compressor() : compressor_(libdeflate_alloc_compressor(kLevel)) { SHOPLAKE_CHECK(compressor_ != nullptr); }
Compressor::~Compressor() { libdeflate_free_compressor(compressor_); }

void Compressor::compress(std::string_view bytes, std::string& out) {
  const std::size_t begin = out.size();
  out.resize(begin + libdeflate_gzip_compress_bound(compressor_, bytes.size()));
  const std::size_t size =
      libdeflate_gzip_compress(compressor_, bytes.data(), bytes.size(), out.data() + begin, out.size() - begin);
  SHOPLAKE_CHECK(size > 0);
  out.resize(begin + size);
}

void ObjectWriter::append(std::string_view payload) {
  payload_bytes_ += payload.size();
  if (compression_ == Compression::none) {
    written_.append(payload);
    return;
  }
  waiting_.append(payload);
  if (waiting_.size() >= kMemberBytes) {
    end_member();
  }
}

void ObjectWriter::end_member() {
  compressor_->compress(waiting_, written_);
  waiting_.clear();
}

std::string ObjectWriter::finish() {
  if (compression_ == Compression::gzip && (!waiting_.empty() || written_.empty())) {
    end_member();
  }
  payload_bytes_ = 0;
  std::string().swap(waiting_);
  return std::exchange(written_, std::string());
}

}  // namespace shoplake::deliver
