#include "serve/dashboard.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <list>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "base/digest.h"
#include "serve/dashboard_sql.h"
#include "serve/event_tables.h"
#include "serve/moment.h"

namespace shoplake::serve {
namespace {

// The JSON writer is strict about it, and here already.
bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

using Json = nlohmann::ordered_json;
using base::ErrorKind;
using base::make_error;
using base::Result;
using std::chrono::days;
using std::chrono::sys_days;

constexpr const char* kBuiltTable = "marts.fact_events";
constexpr int kDefaultDays = 14;
constexpr int kDaysMax = 3'700;
constexpr std::size_t kChannelsMax = 100;
constexpr std::size_t kNameBytesMax = 500;
constexpr std::size_t kWorthCompressing = 4096;

constexpr const char* kLoadCommand = "shoplake load events FILE.ndjson.gz";
constexpr const char* kBuildCommand = "shoplake build";

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json to_document(const engine::Value& value) {
  struct Visitor {
    Json operator()(std::monostate) const { return nullptr; }
    Json operator()(bool x) const { return x; }
    Json operator()(std::int64_t x) const { return x; }
    Json operator()(double x) const { return x; }
    Json operator()(const engine::Exact& x) const { return Json::accept(x.text) ? Json::parse(x.text) : Json(x.text); }
    Json operator()(const std::string& x) const { return x; }
    Json operator()(const engine::List& x) const {
      Json list = Json::array();
      for (const auto& element : x)
        list.push_back(to_document(element));
      return list;
    }
    Json operator()(const engine::Struct& x) const {
      Json object = Json::object();
      for (const auto& field : x)
        object[field.name] = to_document(field.value);
      return object;
    }
  };
  return std::visit(Visitor{}, value.data);
}

std::optional<std::string> text_of(const engine::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value.data))
    return *text;
  return std::nullopt;
}

// RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe in front, because channel and campaign
// names are whatever a visitor's URL said.
std::string csv_cell(const engine::Value& value) {
  std::string text;
  if (const auto* string = std::get_if<std::string>(&value.data)) {
    text = *string;
    if (!text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos)
      text.insert(text.begin(), '\'');
  } else if (!value.is_null()) {
    text = dump(to_document(value));
  }
  if (text.find_first_of(",\"\r\n") == std::string::npos)
    return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"')
      quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string csv_of(const Rows& rows) {
  std::string csv;
  for (std::size_t i = 0; i < rows.columns.size(); ++i)
    csv += (i == 0 ? "" : ",") + rows.columns[i];
  csv += "\r\n";
  for (const auto& row : rows.rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      csv += (i == 0 ? "" : ",") + csv_cell(row[i]);
    csv += "\r\n";
  }
  return csv;
}

Json rows_document(const Rows& rows) {
  Json list = Json::array();
  for (const auto& row : rows.rows) {
    Json object = Json::object();
    for (std::size_t i = 0; i < row.size(); ++i)
      object[rows.columns[i]] = to_document(row[i]);
    list.push_back(std::move(object));
  }
  return list;
}

Json moment_or_null(std::int64_t milliseconds) {
  return milliseconds == 0 ? Json(nullptr) : Json(format_moment(milliseconds * 1000));
}

// What a request asks for, with every default filled in.
struct Slice {
  sys_days from;
  sys_days to;
  sys_days previous_from;
  sys_days previous_to;
  bool previous_complete = false;
  std::vector<std::string> channels;  // sorted; empty: all
  std::string event;
};

// What the filters can be set to.
struct Choices {
  std::optional<sys_days> first_date;
  std::optional<sys_days> last_date;
  std::vector<std::string> channels;
  std::vector<std::string> events;
};

std::string bind(std::string_view sql, const Slice& slice) {
  // One pass: what goes in is never looked at again, whatever text it holds.
  std::string list;
  for (const auto& channel : slice.channels)
    list += (list.empty() ? "" : ", ") + engine::quote_literal(channel);
  std::string bound;
  for (std::size_t at = 0; at < sql.size();) {
    const auto rest = sql.substr(at);
    const auto date = [&](std::string_view name, sys_days value) {
      if (!rest.starts_with(name))
        return false;
      bound += fmt::format("date '{}'", format_date(value));
      at += name.size();
      return true;
    };
    if (rest.starts_with("$channels(")) {
      const auto end = rest.find(')');
      const auto column = rest.substr(10, end - 10);
      bound += slice.channels.empty() ? std::string("true") : fmt::format("{} in ({})", column, list);
      at += end + 1;
    } else if (rest.starts_with("$event")) {
      bound += engine::quote_literal(slice.event);
      at += 6;
    } else if (!date("$from", slice.from) && !date("$to", slice.to) && !date("$previous_from", slice.previous_from) &&
               !date("$previous_to", slice.previous_to)) {
      bound += sql[at++];
    }
  }
  return bound;
}

// One answer as it was given, in both forms and encodings.
struct Answer {
  std::string etag;
  std::shared_ptr<const std::string> bytes;
  std::shared_ptr<const std::string> compressed;  // null if not worth it
  std::uint64_t size() const { return bytes->size() + (compressed ? compressed->size() : 0); }
};

// Answers by request and table versions, least recently used out first.
class AnswerCache {
 public:
  AnswerCache(std::size_t answers_max, std::uint64_t bytes_max) : answers_max_(answers_max), bytes_max_(bytes_max) {}

  std::shared_ptr<const Answer> find(const std::string& key) {
    const std::scoped_lock lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end())
      return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->second;
  }

  void insert(const std::string& key, std::shared_ptr<const Answer> answer) {
    const std::scoped_lock lock(mutex_);
    if (answer->size() > bytes_max_ / 4 || by_key_.contains(key))
      return;
    bytes_ += answer->size();
    order_.emplace_front(key, std::move(answer));
    by_key_.emplace(key, order_.begin());
    while (order_.size() > answers_max_ || bytes_ > bytes_max_) {
      bytes_ -= order_.back().second->size();
      by_key_.erase(order_.back().first);
      order_.pop_back();
    }
  }

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const Answer>>;
  std::mutex mutex_;
  std::size_t answers_max_;
  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::list<Entry> order_;
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

http::Response respond_with(const Answer& answer, const http::Request& request, const std::string& content_type) {
  http::Response response;
  response.content_type = content_type;
  const bool compress = answer.compressed && http::accepts_gzip(request);
  const std::string etag = fmt::format("\"{}{}\"", answer.etag, compress ? "-gzip" : "");
  response.set("ETag", etag).set("Cache-Control", "no-cache").set("Vary", "Accept-Encoding");
  if (http::matches_etag(request, etag)) {
    response.status = 304;
    return response;
  }
  if (compress)
    response.set("Content-Encoding", "gzip");
  response.shared_body = compress ? answer.compressed : answer.bytes;
  return response;
}

std::shared_ptr<const Answer> make_answer(std::string bytes) {
  auto answer = std::make_shared<Answer>();
  answer->etag = base::sha256_hex(bytes).substr(0, 32);
  if (bytes.size() >= kWorthCompressing)
    answer->compressed = std::make_shared<const std::string>(http::gzip(bytes, 1));
  answer->bytes = std::make_shared<const std::string>(std::move(bytes));
  return answer;
}

// The state of every table that the dashboard reads, as of one moment.
class Tables {
 public:
  explicit Tables(std::vector<TableVersion> versions) {
    for (auto& version : versions)
      by_name_.emplace(version.name, std::move(version));
  }
  const TableVersion* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &found->second;
  }
  bool contain(std::span<const std::string_view> names) const {
    return std::all_of(names.begin(), names.end(), [&](std::string_view name) { return find(name) != nullptr; });
  }
  // Changes whenever one of the tables does.
  std::string key(std::span<const std::string_view> names) const {
    std::string key;
    for (const auto name : names) {
      const auto* version = find(name);
      key += version == nullptr ? std::string("-") : version->metadata_location;
      key += '\n';
    }
    return key;
  }
  std::string fingerprint() const {
    std::string all;
    for (const auto& [name, version] : by_name_)
      all += name + ' ' + version.metadata_location + '\n';
    return base::sha256_hex(all).substr(0, 16);
  }

 private:
  std::map<std::string, TableVersion, std::less<>> by_name_;
};

