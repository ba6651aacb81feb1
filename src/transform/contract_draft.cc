// draft_contract(): a contract as YAML, from a profile.

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "transform/profile.h"

namespace shoplake::transform {

namespace {

using contract::Type;

// What a field of a profile becomes.
struct Guess {
  std::string name;  // snake_case
  Type type = Type::text;
  std::string type_text;
  std::string format;
  bool required = false;
  std::string pii;  // "pii: direct, treatment: drop"
  std::string values;
  std::string remark;
  bool is_key = false;
};

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return lower;
}
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "InvoiceNo" → "invoice_no", "CustomerID" → "customer_id", "Unit Price (£)" → "unit_price".
std::string snake_case(std::string_view name) {
  std::string out;
  for (std::size_t at = 0; at < name.size(); ++at) {
    const char c = name[at];
    if (!is_upper(c) && !is_lower(c) && !is_digit(c)) {
      if (!out.empty() && out.back() != '_')
        out += '_';
      continue;
    }
    const bool begins_word = is_upper(c) && at > 0 &&
                             (is_lower(name[at - 1]) || is_digit(name[at - 1]) ||
                              (is_upper(name[at - 1]) && at + 1 < name.size() && is_lower(name[at + 1])));
    if (begins_word && !out.empty() && out.back() != '_')
      out += '_';
    out += static_cast<char>(is_upper(c) ? c + 32 : c);
  }
  while (out.ends_with('_'))
    out.pop_back();
  if (out.empty() || is_digit(out.front()))
    out.insert(0, "field_");
  return out;
}

// Plain where YAML takes it so, else in double quotes.
std::string yaml_text(std::string_view text) {
  const bool is_plain = !text.empty() && (is_upper(text[0]) || is_lower(text[0]) || text[0] == '_') &&
                        std::all_of(text.begin(), text.end(),
                                    [](char c) { return is_upper(c) || is_lower(c) || is_digit(c) || c == '_'; });
  const std::string lower = lower_case(text);
  constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  if (is_plain && std::find(std::begin(kWords), std::end(kWords), lower) == std::end(kWords))
    return std::string(text);
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

bool has_word(const std::string& name, std::initializer_list<std::string_view> words) {
  const std::string padded = "_" + name + "_";
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return padded.find("_" + std::string(word) + "_") != std::string::npos;
  });
}

bool is_money(const std::string& name) {
  return has_word(name, {"price", "cost", "amount", "revenue", "total", "tax", "discount", "fee", "value", "balance"});
}

void set_type(Guess& guess, Type type, contract::DecimalShape shape = {}) {
  guess.type = type;
  guess.type_text =
      type == Type::decimal ? "\"" + contract::decimal_type_text(shape) + "\"" : std::string(contract::name(type));
}

void guess_number(Guess& guess, const ValueProfile& values) {
  constexpr int kDigitsOfLongs = 18;
  if (values.integers == values.values && values.scale == 0) {
    if (values.integer_digits > kDigitsOfLongs) {
      guess.remark = "numbers of more than 18 digits";
      return;
    }
    set_type(guess, is_money(guess.name) ? Type::decimal : Type::integer, {12, 2});
    return;
  }
  const int scale = std::max(2, values.scale);
  const int digits = std::max(12, values.integer_digits + scale);
  if (is_money(guess.name) && values.exponents == 0 && digits <= contract::kDecimalDigitsMax && values.scale <= 6) {
    set_type(guess, Type::decimal, {static_cast<std::uint8_t>(digits), static_cast<std::uint8_t>(scale)});
    return;
  }
  set_type(guess, Type::real);
}

void guess_text_type(Guess& guess, const ValueProfile& values) {
  set_type(guess, Type::text);
  if (values.values == 0) {
    guess.remark = "no value was seen";
    return;
  }
  if (values.booleans == values.values) {
    set_type(guess, Type::boolean);
  } else if (values.dates == values.values ||
             (values.compact_dates == values.values && has_word(guess.name, {"date", "day"}))) {
    set_type(guess, Type::date);
  } else if (values.dates + values.timestamps == values.values && values.timestamps > 0) {
    set_type(guess, Type::timestamp);
  } else if (values.leading_zeros == 0 && values.numbers == values.values &&
             !has_word(guess.name, {"phone", "zip", "postcode"})) {
    guess_number(guess, values);
  } else {
    std::vector<std::string> fitting;
    for (const auto& [format, count] : values.formats) {
      if (count == values.values)
        fitting.push_back(format);
    }
    if (!fitting.empty()) {
      // Of day and month in either order, the day comes first but in America: a person must look.
      std::sort(fitting.begin(), fitting.end(), [](const std::string& a, const std::string& b) {
        return std::make_pair(a.starts_with("%m"), a) < std::make_pair(b.starts_with("%m"), b);
      });
      set_type(guess, fitting.front().find("%H") != std::string::npos ? Type::timestamp : Type::date);
      guess.format = fitting.front();
      if (fitting.size() > 1)
        guess.remark =
            fmt::format("could be {}, too: check which", fmt::join(fitting.begin() + 1, fitting.end(), ", "));
    } else if (values.numbers * 10 >= values.values * 9) {
      guess.remark = fmt::format("{} of {} values are numbers", values.numbers, values.values);
    }
  }
}

