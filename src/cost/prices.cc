#include "cost/prices.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/moment.h"

namespace shoplake::cost {
namespace {

using base::Result;

constexpr std::array kMeters{kFirehoseBytes,   kFirehoseConvertedBytes,
                             kLambdaRequests,  kLambdaGigabyteSeconds,
                             kStorageByteDays, kPutRequests,
                             kGetRequests,     kGlueDpuSeconds,
                             kAthenaBytes,     kTransitions};

constexpr std::array<std::pair<std::string_view, double BillingRules::*>, 8> kRules{
    {{"firehose_record_bytes", &BillingRules::firehose_record_bytes},
     {"athena_query_bytes", &BillingRules::athena_query_bytes},
     {"glue_job_dpus", &BillingRules::glue_job_dpus},
     {"glue_job_seconds", &BillingRules::glue_job_seconds},
     {"glue_crawler_dpus", &BillingRules::glue_crawler_dpus},
     {"glue_crawler_seconds", &BillingRules::glue_crawler_seconds},
     {"lambda_gigabytes", &BillingRules::lambda_gigabytes},
     {"s3_puts_per_commit", &BillingRules::s3_puts_per_commit}}};

class Reader {
 public:
  explicit Reader(std::string_view path) : path_(path) {}

  Result<PriceList> read(const YAML::Node& document) const {
    if (!document.IsMap())
      return wrong(document, "the document is no mapping");
    PriceList list;
    list.date = SHOPLAKE_TRY(text(document, "date"));
    if (!base::parse_date(list.date))
      return wrong(document["date"], fmt::format("date: \"{}\" is no day", list.date));
    list.region = SHOPLAKE_TRY(text(document, "region"));
    const YAML::Node prices = SHOPLAKE_TRY(mapping(document, "prices"));
    for (const auto& entry : prices) {
      const std::string meter = entry.first.Scalar();
      if (std::ranges::find(kMeters, meter) == kMeters.end())
        return wrong(entry.first, fmt::format("there is no meter {}", meter));
      if (!entry.second.IsMap())
        return wrong(entry.second, meter + " is no mapping");
      Price& price = list.prices[meter];
      price.dollars = SHOPLAKE_TRY(number(entry.second, "dollars", 0));
      price.per = SHOPLAKE_TRY(number(entry.second, "per", 1e-9));
      price.unit = SHOPLAKE_TRY(text(entry.second, "unit"));
      price.source = SHOPLAKE_TRY(text(entry.second, "source"));
    }
    for (const std::string_view meter : kMeters) {
      if (!list.prices.contains(meter))
        return wrong(prices, fmt::format("the price of {} is missing", meter));
    }
    const YAML::Node rules = SHOPLAKE_TRY(mapping(document, "rules"));
    for (const auto& [name, member] : kRules)
      list.rules.*member = SHOPLAKE_TRY(number(rules, std::string(name), 0));
    if (rules.size() != kRules.size())
      return wrong(rules, "there is a rule that is not known");
    return list;
  }

  base::Error wrong(const YAML::Node& node, const std::string& what) const { return error(node.Mark().line, what); }
  base::Error error(int line, const std::string& what) const {
    return base::make_error(
        base::ErrorKind::usage, "cost.bad_prices", fmt::format("{}:{}: {}", path_, line + 1, what),
        "docs/cost.md describes the file; the one that comes with shoplake is share/shoplake/prices/aws.yml.");
  }

 private:
  Result<YAML::Node> mapping(const YAML::Node& node, const std::string& key) const {
    const YAML::Node value = node[key];
    if (!value || !value.IsMap())
      return wrong(node, fmt::format("the mapping {} is missing", key));
    return value;
  }
  Result<std::string> text(const YAML::Node& node, const std::string& key) const {
    const YAML::Node value = node[key];
    if (!value || !value.IsScalar() || value.Scalar().empty())
      return wrong(node, fmt::format("{} is missing", key));
    return value.Scalar();
  }
  Result<double> number(const YAML::Node& node, const std::string& key, double least) const {
    const std::string written = SHOPLAKE_TRY(text(node, key));
    double value = 0;
    const auto [end, code] = std::from_chars(written.data(), written.data() + written.size(), value);
    if (code != std::errc() || end != written.data() + written.size() || !std::isfinite(value) || value < least)
      return wrong(node[key], fmt::format("{}: \"{}\" is no number from {}", key, written, least));
    return value;
  }

  std::string path_;
};

}  // namespace

double PriceList::dollars(std::string_view meter, double quantity) const {
  const auto price = prices.find(meter);
  return price == prices.end() ? 0 : quantity / price->second.per * price->second.dollars;
}

Result<PriceList> parse_prices(std::string_view yaml, std::string_view path) {
  const Reader reader(path);
  YAML::Node document;
  try {
    document = YAML::Load(std::string(yaml));
  } catch (const YAML::Exception& exception) {
    return reader.error(exception.mark.line, exception.msg);
  }
  return reader.read(document);
}

double billed_firehose_bytes(const BillingRules& rules, double records, double bytes) {
  if (records <= 0)
    return 0;
  const double unit = rules.firehose_record_bytes;
  return unit <= 0 ? bytes : records * std::max(1.0, std::ceil(bytes / records / unit)) * unit;
}

double billed_athena_bytes(const BillingRules& rules, double scanned_bytes) {
  return std::max(scanned_bytes, rules.athena_query_bytes);
}

double billed_job_dpu_seconds(const BillingRules& rules, double seconds) {
  return std::max(seconds, rules.glue_job_seconds) * rules.glue_job_dpus;
}

double billed_crawler_dpu_seconds(const BillingRules& rules, double seconds) {
  return std::max(seconds, rules.glue_crawler_seconds) * rules.glue_crawler_dpus;
}

}  // namespace shoplake::cost
