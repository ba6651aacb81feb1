#include "warehouse/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace shoplake::warehouse {
namespace {

using base::ErrorKind;
using base::make_error;

constexpr char kControlTable[] = "shoplake_batch";
constexpr char kStageTable[] = "shoplake_stage";
constexpr std::int64_t kAdvisoryLock = 0x73686f706c616b65;  // "shoplake"
constexpr char kLockTimeout[] = "SET lock_timeout TO '60s'";

class Statements {
 public:
  explicit Statements(const Batch& batch) : batch_(batch), target_(to_string(batch.target, batch.dialect)) {}

  bool is_postgres() const { return batch_.dialect == Dialect::postgres; }
  std::string quote(std::string_view name) const { return quoted(name, batch_.dialect); }
  std::string control() const { return quote(batch_.target.schema) + "." + quote(kControlTable); }

  std::string create_schema() const {
    return fmt::format("CREATE SCHEMA IF NOT EXISTS {}", quote(batch_.target.schema));
  }
  std::string create_control() const {
    const char* const text = is_postgres() ? "text" : "varchar(1024)";
    return fmt::format(
        "CREATE TABLE IF NOT EXISTS {} (target_table {} NOT NULL, batch_id {} NOT NULL, mode {} NOT NULL, source {} "
        "NOT "
        "NULL, snapshot_id bigint, row_count bigint NOT NULL, loaded_at timestamp NOT NULL, PRIMARY KEY (target_table, "
        "batch_id))",
        control(), text, text, text, text);
  }
  std::string create_target() const {
    std::string columns;
    for (const Column& column : batch_.columns)
      columns += fmt::format("{}{} {}", columns.empty() ? "" : ", ", quote(column.name), column.type);
    return fmt::format("CREATE TABLE {} ({})", target_, columns);
  }
  std::string add_column(const Column& column) const {
    return fmt::format("ALTER TABLE {} ADD COLUMN {} {}", target_, quote(column.name), column.type);
  }

  std::string lock() const {
    return is_postgres() ? fmt::format("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", target_)
                         : fmt::format("LOCK {}", target_);
  }
  std::string find_batch() const {
    return fmt::format("SELECT row_count FROM {} WHERE target_table = $1 AND batch_id = $2", control());
  }
  std::string create_stage() const {
    // With the target's own types, so that its own rules read the text; Redshift's Parquet wants the exact ones.
    if (is_postgres())
      return fmt::format("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WHERE false", kStageTable, names(),
                         target_);
    std::string columns;
    for (const Column& column : batch_.columns)
      columns += fmt::format("{}{} {}", columns.empty() ? "" : ", ", quote(column.name), column.staged_type);
    return fmt::format("CREATE TEMP TABLE {} ({})", kStageTable, columns);
  }
  std::string copy(const Staged& staged) const {
    if (is_postgres())
      return fmt::format("COPY pg_temp.{} ({}) FROM STDIN (FORMAT csv)", kStageTable, names());
    const bool is_nested =
        std::ranges::any_of(batch_.columns, [](const Column& column) { return column.type == "super"; });
    return fmt::format("COPY {} FROM {} IAM_ROLE {}{} FORMAT AS PARQUET{}", kStageTable, quoted_literal(staged.url),
                       staged.iam_role == "default" ? "default" : quoted_literal(staged.iam_role),
                       staged.region.empty() ? "" : " REGION " + quoted_literal(staged.region),
                       is_nested ? " SERIALIZETOJSON" : "");
  }
  std::string count_stage() const { return fmt::format("SELECT count(*) FROM {}", kStageTable); }

