#include "model/snapshot.h"

#include <algorithm>
#include <cctype>
#include <regex>
#include <utility>

#include <fmt/format.h>

#include "model/artifacts.h"
#include "model/config.h"

namespace shoplake::model {
namespace {

// The query's rows of this run, with their keys, time and identity computed once. Of the session alone.
constexpr const char* kStage = "temp.shoplake_snapshot_rows";
constexpr const char* kUpdatedAt = R"("shoplake updated at")";
constexpr const char* kScdId = R"("shoplake scd id")";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool is_identifier(const std::string& text) {
  return !text.empty() && !std::isdigit(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

std::string unquoted(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  return text;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty())
      text += separator;
    text += part;
  }
  return text;
}

std::string key_name(std::size_t index) { return fmt::format(R"("shoplake key {}")", index + 1); }

std::string timestamp_literal(std::int64_t micros) {
  std::string text = iso8601(micros);  // 2026-11-21T02:04:05.000006Z
  text[10] = ' ';
  text.pop_back();
  return fmt::format("TIMESTAMP '{}'", text);
}

// dbt's identity of a version: a hash over its key and time.
std::string scd_id(const std::vector<std::string>& parts) {
  std::vector<std::string> texts;
  for (const std::string& part : parts)
    texts.push_back(fmt::format("coalesce(CAST({} AS VARCHAR), '')", part));
  return fmt::format("md5({})", join(texts, " || '|' || "));
}

const engine::Column* find(const std::vector<engine::Column>& columns, std::string_view name) {
  const std::string wanted = lower(std::string(name));
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const engine::Column& column) { return lower(column.name) == wanted; });
  return found == columns.end() ? nullptr : &*found;
}

base::Error plan_error(const Node& node, const std::string& what, std::string advice) {
  return base::make_error(base::ErrorKind::usage, "model.snapshot",
                          fmt::format("{}: the snapshot {} {}", node.original_file_path, node.name, what),
                          std::move(advice));
}

// Drops the staged rows when the run of the snapshot is over, whatever came of it.
class Stage {
 public:
  explicit Stage(engine::Session& session) : session_(session) {}
  ~Stage() { (void)session_.execute(fmt::format("DROP TABLE IF EXISTS {}", kStage)); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

 private:
  engine::Session& session_;
};

class SnapshotRun {
 public:
  SnapshotRun(Lake& lake, engine::Session& session, const SnapshotWrite& write)
      : lake_(lake), session_(session), write_(write), plan_(write.plan), now_(timestamp_literal(write.now_us)) {}

  Result<Written> run() {
    const std::optional<Lake::Kind> kind = lake_.kind(write_.table.name);
    if (kind == Lake::Kind::view) {
      return base::make_error(base::ErrorKind::failed, "model.snapshot_target",
                              fmt::format("{} is a view; a snapshot is a table", to_string(write_.table.name)),
                              "Give the snapshot another name, or drop the view.");
    }
    const Stage stage(session_);
    SHOPLAKE_TRY(fill_stage());
    SHOPLAKE_TRY(check_keys());
    TableWrite table = write_.table;
    if (!kind) {
      table.sql = first_versions();
      return begin_history(table);
    }
    SHOPLAKE_TRY(lake_.ensure(session_, write_.table.name));
    SHOPLAKE_TRY(read_target());
    IncrementalWrite changes;
    changes.table = std::move(table);
    changes.table.sql = SHOPLAKE_TRY(changed_versions());
    changes.strategy = "delete+insert";
    changes.unique_key = write_key();
    changes.predicates = {is_open("DBT_INTERNAL_DEST")};
    changes.audit = write_.audit;
    changes.on_schema_change = added_.empty() ? "ignore" : "append_new_columns";
    return lake_.write_incremental(session_, changes);
  }

