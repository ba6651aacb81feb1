// Prices: what a unit of usage would cost on AWS, read from one dated file (prices/aws.yml, or prices.yml in the home),
// and the rules by which what is measured becomes what is billed (rounding, minima). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace shoplake::cost {

// Meters: what is counted. Their units stand in the price list.
inline constexpr std::string_view kFirehoseBytes = "firehose_bytes";
inline constexpr std::string_view kFirehoseConvertedBytes = "firehose_converted_bytes";
inline constexpr std::string_view kLambdaRequests = "lambda_requests";
inline constexpr std::string_view kLambdaGigabyteSeconds = "lambda_gigabyte_seconds";
inline constexpr std::string_view kStorageByteDays = "s3_byte_days";
inline constexpr std::string_view kPutRequests = "s3_put_requests";
inline constexpr std::string_view kGetRequests = "s3_get_requests";
inline constexpr std::string_view kGlueDpuSeconds = "glue_dpu_seconds";
inline constexpr std::string_view kAthenaBytes = "athena_bytes";
inline constexpr std::string_view kTransitions = "step_functions_transitions";

struct Price {
  double dollars = 0;  // for `per` units
  double per = 1;
  std::string unit;
  std::string source;  // where the figure is from
};

struct BillingRules {
  double firehose_record_bytes = 0;
  double athena_query_bytes = 0;
  double glue_job_dpus = 0;
  double glue_job_seconds = 0;
  double glue_crawler_dpus = 0;
  double glue_crawler_seconds = 0;
  double lambda_gigabytes = 0;
  double s3_puts_per_commit = 0;
};

struct PriceList {
  std::string date;  // of the figures
  std::string region;
  std::map<std::string, Price, std::less<>> prices;  // by meter
  BillingRules rules;

  double dollars(std::string_view meter, double quantity) const;  // 0 for a meter without a price
};

// All meters and rules must be there. Error cost.bad_prices (usage) with file and line.
base::Result<PriceList> parse_prices(std::string_view yaml, std::string_view path);

// Records of that many bytes in all, each rounded up. Exact where they are of one size; their mean stands for it.
double billed_firehose_bytes(const BillingRules& rules, double records, double bytes);
double billed_athena_bytes(const BillingRules& rules, double scanned_bytes);
double billed_job_dpu_seconds(const BillingRules& rules, double seconds);
double billed_crawler_dpu_seconds(const BillingRules& rules, double seconds);

}  // namespace shoplake::cost
