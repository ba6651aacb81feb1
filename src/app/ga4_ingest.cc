#include "app/ga4_ingest.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "app/file_loader.h"
#include "app/time_zone.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/moment.h"
#include "ingest/file_registry.h"
#include "ingest/registry.h"

namespace shoplake::app {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

constexpr char kDataset[] = "ga4_report";
constexpr char kLockFile[] = "ga4_ingest.lock";

// Days since 1970, both inclusive.
struct Days {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

Result<std::int64_t> parse_day(const std::string& text, const char* option) {
  const auto day = base::parse_date(text);
  if (!day)
    return make_error(ErrorKind::usage, "ga4.bad_date", fmt::format("{} \"{}\" is no day", option, text),
                      "Write it as YYYY-MM-DD.");
  return *day;
}

// None: yesterday, which only the property's time zone tells.
Result<std::optional<Days>> named_days(const Ga4IngestOptions& options) {
  const auto bad = [](const std::string& what, const char* advice) {
    return make_error(ErrorKind::usage, "ga4.bad_date", what, advice);
  };
  const bool is_range = !options.from.empty() || !options.to.empty();
  if (is_range == !options.date.empty())
    return bad("The days are named by --date, or by --from and --to", "Give one of the two.");
  if (options.date == "yesterday")
    return std::optional<Days>();
  if (!options.date.empty()) {
    const std::int64_t day = SHOPLAKE_TRY(parse_day(options.date, "--date"));
    return std::optional<Days>({day, day});
  }
  if (options.from.empty() || options.to.empty())
    return bad("--from and --to belong together", "Give both.");
  Days days;
  days.first = SHOPLAKE_TRY(parse_day(options.from, "--from"));
  days.last = SHOPLAKE_TRY(parse_day(options.to, "--to"));
  if (days.last < days.first)
    return bad(fmt::format("--to {} is before --from {}", options.to, options.from), "Swap them.");
  return std::optional<Days>(days);
}

Result<void> widen(Days& days, int reread_days) {
  if (reread_days < 1)
    return make_error(ErrorKind::usage, "ga4.bad_date", "--reread-days is less than 1", "1 reads the last day alone.");
  days.first = std::min(days.first, days.last - reread_days + 1);
  if (days.last - days.first >= kGa4DaysMax) {
    return make_error(ErrorKind::usage, "ga4.bad_date",
                      fmt::format("{} days are more than {}", days.last - days.first + 1, kGa4DaysMax),
                      "Read them in several runs.");
  }
  return {};
}

// One day's file counts as this, whenever it was read.
std::string registered_name(const std::string& property, const std::string& day) {
  return fmt::format("ga4_events_{}.{}.json", day, property);
}

// One run: from the first request to the last commit.
class DayReader {
 public:
  DayReader(App& app, ga4api::Client& client, const std::string& property, const Ga4IngestOptions& options)
      : app_(app), client_(client), property_(property), options_(options) {}

  Result<void> open() {
    loader_ = SHOPLAKE_TRY(FileLoader::open(app_, {kDataset, nullptr, options_.stop, false}));
    if (loader_->contract().changed_file != contract::Contract::ChangedFile::replace) {
      return make_error(ErrorKind::usage, "ga4.contract", "The contract of ga4_report does not replace changed files",
                        "Write on_changed_file: replace in it; days are read several times.");
    }
    catalog::Catalog* catalog = SHOPLAKE_TRY(app_.catalog());
    control_plane_ = SHOPLAKE_TRY(catalog->open_control_plane());
    return {};
  }

  Result<Ga4Day> read(std::int64_t day_number) {
    Ga4Day day;
    day.day = base::date_text(day_number);
    std::string lines;
    for (const ga4api::ReportDefinition& definition : ga4api::daily_reports()) {
      if (options_.stop.stop_requested())
        return make_error(ErrorKind::cancelled, "ga4.interrupted", "Interrupted", "");
      ga4api::Report report = SHOPLAKE_TRY(client_.read(definition, day.day));
      lines += report.lines;
      day.rows += report.rows;
      day.flags.merge(report.flags);
    }
    const std::string name = registered_name(property_, day.day);
    const auto current = SHOPLAKE_TRY(ingest::find_file(*control_plane_, {kDataset, day.day, name}));
    const bool is_loaded = current && current->state == ingest::FileState::loaded;
    if (is_loaded && current->size_bytes == lines.size() && current->md5 == base::md5_hex(lines)) {
      day.status = Ga4Day::Status::unchanged;
      day.landing_object = current->object;
      return day;
    }
    if (lines.empty() && !is_loaded) {
      day.status = Ga4Day::Status::empty;
      return day;
    }
    const std::string path = SHOPLAKE_TRY(land(day.day, lines));
    LoadedFile file = loader_->load(path, 0, name);
    if (file.error)
      return std::move(*file.error);
    day.rows = file.rows;
    day.rejected = file.rejected;
    day.landing_object = file.raw_object;
    day.replaced_object = file.replaced_object;
    return day;
  }

 private:
  // The name has seconds only: a second file of one second gets the next one.
  Result<std::string> land(const std::string& day, const std::string& lines) {
    io::Env& env = app_.env();
    const std::string folder = io::join_path(app_.home().lake_root, fmt::format("raw/{}", kDataset));
    SHOPLAKE_TRY(env.create_directories(folder));
    std::string path;
    std::int64_t now = env.now_micros();
    do {
      path = io::join_path(folder, ga4api::landing_name(day, now));
      now += base::kMicrosPerSecond;
    } while (SHOPLAKE_TRY(env.exists(path)));
    SHOPLAKE_TRY(env.write_file(path, lines));
    return path;
  }