  std::string find_null_key() const {
    std::string condition;
    for (const std::string& name : batch_.key)
      condition += fmt::format("{}{} IS NULL", condition.empty() ? "" : " OR ", quote(name));
    return fmt::format("SELECT count(*) FROM {} WHERE {}", kStageTable, condition);
  }
  std::string find_duplicate_key() const {
    return fmt::format("SELECT count(*) FROM (SELECT {0} FROM {1} GROUP BY {0} HAVING count(*) > 1) AS repeated",
                       key_names(), kStageTable);
  }
  std::string remove_replaced() const {
    if (batch_.key.empty())
      return "DELETE FROM " + target_;
    std::string condition;
    for (const std::string& name : batch_.key) {
      condition += fmt::format("{0}({1}.{2} = s.{2} OR ({1}.{2} IS NULL AND s.{2} IS NULL))",
                               condition.empty() ? "" : " AND ", target_, quote(name));
    }
    return fmt::format("DELETE FROM {} USING (SELECT DISTINCT {} FROM {}) AS s WHERE {}", target_, key_names(),
                       kStageTable, condition);
  }
  std::string update() const {
    std::string assignments;
    for (const Column& column : batch_.columns) {
      if (std::ranges::find(batch_.key, column.name) == batch_.key.end())
        assignments +=
            fmt::format("{}{} = {}", assignments.empty() ? "" : ", ", quote(column.name), value_of(column, "s."));
    }
    return assignments.empty()
               ? ""
               : fmt::format("UPDATE {} SET {} FROM {} AS s WHERE {}", target_, assignments, kStageTable, same_key());
  }
  std::string insert() const {
    std::string values;
    for (const Column& column : batch_.columns)
      values += fmt::format("{}{}", values.empty() ? "" : ", ", value_of(column, "s."));
    const std::string absent = batch_.mode == Mode::upsert
                                   ? fmt::format(" WHERE NOT EXISTS (SELECT 1 FROM {} WHERE {})", target_, same_key())
                                   : "";
    return fmt::format("INSERT INTO {} ({}) SELECT {} FROM {} AS s{}", target_, names(), values, kStageTable, absent);
  }
  std::string record() const {
    return fmt::format(
        "INSERT INTO {} (target_table, batch_id, mode, source, snapshot_id, row_count, loaded_at) VALUES ($1, $2, $3, "
        "$4, {}, $5, {})",
        control(), batch_.snapshot_id ? std::to_string(*batch_.snapshot_id) : "NULL",
        is_postgres() ? "now() AT TIME ZONE 'UTC'" : "getdate()");
  }

 private:
  std::string names() const {
    std::string list;
    for (const Column& column : batch_.columns)
      list += (list.empty() ? "" : ", ") + quote(column.name);
    return list;
  }
  std::string key_names() const {
    std::string list;
    for (const std::string& name : batch_.key)
      list += (list.empty() ? "" : ", ") + quote(name);
    return list;
  }
  std::string same_key() const {
    std::string condition;
    for (const std::string& name : batch_.key)
      condition += fmt::format("{0}{1}.{2} = s.{2}", condition.empty() ? "" : " AND ", target_, quote(name));
    return condition;
  }
  std::string value_of(const Column& column, const char* prefix) const {
    const std::string value = prefix + quote(column.name);
    return !is_postgres() && column.staged_type != column.type ? fmt::format("{} AT TIME ZONE 'UTC'", value) : value;
  }

