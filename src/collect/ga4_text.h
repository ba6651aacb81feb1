// Texts decoded for the time of one request: views that stay valid while others are added.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace shoplake::collect {

// Not thread safe. Its memory is at most what was put in and a chunk.
class TextArena {
 public:
  // Percent-decoded; a malformed escape stays as it is. A plus sign is a space. Texts without either are not copied.
  std::string_view decoded(std::string_view text) {
    if (text.find_first_of("%+") == std::string_view::npos) {
      return text;
    }
    char* const begin = reserve(text.size());
    char* end = begin;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const int high = text[i] == '%' && i + 2 < text.size() ? hex(text[i + 1]) : -1;
      const int low = high >= 0 ? hex(text[i + 2]) : -1;
      if (low >= 0) {
        *end++ = static_cast<char>(high * 16 + low);
        i += 2;
      } else {
        *end++ = text[i] == '+' ? ' ' : text[i];
      }
    }
    used_ = static_cast<std::size_t>(end - chunks_.back().get());
    return {begin, static_cast<std::size_t>(end - begin)};
  }

  std::string_view copy(std::string_view text) {
    char* const begin = reserve(text.size());
    std::memcpy(begin, text.data(), text.size());
    used_ += text.size();
    return {begin, text.size()};
  }

  std::string_view lower(std::string_view text) {
    char* const begin = reserve(text.size());
    std::transform(text.begin(), text.end(), begin,
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    used_ += text.size();
    return {begin, text.size()};
  }

 private:
  static constexpr std::size_t kChunkBytes = 8 << 10;

  static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  }

  char* reserve(std::size_t bytes) {
    if (chunks_.empty() || capacity_ - used_ < bytes) {
      capacity_ = std::max(kChunkBytes, bytes);
      chunks_.push_back(std::make_unique_for_overwrite<char[]>(capacity_));
      used_ = 0;
    }
    return chunks_.back().get() + used_;
  }

  std::vector<std::unique_ptr<char[]>> chunks_;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
};

}  // namespace shoplake::collect
