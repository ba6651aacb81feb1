#include "cost/ledger.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/moment.h"

namespace shoplake::cost {
namespace {

using base::Result;

constexpr char kTables[] = R"(
create table if not exists cost_usage (
  day integer not null,              -- since 1970-01-01
  stage text not null,
  meter text not null,
  quantity real not null,
  primary key (day, stage, meter)
) without rowid;
create table if not exists cost_queries (
  id integer primary key,
  at integer not null,               -- microseconds since 1970
  source text not null,
  shape text not null,
  scanned_bytes integer not null,
  took integer not null              -- microseconds
);
create index if not exists cost_queries_by_time on cost_queries (at);
)";

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The end of a text in single quotes that begins at `at`; two quotes are one inside.
std::size_t end_of_text(std::string_view sql, std::size_t at) {
  for (++at; at < sql.size(); ++at) {
    if (sql[at] != '\'')
      continue;
    if (at + 1 < sql.size() && sql[at + 1] == '\'') {
      ++at;
    } else {
      return at + 1;
    }
  }
  return sql.size();
}

// The end of a comment that begins at `at`; `at` itself if there is none.
std::size_t end_of_comment(std::string_view sql, std::size_t at) {
  if (sql.substr(at, 2) == "--")
    return std::min(sql.find('\n', at), sql.size());
  if (sql.substr(at, 2) == "/*") {
    const std::size_t end = sql.find("*/", at + 2);
    return end == std::string_view::npos ? sql.size() : end + 2;
  }
  return at;
}

// $tag$ … $tag$: the end of a text that begins at `at`; `at` itself if there is none.
std::size_t end_of_dollar_text(std::string_view sql, std::size_t at) {
  std::size_t tag_end = at + 1;
  while (tag_end < sql.size() && is_word(sql[tag_end]))
    ++tag_end;
  if (tag_end >= sql.size() || sql[tag_end] != '$')
    return at;
  const std::string_view tag = sql.substr(at, tag_end + 1 - at);
  const std::size_t end = sql.find(tag, tag_end + 1);
  return end == std::string_view::npos ? sql.size() : end + tag.size();
}

}  // namespace

std::string query_shape(std::string_view sql) {
  std::string shape;
  const auto put = [&](char c) {
    if (c != ' ' || (!shape.empty() && shape.back() != ' '))
      shape += c;
  };
  for (std::size_t at = 0; at < sql.size() && shape.size() < kShapeBytesMax;) {
    const char c = sql[at];
    if (c == '\'') {
      put('?');
      at = end_of_text(sql, at);
    } else if (const std::size_t end = end_of_comment(sql, at); end != at) {
      put(' ');
      at = end;
    } else if (const std::size_t text_end = c == '$' ? end_of_dollar_text(sql, at) : at; text_end != at) {
      put('?');
      at = text_end;
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0 && (shape.empty() || !is_word(shape.back()))) {
      put('?');
      while (at < sql.size() && (is_word(sql[at]) || sql[at] == '.'))
        ++at;
    } else {
      put(std::isspace(static_cast<unsigned char>(c)) != 0 ? ' ' : c);
      ++at;
    }
  }
  while (!shape.empty() && (shape.back() == ' ' || shape.back() == ';'))
    shape.pop_back();
  if (shape.size() > kShapeBytesMax)
    shape.resize(kShapeBytesMax);
  while (!shape.empty() && (static_cast<unsigned char>(shape.back()) & 0x80) != 0)
    shape.pop_back();  // maybe half a character
  return shape;
}

Result<std::unique_ptr<Ledger>> Ledger::open(const std::string& control_plane) {
  auto database = SHOPLAKE_TRY(io::Database::open(control_plane));
  SHOPLAKE_TRY(database->execute(kTables));
  return std::unique_ptr<Ledger>(new Ledger(std::move(database)));
}

Result<void> Ledger::add(std::span<const Usage> usage) {
  if (usage.empty())
    return {};
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  std::int64_t newest = 0;
  for (const Usage& one : usage) {
    auto insert = SHOPLAKE_TRY(
        database_->prepare("insert into cost_usage (day, stage, meter, quantity) values (?, ?, ?, ?) on conflict (day, "
                           "stage, meter) do update set quantity = quantity + excluded.quantity"));
    SHOPLAKE_TRY(insert.bind(1, one.day).bind(2, one.stage).bind(3, one.meter).bind(4, one.quantity).run());
    newest = std::max(newest, one.day);
  }
  auto forget = SHOPLAKE_TRY(database_->prepare("delete from cost_usage where day < ?"));
  SHOPLAKE_TRY(forget.bind(1, newest - kDaysKept).run());
  return transaction.commit();
}

Result<void> Ledger::add(const QueryUsage& query) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  auto insert = SHOPLAKE_TRY(
      database_->prepare("insert into cost_queries (at, source, shape, scanned_bytes, took) values (?, ?, ?, ?, ?)"));
  insert.bind(1, query.at_micros).bind(2, query.source).bind(3, query.shape);
  SHOPLAKE_TRY(insert.bind(4, query.scanned_bytes).bind(5, query.took_micros).run());
  auto forget = SHOPLAKE_TRY(
      database_->prepare("delete from cost_queries where at < ? or id <= (select max(id) from cost_queries) - ?"));
  SHOPLAKE_TRY(forget.bind(1, query.at_micros - kDaysKept * base::kMicrosPerDay).bind(2, kQueriesMax).run());
  return transaction.commit();
}

Result<std::vector<Usage>> Ledger::usage(std::int64_t first_day, std::int64_t last_day) {
  auto select = SHOPLAKE_TRY(database_->prepare(
      "select day, stage, meter, quantity from cost_usage where day between ? and ? order by day, stage, meter"));
  select.bind(1, first_day).bind(2, last_day);
  std::vector<Usage> all;
  while (SHOPLAKE_TRY(select.step()))
    all.push_back({select.integer(0), select.text(1), select.text(2), select.number(3)});
  return all;
}

Result<std::vector<QueryGroup>> Ledger::queries(std::int64_t first_day, std::int64_t last_day, double minimum_bytes,
                                                std::int64_t rows_max) {
  auto select = SHOPLAKE_TRY(database_->prepare(
      "select shape, count(*), sum(scanned_bytes), sum(max(scanned_bytes, ?1)), sum(took), max(at) from cost_queries "
      "where at >= ?2 and at < ?3 group by shape order by 4 desc, shape limit ?4"));
  select.bind(1, minimum_bytes)
      .bind(2, first_day * base::kMicrosPerDay)
      .bind(3, (last_day + 1) * base::kMicrosPerDay)
      .bind(4, rows_max);
  std::vector<QueryGroup> groups;
  while (SHOPLAKE_TRY(select.step())) {
    groups.push_back(
        {select.text(0), select.integer(1), select.number(2), select.number(3), select.integer(4), select.integer(5)});
  }
  return groups;
}

}  // namespace shoplake::cost
