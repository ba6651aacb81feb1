#include "collect/ga4_traffic.h"

#include <algorithm>

namespace shoplake::collect {

namespace {

// Name of the registered domain, and the source that GA4 calls it.
struct SearchEngine {
  std::string_view domain_name;
  std::string_view source;
};
constexpr SearchEngine kSearchEngines[] = {
    {"google", "google"},
    {"bing", "bing"},
    {"duckduckgo", "duckduckgo"},
    {"yahoo", "yahoo"},
    {"yandex", "yandex"},
    {"ya", "yandex"},
    {"baidu", "baidu"},
    {"ecosia", "ecosia.org"},
    {"qwant", "qwant.com"},
    {"startpage", "startpage"},
    {"brave", "brave"},
    {"naver", "naver"},
    {"seznam", "seznam"},
    {"sogou", "sogou"},
    {"daum", "daum"},
    {"aol", "aol"},
    {"ask", "ask"},
    {"kagi", "kagi.com"},
    {"lycos", "lycos"},
};
// Second labels under which a country's registrations stand, as in shop.co.uk.
constexpr std::string_view kRegistryLabels[] = {"co", "com", "net", "org", "gov", "ac", "edu", "ne", "or", "go"};
constexpr std::size_t kUrlParametersMax = 200;

std::string_view without_www(std::string_view host) { return host.starts_with("www.") ? host.substr(4) : host; }

// The part of a host name that somebody registered: "shop.co.uk" of "www.shop.co.uk". A guess by rule: the list of
// public suffixes is 200 kB and changes weekly.
std::string_view registered_domain(std::string_view host) {
  const std::size_t last = host.rfind('.');
  if (last == std::string_view::npos || last == 0 || last + 1 == host.size() ||
      (host[last + 1] >= '0' && host[last + 1] <= '9')) {  // one label, or an address
    return host;
  }
  std::size_t second = host.rfind('.', last - 1);
  if (second == std::string_view::npos) {
    return host;
  }
  const std::string_view label = host.substr(second + 1, last - second - 1);
  if (host.size() - last - 1 == 2 &&
      std::find(std::begin(kRegistryLabels), std::end(kRegistryLabels), label) != std::end(kRegistryLabels) &&
      second > 0) {
    second = host.rfind('.', second - 1);
    if (second == std::string_view::npos) {
      return host;
    }
  }
  return host.substr(second + 1);
}

// The search pages of an engine, not its mail or its maps.
std::string_view search_engine(std::string_view host) {
  const std::string_view domain = registered_domain(host);
  const std::string_view name = domain.substr(0, domain.find('.'));
  std::string_view subdomain = host.substr(0, host.size() - domain.size());
  if (!subdomain.empty()) {
    subdomain.remove_suffix(1);
  }
  const bool searches = subdomain.empty() || subdomain == "www" || subdomain == "m" || subdomain == "images" ||
                        subdomain == "cn" || subdomain.ends_with("search");
  if (!searches || domain.size() == name.size() || (name == "brave" && !subdomain.ends_with("search"))) {
    return {};
  }
  for (const SearchEngine& engine : kSearchEngines) {
    if (name == engine.domain_name) {
      return engine.source;
    }
  }
  return {};
}

void set_if_empty(std::string_view& field, std::string_view value) {
  if (field.empty()) {
    field = value;
  }
}

}  // namespace

std::string_view url_host(std::string_view url, TextArena& arena) {
  const std::size_t scheme = url.find("//");
  if (scheme == std::string_view::npos || scheme > 32 || (scheme > 0 && url[scheme - 1] != ':')) {
    return {};
  }
  std::string_view host = url.substr(scheme + 2);
  host = host.substr(0, host.find_first_of("/?#\\"));
  if (const std::size_t user = host.rfind('@'); user != std::string_view::npos) {
    host.remove_prefix(user + 1);
  }
  host = host.substr(0, host.starts_with('[') ? host.find(']') + 1 : host.find(':'));
  return arena.lower(host.substr(0, 255));
}

void read_traffic_source(std::string_view page_location, std::string_view page_referrer, TextArena& arena,
                         TrafficSource& traffic) {
  bool other_click_id = false;
  const std::size_t question_mark = page_location.find('?');
  if (question_mark != std::string_view::npos) {
    std::string_view query = page_location.substr(question_mark + 1);
    query = query.substr(0, query.find('#'));
    for (std::size_t count = 0; !query.empty() && count < kUrlParametersMax; ++count) {
      const std::size_t end = std::min(query.find('&'), query.size());
      const std::string_view pair = query.substr(0, end);
      query.remove_prefix(std::min(end + 1, query.size()));
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || equals + 1 == pair.size()) {
        continue;
      }
      const std::string_view key = pair.substr(0, equals);
      std::string_view* field = nullptr;
      if (key.starts_with("utm_")) {
        const std::string_view name = key.substr(4);
        field = name == "source"             ? &traffic.source
                : name == "medium"           ? &traffic.medium
                : name == "campaign"         ? &traffic.campaign
                : name == "id"               ? &traffic.campaign_id
                : name == "term"             ? &traffic.term
                : name == "content"          ? &traffic.content
                : name == "source_platform"  ? &traffic.source_platform
                : name == "creative_format"  ? &traffic.creative_format
                : name == "marketing_tactic" ? &traffic.marketing_tactic
                                             : nullptr;
      } else if (key == "gclid") {
        field = &traffic.gclid;
      } else if (key == "dclid") {
        field = &traffic.dclid;
      } else if (key == "srsltid") {
        field = &traffic.srsltid;
      } else if (key == "gbraid" || key == "wbraid") {
        other_click_id = true;
      }
      if (field != nullptr) {
        set_if_empty(*field, arena.decoded(pair.substr(equals + 1)));
      }
    }
  }
  if (!traffic.source.empty() || !traffic.medium.empty() || !traffic.campaign.empty() || !traffic.gclid.empty() ||
      !traffic.dclid.empty() || other_click_id) {
    return;
  }
  const std::string_view from = url_host(page_referrer, arena);
  const std::string_view here = url_host(page_location, arena);
  if (from.empty() || here.empty() || registered_domain(from) == registered_domain(here)) {
    return;
  }
  if (const std::string_view engine = search_engine(from); !engine.empty()) {
    traffic.source = engine;
    traffic.medium = "organic";
    traffic.campaign = "(organic)";
  } else {
    traffic.source = without_www(from);
    traffic.medium = "referral";
    traffic.campaign = "(referral)";
  }
}

}  // namespace shoplake::collect