std::vector<std::string_view> tables_of_counts() {
  std::vector<std::string_view> names;
  for (const EventTable& table : event_tables()) {
    names.push_back(table.name);
    names.push_back(table.rejected);
  }
  return names;
}

// When events last came in; no value if none ever did.
std::optional<std::int64_t> loaded_at_ms(const Tables& versions) {
  std::optional<std::int64_t> newest;
  for (const EventTable& table : event_tables()) {
    const TableVersion* version = versions.find(table.name);
    if (version != nullptr && version->snapshot_id != 0)
      newest = std::max(newest.value_or(0), version->written_at_ms);
  }
  return newest;
}

}  // namespace

struct Dashboard::State {
  State(io::Env& env_, Lake& lake_, DashboardOptions options_)
      : env(env_),
        lake(lake_),
        options(std::move(options_)),
        tables(Dashboard::tables()),
        cache(options.cached_answers_max, options.cached_bytes_max) {}

  io::Env& env;
  Lake& lake;
  DashboardOptions options;
  std::vector<std::string> tables;
  AnswerCache cache;
  std::mutex choices_mutex;
  std::string choices_key;
  Choices choices;
  std::mutex counts_mutex;
  std::string counts_key;
  struct Counts {
    std::int64_t events = 0;
    std::int64_t last_event_micros = 0;
    std::int64_t rejected = 0;
  } counts;

  Result<Tables> read_tables() { return Tables(SHOPLAKE_TRY(lake.versions(tables))); }

  Result<Choices> read_choices(const Tables& versions) {
    if (!versions.contain(tables_of_choices()))
      return Choices();
    const std::string key = versions.key(tables_of_choices());
    const std::scoped_lock lock(choices_mutex);
    if (key == choices_key)
      return choices;
    Choices read;
    const Rows range = SHOPLAKE_TRY(lake.query(std::string(sql_of_days())));
    if (!range.rows.empty()) {
      if (const auto first = text_of(range.rows[0][0]))
        read.first_date = parse_date(*first);
      if (const auto last = text_of(range.rows[0][1]))
        read.last_date = parse_date(*last);
    }
    const Rows channels = SHOPLAKE_TRY(lake.query(std::string(sql_of_channels())));
    for (const auto& row : channels.rows) {
      if (auto name = text_of(row[0]))
        read.channels.push_back(*std::move(name));
    }
    const Rows events = SHOPLAKE_TRY(lake.query(std::string(sql_of_events())));
    for (const auto& row : events.rows) {
      if (auto name = text_of(row[0]))
        read.events.push_back(*std::move(name));
    }
    choices = read;
    choices_key = key;
    return read;
  }

  Result<Counts> read_counts(const Tables& versions) {
    const std::string key = versions.key(tables_of_counts());
    const std::scoped_lock lock(counts_mutex);
    if (key == counts_key)
      return counts;
    Counts read;
    for (const EventTable& table : event_tables()) {
      if (versions.find(table.name) != nullptr) {
        const Lake::Contents contents = SHOPLAKE_TRY(contents_of(lake, table));
        read.events += contents.rows;
        read.last_event_micros = std::max(read.last_event_micros, contents.greatest);
      }
      if (versions.find(table.rejected) != nullptr)
        read.rejected += SHOPLAKE_TRY(rejected_of(lake, table));
    }
    counts = read;
    counts_key = key;
    return read;
  }

