// Event identity: what makes two records the same event, as 64 hexadecimal characters. The canonical byte form is
// specified in docs/formats/event_identity.md; it is computed over values as received, before any masking, so that a
// change of the contract's treatments never changes an identity and a replay of raw objects always finds the same
// events.
//
// Not thread safe: one hasher a thread. Views must live until hash() returns.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoplake::event {

struct ParameterValue {
  std::string_view key;
  bool has_key = false;
  std::optional<std::string_view> text;
  std::optional<std::int64_t> integer;
  std::optional<double> real;         // double_value
  std::optional<double> legacy_real;  // float_value
};

struct IdentityFields {
  std::optional<std::string_view> stream_id;
  std::optional<std::string_view> user_id;
  std::optional<std::string_view> user_pseudo_id;
  std::string_view event_name;
  std::int64_t event_timestamp = 0;
  std::optional<std::int64_t> batch_page_id;
  std::optional<std::int64_t> batch_ordering_id;
  std::optional<std::int64_t> batch_event_index;
  std::optional<std::string_view> client_event_id;  // wins over everything else
  std::vector<ParameterValue> parameters;           // in any order; sorted by hash()

  void clear();
};

inline constexpr std::size_t kIdentityLength = 64;

class IdentityHasher {
 public:
  // user_name_time: the short rule that merges events of one batch; see the format page.
  enum class Rule { canonical, user_name_time };
  explicit IdentityHasher(Rule rule);
  ~IdentityHasher();

  // Writes kIdentityLength lowercase hexadecimal characters.
  void hash(IdentityFields& fields, char* out);
  // The bytes that the last hash() digested, for tests and explanations.
  std::string_view canonical_form() const { return bytes_; }

 private:
  struct State;
  void digest(char* out);
  Rule rule_;
  std::string bytes_;
  std::unique_ptr<State> state_;
};

// Trimmed of ASCII white space, ASCII letters lower-cased, each inner space made '_': how names are compared.
void append_clean_event_name(std::string_view name, std::string& out);

}  // namespace shoplake::event
