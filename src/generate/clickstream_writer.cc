#include "generate/clickstream_writer.h"

#include <chrono>

#include "generate/page_url.h"
#include "generate/random.h"
#include "generate/spelling.h"
#include "generate/vocabulary.h"

namespace shoplake::generate {

namespace {

void append_hex(std::string& text, std::uint64_t bits, int digits) {
  static constexpr char kHexDigits[] = "0123456789abcdef";
  for (int digit = digits - 1; digit >= 0; --digit) {
    text.push_back(kHexDigits[bits >> (4 * digit) & 15]);
  }
}

// A UUID of version 4.
void append_uuid(std::string& text, std::uint64_t seed) {
  Random random(seed);
  const std::uint64_t high = (random.next() & ~0xF000ull) | 0x4000ull;
  const std::uint64_t low = (random.next() & ~(0xC000ull << 48)) | (0x8000ull << 48);
  append_hex(text, high >> 32, 8);
  text.push_back('-');
  append_hex(text, high >> 16 & 0xFFFF, 4);
  text.push_back('-');
  append_hex(text, high & 0xFFFF, 4);
  text.push_back('-');
  append_hex(text, low >> 48, 4);
  text.push_back('-');
  append_hex(text, low & 0xFFFFFFFFFFFFull, 12);
}

void append_digits(std::string& text, std::uint32_t number, int digits) {
  char out[8];
  for (int at = digits - 1; at >= 0; --at, number /= 10) {
    out[at] = static_cast<char>('0' + number % 10);
  }
  text.append(out, static_cast<std::size_t>(digits));
}

// 2026-06-30T12:34:56.789Z
void append_time(std::string& text, std::int64_t micros) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(micros / 1000)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const auto ms = static_cast<std::uint32_t>((time - day).count());
  append_digits(text, static_cast<std::uint32_t>(static_cast<int>(date.year())), 4);
  text.push_back('-');
  append_digits(text, static_cast<unsigned>(date.month()), 2);
  text.push_back('-');
  append_digits(text, static_cast<unsigned>(date.day()), 2);
  text.push_back('T');
  append_digits(text, ms / 3'600'000, 2);
  text.push_back(':');
  append_digits(text, ms / 60'000 % 60, 2);
  text.push_back(':');
  append_digits(text, ms / 1000 % 60, 2);
  text.push_back('.');
  append_digits(text, ms % 1000, 3);
  text.push_back('Z');
}

// "iOS 17.7.2" → "17_7_2"
std::string version_of(std::string_view system, char separator) {
  std::string version(system.substr(system.rfind(' ') + 1));
  std::replace(version.begin(), version.end(), '.', separator);
  return version;
}

std::string_view major(std::string_view version) { return version.substr(0, version.find('.')); }

std::string user_agent(const Device& device) {
  std::string agent = "Mozilla/5.0 (";
  const std::string chrome = std::string("Chrome/").append(major(device.browser_version)).append(".0.0.0");
  if (device.system == "iOS") {
    const std::string version = version_of(device.system_version, '_');
    agent.append(device.category == "tablet" ? "iPad; CPU OS " : "iPhone; CPU iPhone OS ").append(version);
    agent.append(" like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/").append(device.browser_version);
    return agent.append(" Mobile/15E148 Safari/604.1");
  }
  if (device.system == "Android") {
    agent.append("Linux; Android ").append(version_of(device.system_version, '.')).append("; ").append(device.model);
    agent.append(") AppleWebKit/537.36 (KHTML, like Gecko) ");
    if (device.browser == "Samsung Internet") {
      agent.append("SamsungBrowser/").append(device.browser_version).append(" Chrome/130.0.0.0");
    } else {
      agent.append(chrome);
    }
    return agent.append(device.category == "mobile" ? " Mobile Safari/537.36" : " Safari/537.36");
  }
  const std::string_view system = device.system == "Windows"     ? "Windows NT 10.0; Win64; x64"
                                  : device.system == "Macintosh" ? "Macintosh; Intel Mac OS X 10_15_7"
                                                                 : "X11; Linux x86_64";
  agent.append(system);
  if (device.browser == "Firefox") {
    const std::string version = std::string(major(device.browser_version)).append(".0");
    return agent.append("; rv:").append(version).append(") Gecko/20100101 Firefox/").append(version);
  }
  if (device.browser == "Safari") {
    return agent.append(") AppleWebKit/605.1.15 (KHTML, like Gecko) Version/")
        .append(device.browser_version)
        .append(" Safari/605.1.15");
  }
  agent.append(") AppleWebKit/537.36 (KHTML, like Gecko) ");
  agent.append(device.browser == "Edge" ? std::string("Chrome/137.0.0.0") : chrome).append(" Safari/537.36");
  if (device.browser == "Edge") {
    agent.append(" Edg/").append(major(device.browser_version)).append(".0.0.0");
  }
  return agent;
}

// What the event is about has a price.
bool concerns_product(EventKind kind) {
  switch (kind) {
    case EventKind::select_item:
    case EventKind::view_item:
    case EventKind::add_to_cart:
    case EventKind::view_cart:
    case EventKind::begin_checkout:
    case EventKind::add_shipping_info:
    case EventKind::add_payment_info:
    case EventKind::purchase: return true;
    default: return false;
  }
}

}  // namespace

struct ClickstreamWriter::Facts {
  const PlannedVisit* planned;
  User user;
  std::uint64_t seed;
  std::uint64_t id;             // of the visitor
  std::int64_t session_second;  // UTC
};

void ClickstreamWriter::prepare(Facts& facts) {
  const User& user = facts.user;
  const Channel& channel = channels()[facts.planned->channel];
  const Device& device = devices()[user.device];
  const Place& place = places()[user.place];

  about_user_.assign(user.has_account ? R"("user_id":"u-)" : R"("user_id":"v-)");
  append_hex(about_user_, facts.id >> 24, 10);
  about_user_.append(R"(","session_id":"s-)");
  append_hex(about_user_, Random::child(facts.seed, 5) >> 16, 12);
  about_user_.append("\",");

  about_device_.clear();
  append_text_field(about_device_, "user_agent", user_agent(device));
  append_text_field(about_device_, "device", device.category);
  append_text_field(about_device_, "country", place.country);
  campaign_.clear();
  if (channel.tagged) {
    append_text_field(campaign_, "utm_source", channel.source);
    append_text_field(campaign_, "utm_medium", channel.medium);
    append_text_field(campaign_, "utm_campaign", channel.campaign);
    if (channel.medium == "cpc" && channel.source != "facebook") {
      append_text_field(campaign_, "utm_term",
                        url_escaped(search_terms()[Random::child(facts.seed, 6) % search_terms().size()]));
    } else if (channel.medium != "email") {
      campaign_.append(R"("utm_content":"ad_)");
      append(campaign_, static_cast<std::int64_t>(Random::child(facts.seed, 6) % 24 + 1));
      campaign_.append("\",");
    }
  }

  // Addresses of the ranges for documentation (RFC 5737, RFC 3849).
  personal_.assign(R"("ip":")");
  if (facts.id % 5 == 0) {
    personal_.append("2001:db8:");
    append_hex(personal_, facts.id >> 20, 4);
    personal_.push_back(':');
    append_hex(personal_, facts.id >> 36, 4);
    personal_.append("::");
    append_hex(personal_, facts.id >> 52 | 1, 3);
  } else {
    personal_.append(facts.id % 2 == 0 ? "203.0.113." : "198.51.100.");
    append(personal_, static_cast<std::int64_t>(facts.id >> 24 & 0xFF));
  }
  personal_.append("\"");
  if (user.has_account) {
    personal_.append(R"(,"email":")").append(first_names()[facts.id % first_names().size()]).append(".");
    append(personal_, static_cast<std::int64_t>(facts.id >> 40));
    personal_.append("@mail.example\"");
  }
  personal_.append("}\n");
}

void ClickstreamWriter::make_urls(const Facts& facts) {
  const Channel& channel = channels()[facts.planned->channel];
  urls_.resize(std::max(urls_.size(), visit_.pages.size()));
  for (std::size_t index = 0; index < visit_.pages.size(); ++index) {
    const Page& page = visit_.pages[index];
    std::string& url = urls_[index];
    char separator = assign_page_url(url, page);
    if (page.kind == PageKind::confirmation && facts.user.has_account && facts.id % 4 == 0) {
      url.append("?email=").append(first_names()[facts.id % first_names().size()]).append(".");
      append(url, static_cast<std::int64_t>(facts.id >> 40));
      url.append("%40mail.example");
    }
    if (index > 0) {
      continue;
    }
    const auto query = [&](std::string_view name, std::string_view value) {
      url.append(1, separator).append(name).append("=").append(value);
      separator = '&';
    };
    if (channel.tagged) {
      query("utm_source", channel.source);
      query("utm_medium", channel.medium);
      query("utm_campaign", channel.campaign);
    }
    if (channel.click_id == ClickId::gclid) {
      query("gclid", token(facts.seed + 7, "Cj0KCQjw", 22));
    }
  }
  landing_referrer_ = channel.referrer;
}

void ClickstreamWriter::write(const PlannedVisit& planned, std::string& text, std::vector<Line>& lines) {
  Facts facts{};
  facts.planned = &planned;
  facts.user = make_user(seed_, planned.user, first_day_, days_);
  facts.seed = visit_seed(facts.user, planned.number);
  facts.id = Random::child(facts.user.seed, 3);
  facts.session_second = (first_day_ + planned.day) * kDaySeconds + planned.second;
  make_visit({facts.seed, planned.number, planned.channel, facts.user.in_app}, visit_);
  prepare(facts);
  make_urls(facts);

  std::uint32_t left = planned.lines;
  const std::int64_t midnight_micros = (first_day_ + planned.day + 1) * kDaySeconds * 1'000'000;
  const auto write_one = [&](std::size_t index) {
    const std::int64_t at = facts.session_second * 1'000'000 + visit_.events[index].at_ms * 1'000ll;
    if (left == 0 || (planned.part_of_day && (at >= midnight_micros) != (planned.file_day > planned.day))) {
      return;
    }
    --left;
    const std::size_t begin = text.size();
    write_event(facts, index, text);
    lines.push_back({at, begin, text.size() - begin});
  };
  for (std::size_t index = 0; index < visit_.events.size(); ++index) {
    write_one(index);
  }
  if (visit_.duplicate >= 0) {
    write_one(static_cast<std::size_t>(visit_.duplicate));
  }
}

void ClickstreamWriter::write_event(const Facts& facts, std::size_t index, std::string& text) {
  const VisitEvent& event = visit_.events[index];
  text.append(R"({"event_id":")");
  append_uuid(text, Random::child(facts.seed, 5000 + index));
  text.append(R"(","event_type":")").append(event_name(event.kind));
  text.append(R"(","timestamp":")");
  append_time(text, facts.session_second * 1'000'000 + event.at_ms * 1'000ll);
  text.append("\",").append(about_user_);
  append_text_field(text, "page_url", urls_[event.page]);
  // Of a page of the shop only its path, as the tracker cuts it.
  std::string_view referrer = landing_referrer_;
  if (event.page > 0) {
    referrer = urls_[event.page - 1u];
    referrer = referrer.substr(0, referrer.find('?'));
  }
  if (!referrer.empty()) {
    append_text_field(text, "referrer", referrer);
  }
  text.append(about_device_);
  if (event.page == 0) {
    text.append(campaign_);
  }
  if (concerns_product(event.kind) && event.cart_lines > 0) {
    const CartLine& line = visit_.cart.front();
    const Product& product = products()[line.product];
    append_text_field(text, "product_id", product.id);
    text.append(R"("price":)");
    append_money(text, product.price_cents);
    text.append(R"(,"quantity":)");
    append(text, line.quantity);
    text.append(places()[facts.user.place].pays_in_euro ? R"(,"currency":"EUR",)" : R"(,"currency":"USD",)");
  }
  text.append(personal_);
}

}  // namespace shoplake::generate
