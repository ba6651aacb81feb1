#include "audit/audit_log.h"

#include <fmt/format.h>

#include <utility>

#include "base/digest.h"

namespace shoplake::audit {
namespace {

using base::Result;

// A row is a begin (outcome null), an end (begun names its begin) or both in one (outcome given, begun null).
constexpr char kTables[] = R"(
create table if not exists audit_log (
  id integer primary key,
  at integer not null,               -- microseconds since 1970
  source text not null,
  who text not null,
  action text not null,
  object text not null,
  begun integer,                     -- the row that this one ends
  outcome text,
  digest text not null               -- SHA-256 over the digest of the row before and this row
);
create index if not exists audit_log_ends on audit_log (begun) where begun is not null;
create trigger if not exists audit_log_is_not_changed before update on audit_log
begin
  select raise(abort, 'the audit log is append-only');
end;
create trigger if not exists audit_log_is_not_shortened before delete on audit_log
begin
  select raise(abort, 'the audit log is append-only');
end;
)";

// At most kTextBytesMax bytes, whole characters, one line.
std::string bounded(std::string_view text) {
  if (text.size() > kTextBytesMax) {
    std::size_t end = kTextBytesMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      --end;
    text = text.substr(0, end);
  }
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      c = ' ';
  }
  return line;
}

struct Row {
  std::int64_t id = 0;
  std::int64_t at = 0;
  Action action;
  std::optional<std::int64_t> begun;
  std::optional<std::string> outcome;
};

// Each text with its length before it, so that no two rows have one spelling.
std::string digest_of(const Row& row, std::string_view previous) {
  std::string text = fmt::format("{}\n{}\n{}\n", previous, row.id, row.at);
  for (const std::string* part : {&row.action.source, &row.action.who, &row.action.action, &row.action.object})
    text += fmt::format("{}:{}\n", part->size(), *part);
  text += row.begun ? fmt::format("{}\n", *row.begun) : "-\n";
  text += row.outcome ? fmt::format("{}:{}\n", row.outcome->size(), *row.outcome) : "-\n";
  return base::sha256_hex(text);
}

constexpr char kColumns[] = "id, at, source, who, action, object, begun, outcome, digest";
constexpr int kDigestColumn = 8;

Row read_row(const io::Statement& statement) {
  Row row;
  row.id = statement.integer(0);
  row.at = statement.integer(1);
  row.action = {statement.text(2), statement.text(3), statement.text(4), statement.text(5)};
  row.begun = statement.optional_integer(6);
  row.outcome = statement.optional_text(7);
  return row;
}

}  // namespace

std::string log_path(std::string_view home_directory) { return io::join_path(home_directory, "audit.sqlite"); }

AuditLog::AuditLog(io::Env& env, std::unique_ptr<io::Database> database) : env_(env), database_(std::move(database)) {}

Result<std::unique_ptr<AuditLog>> AuditLog::open(io::Env& env, const std::string& path) {
  auto database = SHOPLAKE_TRY(io::Database::open(path));
  SHOPLAKE_TRY(database->execute(kTables));
  return std::unique_ptr<AuditLog>(new AuditLog(env, std::move(database)));
}

Result<std::int64_t> AuditLog::append(const Action& action, std::optional<std::int64_t> begun,
                                      std::optional<std::string_view> outcome) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  Row row;
  std::string previous;
  {
    auto last = SHOPLAKE_TRY(database_->prepare("select id, digest from audit_log order by id desc limit 1"));
    if (SHOPLAKE_TRY(last.step())) {
      row.id = last.integer(0);
      previous = last.text(1);
    }
  }
  ++row.id;
  row.at = env_.now_micros();
  row.action = {bounded(action.source), bounded(action.who), bounded(action.action), bounded(action.object)};
  row.begun = begun;
  if (outcome)
    row.outcome = bounded(*outcome);
  auto insert = SHOPLAKE_TRY(
      database_->prepare(fmt::format("insert into audit_log ({}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)", kColumns)));
  insert.bind(1, row.id)
      .bind(2, row.at)
      .bind(3, row.action.source)
      .bind(4, row.action.who)
      .bind(5, row.action.action)
      .bind(6, row.action.object)
      .bind(7, row.begun)
      .bind(8, row.outcome)
      .bind(9, digest_of(row, previous));
  SHOPLAKE_TRY(insert.run());
  SHOPLAKE_TRY(transaction.commit());
  return row.id;
}

Result<std::int64_t> AuditLog::begin(const Action& action) { return append(action, {}, {}); }

Result<void> AuditLog::end(std::int64_t begun, std::string_view outcome) {
  Action action;
  {
    auto of = SHOPLAKE_TRY(database_->prepare("select source, who, action, object from audit_log where id = ?"));
    if (SHOPLAKE_TRY(of.bind(1, begun).step()))
      action = {of.text(0), of.text(1), of.text(2), of.text(3)};
  }
  SHOPLAKE_TRY(append(action, begun, outcome));
  return {};
}

Result<void> AuditLog::record(const Action& action, std::string_view outcome) {
  SHOPLAKE_TRY(append(action, {}, outcome));
  return {};
}

Result<std::vector<Record>> AuditLog::list(const Filter& filter) {
  auto statement = SHOPLAKE_TRY(database_->prepare(
      "select a.id, a.at, a.source, a.who, a.action, a.object, coalesce(a.outcome, e.outcome, ''), e.at - a.at "
      "from audit_log a left join audit_log e on e.begun = a.id "
      "where a.begun is null and a.at >= ?1 and (?2 = '' or a.who = ?2) "
      "and (?3 = '' or a.action = ?3 or substr(a.action, 1, length(?3) + 1) in (?3 || ' ', ?3 || '.')) "
      "and (?4 = '' or a.source = ?4) order by a.id desc limit ?5"));
  statement.bind(1, filter.since_micros.value_or(0))
      .bind(2, filter.who)
      .bind(3, filter.action)
      .bind(4, filter.source)
      .bind(5, filter.rows_max);
  std::vector<Record> records;
  while (SHOPLAKE_TRY(statement.step())) {
    Record& record = records.emplace_back();
    record.id = statement.integer(0);
    record.at_micros = statement.integer(1);
    record.action = {statement.text(2), statement.text(3), statement.text(4), statement.text(5)};
    record.outcome = statement.text(6);
    record.took_micros = statement.optional_integer(7);
  }
  return records;
}

Result<AuditLog::Verification> AuditLog::verify() {
  auto statement = SHOPLAKE_TRY(database_->prepare(fmt::format("select {} from audit_log order by id", kColumns)));
  Verification found;
  std::string previous;
  std::int64_t expected = 1;
  while (SHOPLAKE_TRY(statement.step())) {
    const Row row = read_row(statement);
    if (row.id != expected) {
      found.finding = fmt::format("row {} is missing", expected);
      return found;
    }
    if (statement.text(kDigestColumn) != digest_of(row, previous)) {
      found.finding = fmt::format("row {} is not as it was written, or one before it is missing", row.id);
      return found;
    }
    previous = statement.text(kDigestColumn);
    ++found.rows;
    ++expected;
  }
  return found;
}

}  // namespace shoplake::audit
