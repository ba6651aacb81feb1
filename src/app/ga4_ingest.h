// `shoplake ga4 ingest`: days of a GA4 property, read by the Data API, landed and loaded.
//
// Each day is one landing file, raw/ga4_report/ga4_events_YYYY-MM-DD_HHMMSS.json (the day of the report, the UTC time
// of reading), that appears whole or not at all, and one commit of processed.ga4_report by its contract: the day's rows
// of before go in the same commit. Reading a day again whose figures are the same adds nothing, not even a file. Killed
// at any moment, the same call again ends with the same tables. docs/ga4_data_api.md says what is asked for.
//
// One ingestion at a time in a home (error ga4.busy, kind conflict).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "base/progress.h"
#include "base/result.h"
#include "ga4api/client.h"
#include "ga4api/exchange.h"
#include "ga4api/run_store.h"
#include "http/transport.h"

namespace shoplake::app {

inline constexpr int kGa4RereadDays = 3;  // Google revises figures for about two days
inline constexpr std::int64_t kGa4DaysMax = 400;

struct Ga4IngestOptions {
  std::string property;     // "123456789" or "properties/123456789"; empty: $GA4_PROPERTY_ID
  std::string credentials;  // path of the service account's key; empty: $GOOGLE_APPLICATION_CREDENTIALS
  std::string date;         // "yesterday" (of the property's time zone) or YYYY-MM-DD…
  std::string from;         // …or both of these, inclusive
  std::string to;
  // So many days that end with the last one are read, whatever the first one is; unset: kGa4RereadDays for "yesterday",
  // else only the days that are named.
  std::optional<int> reread_days;
  ga4api::ClientOptions client;  // without the property
  ga4api::RetryOptions retry;
  base::Progress* progress = nullptr;
  std::stop_token stop;
};

struct Ga4Day {
  enum class Status { loaded, unchanged, empty };
  std::string day;
  Status status = Status::loaded;
  std::int64_t rows = 0;
  std::int64_t rejected = 0;
  std::string landing_object;   // below the lake's root; of an unchanged day the one that is loaded
  std::string replaced_object;  // whose rows went
  ga4api::ReportFlags flags;
};

struct Ga4IngestReport {
  ga4api::Run run;
  std::string time_zone;     // only if it was asked for
  std::vector<Ga4Day> days;  // that are complete, in order
  ga4api::Quota quota;
  std::optional<base::Error> error;  // why the later days are missing
  std::int64_t micros = 0;
};

class Ga4Ingest {
 public:
  // The app outlives it. Access tokens are kept from one run to the next.
  explicit Ga4Ingest(App& app);
  ~Ga4Ingest();

  // Errors before the first day: ga4.bad_date and others of kind usage, ga4.busy, those of ga4api::Client. Later ones
  // are in the report, and the days before stay.
  base::Result<Ga4IngestReport> run(const Ga4IngestOptions& options,
                                    const std::function<void(const Ga4Day&)>& on_day = {});

 private:
  App& app_;
  std::unique_ptr<http::Transport> transport_;
  std::map<std::string, ga4api::TokenSource> tokens_;  // by the key file's content
};

// The last ingestions, newest first.
base::Result<std::vector<ga4api::Run>> list_ga4_runs(App& app, int count_max);

}  // namespace shoplake::app
