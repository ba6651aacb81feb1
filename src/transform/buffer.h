// Buffer<T>: a growable array of trivially copyable values for the hot path: no initialisation, unchecked append after
// reserve.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace shoplake::transform {

template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(begin_); }

  std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }
  bool empty() const { return begin_ == end_; }
  T* data() { return begin_; }
  const T* data() const { return begin_; }
  T* begin() { return begin_; }
  T* end() { return end_; }
  const T* begin() const { return begin_; }
  const T* end() const { return end_; }
  T& operator[](std::size_t index) { return begin_[index]; }
  const T& operator[](std::size_t index) const { return begin_[index]; }
  T& back() { return end_[-1]; }
  const T& back() const { return end_[-1]; }
  std::size_t capacity_bytes() const { return static_cast<std::size_t>(limit_ - begin_) * sizeof(T); }

  void push_back(T value) {
    if (end_ == limit_) [[unlikely]]
      grow(1);
    *end_++ = value;
  }
  void append(const T* values, std::size_t count) {
    if (count > 0)
      std::memcpy(extend(count), values, count * sizeof(T));
  }
  void append_bytes(T value, std::size_t count) requires(sizeof(T) == 1) {
    if (count > 0)
      std::memset(extend(count), static_cast<unsigned char>(value), count);
  }
  // Room for `count` more, already counted in size(); the caller writes it.
  T* extend(std::size_t count) {
    if (static_cast<std::size_t>(limit_ - end_) < count) [[unlikely]]
      grow(count);
    T* place = end_;
    end_ += count;
    return place;
  }
  void truncate(std::size_t size) { end_ = begin_ + size; }
  void clear() { end_ = begin_; }
  // Gives the memory back that the values do not need.
  void shrink() {
    if (empty()) {
      release();
      return;
    }
    const std::size_t size = this->size();
    void* shrunk = std::realloc(static_cast<void*>(begin_), size * sizeof(T));
    if (shrunk == nullptr)
      return;
    begin_ = static_cast<T*>(shrunk);
    end_ = limit_ = begin_ + size;
  }
  void release() {
    std::free(begin_);
    begin_ = end_ = limit_ = nullptr;
  }
  void swap(Buffer& other) noexcept {
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(limit_, other.limit_);
  }

 private:
  [[gnu::noinline]] void grow(std::size_t more) {
    const std::size_t size = static_cast<std::size_t>(end_ - begin_);
    std::size_t capacity = static_cast<std::size_t>(limit_ - begin_) * 2;
    if (capacity < size + more)
      capacity = size + more;
    if (capacity < 64 / sizeof(T))
      capacity = 64 / sizeof(T);
    if (capacity < 4)
      capacity = 4;
    void* grown = std::realloc(static_cast<void*>(begin_), capacity * sizeof(T));
    if (grown == nullptr)
      throw std::bad_alloc();
    begin_ = static_cast<T*>(grown);
    end_ = begin_ + size;
    limit_ = begin_ + capacity;
  }

  T* begin_ = nullptr;
  T* end_ = nullptr;
  T* limit_ = nullptr;
};

}  // namespace shoplake::transform
