// Retention: what is older than its zone's and dataset's time goes.
//
//   raw            objects below raw/<dataset>/, by the day in their path (date=…, or year=…/month=…/day=…), else by
//                  when they were written. An object is kept, however old, while the lake may need it: its file is not
//                  loaded yet, or it was cut from the log and is not delivered or not consumed.
//   processed, quarantine
//                  rows of past days: whole data files of date partitions, one commit a table (a snapshot of its own,
//                  so expiry decides when the bytes go). Tables without a date partition are named and left alone.
//   query-results  files, by when they were written.
//
// Each object that goes is a row of the control plane's table retention_removal (docs/formats/catalog.md), written
// before the object is removed. On an object store the same policy can be given to the store instead: lifecycle_rules()
// is the seam for that.
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

// The policy as rules of an object store: objects with this key prefix, relative to the lake's root, go after so many
// days. Only for zones whose objects the lake never needs after that time: query-results, and raw objects of datasets
// that are given by the caller as archives (nothing is loaded from them later).
struct LifecycleRule {
  std::string prefix;
  std::int64_t days = 0;
};
std::vector<LifecycleRule> lifecycle_rules(const RetentionPolicy& policy, const std::vector<std::string>& archives);

}  // namespace shoplake::maintain