  Result<Slice> read_slice(const http::Request& request, const Choices& known) const {
    const auto bad = [](std::string message, std::string advice) {
      return make_error(ErrorKind::usage, "serve.bad_parameter", std::move(message), std::move(advice));
    };
    Slice slice;
    std::optional<sys_days> from, to;
    for (const auto& [name, value] : request.parameters()) {
      if (value.size() > kNameBytesMax)
        return bad(fmt::format("{} is longer than {} bytes", name, kNameBytesMax), "give a name that the data holds");
      if (!is_utf8(value))
        return bad(fmt::format("{} is not UTF-8", name), "give a name that the data holds");
      if (value.find('\0') != std::string::npos)
        return bad(fmt::format("{} holds a NUL character", name), "give a name that the data holds");
      if (name == "from" || name == "to") {
        if (value.empty())
          continue;
        const auto date = parse_date(value);
        if (!date)
          return bad(fmt::format("{}={} is not a date", name, value), "write it as 2026-11-20");
        (name == "from" ? from : to) = date;
      } else if (name == "channel") {
        slice.channels.push_back(value);
      } else if (name == "event") {
        slice.event = value;
      } else if (name == "format") {
        if (value != "json" && value != "csv")
          return bad(fmt::format("format={} is not known", value), "use json or csv");
      } else {
        return bad(fmt::format("the parameter {} is not known", name), "known are from, to, channel, event, format");
      }
    }
    std::sort(slice.channels.begin(), slice.channels.end());
    slice.channels.erase(std::unique(slice.channels.begin(), slice.channels.end()), slice.channels.end());
    if (slice.channels.size() > kChannelsMax)
      return bad(fmt::format("{} channels are too many", slice.channels.size()),
                 fmt::format("give at most {}", kChannelsMax));
    if (slice.event.empty())
      slice.event = "purchase";

    const auto today = std::chrono::floor<days>(
        std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(env.now_micros())));
    slice.to = to ? *to : from ? std::max(*from, known.last_date.value_or(today)) : known.last_date.value_or(today);
    slice.from = from ? *from : slice.to - days(kDefaultDays - 1);
    if (slice.from > slice.to)
      return bad(fmt::format("from={} is after to={}", format_date(slice.from), format_date(slice.to)), "swap them");
    const auto length = slice.to - slice.from + days(1);
    if (length > days(kDaysMax))
      return bad(fmt::format("{} days are too many", length.count()), fmt::format("ask for at most {}", kDaysMax));
    slice.previous_from = slice.from - length;
    slice.previous_to = slice.from - days(1);
    slice.previous_complete = known.first_date && slice.previous_from >= *known.first_date;
    return slice;
  }

  // Why a block has no figures, and the command that fills it.
  Json hint(const Tables& versions) const {
    if (!loaded_at_ms(versions))
      return {{"text", "No events have been loaded yet."}, {"command", kLoadCommand}};
    return {{"text", "The events are here; the figures have not been built from them yet."},
            {"command", kBuildCommand}};
  }

  static Json explanation(const Tables& versions, std::span<const std::string_view> names,
                          std::span<const Definition> definitions, const std::string& sql) {
    Json explain;
    explain["definitions"] = Json::array();
    for (const auto& definition : definitions)
      explain["definitions"].push_back({{"term", definition.term}, {"text", definition.text}});
    explain["tables"] = Json::array();
    for (const auto name : names) {
      const auto* version = versions.find(name);
      explain["tables"].push_back(
          {{"name", name},
           {"snapshot_id", version == nullptr || version->snapshot_id == 0
                               ? Json(nullptr)
                               : Json(std::to_string(version->snapshot_id))},
           {"written_at", version == nullptr ? Json(nullptr) : moment_or_null(version->written_at_ms)}});
    }
    explain["sql"] = sql;
    return explain;
  }

  http::Response freshness(const http::Request& request) {
    for (const auto& [name, value] : request.parameters()) {
      if (name != "format")
        return http::error_response(make_error(ErrorKind::usage, "serve.bad_parameter",
                                               fmt::format("the parameter {} is not known", name),
                                               "freshness takes only format"));
    }
    const auto made = make_freshness();
    if (!made.ok())
      return http::error_response(made.error());
    http::Response response;
    if (request.parameter("format") == "csv") {
      Rows rows;
      rows.columns = {"name", "value"};
      for (const auto& [name, value] : made->items()) {
        if (value.is_array() || value.is_object())
          continue;
        rows.rows.push_back({engine::Value{name}, engine::Value{value.is_string() ? value.get<std::string>()
                                                                : value.is_null() ? std::string()
                                                                                  : value.dump()}});
      }
      response = http::text_response(csv_of(rows));
      response.content_type = "text/csv; charset=utf-8";
      response.set("Content-Disposition", "attachment; filename=\"shoplake-freshness.csv\"");
    } else {
      response = http::json_response(dump(*made));
    }
    response.set("Cache-Control", "no-store");  // it tells the time
    return response;
  }

  Result<Json> make_freshness() {
    const Tables versions = SHOPLAKE_TRY(read_tables());
    const Counts read = SHOPLAKE_TRY(read_counts(versions));
    const Choices known = SHOPLAKE_TRY(read_choices(versions));
    const auto loaded = loaded_at_ms(versions);
    const TableVersion* built = versions.find(kBuiltTable);

    std::string state = "fresh";
    Json reasons = Json::array();
    const auto say = [&](std::string_view code, std::string text, std::string_view command) {
      reasons.push_back({{"code", code}, {"text", std::move(text)}, {"command", command}});
    };
    if (read.events == 0) {
      state = "empty";
      say("no_events", "No events have been loaded yet.", kLoadCommand);
    } else {
      if (built == nullptr) {
        state = "stale";
        say("not_built", "The figures have not been built from the events yet.", kBuildCommand);
      } else if (built->written_at_ms != 0 && loaded.value_or(0) > built->written_at_ms) {
        state = "stale";
        say("not_rebuilt", "Events were loaded after the figures were built.", kBuildCommand);
      }
      const std::int64_t age_seconds = (env.now_micros() - read.last_event_micros) / 1'000'000;
      if (age_seconds > options.stale_after_seconds) {
        state = "stale";
        say("old_events",
            fmt::format("The newest event is more than {} hours old.", options.stale_after_seconds / 3600),
            kLoadCommand);
      }
    }
    if (read.rejected > 0) {
      say("rejected",
          fmt::format("{} {} rejected; each is kept with its reason.", read.rejected,
                      read.rejected == 1 ? "record was" : "records were"),
          "shoplake quarantine ls");
    }

    Json json;
    json["block"] = "freshness";
    json["state"] = state;
    json["reasons"] = std::move(reasons);
    json["last_event_at"] = read.events == 0 ? Json(nullptr) : Json(format_moment(read.last_event_micros));
    json["last_load_at"] = loaded ? moment_or_null(*loaded) : Json(nullptr);
    json["last_build_at"] = built == nullptr ? Json(nullptr) : moment_or_null(built->written_at_ms);
    json["events"] = read.events;
    json["rejected"] = read.rejected;
    json["first_date"] = known.first_date ? Json(format_date(*known.first_date)) : Json(nullptr);
    json["last_date"] = known.last_date ? Json(format_date(*known.last_date)) : Json(nullptr);
    json["channels"] = known.channels;
    json["conversion_events"] = known.events;
    json["version"] = versions.fingerprint();
    json["shoplake_version"] = options.shoplake_version;
    std::vector<std::string_view> names = tables_of_counts();
    names.push_back(kBuiltTable);
    static const std::array kDefinitions = {
        Definition{"Fresh",
                   "The newest event is not older than `shoplake serve --stale-after` (48 hours if not given), and the "
                   "figures were built after the last load."},
        Definition{
            "Events",
            "Rows of processed.events and processed.clickstream: what was loaded, before duplicates are merged."},
        Definition{"Rejected",
                   "Records of quarantine.events and quarantine.clickstream: what broke the data contract, kept with "
                   "reason, object, line and byte offset."},
    };
    std::string sql;
    for (const EventTable& table : event_tables()) {
      if (versions.find(table.name) != nullptr)
        sql += sql_of_events_in(table) + ";\n";
      if (versions.find(table.rejected) != nullptr)
        sql += sql_of_rejected_in(table) + ";\n";
    }
    json["explain"] = explanation(versions, names, kDefinitions, sql);
    return json;
  }

  http::Response block(const BlockDefinition& definition, const http::Request& request) {
    auto answered = answer_block(definition, request);
    return answered.ok() ? std::move(answered).value() : http::error_response(answered.error());
  }

  Result<http::Response> answer_block(const BlockDefinition& definition, const http::Request& request) {
    const Tables versions = SHOPLAKE_TRY(read_tables());
    const Choices known = SHOPLAKE_TRY(read_choices(versions));
    const Slice slice = SHOPLAKE_TRY(read_slice(request, known));
    const bool csv = request.parameter("format") == "csv";
    const bool sliced = !slice.channels.empty() && !definition.sql_of_slice.empty();
    const auto names = sliced ? definition.tables_of_slice : definition.tables;

    std::string key = fmt::format("{} {} {} {} {}\n{}\n", definition.name, csv, format_date(slice.from),
                                  format_date(slice.to), slice.previous_complete, slice.event);
    for (const auto& channel : slice.channels)
      key += fmt::format("{} {}\n", channel.size(), channel);
    key += versions.key(names) + versions.key(tables_of_choices()) + (loaded_at_ms(versions) ? "+" : "-");

    const std::string content_type = csv ? "text/csv; charset=utf-8" : "application/json";
    auto answer = cache.find(key);
    if (!answer) {
      answer = make_answer(SHOPLAKE_TRY(make_block(definition, versions, known, slice, sliced, csv)));
      cache.insert(key, answer);
    }
    http::Response response = respond_with(*answer, request, content_type);
    if (csv) {
      response.set("Content-Disposition", fmt::format("attachment; filename=\"shoplake-{}-{}_{}.csv\"", definition.name,
                                                      format_date(slice.from), format_date(slice.to)));
    }
    return response;
  }

  Result<std::string> make_block(const BlockDefinition& definition, const Tables& versions, const Choices& known,
                                 const Slice& slice, bool sliced, bool csv) {
    const auto names = sliced ? definition.tables_of_slice : definition.tables;
    const std::string sql = bind(sliced ? definition.sql_of_slice : definition.sql, slice);
    const bool empty = !versions.contain(names) || !versions.contain(tables_of_choices()) || !known.last_date;
    Rows rows;
    if (!empty)
      rows = SHOPLAKE_TRY(lake.query(sql).within(fmt::format("block {}", definition.name)));
    if (csv)
      return csv_of(rows);

    Json json;
    json["block"] = definition.name;
    json["state"] = empty ? "empty" : "ready";
    if (empty)
      json["hint"] = hint(versions);
    json["from"] = format_date(slice.from);
    json["to"] = format_date(slice.to);
    json["previous_from"] = format_date(slice.previous_from);
    json["previous_to"] = format_date(slice.previous_to);
    json["previous_complete"] = slice.previous_complete;
    json["channels"] = slice.channels;
    json["conversion_event"] = slice.event;
    json["rows"] = rows_document(rows);
    json["explain"] = explanation(versions, names, definition.definitions, sql);
    return dump(json);
  }
};

