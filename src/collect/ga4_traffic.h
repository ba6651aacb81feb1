// Where a page view came from, told by its URL and its referrer: what GA4 collects as campaign of an event.
// Source: https://support.google.com/analytics/answer/11242841 (manual tagging), the same page's rules for referrals.
#pragma once

#include <string_view>

#include "collect/ga4_text.h"

namespace shoplake::collect {

// Empty where unknown.
struct TrafficSource {
  std::string_view source, medium, campaign, campaign_id, term, content;
  std::string_view source_platform, creative_format, marketing_tactic;
  std::string_view gclid, dclid, srsltid;
};

// Fills what is empty: first from the utm parameters and click ids of the page's URL; then, if there is neither a
// source nor a click id and the referrer is another site, the search engine (organic) or that site (referral).
void read_traffic_source(std::string_view page_location, std::string_view page_referrer, TextArena& arena,
                         TrafficSource& traffic);

// Host name of a URL in lower case, without port; empty if there is none.
std::string_view url_host(std::string_view url, TextArena& arena);

}  // namespace shoplake::collect
