// Message digests as lowercase hex, and the incremental MD5 that a load computes while it copies. Source: OpenSSL EVP.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace shoplake::base {

std::string md5_hex(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
std::array<std::uint8_t, 32> sha256(std::string_view bytes);
std::string hex(std::string_view bytes);
// HMAC (RFC 2104) with SHA-256.
std::string hmac_sha256_hex(std::string_view key, std::string_view text);

// One digest over bytes that come in pieces. Not thread safe.
class Digest {
 public:
  enum class Algorithm { md5, sha1, sha256, sha384, sha512 };
  explicit Digest(Algorithm algorithm);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void update(std::string_view bytes);
  std::string finish_hex();  // ends the digest; update() may not follow

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::base