Dashboard::Dashboard(io::Env& env, Lake& lake, DashboardOptions options)
    : state_(std::make_unique<State>(env, lake, std::move(options))) {}
Dashboard::~Dashboard() = default;

std::vector<std::string> Dashboard::names() {
  std::vector<std::string> names = {"freshness"};
  for (const auto& block : block_definitions())
    names.emplace_back(block.name);
  return names;
}

std::vector<std::string> Dashboard::tables() {
  std::vector<std::string> tables = {kBuiltTable};
  const auto add = [&](std::span<const std::string_view> names) {
    for (const auto name : names) {
      if (std::find(tables.begin(), tables.end(), name) == tables.end())
        tables.emplace_back(name);
    }
  };
  add(tables_of_counts());
  for (const auto& block : block_definitions()) {
    add(block.tables);
    add(block.tables_of_slice);
  }
  return tables;
}

http::Response Dashboard::respond(std::string_view name, const http::Request& request) {
  if (name == "freshness")
    return state_->freshness(request);
  for (const auto& block : block_definitions()) {
    if (block.name == name)
      return state_->block(block, request);
  }
  return http::error_response(404, "serve.no_such_address", fmt::format("there is no /api/{}", name),
                              "docs/http_api.md lists the addresses");
}

}  // namespace shoplake::serve