 private:
  Result<Written> begin_history(const TableWrite& write) {
    UnpublishedTable table = SHOPLAKE_TRY(lake_.write_table(session_, write));
    if (write_.audit != nullptr) {
      const Result<void> audited = write_.audit->check(session_, lake_, write.name, to_string(write.name));
      if (!audited.ok()) {
        lake_.discard(table);
        return audited.error();
      }
    }
    SHOPLAKE_TRY(lake_.publish(session_, table));
    return table.written;
  }

  std::string quoted(const std::string& column) const { return engine::quote_identifier(column); }

  Result<void> fill_stage() {
    source_ = SHOPLAKE_TRY(lake_.describe(session_, write_.table.sql));
    const SnapshotColumns& own = plan_.columns;
    for (const std::string& name : {own.valid_from, own.valid_to, own.scd_id, own.updated_at, own.is_deleted}) {
      if (find(source_, name) != nullptr) {
        return base::make_error(base::ErrorKind::failed, "model.snapshot",
                                fmt::format("the query gives a column {}, which the snapshot itself adds", name),
                                "Leave it out of the query, or rename the snapshot's by snapshot_meta_column_names.");
      }
    }
    const std::string time = plan_.updated_at.empty() ? now_ : "(" + plan_.updated_at + ")";
    std::vector<std::string> list{"*"}, identity;
    for (std::size_t index = 0; index < plan_.unique_key.size(); ++index) {
      list.push_back(fmt::format("({}) AS {}", plan_.unique_key[index], key_name(index)));
      identity.push_back("(" + plan_.unique_key[index] + ")");
    }
    identity.push_back(time);
    list.push_back(fmt::format("{} AS {}", time, kUpdatedAt));
    list.push_back(fmt::format("{} AS {}", scd_id(identity), kScdId));
    return session_.execute(fmt::format("CREATE OR REPLACE TEMP TABLE {} AS SELECT {} FROM ({}\n) AS snapshot_query",
                                        kStage, join(list, ", "), write_.table.sql));
  }

  std::vector<std::string> keys_of(const std::string& side) const {
    std::vector<std::string> keys;
    for (std::size_t index = 0; index < plan_.unique_key.size(); ++index)
      keys.push_back((side.empty() ? "" : side + ".") + key_name(index));
    return keys;
  }

  Result<void> check_keys() {
    const std::vector<std::string> keys = keys_of("");
    const engine::ResultSet answer = SHOPLAKE_TRY(session_.query(
        fmt::format("SELECT (SELECT count(*) FROM {0} WHERE {1} IS NULL), (SELECT count(*) FROM (SELECT 1 FROM {0} "
                    "WHERE {2} IS NOT "
                    "NULL GROUP BY {3} HAVING count(*) > 1))",
                    kStage, join(keys, " IS NULL OR "), join(keys, " IS NOT NULL AND "), join(keys, ", "))));
    const std::int64_t missing = answer.integer(0, 0), repeated = answer.integer(0, 1);
    if (missing == 0 && repeated == 0)
      return {};
    return base::make_error(
        base::ErrorKind::failed, "model.snapshot_key",
        fmt::format(
            "the unique_key ({}) of the snapshot {} is NULL in {} row(s), and {} key(s) are there more than once",
            join(plan_.unique_key, ", "), to_string(write_.table.name), missing, repeated),
        "Give the snapshot a query whose rows have one key each.");
  }

  std::string end_of_open() const {
    return fmt::format("coalesce(nullif({0}, {0}), {1})", kUpdatedAt,
                       plan_.valid_to_current.empty() ? "NULL" : plan_.valid_to_current);
  }

  std::string first_versions() const {
    std::vector<std::string> list;
    for (const engine::Column& column : source_)
      list.push_back(quoted(column.name));
    const SnapshotColumns& own = plan_.columns;
    list.push_back(fmt::format("{} AS {}", kScdId, quoted(own.scd_id)));
    list.push_back(fmt::format("{} AS {}", kUpdatedAt, quoted(own.updated_at)));
    list.push_back(fmt::format("{} AS {}", kUpdatedAt, quoted(own.valid_from)));
    list.push_back(fmt::format("{} AS {}", end_of_open(), quoted(own.valid_to)));
    if (plan_.hard_deletes == HardDeletes::new_record)
      list.push_back(fmt::format("'False' AS {}", quoted(own.is_deleted)));
    return fmt::format("SELECT {} FROM {}", join(list, ", "), kStage);
  }

