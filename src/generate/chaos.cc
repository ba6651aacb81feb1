#include "generate/chaos.h"

#include <charconv>

namespace shoplake::generate {

namespace {

constexpr std::string_view kNames[] = {"cut_in_the_middle",     "not_an_object",      "wrong_type",
                                       "missing_timestamp",     "impossible_date",    "invalid_utf8",
                                       "raw_control_character", "text_after_the_end", "unquoted_keys",
                                       "integer_overflow",      "unknown_fields",     "huge_text",
                                       "naughty_text",          "numbers_and_nulls",  "exact_duplicate",
                                       "out_of_order",          "windows_line_end",   "empty_objects",
                                       "deep_nesting",          "blank_line"};
static_assert(std::size(kNames) == kOddities);

// JSON spellings of texts that break careless programs.
constexpr std::string_view kNaughty[] = {
    R"(NULL)",
    R"('; drop table processed.events; --)",
    R"(\u202Eright to left\u202C)",
    R"(\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67 family)",
    R"(quote \" backslash \\ slash \/ tab \t newline \n)",
    R"(<script>alert(1)</script>)",
    R"(Ω≈ç√∫˜µ≤≥÷ ゠ 社會科學院 م)",
    R"(=1+1)",
    R"({{ 7 * 7 }})",
    R"(../../etc/passwd)",
    R"(-1e309)",
    R"()",
};

constexpr std::string_view kDate = R"("event_date":")";
constexpr std::string_view kTimestamp = R"("event_timestamp":")";
constexpr std::string_view kTitle = R"("page_title","value":{"string_value":")";

// Where the text of a quoted value begins, after `key`.
std::size_t value_begin(std::string_view line, std::string_view key) { return line.find(key) + key.size(); }

std::string with_value(std::string_view line, std::string_view key, std::string_view value) {
  const std::size_t begin = value_begin(line, key);
  const std::size_t end = line.find('"', begin);
  return std::string(line.substr(0, begin)).append(value).append(line.substr(end));
}

std::string with_first_fields(std::string_view line, std::string_view fields) {
  return std::string("{").append(fields).append(",").append(line.substr(1));
}

// Every "123" that stands for an INT64 becomes 123; the ids of text type stay.
std::string with_plain_numbers(std::string_view line) {
  std::string out;
  for (std::size_t position = 0; position < line.size();) {
    static constexpr std::string_view kKeys[] = {R"("event_timestamp":")", R"("int_value":")", R"("batch_page_id":")",
                                                 R"("quantity":")"};
    std::string_view matched;
    for (std::string_view key : kKeys) {
      if (line.substr(position).starts_with(key)) {
        matched = key;
      }
    }
    if (matched.empty()) {
      out.push_back(line[position++]);
      continue;
    }
    const std::size_t begin = position + matched.size();
    const std::size_t end = line.find('"', begin);
    out.append(matched.substr(0, matched.size() - 1)).append(line.substr(begin, end - begin));
    position = end + 1;
  }
  return out;
}

std::string earlier(std::string_view line) {
  const std::size_t begin = value_begin(line, kTimestamp);
  std::int64_t micros = 0;
  std::from_chars(line.data() + begin, line.data() + line.find('"', begin), micros);
  return with_value(line, kTimestamp, std::to_string(micros - 3 * 86'400'000'000ll));
}

}  // namespace

std::string_view oddity_name(Oddity oddity) { return kNames[static_cast<std::size_t>(oddity)]; }

Outcome expected_outcome(Oddity oddity) {
  if (oddity == Oddity::blank_line) {
    return Outcome::ignored;
  }
  return oddity < Oddity::unknown_fields ? Outcome::rejected : Outcome::accepted;
}

std::uint64_t Planted::with_outcome(Outcome outcome) const {
  std::uint64_t sum = 0;
  for (std::size_t oddity = 0; oddity < kOddities; ++oddity) {
    sum += expected_outcome(static_cast<Oddity>(oddity)) == outcome ? count[oddity] : 0;
  }
  return sum;
}

void Planted::add(const Planted& other) {
  for (std::size_t oddity = 0; oddity < kOddities; ++oddity) {
    count[oddity] += other.count[oddity];
  }
}

void append_oddity(Oddity oddity, std::string_view good_line, Random& random, std::string& text) {
  const std::string_view line = good_line.substr(0, good_line.size() - 1);
  switch (oddity) {
    case Oddity::cut_in_the_middle:
      text.append(line.substr(0, line.size() / 4 + random.below(static_cast<std::uint32_t>(line.size() / 2))));
      break;
    case Oddity::not_an_object: {
      static constexpr std::string_view kOthers[] = {"null", "42", "\"text\"", "[1,2,3]", "true"};
      text.append(kOthers[random.below(std::size(kOthers))]);
      break;
    }
    case Oddity::wrong_type: text.append(with_value(line, kTimestamp, "yesterday")); break;
    case Oddity::missing_timestamp: {
      const std::size_t begin = line.find(kTimestamp);
      const std::size_t end = line.find(',', begin) + 1;
      text.append(line.substr(0, begin)).append(line.substr(end));
      break;
    }
    case Oddity::impossible_date: text.append(with_value(line, kDate, "20261345")); break;
    case Oddity::invalid_utf8: text.append(with_value(line, kTitle, "caf\xC3\x28 \xFF")); break;
    case Oddity::raw_control_character: text.append(with_value(line, kTitle, "bell \x07")); break;
    case Oddity::text_after_the_end: text.append(line).append(" and more"); break;
    case Oddity::unquoted_keys: text.append("{event_name: page_view}"); break;
    case Oddity::integer_overflow: text.append(with_value(line, kTimestamp, "99999999999999999999999999")); break;
    case Oddity::unknown_fields:
      text.append(with_first_fields(line, R"("experiment":{"id":"x7","arm":2},"server_region":"eu-west-1")"));
      break;
    case Oddity::huge_text: text.append(with_value(line, kTitle, std::string(256 * 1024, 'x'))); break;
    case Oddity::naughty_text:
      text.append(with_value(line, kTitle, kNaughty[random.below(std::size(kNaughty))]));
      break;
    case Oddity::numbers_and_nulls:
      text.append(with_first_fields(with_plain_numbers(line), R"("publisher":null,"app_info":null,"user_ltv":null)"));
      break;
    case Oddity::exact_duplicate: text.append(line); break;
    case Oddity::out_of_order: text.append(earlier(line)); break;
    case Oddity::windows_line_end: text.append(line).append("\r"); break;
    case Oddity::empty_objects: {
      const std::size_t begin = value_begin(line, kDate);
      text.append(R"({"event_date":")").append(line.substr(begin, 8)).append(R"(","event_timestamp":")");
      const std::size_t stamp = value_begin(line, kTimestamp);
      text.append(line.substr(stamp, line.find('"', stamp) - stamp));
      text.append(
          R"(","event_name":"page_view","event_params":[],"device":{},"geo":{},"items":[],"ecommerce":{},"privacy_info":{}})");
      break;
    }
    case Oddity::deep_nesting:
      text.append(with_first_fields(line, "\"deep\":" + std::string(40, '[') + std::string(40, ']')));
      break;
    case Oddity::blank_line: break;
  }
  text.push_back('\n');
}

}  // namespace shoplake::generate
