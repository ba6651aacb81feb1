#include "generate/chaos.h"

#include <charconv>
#include <chrono>
#include <cstdio>

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

// The begins of the fields of a line that are broken.
struct Keys {
  std::string_view timestamp;
  std::string_view text;
};
constexpr Keys keys_of(Dataset dataset) {
  if (dataset == Dataset::events) {
    return {R"("event_timestamp":")", R"("page_title","value":{"string_value":")"};
  }
  return {R"("timestamp":")", R"("page_url":")"};
}
constexpr std::string_view kDate = R"("event_date":")";  // of events

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

std::string_view value_of(std::string_view line, std::string_view key) {
  const std::size_t begin = value_begin(line, key);
  return line.substr(begin, line.find('"', begin) - begin);
}

// Three days before.
std::string earlier(std::string_view line) {
  const std::string_view key = keys_of(Dataset::events).timestamp;
  const std::string_view value = value_of(line, key);
  std::int64_t micros = 0;
  std::from_chars(value.data(), value.data() + value.size(), micros);
  return with_value(line, key, std::to_string(micros - 3 * 86'400'000'000ll));
}
std::chrono::sys_days day_of(std::string_view timestamp) {
  int year = 1970;
  unsigned month = 1;
  unsigned day = 1;
  std::from_chars(timestamp.data(), timestamp.data() + 4, year);
  std::from_chars(timestamp.data() + 5, timestamp.data() + 7, month);
  std::from_chars(timestamp.data() + 8, timestamp.data() + 10, day);
  return std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
}
std::string earlier_day(std::string_view line) {
  const std::string_view key = keys_of(Dataset::clickstream).timestamp;
  const std::string_view value = value_of(line, key);
  const std::chrono::year_month_day date{day_of(value) - std::chrono::days(3)};
  char text[16];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()));
  return with_value(line, key, std::string(text).append(value.substr(10)));
}
// The timestamp as a number of milliseconds.
std::string with_epoch(std::string_view line) {
  const std::string_view key = keys_of(Dataset::clickstream).timestamp;
  const std::string_view value = value_of(line, key);
  const auto number = [&](std::size_t at, std::size_t digits) {
    std::int64_t part = 0;
    std::from_chars(value.data() + at, value.data() + at + digits, part);
    return part;
  };
  const std::int64_t ms = day_of(value).time_since_epoch().count() * 86'400'000ll + number(11, 2) * 3'600'000 +
                          number(14, 2) * 60'000 + number(17, 2) * 1000 + number(20, 3);
  const std::size_t begin = line.find(key);
  return std::string(line.substr(0, begin + key.size() - 1))
      .append(std::to_string(ms))
      .append(line.substr(begin + key.size() + value.size() + 1));
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

void append_oddity(Dataset dataset, Oddity oddity, std::string_view good_line, Random& random, std::string& text) {
  const bool is_ga4 = dataset == Dataset::events;
  const auto [timestamp, title] = keys_of(dataset);
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
    case Oddity::wrong_type: text.append(with_value(line, timestamp, "yesterday")); break;
    case Oddity::missing_timestamp: {
      const std::size_t begin = line.find(timestamp);
      const std::size_t end = line.find(',', begin) + 1;
      text.append(line.substr(0, begin)).append(line.substr(end));
      break;
    }
    case Oddity::impossible_date:
      text.append(is_ga4 ? with_value(line, kDate, "20261345") : with_value(line, timestamp, "2026-13-45T00:00:00Z"));
      break;
    case Oddity::invalid_utf8: text.append(with_value(line, title, "caf\xC3\x28 \xFF")); break;
    case Oddity::raw_control_character: text.append(with_value(line, title, "bell \x07")); break;
    case Oddity::text_after_the_end: text.append(line).append(" and more"); break;
    case Oddity::unquoted_keys: text.append("{event_name: page_view}"); break;
    case Oddity::integer_overflow: text.append(with_value(line, timestamp, "99999999999999999999999999")); break;
    case Oddity::unknown_fields:
      text.append(with_first_fields(line, R"("experiment":{"id":"x7","arm":2},"server_region":"eu-west-1")"));
      break;
    case Oddity::huge_text: text.append(with_value(line, title, std::string(256 * 1024, 'x'))); break;
    case Oddity::naughty_text: text.append(with_value(line, title, kNaughty[random.below(std::size(kNaughty))])); break;
    case Oddity::numbers_and_nulls:
      text.append(
          is_ga4 ? with_first_fields(with_plain_numbers(line), R"("publisher":null,"app_info":null,"user_ltv":null)")
                 : with_first_fields(with_epoch(line), R"("utm":null,"coupon":null)"));
      break;
    case Oddity::exact_duplicate: text.append(line); break;
    case Oddity::out_of_order: text.append(is_ga4 ? earlier(line) : earlier_day(line)); break;
    case Oddity::windows_line_end: text.append(line).append("\r"); break;
    case Oddity::empty_objects: {
      if (!is_ga4) {
        text.append(R"({"utm":{},"event_id":")")
            .append(value_of(line, R"("event_id":")"))
            .append("x\",\"timestamp\":\"");
        text.append(value_of(line, timestamp)).append(R"(","event_type":"page_view"})");
        break;
      }
      text.append(R"({"event_date":")").append(value_of(line, kDate)).append(R"(","event_timestamp":")");
      text.append(value_of(line, timestamp));
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