  Result<void> read_target() {
    target_ = SHOPLAKE_TRY(lake_.describe(session_, "SELECT * FROM " + to_string(write_.table.name)));
    std::vector<std::string> wanted{plan_.columns.scd_id, plan_.columns.updated_at, plan_.columns.valid_from,
                                    plan_.columns.valid_to};
    if (plan_.hard_deletes == HardDeletes::new_record)
      wanted.push_back(plan_.columns.is_deleted);
    std::erase_if(wanted, [&](const std::string& name) { return find(target_, name) != nullptr; });
    if (!wanted.empty()) {
      return base::make_error(
          base::ErrorKind::failed, "model.snapshot_target",
          fmt::format("the table {} has no column {}, as a snapshot of this configuration has",
                      to_string(write_.table.name), join(wanted, ", ")),
          "Give the snapshot another name, or the table these columns (hard_deletes: new_record needs the last one).");
    }
    for (const engine::Column& column : source_) {
      if (find(target_, column.name) == nullptr)
        added_.push_back(column);
    }
    return {};
  }

  std::string is_open(const std::string& side) const {
    const std::string end = side + "." + quoted(plan_.columns.valid_to);
    if (plan_.valid_to_current.empty())
      return end + " IS NULL";
    return fmt::format("({0} = {1} OR {0} IS NULL)", end, plan_.valid_to_current);
  }

  // The columns by which the versions that this run ends are found in the table. Their expressions' stand-in is the
  // identity of the version.
  std::vector<std::string> write_key() const {
    std::vector<std::string> columns;
    bool all = true;
    for (const std::string& key : plan_.unique_key) {
      if (is_identifier(key) && find(target_, key) != nullptr && find(source_, key) != nullptr) {
        columns.push_back(key);
      } else {
        all = false;
      }
    }
    if (!all)
      columns.push_back(plan_.columns.scd_id);
    return columns;
  }

  // A value of the query in the type that the table stores. Where the types differ other than by Iceberg's having fewer
  // of them, a value that does not survive the cast is an error, not a different value.
  Result<std::string> stored(const engine::Column& column, const engine::Column& target) const {
    const std::string value = "fresh." + quoted(column.name);
    if (column.type == target.type)
      return value;
    if (SHOPLAKE_TRY(stored_type(column.type)).duckdb == target.type)
      return fmt::format("CAST({} AS {})", value, target.type);
    const std::string message =
        fmt::format("column {} of the snapshot {} is {}, and the query now gives a {} that does not fit: ", column.name,
                    to_string(write_.table.name), target.type, column.type);
    return fmt::format(
        "CASE WHEN {0} IS NULL THEN NULL WHEN TRY_CAST(TRY_CAST({0} AS {1}) AS {2}) IS NOT DISTINCT FROM {0} THEN "
        "CAST({0} AS {1}) ELSE error({3} || CAST({0} AS VARCHAR)) END",
        value, target.type, column.type, engine::quote_literal(message));
  }

  Result<std::string> has_changed() const {
    const std::string time = std::string("fresh.") + kUpdatedAt;
    std::string condition;
    if (plan_.by_timestamp) {
      condition = fmt::format("known.{} < {}", quoted(plan_.columns.valid_from),
                              SHOPLAKE_TRY(comparable(time, *find(target_, plan_.columns.valid_from))));
    } else {
      std::vector<std::string> differs;
      for (const std::string& name : SHOPLAKE_TRY(checked_columns())) {
        const engine::Column* target = find(target_, name);
        if (target == nullptr) {
          differs = {"TRUE"};  // a column that history does not have: everything is a new version, as in dbt
          break;
        }
        const engine::Column& column = *find(source_, name);
        const bool same = column.type == target->type || SHOPLAKE_TRY(stored_type(column.type)).duckdb != target->type;
        const std::string value = "fresh." + quoted(column.name);
        differs.push_back(fmt::format("known.{} IS DISTINCT FROM {}", quoted(target->name),
                                      same ? value : fmt::format("CAST({} AS {})", value, target->type)));
      }
      condition = join(differs, " OR ");
    }
    if (plan_.hard_deletes == HardDeletes::new_record)
      condition += fmt::format(" OR known.{} = 'True'", quoted(plan_.columns.is_deleted));
    return "(" + condition + ")";
  }

