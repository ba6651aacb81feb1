// Retention: what is older than its zone's and dataset's time goes.
//
//   raw            objects below raw/<dataset>/, by the day in their path (date=…, or year=…/month=…/day=…), else by
//                  when they were written. An object is kept, however old, while the lake may need it: its file is not
//                  loaded yet, or it was cut from the log and is not delivered or not consumed.
//   processed, quarantine
//                  rows of past days: whole data files of date partitions, one commit a table (expiry frees them);
//                  tables without one are named and left alone. Files rejected as a whole, by when they were rejected.
//   query-results  files, by when they were written.
//
// Each object that goes is a row of the control plane's table retention_removal (docs/formats/catalog.md), written
// before the object is removed. An object store can be given the same policy as rules of its own: lifecycle_rules().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "io/env.h"

namespace shoplake::maintain {

using base::Result;

inline constexpr std::int64_t kRawDaysDefault = 30;

struct RetentionPolicy {
  std::optional<std::int64_t> raw = kRawDaysDefault;
  std::optional<std::int64_t> processed;
  std::optional<std::int64_t> curated;
  std::optional<std::int64_t> quarantine;
  std::optional<std::int64_t> query_results;
  // What a dataset says itself; zones that it does not name are as above.
  struct Dataset {
    std::map<std::string, std::optional<std::int64_t>> zones;  // raw, processed, curated, quarantine
  };
  std::map<std::string, Dataset> datasets;

  // `dataset`: of the folder or table.
  std::optional<std::int64_t> days(const std::string& zone, const std::string& dataset) const;
};

struct RetentionOptions {
  io::Env* env = nullptr;
  catalog::Catalog* catalog = nullptr;
  RetentionPolicy policy;
  bool dry_run = false;
  std::stop_token stop;
};

struct RetentionReport {
  struct Line {
    std::string zone;
    std::string name;  // of the dataset or table
    std::optional<std::int64_t> days;
    std::int64_t objects = 0;  // that went: raw objects, data files, results
    std::uint64_t bytes = 0;
    std::int64_t rows = 0;    // of data files
    std::int64_t needed = 0;  // old enough, but still needed
    std::string note;         // why nothing is done, if so
  };
  std::vector<Line> lines;
};

Result<RetentionReport> apply_retention(const RetentionOptions& options);

// The policy as rules of an object store, for the zones whose files no table names: raw, by dataset, and query-results.
// The store goes by an object's age alone and does not know what is needed, so that its rules are a net below
// apply_retention(): they wait `grace_days` longer.
struct LifecycleRule {
  std::string prefix;  // of keys, from the lake's root: "raw/", "raw/events/"
  std::int64_t days = 0;
};
// Where rules overlap, stores go by the shortest. So one rule for all of raw is possible only if no dataset is kept
// longer; else each of `datasets`, which are all that are known, has its own.
std::vector<LifecycleRule> lifecycle_rules(const RetentionPolicy& policy, const std::vector<std::string>& datasets,
                                           std::int64_t grace_days);

}  // namespace shoplake::maintain
