// Lifecycle rules of a bucket: what the store itself removes with time. Source:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
//
// A bucket has one configuration for all who use it, so rules are merged into it: those of other owners stay word for
// word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shoplake::s3 {

struct LifecycleRule {
  std::string id;              // at most 255 characters
  std::string prefix;          // of keys
  int expiration_days = 0;     // after an object was written; 0: never
  int abort_uploads_days = 0;  // after an upload in parts was begun; 0: never
};

// The configuration `existing` (XML, or empty) with `rules` instead of those whose id begins with `owned_prefix`. Error
// s3.bad_answer (environment).
base::Result<std::string> merge_lifecycle(std::string_view existing, std::string_view owned_prefix,
                                          const std::vector<LifecycleRule>& rules);

}  // namespace shoplake::s3
