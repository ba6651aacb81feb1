#include "model/statement_names.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace shoplake::model {
namespace {

bool begins_name(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool continues_name(char c) { return begins_name(c) || std::isdigit(static_cast<unsigned char>(c)) || c == '$'; }

class Scanner {
 public:
  explicit Scanner(std::string_view sql) : sql_(sql) {}

  void scan() {
    while (at_ < sql_.size()) {
      if (skip_space_or_comment() || skip_literal())
        continue;
      if (begins_name(sql_[at_]) || sql_[at_] == '"') {
        dotted_name();
      } else if (std::isdigit(static_cast<unsigned char>(sql_[at_]))) {
        while (at_ < sql_.size() && (continues_name(sql_[at_]) || sql_[at_] == '.'))
          ++at_;
      } else {
        ++at_;
      }
    }
  }

  std::vector<RelationName> take_relations() { return std::move(found_); }
  std::set<std::string> take_called() { return std::move(called_); }

 private:
  bool starts_with(std::string_view text) const { return sql_.substr(at_).starts_with(text); }

  bool skip_space_or_comment() {
    if (std::isspace(static_cast<unsigned char>(sql_[at_]))) {
      ++at_;
    } else if (starts_with("--")) {
      at_ = std::min(sql_.find('\n', at_), sql_.size());
    } else if (starts_with("/*")) {  // they nest, as in PostgreSQL
      int depth = 0;
      do {
        const bool opens = starts_with("/*");
        const bool closes = starts_with("*/");
        depth += opens ? 1 : closes ? -1 : 0;
        at_ += opens || closes ? 2 : 1;
      } while (depth > 0 && at_ < sql_.size());
    } else {
      return false;
    }
    return true;
  }

  bool skip_literal() {
    if (sql_[at_] == '\'' || starts_with("e'") || starts_with("E'")) {
      const bool escapes = sql_[at_] != '\'';
      at_ += escapes ? 2 : 1;
      while (at_ < sql_.size() && sql_[at_] != '\'')  // a doubled quote reads as two literals beside each other
        at_ += escapes && sql_[at_] == '\\' ? 2 : 1;
      at_ = std::min(at_ + 1, sql_.size());
      return true;
    }
    if (sql_[at_] != '$')
      return false;
    const std::size_t end_of_tag = sql_.find('$', at_ + 1);
    if (end_of_tag == std::string_view::npos ||
        !std::all_of(sql_.begin() + static_cast<std::ptrdiff_t>(at_) + 1,
                     sql_.begin() + static_cast<std::ptrdiff_t>(end_of_tag), continues_name))
      return false;
    const std::string_view tag = sql_.substr(at_, end_of_tag + 1 - at_);
    const std::size_t end = sql_.find(tag, end_of_tag + 1);
    at_ = end == std::string_view::npos ? sql_.size() : end + tag.size();
    return true;
  }

  std::string part() {
    std::string name;
    if (sql_[at_] == '"') {
      for (++at_; at_ < sql_.size(); ++at_) {
        if (sql_[at_] == '"') {
          ++at_;
          if (at_ == sql_.size() || sql_[at_] != '"')
            break;
        }
        name += static_cast<char>(std::tolower(static_cast<unsigned char>(sql_[at_])));
      }
    } else {
      for (; at_ < sql_.size() && continues_name(sql_[at_]); ++at_)
        name += static_cast<char>(std::tolower(static_cast<unsigned char>(sql_[at_])));
    }
    return name;
  }

  void dotted_name() {
    std::string schema = "main";
    std::string name = part();
    bool alone = true;
    while (true) {
      const std::size_t end = at_;
      while (at_ < sql_.size() && skip_space_or_comment()) {
      }
      if (at_ == sql_.size() || sql_[at_] != '.') {
        if (at_ < sql_.size() && sql_[at_] == '(')
          called_.insert(name);
        at_ = end;
        break;
      }
      ++at_;
      while (at_ < sql_.size() && skip_space_or_comment()) {
      }
      if (at_ == sql_.size() || !(begins_name(sql_[at_]) || sql_[at_] == '"'))
        break;
      alone = false;
      schema = std::move(name);
      name = part();
      add({schema, name});
    }
    if (alone)
      add({schema, name});
  }

  void add(RelationName name) {
    if (known_.insert(name).second)
      found_.push_back(std::move(name));
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  std::set<RelationName> known_;
  std::vector<RelationName> found_;
  std::set<std::string> called_;
};

}  // namespace

std::vector<RelationName> possible_relations(std::string_view sql) {
  Scanner scanner(sql);
  scanner.scan();
  return scanner.take_relations();
}

bool has_odd_spaces(std::string_view sql) {
  for (std::size_t i = 0; i < sql.size(); ++i) {
    const std::string_view rest = sql.substr(i, 3);
    if (rest.starts_with("\xC2\xA0") || rest == "\xE2\x80\xAF" || rest == "\xE2\x81\x9F" || rest == "\xE2\x81\xA0" ||
        rest == "\xE3\x80\x80" || rest == "\xEF\xBB\xBF" ||
        (rest.size() == 3 && rest.starts_with("\xE2\x80") && static_cast<unsigned char>(rest[2]) <= 0x8B))
      return true;
    if (sql[i] == '\r' && (i + 1 == sql.size() || sql[i + 1] != '\n'))
      return true;
  }
  return false;
}

std::set<std::string> called_names(std::string_view sql) {
  Scanner scanner(sql);
  scanner.scan();
  return scanner.take_called();
}

}  // namespace shoplake::model