  // The time of a row, as precise as the table keeps it.
  Result<std::string> comparable(const std::string& time, const engine::Column& target) const {
    const std::vector<engine::Column> staged =
        SHOPLAKE_TRY(lake_.describe(session_, fmt::format("SELECT {} FROM {}", kUpdatedAt, kStage)));
    const std::string& type = staged.at(0).type;
    if (type != target.type && SHOPLAKE_TRY(stored_type(type)).duckdb == target.type)
      return fmt::format("CAST({} AS {})", time, target.type);
    return time;
  }

  Result<std::vector<std::string>> checked_columns() const {
    std::vector<std::string> names;
    if (plan_.check_all) {
      for (const engine::Column& column : source_)
        names.push_back(column.name);
      return names;
    }
    for (const std::string& name : plan_.check_columns) {
      const engine::Column* column = find(source_, unquoted(name));
      if (column == nullptr) {
        return base::make_error(base::ErrorKind::failed, "model.snapshot",
                                fmt::format("check_cols names the column {}, which the query does not give", name));
      }
      names.push_back(column->name);
    }
    return names;
  }

  // One select list over the table's columns and the added ones; `value` gives nothing for what stays NULL.
  template <typename Value>
  Result<std::string> select_list(const Value& value) const {
    std::vector<std::string> list;
    for (const std::vector<engine::Column>* columns : {&target_, &added_}) {
      for (const engine::Column& column : *columns) {
        const std::string expression = SHOPLAKE_TRY(value(column));
        list.push_back(fmt::format("CAST({} AS {}) AS {}", expression.empty() ? "NULL" : expression, column.type,
                                   quoted(column.name)));
      }
    }
    return join(list, ", ");
  }

  bool is(const engine::Column& column, const std::string& name) const { return lower(column.name) == lower(name); }

  // A version of the table with an end.
  Result<std::string> ended(const std::string& end) const {
    return select_list([&](const engine::Column& column) -> Result<std::string> {
      if (is(column, plan_.columns.valid_to))
        return end;
      return find(target_, column.name) == nullptr ? std::string() : "known." + quoted(column.name);
    });
  }

  Result<std::string> begun() const {
    const SnapshotColumns& own = plan_.columns;
    return select_list([&](const engine::Column& column) -> Result<std::string> {
      if (is(column, own.scd_id))
        return std::string(kScdId);
      if (is(column, own.updated_at) || is(column, own.valid_from))
        return std::string(kUpdatedAt);
      if (is(column, own.valid_to))
        return end_of_open();
      if (is(column, own.is_deleted) && plan_.hard_deletes == HardDeletes::new_record)
        return std::string("'False'");
      const engine::Column* from = find(source_, column.name);
      return from == nullptr ? Result<std::string>(std::string()) : stored(*from, column);
    });
  }

  // The version that says that a key is gone.
  Result<std::string> gone() const {
    const SnapshotColumns& own = plan_.columns;
    return select_list([&](const engine::Column& column) -> Result<std::string> {
      if (is(column, own.scd_id))
        return scd_id({"known." + quoted(own.scd_id), now_});
      if (is(column, own.updated_at) || is(column, own.valid_from))
        return now_;
      if (is(column, own.is_deleted))
        return std::string("'True'");
      const bool is_kept = is(column, own.valid_to) || find(source_, column.name) != nullptr;
      return is_kept && find(target_, column.name) != nullptr ? "known." + quoted(column.name) : std::string();
    });
  }