void guess_pii(Guess& guess, const ValueProfile& values) {
  const bool is_text = guess.type == Type::text;
  const auto most = [&](std::int64_t count) { return values.values > 0 && count * 2 > values.values; };
  const std::string& name = guess.name;
  const bool is_ip_name = has_word(name, {"ip", "ip_address", "remote_addr", "ip_addr"});
  if (most(values.emails) || has_word(name, {"email", "e_mail", "mail"})) {
    guess.pii = "pii: direct, treatment: drop";
  } else if ((most(values.addresses) || is_ip_name) && is_text) {
    guess.pii = "pii: direct, treatment: truncate_ip";
  } else if (has_word(name, {"first_name", "last_name", "full_name", "customer_name", "user_name", "surname", "author",
                             "reviewer", "reviewer_name", "contact", "recipient", "birthday", "birth_date", "street",
                             "address", "iban", "card_number", "ssn", "password"})) {
    guess.pii = "pii: direct, treatment: drop";
  } else if (has_word(name, {"phone", "mobile", "telephone", "fax"}) || (most(values.phones) && is_text)) {
    guess.pii = "pii: direct, treatment: drop";
  } else if (values.texts_with_email > 0 && is_text) {
    guess.pii = "pii: direct, treatment: mask";
  } else if (has_word(name,
                      {"customer_id", "user_id", "client_id", "visitor_id", "account_id", "session_id", "device_id"})) {
    guess.pii = is_text ? "pii: pseudonymous, treatment: pseudonymize" : "pii: pseudonymous, treatment: keep";
  }
  if (guess.pii.ends_with("drop"))
    guess.required = false;
}

void guess_values(Guess& guess, const ValueProfile& values) {
  constexpr std::int64_t kValuesMin = 100;
  constexpr std::size_t kChoicesMax = 10;
  constexpr std::size_t kLengthMax = 30;
  if (guess.type != Type::text || !guess.pii.empty() || !values.has_all_examples || values.values < kValuesMin ||
      values.examples.size() > kChoicesMax || values.length_max > kLengthMax)
    return;
  for (const std::string& example : values.examples)
    guess.values += (guess.values.empty() ? "" : ", ") + yaml_text(example);
}

Guess guess_leaf(const FieldProfile& field, std::int64_t records, bool is_top) {
  Guess guess;
  guess.name = snake_case(field.name);
  if (field.type) {
    set_type(guess, *field.type, field.decimal);
  } else {
    guess_text_type(guess, field.values);
  }
  guess.required = is_top && records > 0 && field.values.values == records;
  guess_pii(guess, field.values);
  guess_values(guess, field.values);
  guess.is_key = guess.required && field.values.is_distinct && field.values.is_distinct_known && records > 1 &&
                 guess.type != Type::real && has_word(guess.name, {"id", "no", "number", "code", "sku", "key", "uuid"});
  return guess;
}

class Draft {
 public:
  Draft(const Profile& profile, const DraftOptions& options) : profile_(profile), options_(options) {}

  std::string text() {
    for (const auto& field : profile_.root.fields)
      top_field(*field);
    std::string out = header();
    out += "\nfields:\n" + fields_ + computed_;
    return out;
  }

 private:
  void top_field(const FieldProfile& field) {
    const std::string name = free_name(snake_case(field.name));
    const std::string also = name == field.name || field.name.find('.') != std::string::npos
                                 ? ""
                                 : fmt::format(", also: [{}]", yaml_text(field.name));
    if (field.structures > 0 || field.lists > 0) {
      nested(field, name, also, "  ", 1);
      return;
    }
    Guess guess = guess_leaf(field, profile_.records, true);
    guess.name = name;
    if (guess.is_key && key_.empty())
      key_ = name;
    if (guess.required && partition_.empty() && (guess.type == Type::timestamp || guess.type == Type::date))
      partition_by(guess);
    leaf(guess, also, "  ");
  }

  void partition_by(const Guess& guess) {
    if (guess.type == Type::date) {
      partition_ = guess.name;
      return;
    }
    partition_ = free_name("date");
    computed_ = fmt::format(
        "\n# Columns of the table after the fields: SQL over their values.\ncomputed:\n  {}: date({})  # the UTC day\n",
        partition_, guess.name);
  }

