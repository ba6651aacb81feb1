#include "event/identity.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <openssl/evp.h>

#include "base/result.h"

namespace shoplake::event {

namespace {

static_assert(std::endian::native == std::endian::little, "the canonical form is little endian");

constexpr std::string_view kCanonicalTag = "shoplake.event/1";
constexpr std::string_view kClientTag = "shoplake.client-event/1";

template <typename T>
void append_raw(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void append_text(std::string& out, std::string_view text) {
  append_raw(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

void append_optional(std::string& out, const std::optional<std::string_view>& text) {
  out.push_back(text ? '\1' : '\0');
  if (text)
    append_text(out, *text);
}

void append_optional(std::string& out, const std::optional<std::int64_t>& integer) {
  out.push_back(integer ? '\1' : '\0');
  if (integer)
    append_raw(out, *integer);
}

// Negative zero and zero are one value; every NaN is one value.
double canonical_real(double value) {
  if (value == 0)
    return 0;
  if (value != value)
    return std::bit_cast<double>(0x7FF8000000000000ULL);
  return value;
}

enum ParameterMask : unsigned char { kHasText = 1, kHasInteger = 2, kHasLegacyReal = 4, kHasReal = 8, kNoKey = 16 };

void append_parameter(std::string& out, const ParameterValue& parameter) {
  append_text(out, parameter.key);
  out.push_back(static_cast<char>((parameter.text ? kHasText : 0) | (parameter.integer ? kHasInteger : 0) |
                                  (parameter.legacy_real ? kHasLegacyReal : 0) | (parameter.real ? kHasReal : 0) |
                                  (parameter.has_key ? 0 : kNoKey)));
  if (parameter.text)
    append_text(out, *parameter.text);
  if (parameter.integer)
    append_raw(out, *parameter.integer);
  if (parameter.legacy_real)
    append_raw(out, canonical_real(*parameter.legacy_real));
  if (parameter.real)
    append_raw(out, canonical_real(*parameter.real));
}

// The first eight bytes as a number that orders like the text.
std::uint64_t key_prefix(std::string_view key) {
  std::uint64_t prefix = 0;
  if (key.size() >= 8) {
    std::memcpy(&prefix, key.data(), 8);
  } else {
    for (std::size_t i = 0; i < key.size(); ++i)
      prefix |= static_cast<std::uint64_t>(static_cast<unsigned char>(key[i])) << (8 * i);
  }
  return __builtin_bswap64(prefix);
}

// Keys first; parameters of one key by their encoded value, so that no input order matters.
bool comes_before(const ParameterValue& left, const ParameterValue& right) {
  const std::uint64_t left_prefix = key_prefix(left.key);
  const std::uint64_t right_prefix = key_prefix(right.key);
  if (left_prefix != right_prefix)
    return left_prefix < right_prefix;
  const std::size_t common = std::min(left.key.size(), right.key.size());
  const int order = common == 0 ? 0 : std::memcmp(left.key.data(), right.key.data(), common);
  if (order != 0)
    return order < 0;
  if (left.key.size() != right.key.size())
    return left.key.size() < right.key.size();
  std::string left_bytes;
  std::string right_bytes;
  append_parameter(left_bytes, left);
  append_parameter(right_bytes, right);
  return left_bytes < right_bytes;
}

}  // namespace

struct IdentityHasher::State {
  EVP_MD* method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(method);
  }
};

void IdentityFields::clear() {
  stream_id.reset();
  user_id.reset();
  user_pseudo_id.reset();
  event_name = {};
  event_timestamp = 0;
  batch_page_id.reset();
  batch_ordering_id.reset();
  batch_event_index.reset();
  client_event_id.reset();
  parameters.clear();
}

IdentityHasher::IdentityHasher(Rule rule) : rule_(rule), state_(std::make_unique<State>()) {
  SHOPLAKE_CHECK(state_->method != nullptr && state_->context != nullptr);
}

IdentityHasher::~IdentityHasher() = default;

void append_clean_event_name(std::string_view name, std::string& out) {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!name.empty() && is_space(name.front()))
    name.remove_prefix(1);
  while (!name.empty() && is_space(name.back()))
    name.remove_suffix(1);
  for (char c : name)
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : (c == ' ' ? '_' : c));
}

void IdentityHasher::digest(char* out) {
  unsigned char sum[32];
  SHOPLAKE_CHECK(EVP_DigestInit_ex2(state_->context, state_->method, nullptr) == 1);
  SHOPLAKE_CHECK(EVP_DigestUpdate(state_->context, bytes_.data(), bytes_.size()) == 1);
  SHOPLAKE_CHECK(EVP_DigestFinal_ex(state_->context, sum, nullptr) == 1);
  constexpr char kHexDigits[] = "0123456789abcdef";
  for (int i = 0; i < 32; ++i) {
    out[2 * i] = kHexDigits[sum[i] >> 4];
    out[2 * i + 1] = kHexDigits[sum[i] & 15];
  }
}

void IdentityHasher::hash(IdentityFields& fields, char* out) {
  bytes_.clear();
  if (fields.client_event_id) {
    bytes_.append(kClientTag);
    append_optional(bytes_, fields.stream_id);
    append_text(bytes_, *fields.client_event_id);
    return digest(out);
  }
  if (rule_ == Rule::user_name_time) {
    bytes_.append(fields.user_id ? *fields.user_id : fields.user_pseudo_id.value_or(std::string_view()));
    append_clean_event_name(fields.event_name, bytes_);
    bytes_.append(std::to_string(fields.event_timestamp));
    return digest(out);
  }
  std::vector<ParameterValue>& parameters = fields.parameters;
  // Insertion sort: a score of parameters, often in the same order as before.
  for (std::size_t i = 1; i < parameters.size(); ++i) {
    if (parameters.size() > 64) {
      std::sort(parameters.begin(), parameters.end(), comes_before);
      break;
    }
    if (!comes_before(parameters[i], parameters[i - 1]))
      continue;
    const ParameterValue moved = parameters[i];
    std::size_t place = i;
    for (; place > 0 && comes_before(moved, parameters[place - 1]); --place)
      parameters[place] = parameters[place - 1];
    parameters[place] = moved;
  }
  std::optional<std::int64_t> session_id;
  for (const ParameterValue& parameter : parameters) {
    if (parameter.key == "ga_session_id" && parameter.integer) {
      session_id = parameter.integer;
      break;
    }
  }
  bytes_.append(kCanonicalTag);
  append_optional(bytes_, fields.stream_id);
  append_optional(bytes_, fields.user_pseudo_id);
  append_optional(bytes_, session_id);
  const std::size_t length_at = bytes_.size();
  append_raw(bytes_, std::uint32_t{0});
  append_clean_event_name(fields.event_name, bytes_);
  const auto name_size = static_cast<std::uint32_t>(bytes_.size() - length_at - sizeof(std::uint32_t));
  std::memcpy(bytes_.data() + length_at, &name_size, sizeof(name_size));
  append_raw(bytes_, fields.event_timestamp);
  append_optional(bytes_, fields.batch_page_id);
  append_optional(bytes_, fields.batch_ordering_id);
  append_optional(bytes_, fields.batch_event_index);
  append_raw(bytes_, static_cast<std::uint32_t>(parameters.size()));
  for (const ParameterValue& parameter : parameters)
    append_parameter(bytes_, parameter);
  digest(out);
}

}  // namespace shoplake::event