  Result<std::string> changed_versions() const {
    std::vector<std::string> match, known_keys;
    for (std::size_t index = 0; index < plan_.unique_key.size(); ++index) {
      match.push_back(fmt::format("fresh.{0} = known.{0}", key_name(index)));
      known_keys.push_back(fmt::format("({}) AS {}", plan_.unique_key[index], key_name(index)));
    }
    const std::string on = join(match, " AND ");
    const std::string changed = SHOPLAKE_TRY(has_changed());
    std::string sql = fmt::format(
        "WITH known AS MATERIALIZED (\n  SELECT * FROM (SELECT *, {} FROM {} AS history WHERE {}) AS keyed WHERE {} IS "
        "NOT NULL\n)\n",
        join(known_keys, ", "), to_string(write_.table.name), is_open("history"),
        join(keys_of("keyed"), " IS NOT NULL AND "));
    sql += fmt::format("SELECT {} FROM known JOIN {} AS fresh ON {} WHERE {}\n",
                       SHOPLAKE_TRY(ended(std::string("fresh.") + kUpdatedAt)), kStage, on, changed);
    sql += fmt::format("UNION ALL\nSELECT {} FROM {} AS fresh LEFT JOIN known ON {} WHERE known.{} IS NULL OR {}\n",
                       SHOPLAKE_TRY(begun()), kStage, on, key_name(0), changed);
    if (plan_.hard_deletes == HardDeletes::ignore)
      return sql;
    std::string vanished = fmt::format("FROM known WHERE NOT EXISTS (SELECT 1 FROM {} AS fresh WHERE {})", kStage, on);
    if (plan_.hard_deletes == HardDeletes::new_record)
      vanished += fmt::format(" AND known.{} IS DISTINCT FROM 'True'", quoted(plan_.columns.is_deleted));
    sql += fmt::format("UNION ALL\nSELECT {} {}\n", SHOPLAKE_TRY(ended(now_)), vanished);
    if (plan_.hard_deletes == HardDeletes::new_record)
      sql += fmt::format("UNION ALL\nSELECT {} {}\n", SHOPLAKE_TRY(gone()), vanished);
    return sql;
  }

  Lake& lake_;
  engine::Session& session_;
  const SnapshotWrite& write_;
  const SnapshotPlan& plan_;
  const std::string now_;
  std::vector<engine::Column> source_;  // of the query
  std::vector<engine::Column> target_;  // of the table
  std::vector<engine::Column> added_;   // of the query, not of the table
};

}  // namespace

Result<std::vector<SnapshotBlock>> snapshot_blocks(const std::string& text, const std::string& path) {
  static const std::regex tag(R"(\{#[\s\S]*?#\}|\{%[-+]?\s*(snapshot|endsnapshot)\b\s*(\w*)\s*[-+]?%\})");
  std::vector<SnapshotBlock> blocks;
  std::optional<std::size_t> begin;
  for (std::sregex_iterator at(text.begin(), text.end(), tag), end; at != end; ++at) {
    if (!(*at)[1].matched)
      continue;  // a comment
    const auto position = static_cast<std::size_t>(at->position());
    const int line = 1 + static_cast<int>(std::count(text.begin(), text.begin() + at->position(), '\n'));
    const bool opens = (*at)[1] == "snapshot";
    if (opens == begin.has_value() || (opens && (*at)[2].length() == 0)) {
      return base::make_error(base::ErrorKind::usage, "model.snapshot",
                              fmt::format("{}:{}: {}", path, line,
                                          opens && !begin ? "a snapshot block has no name"
                                          : opens         ? "a snapshot block begins inside another"
                                                          : "endsnapshot without a snapshot"),
                              "Write {% snapshot name %} … {% endsnapshot %}.");
    }
    if (opens) {
      blocks.push_back({(*at)[2], "", line});
      begin = position + static_cast<std::size_t>(at->length());
    } else {
      blocks.back().text = text.substr(*begin, position - *begin);
      begin.reset();
    }
  }
  if (begin) {
    return base::make_error(
        base::ErrorKind::usage, "model.snapshot",
        fmt::format("{}:{}: the snapshot {} has no {{% endsnapshot %}}", path, blocks.back().line, blocks.back().name));
  }
  return blocks;
}

