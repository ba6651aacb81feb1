#include "ga4api/service_account.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/base64.h"
#include "http/address.h"

namespace shoplake::ga4api {
namespace {

using base::ErrorKind;
using base::make_error;
using Json = nlohmann::json;

constexpr std::string_view kDefaultTokenUri = "https://oauth2.googleapis.com/token";
constexpr std::uint64_t kKeyFileBytesMax = 64 * 1024;
constexpr int kKeyBitsMin = 2048;  // RFC 7518, section 3.3

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;

base::Error bad_file(const std::string& path, const std::string& what) {
  return make_error(ErrorKind::usage, "ga4.credentials", fmt::format("{}: {}", path, what),
                    "Give the JSON key of a service account: Google Cloud console, IAM, Service accounts, Keys.");
}

// No passphrase is ever asked for.
int no_passphrase(char*, int, int, void*) { return 0; }

Key parse_key(const std::string& pem) {
  const std::unique_ptr<BIO, BioDeleter> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_passphrase, nullptr));
  return key != nullptr && EVP_PKEY_base_id(key.get()) == EVP_PKEY_RSA && EVP_PKEY_bits(key.get()) >= kKeyBitsMin
             ? std::move(key)
             : nullptr;
}

std::string base64url(std::string_view bytes) {
  std::string text = base::base64_encode(bytes);
  while (text.ends_with('='))
    text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

}  // namespace

Result<ServiceAccount> parse_service_account(std::string_view text, const std::string& path) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object())
    return bad_file(path, "it is no JSON object");
  const auto member = [&](const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (const std::string type = member("type"); type != "service_account")
    return bad_file(path, fmt::format("its \"type\" is \"{}\", not \"service_account\"", type));
  ServiceAccount account{member("client_email"), member("private_key"), member("private_key_id"), member("token_uri")};
  if (account.client_email.empty())
    return bad_file(path, "it has no \"client_email\"");
  if (parse_key(account.private_key) == nullptr)
    return bad_file(path, fmt::format("its \"private_key\" is no RSA key of {} bits or more in PEM form", kKeyBitsMin));
  if (account.token_uri.empty())
    account.token_uri = kDefaultTokenUri;
  SHOPLAKE_TRY(check_url(account.token_uri).within(path + ": token_uri"));
  return account;
}

Result<ServiceAccount> read_service_account(io::Env& env, const std::string& path) {
  if (path.empty()) {
    return make_error(ErrorKind::usage, "ga4.credentials", "No credentials were given",
                      "Name the service account's JSON key by --credentials or GOOGLE_APPLICATION_CREDENTIALS.");
  }
  auto size = env.file_size(path);
  if (!size.ok())
    return bad_file(path, size.error().message);
  if (*size > kKeyFileBytesMax)
    return bad_file(path, fmt::format("it has {} bytes; a key has a few thousand", *size));
  const std::string text = SHOPLAKE_TRY(env.read_file(path));
  return parse_service_account(text, path);
}

Result<std::string> signed_assertion(const ServiceAccount& account, std::string_view scope, std::int64_t now_seconds) {
  Json header{{"alg", "RS256"}, {"typ", "JWT"}};
  if (!account.private_key_id.empty())
    header["kid"] = account.private_key_id;
  const Json claims{{"iss", account.client_email},
                    {"scope", scope},
                    {"aud", account.token_uri},
                    {"iat", now_seconds},
                    {"exp", now_seconds + kAssertionSeconds}};
  const auto part = [](const Json& json) {
    return base64url(json.dump(-1, ' ', false, Json::error_handler_t::replace));
  };
  std::string assertion = part(header) + "." + part(claims);

  const auto failed = [&] {
    return make_error(ErrorKind::usage, "ga4.credentials",
                      fmt::format("The key of {} cannot sign", account.client_email),
                      "Make a new key of the service account.");
  };
  const Key key = parse_key(account.private_key);
  const std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
  std::size_t size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(assertion.data());
  if (key == nullptr || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, assertion.size()) != 1)
    return failed();
  std::vector<unsigned char> signature(size);
  if (EVP_DigestSign(context.get(), signature.data(), &size, bytes, assertion.size()) != 1)
    return failed();
  assertion += "." + base64url({reinterpret_cast<const char*>(signature.data()), size});
  return assertion;
}

Result<void> check_url(const std::string& url) {
  constexpr std::string_view kPlain = "http://";
  const bool is_plain = url.starts_with(kPlain);
  if (is_plain || url.starts_with("https://")) {
    const std::size_t begin = url.find("//") + 2;
    const std::string authority = url.substr(begin, url.find_first_of("/?#", begin) - begin);
    if (!authority.empty() && authority.find('@') == std::string::npos &&
        (!is_plain || http::is_loopback_name(http::host_name(authority))))
      return {};
  }
  return make_error(ErrorKind::usage, "ga4.insecure_url", fmt::format("\"{}\" is no address to send secrets to", url),
                    "Write https://…; http:// is for servers on this machine alone.");
}

}  // namespace shoplake::ga4api