  const Batch& batch_;
  std::string target_;
};

// Rolls back unless commit() was called; a lost connection has rolled back by itself.
class Transaction {
 public:
  static Result<Transaction> begin(Connection& connection) {
    SHOPLAKE_TRY(connection.execute("BEGIN"));
    return Transaction(connection);
  }
  Transaction(Transaction&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  ~Transaction() {
    if (connection_ != nullptr && !connection_->is_lost())
      static_cast<void>(connection_->execute("ROLLBACK"));
  }
  Result<void> commit() {
    Connection& connection = *std::exchange(connection_, nullptr);
    auto committed = connection.execute("COMMIT");
    if (committed.ok())
      return {};
    if (connection.is_lost()) {
      return make_error(ErrorKind::unknown_outcome, "warehouse.commit_unknown",
                        "The connection was lost at the commit: " + committed.error().message,
                        "Run the same command again: it finds out whether the batch is there.");
    }
    return std::move(committed).error();
  }

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}
  Connection* connection_;
};

std::int64_t single_count(const Rows& rows) {
  return rows.rows.empty() || !rows.rows[0][0] ? 0 : std::stoll(*rows.rows[0][0]);
}

Result<bool> is_loaded(Connection& connection, const Batch& batch, const Statements& sql) {
  const Rows found = SHOPLAKE_TRY(connection.execute(sql.find_batch(), {batch.target.table, batch.id}));
  return !found.rows.empty();
}

// Names of the columns of a relation; none if it is not there.
Result<std::set<std::string>> existing_columns(Connection& connection, const Batch& batch, const std::string& table) {
  const Rows found = SHOPLAKE_TRY(connection.execute(
      "SELECT c.relkind, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a "
      "ON "
      "a.attrelid = c.oid WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped",
      {batch.target.schema, table}));
  std::set<std::string> names;
  for (const auto& row : found.rows) {
    if (row[0] != "r" && row[0] != "p") {
      return make_error(ErrorKind::usage, "warehouse.not_a_table",
                        fmt::format("{}.{} is no table", batch.target.schema, table), "Name another target by --into.");
    }
    names.insert(row[1].value_or(""));
  }
  return names;
}

Result<void> check_keys(Connection& connection, const Batch& batch, const Statements& sql) {
  const auto keys = fmt::format("{}", fmt::join(batch.key, ", "));
  const std::int64_t nulls = single_count(SHOPLAKE_TRY(connection.execute(sql.find_null_key())));
  if (nulls > 0) {
    return make_error(ErrorKind::input, "warehouse.null_key",
                      fmt::format("{} rows have NULL in the key ({})", nulls, keys), "Choose another --key.");
  }
  const std::int64_t repeated = single_count(SHOPLAKE_TRY(connection.execute(sql.find_duplicate_key())));
  if (repeated > 0) {
    return make_error(ErrorKind::input, "warehouse.duplicate_key",
                      fmt::format("{} values of the key ({}) belong to several rows", repeated, keys),
                      "Choose another --key.");
  }
  return {};
}

}  // namespace

std::string_view name(Mode mode) {
  switch (mode) {
    case Mode::append: return "append";
    case Mode::replace: return "replace";
    case Mode::upsert: break;
  }
  return "upsert";
}

Result<void> check(const Batch& batch) {
  const auto bad = [](const std::string& what) {
    return make_error(ErrorKind::usage, "warehouse.bad_key", what,
                      "--key names columns of the table, one after another.");
  };
  if (batch.mode == Mode::upsert && batch.key.empty())
    return bad("upsert wants a key");
  if (batch.mode == Mode::append && !batch.key.empty())
    return bad("append takes no key");
  for (const std::string& key : batch.key) {
    if (std::ranges::find(batch.columns, key, &Column::name) == batch.columns.end())
      return bad(fmt::format("\"{}\" is no column of {}", key, batch.source));
  }
  return {};
}

Result<void> check(const Staged& staged) {
  // Neither comes near a quote, whatever the server thinks of backslashes.
  const auto is_plain = [](std::string_view text, std::string_view more) {
    return std::ranges::all_of(text, [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             more.find(c) != std::string::npos;
    });
  };
  if (staged.iam_role != "default" &&
      !(staged.iam_role.starts_with("arn:aws") && is_plain(staged.iam_role, ":/_+=,.@-"))) {
    return make_error(ErrorKind::usage, "warehouse.bad_role", fmt::format("\"{}\" is no IAM role", staged.iam_role),
                      "Write --iam-role arn:aws:iam::123456789012:role/NAME, or default.");
  }
  if (!staged.url.starts_with("s3://") || !is_plain(staged.url.substr(5), "/._-=") || !is_plain(staged.region, "-")) {
    return make_error(
        ErrorKind::usage, "warehouse.bad_url",
        fmt::format("\"{}\" (region \"{}\") is nowhere that Redshift can copy from", staged.url, staged.region),
        "Name the bucket and prefix that the lake's root is: --s3-root s3://bucket/prefix.");
  }
  return {};
}