Result<SnapshotPlan> snapshot_plan(const Node& node) {
  const Json& config = node.config;
  SnapshotPlan plan;
  plan.unique_key = config_list(config, "unique_key");
  const std::string strategy = config_text(config, "strategy");
  if (strategy.empty() || plan.unique_key.empty()) {
    return plan_error(node, fmt::format("has no {}", strategy.empty() ? "strategy" : "unique_key"),
                      "Configure strategy (timestamp or check) and unique_key.");
  }
  if (node.materialized() != "snapshot") {
    return plan_error(node, fmt::format("is materialized as '{}'", node.materialized()),
                      "A snapshot has no other materialization: leave it out.");
  }
  plan.updated_at = config_text(config, "updated_at");
  plan.by_timestamp = strategy == "timestamp";
  const bool has_check = config.contains("check_cols") && !config["check_cols"].is_null();
  if (strategy == "timestamp") {
    if (plan.updated_at.empty())
      return plan_error(node, "has the strategy timestamp and no updated_at",
                        "Name the column that says when a row last changed.");
    if (has_check)
      return plan_error(node, "has the strategy timestamp and check_cols", "Leave one of them out.");
  } else if (strategy == "check") {
    if (!has_check || config["check_cols"].empty())
      return plan_error(node, "has the strategy check and no check_cols", "List the columns, or write 'all'.");
    plan.check_all = config["check_cols"] == "all";
    if (!plan.check_all && !config["check_cols"].is_array()) {
      return plan_error(node, fmt::format("has check_cols '{}'", config_text(config, "check_cols")),
                        "It is 'all' or a list of columns.");
    }
    if (!plan.check_all)
      plan.check_columns = config_list(config, "check_cols");
  } else {
    return plan_error(node, fmt::format("has the strategy '{}'", strategy),
                      "It is timestamp or check; strategies of one's own are not supported.");
  }
  const std::string deletes = config_text(config, "hard_deletes");
  const bool has_flag = config.contains("invalidate_hard_deletes") && !config["invalidate_hard_deletes"].is_null();
  if (has_flag && !deletes.empty()) {
    return plan_error(node, "sets both hard_deletes and invalidate_hard_deletes",
                      "Leave invalidate_hard_deletes out: hard_deletes: invalidate means the same.");
  }
  if (deletes == "invalidate" || config_flag(config, "invalidate_hard_deletes", false)) {
    plan.hard_deletes = HardDeletes::invalidate;
  } else if (deletes == "new_record") {
    plan.hard_deletes = HardDeletes::new_record;
  } else if (!deletes.empty() && deletes != "ignore") {
    return plan_error(node, fmt::format("has hard_deletes '{}'", deletes), "It is ignore, invalidate or new_record.");
  }
  plan.valid_to_current = config_text(config, "dbt_valid_to_current");
  if (const auto names = config.find("snapshot_meta_column_names"); names != config.end() && names->is_object()) {
    const auto take = [&](const char* key, std::string& into) {
      if (std::string name = config_text(*names, key); !name.empty())
        into = std::move(name);
    };
    take("dbt_valid_from", plan.columns.valid_from);
    take("dbt_valid_to", plan.columns.valid_to);
    take("dbt_scd_id", plan.columns.scd_id);
    take("dbt_updated_at", plan.columns.updated_at);
    take("dbt_is_deleted", plan.columns.is_deleted);
  }
  return plan;
}

Result<Written> write_snapshot(Lake& lake, engine::Session& session, const SnapshotWrite& write) {
  return SnapshotRun(lake, session, write).run();
}

}  // namespace shoplake::model
