// Pseudo-random numbers that are the same on every machine: integers only, no distribution of the standard library
// (those differ between libraries) and no floating point. Generator: SplitMix64 (Steele, Lea, Flood: "Fast splittable
// pseudorandom number generators", OOPSLA 2014). Every user and every session has a generator of its own, made from the
// seed and its number, so that any part of the output can be made alone.
#pragma once

#include <cstdint>
#include <span>

namespace shoplake::generate {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ull;
    return mixed(state_);
  }
  // 0 … bound-1, by multiplication (its bias is below 2^-32 for the bounds used here).
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32); }
  // first … last, both included.
  std::uint32_t between(std::uint32_t first, std::uint32_t last) { return first + below(last - first + 1); }
  // True in `of_ten_thousand` of 10,000 cases.
  bool chance(std::uint32_t of_ten_thousand) { return below(10'000) < of_ten_thousand; }
  // An index with a probability proportional to its weight.
  std::size_t weighted(std::span<const std::uint16_t> weights) {
    std::uint32_t total = 0;
    for (std::uint16_t weight : weights) {
      total += weight;
    }
    std::uint32_t point = below(total);
    std::size_t index = 0;
    while (point >= weights[index]) {
      point -= weights[index++];
    }
    return index;
  }

  static std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
  }
  // The seed of the `number`-th child of something with a seed of its own.
  static std::uint64_t child(std::uint64_t seed, std::uint64_t number) {
    return mixed(seed + mixed(number + 0xD1B54A32D192ED03ull));
  }

 private:
  std::uint64_t state_;
};

}  // namespace shoplake::generate
