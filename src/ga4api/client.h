// Client: whole reports of one property, page by page, through the Google Analytics Data API v1beta.
//
// A report is read with one order of rows, and again from its first page (kReadsMax times in all) if the number of its
// rows changes on the way: the property's figures were revised meanwhile. Between requests the quota that the API
// returned is looked at: when less tokens are left than the last request took, no further request is made.
//
// Errors: ga4.bad_request (usage), ga4.unauthorized and ga4.forbidden (usage), ga4.no_such_property (not_found),
// ga4.quota_exhausted, ga4.unavailable, ga4.invalid_answer, ga4.inconsistent_report, ga4.too_many_rows (environment),
// and those of TokenSource and Exchange. Each tells the API's own words. Belongs to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "ga4api/exchange.h"
#include "ga4api/report.h"
#include "ga4api/token_source.h"

namespace shoplake::ga4api {

inline constexpr char kApiUrl[] = "https://analyticsdata.googleapis.com";
inline constexpr std::int64_t kPageRowsMax = 250'000;  // that the API gives
inline constexpr std::int64_t kReportRowsMax = 1'000'000;
inline constexpr int kReadsMax = 3;

struct ClientOptions {
  std::string property;  // "123456789"
  std::string api_url = kApiUrl;
  std::string ca_file;  // PEM; empty: the machine's authorities
  std::chrono::seconds timeout{120};
  std::int64_t page_rows = 50'000;
};

struct Report {
  std::string lines;  // landing lines (ga4api/report.h)
  std::int64_t rows = 0;
  ReportFlags flags;
};

class Client {
 public:
  // Both outlive it.
  Client(ClientOptions options, TokenSource& tokens, Exchange& exchange)
      : options_(std::move(options)), tokens_(tokens), exchange_(exchange) {}

  // The property's time zone ("Europe/Berlin"), by a report of yesterday with one row at most.
  Result<std::string> time_zone();

  // All rows of one day.
  Result<Report> read(const ReportDefinition& definition, const std::string& day);

  const Quota& quota() const { return quota_; }  // as the last answer had it

 private:
  Result<ReportPage> read_page(const ReportDefinition& definition, const PageRequest& request,
                               const LandingContext& context);
  base::Error refused(const http::Answer& answer) const;

  ClientOptions options_;
  TokenSource& tokens_;
  Exchange& exchange_;
  Quota quota_;
};

// "123456789" of "123456789" or "properties/123456789". Error ga4.bad_property (usage).
Result<std::string> parse_property(std::string_view text);

}  // namespace shoplake::ga4api
