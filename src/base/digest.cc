#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/result.h"

namespace shoplake::base {

namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

const EVP_MD* method(Digest::Algorithm algorithm) {
  switch (algorithm) {
    case Digest::Algorithm::md5: return EVP_md5();
    case Digest::Algorithm::sha1: return EVP_sha1();
    case Digest::Algorithm::sha256: return EVP_sha256();
    case Digest::Algorithm::sha384: return EVP_sha384();
    case Digest::Algorithm::sha512: return EVP_sha512();
  }
  return nullptr;  // not reached
}

std::string digest_hex(Digest::Algorithm algorithm, std::string_view bytes) {
  Digest digest(algorithm);
  digest.update(bytes);
  return digest.finish_hex();
}

}  // namespace

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest(Algorithm algorithm) : state_(std::make_unique<State>()) {
  SHOPLAKE_CHECK(EVP_DigestInit_ex(state_->context, method(algorithm), nullptr) == 1);
}

Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::update(std::string_view bytes) {
  SHOPLAKE_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Digest::finish_hex() {
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  SHOPLAKE_CHECK(EVP_DigestFinal_ex(state_->context, sum, &size) == 1);
  return hex(std::string_view(reinterpret_cast<const char*>(sum), size));
}

std::string hex(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (unsigned char byte : bytes) {
    text.push_back(kHexDigits[byte >> 4]);
    text.push_back(kHexDigits[byte & 15]);
  }
  return text;
}

std::string hmac_sha256_hex(std::string_view key, std::string_view text) {
  unsigned char code[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  SHOPLAKE_CHECK(HMAC(EVP_sha256(), key.empty() ? "" : key.data(), static_cast<int>(key.size()),
                      reinterpret_cast<const unsigned char*>(text.data()), text.size(), code, &size) != nullptr);
  return hex(std::string_view(reinterpret_cast<const char*>(code), size));
}

std::string md5_hex(std::string_view bytes) { return digest_hex(Digest::Algorithm::md5, bytes); }
std::string sha256_hex(std::string_view bytes) { return digest_hex(Digest::Algorithm::sha256, bytes); }

std::array<std::uint8_t, 32> sha256(std::string_view bytes) {
  std::array<std::uint8_t, 32> sum{};
  unsigned int size = 0;
  SHOPLAKE_CHECK(EVP_Digest(bytes.data(), bytes.size(), sum.data(), &size, EVP_sha256(), nullptr) == 1);
  return sum;
}

}  // namespace shoplake::base
