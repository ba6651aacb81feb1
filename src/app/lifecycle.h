// `shoplake catalog lifecycle`: the retention of shoplake.yml as rules of the object store itself, which then removes
// old raw objects and results, and what is left of uploads that were begun and never completed. Tables are not touched:
// which of their files are needed is the catalog's to say.
#pragma once

#include <string>
#include <vector>

#include "app/app.h"
#include "base/result.h"

namespace shoplake::app {

struct LifecycleOptions {
  int grace_days =
      7;  // more than `catalog retain` gives, which looks whether an object is needed (maintain/retention.h)
  int upload_days = 7;  // an upload may take so long
  bool writes = false;  // otherwise only says what would be written
};

struct LifecycleReport {
  struct Rule {
    std::string id;
    std::string prefix;  // "s3://bucket/prefix/raw/"
    std::int64_t expiration_days = 0;
    std::int64_t abort_uploads_days = 0;
  };
  std::vector<Rule> rules;
  bool is_written = false;
  bool is_supported = true;  // false: the store knows no lifecycle rules; nothing was written
};

// Errors: lifecycle.local_lake (usage), and of s3::Client.
base::Result<LifecycleReport> set_lifecycle(App& app, const LifecycleOptions& options);

}  // namespace shoplake::app