  App& app_;
  ga4api::Client& client_;
  const std::string& property_;
  const Ga4IngestOptions& options_;
  std::unique_ptr<FileLoader> loader_;
  std::unique_ptr<io::Database> control_plane_;
};

std::string given_or_of_environment(const std::string& given, const char* variable) {
  const char* value = given.empty() ? std::getenv(variable) : nullptr;
  return value == nullptr ? given : value;
}

Result<void> record(App& app, const ga4api::Run& run) {
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  const auto control_plane = SHOPLAKE_TRY(catalog->open_control_plane());
  return ga4api::record_run(*control_plane, run);
}

}  // namespace

Ga4Ingest::Ga4Ingest(App& app) : app_(app), transport_(http::make_transport()) {}
Ga4Ingest::~Ga4Ingest() = default;

Result<Ga4IngestReport> Ga4Ingest::run(const Ga4IngestOptions& options,
                                       const std::function<void(const Ga4Day&)>& on_day) {
  io::Env& env = app_.env();
  const std::int64_t begin_micros = env.monotonic_micros();
  Ga4IngestReport report;
  ga4api::ClientOptions client_options = options.client;
  client_options.property =
      SHOPLAKE_TRY(ga4api::parse_property(given_or_of_environment(options.property, "GA4_PROPERTY_ID")));
  SHOPLAKE_TRY(ga4api::check_url(client_options.api_url));
  std::optional<Days> days = SHOPLAKE_TRY(named_days(options));
  const bool is_yesterday = !days;
  const std::string path = given_or_of_environment(options.credentials, "GOOGLE_APPLICATION_CREDENTIALS");
  ga4api::ServiceAccount account = SHOPLAKE_TRY(ga4api::read_service_account(env, path));
  auto lock = env.lock_file(io::join_path(app_.home().directory, kLockFile));
  if (!lock.ok()) {
    if (lock.error().kind != ErrorKind::conflict)
      return std::move(lock).error();
    return make_error(ErrorKind::conflict, "ga4.busy", "Another ingestion from the Data API runs in this home",
                      "Wait for it: two at once would only share one quota.");
  }

  const std::string key =
      base::sha256_hex(account.client_email + "\n" + account.token_uri + "\n" + account.private_key);
  ga4api::TokenSource& tokens = tokens_.try_emplace(key, std::move(account), env, client_options.ca_file).first->second;
  ga4api::Exchange exchange(*transport_, env, options.retry, ga4api::interruptible_pause(options.stop));
  ga4api::Client client(client_options, tokens, exchange);
  report.run.id = env.new_uuid();
  report.run.property = client_options.property;
  report.run.began_at_micros = env.now_micros();
  base::Progress& progress = options.progress != nullptr ? *options.progress : base::no_progress();

  const auto read_all = [&]() -> Result<void> {
    if (is_yesterday) {
      report.time_zone = SHOPLAKE_TRY(client.time_zone());
      const collect::TimeZone zone = SHOPLAKE_TRY(read_time_zone(env, report.time_zone));
      const std::int64_t yesterday = local_day(zone, env.now_micros()) - 1;
      days = Days{yesterday, yesterday};
    }
    SHOPLAKE_TRY(widen(*days, options.reread_days.value_or(is_yesterday ? kGa4RereadDays : 1)));
    report.run.first_day = base::date_text(days->first);
    report.run.last_day = base::date_text(days->last);
    DayReader reader(app_, client, client_options.property, options);
    SHOPLAKE_TRY(reader.open());
    progress.begin(fmt::format("ga4 ingest {}", client_options.property),
                   static_cast<std::uint64_t>(days->last - days->first + 1), base::Progress::Unit::items);
    struct End {
      base::Progress& progress;
      ~End() { progress.end(); }
    } end{progress};
    for (std::int64_t day = days->first; day <= days->last; ++day) {
      report.days.push_back(SHOPLAKE_TRY(reader.read(day).within(base::date_text(day))));
      report.run.rows += report.days.back().rows;
      report.run.flags.merge(report.days.back().flags);
      progress.update(report.days.size());
      if (on_day)
        on_day(report.days.back());
    }
    return {};
  };
  auto outcome = read_all();
  report.quota = client.quota();
  report.run.days = static_cast<std::int64_t>(report.days.size());
  report.run.requests = exchange.requests();
  report.run.retries = exchange.retries();
  report.run.quota_json = ga4api::to_json(report.quota);
  report.run.ended_at_micros = env.now_micros();
  report.micros = env.monotonic_micros() - begin_micros;
  if (!outcome.ok()) {
    report.run.error_code = outcome.error().code;
    report.run.message = outcome.error().message;
    report.error = std::move(outcome).error();
  }
  // What was read is there; that its run could not be noted is no reason to fail it.
  if (const auto noted = record(app_, report.run); !noted.ok())
    base::log::error("ga4.run_not_noted", {{"reason", noted.error().message}});
  if (report.error && report.days.empty())
    return std::move(*report.error);
  return report;
}

Result<std::vector<ga4api::Run>> list_ga4_runs(App& app, int count_max) {
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  const auto control_plane = SHOPLAKE_TRY(catalog->open_control_plane());
  return ga4api::list_runs(*control_plane, count_max);
}

}  // namespace shoplake::app