  void leaf(const Guess& guess, const std::string& also, const std::string& indent) {
    std::string line = fmt::format("{}- {{name: {}, type: {}{}", indent, guess.name, guess.type_text, also);
    if (!guess.format.empty())
      line += fmt::format(", format: \"{}\"", guess.format);
    if (guess.required)
      line += ", required: true";
    if (!guess.values.empty())
      line += fmt::format(", values: [{}]", guess.values);
    if (!guess.pii.empty())
      line += ", " + guess.pii;
    line += "}";
    if (!guess.remark.empty())
      line += "  # " + guess.remark;
    fields_ += line + "\n";
  }

  void nested(const FieldProfile& field, const std::string& name, const std::string& also, const std::string& indent,
              int depth) {
    const bool is_list = field.lists > 0;
    const FieldProfile& inner = is_list && field.element ? *field.element : field;
    const bool is_mixed = field.values.values > 0 || (is_list && field.structures > 0) ||
                          (is_list && (!field.element || field.element->lists > 0 ||
                                       (field.element->structures > 0 && field.element->values.values > 0)));
    const bool has_fields = inner.structures > 0 && !inner.fields.empty();
    if (is_mixed || depth > kProfileDepthMax || (!is_list && !has_fields)) {
      fields_ += fmt::format("{}# {}: {}; it is kept with the unknown fields\n", indent, name,
                             is_mixed ? "its values are of several kinds" : "it is always empty");
      return;
    }
    if (!has_fields) {
      const Guess element = guess_leaf(inner, 0, false);
      fields_ +=
          fmt::format("{}- {{name: {}, type: list{}, element: {{type: {}}}}}\n", indent, name, also, element.type_text);
      return;
    }
    fields_ += fmt::format("{}- name: {}\n{}  type: {}\n", indent, depth == 1 ? name : yaml_text(field.name), indent,
                           is_list ? "list" : "struct");
    if (!also.empty())
      fields_ += fmt::format("{}  {}\n", indent, also.substr(2));
    fields_ += indent + "  fields:\n";
    for (const auto& child : inner.fields) {
      if (child->structures > 0 || child->lists > 0) {
        nested(*child, yaml_text(child->name), "", indent + "    ", depth + 1);
        continue;
      }
      Guess guess = guess_leaf(*child, 0, false);
      guess.name = yaml_text(child->name);  // inside, names are the file's own
      leaf(guess, "", indent + "    ");
    }
  }

  // Two columns may have one name in snake_case.
  std::string free_name(std::string name) {
    std::string candidate = name;
    for (int number = 2; std::find(names_.begin(), names_.end(), candidate) != names_.end(); ++number)
      candidate = fmt::format("{}_{}", name, number);
    names_.push_back(candidate);
    return candidate;
  }

  std::string header() const {
    std::string out = "# yaml-language-server: $schema=contract.schema.json\n";
    out += fmt::format(
        "# Drafted from {} records of {}. Look at every line: what was not seen cannot be guessed. What each key\n"
        "# means: docs/formats/contract.md; check it with: shoplake contract check {}.yml\n",
        profile_.records, fmt::join(options_.files, ", "), options_.dataset);
    if (profile_.malformed > 0)
      out += fmt::format("# {} records could not be read.\n", profile_.malformed);
    out += fmt::format("dataset: {0}\ntable: processed.{0}\ndescription: \"\"\n", options_.dataset);
    if (partition_.empty()) {
      out += "# No required date or time was seen. Large tables are better divided by day.\npartition_by: none\n";
    } else {
      out += fmt::format("partition_by: {}\n", partition_);
    }
    out += "unknown_fields: {keep_in: _extra, treatment: mask}\n";
    out +=
        "# A file of the same day and name with another content takes the place of the one before.\non_changed_file: "
        "replace\n";
    if (!key_.empty()) {
      out += fmt::format(
          "# No value of it came twice. on_duplicate_key: reject refuses a second one of a file.\nkey: [{}]\n", key_);
    }
    if (profile_.is_csv && profile_.delimiter != ',')
      out += fmt::format("csv: {{delimiter: {}}}\n",
                         profile_.delimiter == '\t' ? "tab" : fmt::format("\"{}\"", profile_.delimiter));
    if (profile_.is_csv && profile_.encoding == "windows-1252")
      out += "# The file is windows-1252, which is found out; csv: {encoding: windows-1252} declares it.\n";
    return out;
  }

  const Profile& profile_;
  const DraftOptions& options_;
  std::vector<std::string> names_;
  std::string fields_;
  std::string computed_;
  std::string partition_;
  std::string key_;
};

}  // namespace

std::string draft_contract(const Profile& profile, const DraftOptions& options) {
  return Draft(profile, options).text();
}

}  // namespace shoplake::transform
