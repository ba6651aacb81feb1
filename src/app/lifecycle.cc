#include "app/lifecycle.h"

#include "app/drops.h"
#include "maintain/retention.h"
#include "s3/lifecycle.h"

namespace shoplake::app {
namespace {

using base::Result;

// All that have a contract or a folder.
Result<std::vector<std::string>> known_datasets(App& app) {
  std::vector<std::string> names = SHOPLAKE_TRY(all_datasets(app));
  const std::string raw = io::join_path(app.home().lake_root, "raw");
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(app.env().list_directory(raw))) {
    if (entry.is_directory)
      names.push_back(entry.name);
  }
  return names;
}

}  // namespace

Result<LifecycleReport> set_lifecycle(App& app, const LifecycleOptions& options) {
  ObjectStore* store = app.object_store();
  if (store == nullptr) {
    return base::make_error(base::ErrorKind::usage, "lifecycle.local_lake",
                            "the lake is on this machine's disk, which has no lifecycle rules",
                            "They are for lakes in an object store: lake: s3://bucket/prefix.");
  }
  const s3::Location& lake = store->lake();
  const std::string root = lake.key.empty() ? "" : lake.key + "/";
  const std::string owned = "shoplake:" + root;
  std::vector<s3::LifecycleRule> rules{{owned + "uploads", root, 0, options.upload_days}};
  for (const maintain::LifecycleRule& rule :
       maintain::lifecycle_rules(app.home().retention, SHOPLAKE_TRY(known_datasets(app)), options.grace_days)) {
    rules.push_back({owned + rule.prefix, root + rule.prefix, static_cast<int>(rule.days), 0});
  }
  LifecycleReport report;
  for (const s3::LifecycleRule& rule : rules) {
    report.rules.push_back(
        {rule.id, s3::to_string({lake.bucket, rule.prefix}), rule.expiration_days, rule.abort_uploads_days});
  }
  if (!options.writes)
    return report;
  const auto write = [&]() -> Result<void> {
    const std::string existing = SHOPLAKE_TRY(store->client().get_lifecycle(lake.bucket));
    return store->client().put_lifecycle(lake.bucket, SHOPLAKE_TRY(s3::merge_lifecycle(existing, owned, rules)));
  };
  const auto written = write();
  if (!written.ok() && written.error().code == "s3.not_supported") {
    report.is_supported = false;
    return report;
  }
  SHOPLAKE_TRY(written);
  report.is_written = true;
  return report;
}

}  // namespace shoplake::app