Result<bool> prepare(Connection& connection, const Batch& batch) {
  const Statements sql(batch);
  if (sql.is_postgres())
    SHOPLAKE_TRY(connection.execute(kLockTimeout));
  Transaction transaction = SHOPLAKE_TRY(Transaction::begin(connection));
  if (sql.is_postgres())
    SHOPLAKE_TRY(connection.execute(fmt::format("SELECT pg_advisory_xact_lock({})", kAdvisoryLock)));
  // Asked before it is created: who may not create schemas may load into one.
  const Rows schemas =
      SHOPLAKE_TRY(connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = $1", {batch.target.schema}));
  if (schemas.rows.empty())
    SHOPLAKE_TRY(connection.execute(sql.create_schema()));
  if (SHOPLAKE_TRY(existing_columns(connection, batch, kControlTable)).empty())
    SHOPLAKE_TRY(connection.execute(sql.create_control()));
  const std::set<std::string> existing = SHOPLAKE_TRY(existing_columns(connection, batch, batch.target.table));
  if (existing.empty()) {
    SHOPLAKE_TRY(connection.execute(sql.create_target()));
  } else {
    for (const Column& column : batch.columns) {
      if (!existing.contains(column.name))
        SHOPLAKE_TRY(connection.execute(sql.add_column(column)));
    }
  }
  const bool loaded_before = SHOPLAKE_TRY(is_loaded(connection, batch, sql));
  SHOPLAKE_TRY(transaction.commit());
  return loaded_before;
}

Result<Outcome> load(Connection& connection, const Batch& batch, const Staged& staged) {
  const Statements sql(batch);
  Outcome outcome;
  Transaction transaction = SHOPLAKE_TRY(Transaction::begin(connection));
  SHOPLAKE_TRY(connection.execute(sql.lock()));
  if (SHOPLAKE_TRY(is_loaded(connection, batch, sql))) {  // by another process since prepare()
    outcome.is_loaded_before = true;
    return outcome;
  }
  SHOPLAKE_TRY(connection.execute(sql.create_stage()));
  if (sql.is_postgres()) {
    outcome.rows_staged = SHOPLAKE_TRY(connection.copy_in(sql.copy(staged), staged.read));
  } else {
    SHOPLAKE_TRY(connection.execute(sql.copy(staged)));
    outcome.rows_staged = single_count(SHOPLAKE_TRY(connection.execute(sql.count_stage())));
  }
  if (outcome.rows_staged != staged.rows) {
    return make_error(ErrorKind::failed, "warehouse.row_count",
                      fmt::format("{} took {} of {} rows", connection.place(), outcome.rows_staged, staged.rows),
                      "Nothing was changed.");
  }
  if (batch.mode == Mode::upsert) {
    SHOPLAKE_TRY(check_keys(connection, batch, sql));
    if (const std::string update = sql.update(); !update.empty())
      outcome.rows_updated = SHOPLAKE_TRY(connection.execute(update)).affected;
  } else if (batch.mode == Mode::replace) {
    outcome.rows_deleted = SHOPLAKE_TRY(connection.execute(sql.remove_replaced())).affected;
  }
  outcome.rows_inserted = SHOPLAKE_TRY(connection.execute(sql.insert())).affected;
  SHOPLAKE_TRY(connection.execute(sql.record(), {batch.target.table, batch.id, std::string(name(batch.mode)),
                                                 batch.source, std::to_string(outcome.rows_staged)}));
  SHOPLAKE_TRY(transaction.commit());
  return outcome;
}

std::vector<std::string> statements(const Batch& batch, const Staged& staged) {
  const Statements sql(batch);
  std::vector<std::string> list = {sql.create_schema(), sql.create_control(), sql.create_target(), "BEGIN",
                                   sql.lock(),          sql.find_batch(),     sql.create_stage(),  sql.copy(staged)};
  if (batch.mode == Mode::upsert) {
    list.push_back(sql.find_null_key());
    list.push_back(sql.find_duplicate_key());
    if (std::string update = sql.update(); !update.empty())
      list.push_back(std::move(update));
  } else if (batch.mode == Mode::replace) {
    list.push_back(sql.remove_replaced());
  }
  list.push_back(sql.insert());
  list.push_back(sql.record());
  list.emplace_back("COMMIT");
  return list;
}

}  // namespace shoplake::warehouse
