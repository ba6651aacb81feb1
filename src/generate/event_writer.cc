#include "generate/event_writer.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "generate/page_url.h"
#include "generate/random.h"
#include "generate/spelling.h"
#include "generate/vocabulary.h"

namespace shoplake::generate {

namespace {

constexpr std::int64_t kEuroInCents = 108;  // USD cents for a euro

void close_object(std::string& text, char bracket = '}') {
  if (text.back() == ',') {
    text.back() = bracket;
  } else {
    text.push_back(bracket);
  }
}

void parameter(std::string& text, std::string_view key, std::string_view value) {
  text.append(R"({"key":")").append(key).append(R"(","value":{"string_value":")").append(value).append("\"}},");
}

void parameter(std::string& text, std::string_view key, std::int64_t value) {
  text.append(R"({"key":")").append(key).append(R"(","value":{"int_value":")");
  append(text, value);
  text.append("\"}},");
}

// Whole amounts arrive as int, others as double: the tag sends what JavaScript made of them.
void money_parameter(std::string& text, std::string_view key, std::int64_t cents) {
  if (cents % 100 == 0) {
    parameter(text, key, cents / 100);
    return;
  }
  text.append(R"({"key":")").append(key).append(R"(","value":{"double_value":)");
  append_money(text, cents);
  text.append("}},");
}

void append_date(std::string& text, std::int64_t days_since_epoch) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days_since_epoch}}};
  const int number = static_cast<int>(date.year()) * 10'000 +
                     static_cast<int>(static_cast<unsigned>(date.month())) * 100 +
                     static_cast<int>(static_cast<unsigned>(date.day()));
  append(text, number);
}

bool concerns_items(EventKind kind) {
  switch (kind) {
    case EventKind::view_item_list:
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

bool has_value(EventKind kind) {
  return concerns_items(kind) && kind != EventKind::view_item_list && kind != EventKind::select_item;
}

constexpr std::size_t kListLength = 4;

}  // namespace

struct EventWriter::Facts {
  const PlannedVisit* planned;
  User user;
  std::uint64_t seed;
  std::int64_t session_second;  // UTC; ga_session_id
  std::int64_t first_touch_micros;
  bool in_euro;
  bool engaged;
  std::string email;
  std::string transaction_id;

  std::int64_t in_usd(std::int64_t cents) const { return in_euro ? (cents * kEuroInCents + 50) / 100 : cents; }
};

namespace {

std::string_view page_title(const Page& page) {
  switch (page.kind) {
    case PageKind::home: return "Shop – shoes, jackets and more";
    case PageKind::category: return categories()[page.subject];
    case PageKind::product: return products()[page.subject].name;
    case PageKind::search: return "Search results";
    case PageKind::article: return "How to choose a rain jacket";
    case PageKind::cart: return "Your cart";
    case PageKind::checkout: return "Checkout";
    case PageKind::confirmation: return "Thank you for your order";
  }
  return "";
}

}  // namespace

void EventWriter::prepare_constants(Facts& facts) {
  const PlannedVisit& planned = *facts.planned;
  const User& user = facts.user;
  const Channel& channel = channels()[planned.channel];
  const Device& device = devices()[user.device];
  const Place& place = places()[user.place];
  const std::uint64_t id = Random::child(user.seed, 3);
  facts.email.assign(first_names()[id % first_names().size()]).append(".");
  append(facts.email, static_cast<std::int64_t>(id >> 40));
  facts.transaction_id = "T-";
  append(facts.transaction_id,
         static_cast<std::int64_t>(Random::child(facts.seed, 4) % 9'000'000'000'000 + 1'000'000'000'000));

  std::string& user_text = about_user_;
  user_text.clear();
  if (user.has_account) {
    user_text.append(R"("user_id":"u-)");
    append(user_text, static_cast<std::int64_t>(id >> 30));
    user_text.append("\",");
  }
  if (user.consents) {
    user_text.append(R"("user_pseudo_id":")");
    append(user_text, static_cast<std::int64_t>(100'000'000 + (id & 0x7FFFFFFF)));
    user_text.push_back('.');
    append(user_text, facts.first_touch_micros / 1'000'000);
    user_text.append(
        R"(","privacy_info":{"analytics_storage":"Yes","ads_storage":"Yes","uses_transient_token":"No"},)");
  } else {
    user_text.append(R"("privacy_info":{"analytics_storage":"No","ads_storage":"No","uses_transient_token":"Yes"},)");
  }
  if (user.is_member) {
    user_text.append(R"("user_properties":[{"key":"membership","value":{"string_value":")")
        .append(id % 5 == 0 ? "gold" : "basic")
        .append(R"(","set_timestamp_micros":")");
    append(user_text, facts.session_second * 1'000'000);
    user_text.append("\"}}],");
  } else {
    user_text.append(R"("user_properties":[],)");
  }
  if (user.consents) {
    user_text.append(R"("user_first_touch_timestamp":")");
    append(user_text, facts.first_touch_micros);
    user_text.append(R"(","user_ltv":{"revenue":)");
    append_money(user_text, planned.ltv_cents);
    user_text.append(R"(,"currency":"USD"},)");
  }
  user_text.append(R"("device":{)");
  append_text_field(user_text, "category", device.category);
  append_text_field(user_text, "mobile_brand_name", device.brand);
  append_text_field(user_text, "mobile_model_name", device.model);
  append_text_field(user_text, "operating_system", device.system);
  append_text_field(user_text, "operating_system_version", device.system_version);
  append_text_field(user_text, "language", place.language);
  append_text_field(user_text, "is_limited_ad_tracking", "No");
  if (id % 3 == 0) {
    user_text.append(R"("time_zone_offset_seconds":"-18000",)");
  }
  user_text.append(R"("web_info":{)");
  append_text_field(user_text, "browser", device.browser);
  append_text_field(user_text, "browser_version", device.browser_version);
  append_text_field(user_text, "hostname", kHost);
  close_object(user_text);
  user_text.append(R"(},"geo":{)");
  append_text_field(user_text, "city", place.city);
  append_text_field(user_text, "country", place.country);
  append_text_field(user_text, "continent", place.continent);
  append_text_field(user_text, "region", place.region);
  append_text_field(user_text, "sub_continent", place.sub_continent);
  append_text_field(user_text, "metro", "(not set)");
  close_object(user_text);
  user_text.push_back(',');
  if (user.in_app) {
    user_text.append(R"("app_info":{"id":"example.shop.app","version":"4.12.0","install_store":")")
        .append(device.system == "iOS" ? "iTunes" : "com.android.vending")
        .append(R"(","firebase_app_id":"1:1090:)")
        .append(device.system == "iOS" ? "ios" : "android")
        .append(R"~(:5ba1","install_source":"(direct)"},)~");
  }
  const Channel& first = channels()[planned.first_channel];
  user_text.append(R"("traffic_source":{)");
  append_text_field(user_text, "name", first.campaign);
  append_text_field(user_text, "medium", first.medium);
  append_text_field(user_text, "source", first.source);
  close_object(user_text);
  user_text
      .append(user.in_app ? R"(,"stream_id":"2100450279","platform":")" : R"(,"stream_id":"2100450278","platform":")")
      .append(!user.in_app             ? "WEB"
              : device.system == "iOS" ? "IOS"
                                       : "ANDROID")
      .append(R"(","event_dimensions":{"hostname":")")
      .append(kHost)
      .append("\"},");

  // Of the session: Google's last non-direct click.
  const Channel& last = channels()[planned.last_non_direct];
  std::string& session = about_session_;
  session.assign(R"("session_traffic_source_last_click":{)");
  if (planned.last_non_direct != kDirect) {
    session.append(R"("manual_campaign":{)");
    append_text_field(session, "campaign_name", last.campaign);
    append_text_field(session, "source", last.source);
    append_text_field(session, "medium", last.medium);
    close_object(session);
    session.push_back(',');
    if (last.click_id == ClickId::gclid) {
      session.append(R"("google_ads_campaign":{"customer_id":"4412097315","account_name":"Shop","campaign_id":"20981)");
      append(session, planned.last_non_direct + 100);
      session.append("\",");
      append_text_field(session, "campaign_name", last.campaign);
      session.append(R"("ad_group_id":"1590)");
      append(session, planned.last_non_direct + 500);
      session.append(R"(","ad_group_name":"Main"},)");
    }
  }
  session.append(R"("cross_channel_campaign":{)");
  append_text_field(session, "campaign_name", last.campaign);
  append_text_field(session, "source", last.source);
  append_text_field(session, "medium", last.medium);
  append_text_field(session, "default_channel_group", last.group);
  append_text_field(session, "primary_channel_group", last.group);
  close_object(session);
  session.push_back('}');

  // Of the landing page: what the click brought.
  std::string click;
  std::string_view click_name;
  switch (channel.click_id) {
    case ClickId::none: break;
    case ClickId::gclid: click = token(facts.seed + 7, "Cj0KCQjw", 46), click_name = "gclid"; break;
    case ClickId::fbclid: click = token(facts.seed + 7, "IwY2xjaw", 54), click_name = "fbclid"; break;
    case ClickId::msclkid: click = token(facts.seed + 7, "", 32), click_name = "msclkid"; break;
    case ClickId::ttclid: click = token(facts.seed + 7, "E.C.P.", 48), click_name = "ttclid"; break;
  }
  const bool auto_tagged_only = channel.click_id == ClickId::gclid && !channel.tagged;
  landing_source_.clear();
  landing_parameters_.clear();
  if (planned.channel != kDirect) {
    landing_source_.assign(R"("collected_traffic_source":{)");
    if (!auto_tagged_only) {
      append_text_field(landing_source_, "manual_campaign_name", channel.campaign);
      append_text_field(landing_source_, "manual_source", channel.source);
      append_text_field(landing_source_, "manual_medium", channel.medium);
    }
    if (channel.click_id == ClickId::gclid) {
      append_text_field(landing_source_, "gclid", click);
    }
    close_object(landing_source_);
    landing_source_.push_back(',');
    // Google's own export gives a click that is only auto-tagged as organic in the parameters; the gclid in the URL
    // decides.
    parameter(landing_parameters_, "source", channel.source);
    parameter(landing_parameters_, "medium", auto_tagged_only ? "organic" : channel.medium);
    parameter(landing_parameters_, "campaign", auto_tagged_only ? "(organic)" : channel.campaign);
    if (!channel.referrer.empty()) {
      parameter(landing_parameters_, "page_referrer", channel.referrer);
    }
  }
  landing_parameters_.append(R"({"key":"entrances","value":{"int_value":"1"}},)");

  // URLs of the pages.
  urls_.resize(std::max(urls_.size(), visit_.pages.size()));
  for (std::size_t index = 0; index < visit_.pages.size(); ++index) {
    const Page& page = visit_.pages[index];
    std::string& url = urls_[index];
    char separator = assign_page_url(url, page);
    if (page.kind == PageKind::confirmation) {
      url.append("?order=").append(facts.transaction_id);
      separator = '&';
      if (user.has_account && id % 4 == 0) {
        url.append("&email=").append(facts.email).append("%40mail.example");
      }
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
    if (!click.empty()) {
      query(click_name, click);
    }
    if (channel.medium == "email" && id % 5 == 0) {
      query("email", facts.email + "@mail.example");
    }
  }
}

void EventWriter::write(const PlannedVisit& planned, std::string& text, std::vector<Line>& lines) {
  Facts facts{};
  facts.planned = &planned;
  facts.user = make_user(seed_, planned.user, first_day_, days_);
  facts.seed = visit_seed(facts.user, planned.number);
  facts.in_euro = places()[facts.user.place].pays_in_euro;
  facts.session_second = (first_day_ + planned.day) * kDaySeconds + planned.second - kTimeZoneSeconds;
  facts.first_touch_micros =
      ((first_day_ + facts.user.first_day) * kDaySeconds + facts.user.first_second - kTimeZoneSeconds) * 1'000'000;
  if (planned.number == 1) {
    facts.first_touch_micros = facts.session_second * 1'000'000;  // its second may have been moved before midnight
  }
  make_visit({facts.seed, planned.number, planned.channel, facts.user.in_app}, visit_);
  facts.engaged = visit_.pages.size() > 1 || visit_.duration_ms() > 10'000;
  prepare_constants(facts);

  std::uint32_t left = planned.lines;
  const std::int64_t midnight_micros = ((first_day_ + planned.day + 1) * kDaySeconds - kTimeZoneSeconds) * 1'000'000;
  const auto write_one = [&](const VisitEvent& event) {
    const std::int64_t at = facts.session_second * 1'000'000 + event.at_ms * 1'000ll;
    if (left == 0 || (planned.part_of_day && (at >= midnight_micros) != (planned.file_day > planned.day))) {
      return;
    }
    --left;
    const std::size_t begin = text.size();
    write_event(facts, event, text);
    lines.push_back({at, begin, text.size() - begin});
  };
  for (const VisitEvent& event : visit_.events) {
    write_one(event);
  }
  if (visit_.duplicate >= 0) {
    write_one(visit_.events[static_cast<std::size_t>(visit_.duplicate)]);
  }
}

void EventWriter::write_event(const Facts& facts, const VisitEvent& event, std::string& text) {
  const PlannedVisit& planned = *facts.planned;
  const Page& page = visit_.pages[event.page];
  const std::uint64_t batch_hash = Random::child(facts.seed, 1000ull + event.page * 100ull + event.batch);
  const std::int64_t micros =
      static_cast<std::int64_t>(batch_hash % 1000);  // below the millisecond, the same for a batch
  const std::int64_t at = facts.session_second * 1'000'000 + event.at_ms * 1'000ll + micros;
  const std::int64_t local_second = at / 1'000'000 + kTimeZoneSeconds;

  text.append(R"({"event_date":")");
  append_date(text, local_second / kDaySeconds);
  text.append(R"(","event_timestamp":")");
  append(text, at);
  text.append(R"(","event_name":")").append(event_name(event.kind)).append("\",");
  write_parameters(facts, event, text);
  if (event.page > 0 && event.kind == EventKind::page_view) {
    const std::uint64_t before = Random::child(facts.seed, 1000ull + (event.page - 1) * 100ull + 1);
    text.append(R"("event_previous_timestamp":")");
    append(text, facts.session_second * 1'000'000 + visit_.pages[event.page - 1u].opened_ms * 1'000ll +
                     static_cast<std::int64_t>(before % 1000));
    text.append("\",");
  }
  if (has_value(event.kind)) {
    std::int64_t usd = 0;
    for (std::size_t line = 0; line < event.cart_lines; ++line) {
      usd += facts.in_usd(static_cast<std::int64_t>(products()[visit_.cart[line].product].price_cents) *
                          visit_.cart[line].quantity);
    }
    text.append(R"("event_value_in_usd":)");
    append_money(text, usd);
    text.push_back(',');
  }
  text.append(R"("event_bundle_sequence_id":")");
  append(text, static_cast<std::int64_t>((facts.seed >> 24) + event.page * 16ull + event.batch));
  text.append(R"(","event_server_timestamp_offset":")");
  const std::int64_t delay =
      static_cast<std::int64_t>(200'000 + batch_hash % 1'800'000) + planned.late_days * kDaySeconds * 1'000'000;
  append(text, delay);
  text.append("\",");
  if (planned.late_days > 0) {
    text.append(R"("event_original_occurrence_timestamp":")");
    append(text, at);
    text.append("\",");
  }
  text.append(about_user_);
  write_ecommerce(facts, event, text);
  write_items(facts, event, text);
  if (event.page == 0 && event.batch == 1) {
    text.append(landing_source_);
  }
  text.append(facts.engaged ? R"("is_active_user":true,"batch_event_index":")"
                            : R"("is_active_user":false,"batch_event_index":")");
  append(text, event.batch_index);
  text.append(R"(","batch_page_id":")");
  append(text, facts.session_second * 1000 + page.opened_ms);
  text.append(R"(","batch_ordering_id":")");
  append(text, event.batch);
  text.append("\",").append(about_session_);
  if (event.kind == EventKind::ad_impression) {
    text.append(R"(,"publisher":{"ad_revenue_in_usd":0.0)");
    append(text, static_cast<std::int64_t>(batch_hash % 90 + 10));
    text.append(R"(,"ad_format":"banner","ad_source_name":"AdMob Network","ad_unit_id":"home_banner"})");
  }
  text.append("}\n");
}

void EventWriter::write_parameters(const Facts& facts, const VisitEvent& event, std::string& text) {
  const PlannedVisit& planned = *facts.planned;
  const Page& page = visit_.pages[event.page];
  text.append(R"("event_params":[)");
  if (facts.user.consents) {
    parameter(text, "ga_session_id", facts.session_second);
    parameter(text, "ga_session_number", planned.number);
  }
  parameter(text, "page_location", urls_[event.page]);
  parameter(text, "page_title", page_title(page));
  if (event.page == 0 && event.batch == 1) {
    text.append(landing_parameters_);
  } else if (event.page > 0) {
    parameter(text, "page_referrer", urls_[event.page - 1u]);
  }
  if (event.kind == EventKind::session_start || event.kind == EventKind::first_visit) {
    parameter(text, "session_engaged", static_cast<std::int64_t>(facts.engaged));
  } else {
    parameter(text, "session_engaged", facts.engaged ? "1" : "0");
  }
  if (event.engagement_ms > 0) {
    parameter(text, "engagement_time_msec", event.engagement_ms);
  }
  switch (event.kind) {
    case EventKind::scroll: parameter(text, "percent_scrolled", 90); break;
    case EventKind::view_search_results: parameter(text, "search_term", search_terms()[page.subject]); break;
    case EventKind::view_promotion: parameter(text, "promotion_name", "Spring sale"); break;
    case EventKind::view_item_list:
    case EventKind::select_item: parameter(text, "item_list_name", page_title(page)); break;
    case EventKind::add_shipping_info:
      parameter(text, "shipping_tier", (facts.seed >> 20) % 3 == 0 ? "Express" : "Ground");
      break;
    case EventKind::add_payment_info:
      parameter(text, "payment_type", (facts.seed >> 22) % 3 == 0 ? "PayPal" : "Credit card");
      break;
    default: break;
  }
  if (has_value(event.kind)) {
    std::int64_t cents = 0;
    for (std::size_t line = 0; line < event.cart_lines; ++line) {
      cents +=
          static_cast<std::int64_t>(products()[visit_.cart[line].product].price_cents) * visit_.cart[line].quantity;
    }
    parameter(text, "currency", facts.in_euro ? "EUR" : "USD");
    money_parameter(text, "value", cents);
    if (event.kind == EventKind::purchase) {
      parameter(text, "transaction_id", facts.transaction_id);
      money_parameter(text, "tax", cents * 8 / 100);
      money_parameter(text, "shipping", cents >= 5000 ? 0 : 495);
      if (facts.seed % 11 == 0) {
        parameter(text, "coupon", "SPRING10");
      }
    }
  }
  close_object(text, ']');
  text.push_back(',');
}

void EventWriter::write_ecommerce(const Facts& facts, const VisitEvent& event, std::string& text) {
  if (!concerns_items(event.kind)) {
    return;
  }
  text.append(R"("ecommerce":{)");
  if (event.kind == EventKind::view_item_list) {
    text.append(R"~("total_item_quantity":"4","unique_items":"4","transaction_id":"(not set)"},)~");
    return;
  }
  std::int64_t quantity = 0;
  std::int64_t cents = 0;
  std::int64_t usd = 0;
  for (std::size_t line = 0; line < event.cart_lines; ++line) {
    const std::int64_t line_cents =
        static_cast<std::int64_t>(products()[visit_.cart[line].product].price_cents) * visit_.cart[line].quantity;
    quantity += visit_.cart[line].quantity;
    cents += line_cents;
    usd += facts.in_usd(line_cents);
  }
  text.append(R"("total_item_quantity":")");
  append(text, quantity);
  text.append("\",");
  const bool buys = event.kind == EventKind::purchase;
  if (buys) {
    const std::int64_t shipping = cents >= 5000 ? 0 : 495;
    const std::int64_t tax = cents * 8 / 100;
    const auto money = [&](std::string_view name, std::int64_t amount) {
      text.append("\"").append(name).append("\":");
      append_money(text, amount);
      text.push_back(',');
    };
    money("purchase_revenue_in_usd", usd);
    money("purchase_revenue", cents);
    money("shipping_value_in_usd", facts.in_usd(shipping));
    money("shipping_value", shipping);
    money("tax_value_in_usd", facts.in_usd(tax));
    money("tax_value", tax);
  }
  text.append(R"("unique_items":")");
  append(text, event.cart_lines);
  text.append(R"(","transaction_id":")")
      .append(buys ? std::string_view(facts.transaction_id) : "(not set)")
      .append("\"},");
}

void EventWriter::write_items(const Facts& facts, const VisitEvent& event, std::string& text) {
  text.append(R"("items":[)");
  if (concerns_items(event.kind)) {
    const bool is_list = event.kind == EventKind::view_item_list;
    const Page& page = visit_.pages[event.page];
    const std::size_t count = is_list ? kListLength : event.cart_lines;
    for (std::size_t index = 0; index < count; ++index) {
      const std::size_t number =
          is_list ? (facts.seed % 31 + page.subject * 5u + index * 7u) % products().size() : visit_.cart[index].product;
      const std::int64_t quantity = is_list ? 1 : visit_.cart[index].quantity;
      const Product& product = products()[number];
      text.push_back('{');
      append_text_field(text, "item_id", product.id);
      append_text_field(text, "item_name", product.name);
      append_text_field(text, "item_brand", product.brand);
      if (!product.variant.empty()) {
        append_text_field(text, "item_variant", product.variant);
      }
      append_text_field(text, "item_category", product.category);
      const auto money = [&](std::string_view name, std::int64_t cents) {
        text.append("\"").append(name).append("\":");
        append_money(text, cents);
        text.push_back(',');
      };
      money("price_in_usd", facts.in_usd(product.price_cents));
      money("price", product.price_cents);
      text.append(R"("quantity":")");
      append(text, quantity);
      text.append("\",");
      if (event.kind == EventKind::purchase) {
        money("item_revenue_in_usd", facts.in_usd(product.price_cents * quantity));
        money("item_revenue", product.price_cents * quantity);
        if (facts.seed % 11 == 0) {
          append_text_field(text, "coupon", "SPRING10");
        }
      }
      if (is_list || event.kind == EventKind::select_item) {
        append_text_field(text, "item_list_name", page_title(page));
        text.append(R"("item_list_index":")");
        append(text, static_cast<std::int64_t>(index + 1));
        text.append("\",");
      }
      if (number % 3 == 0) {
        text.append(
            R"("item_params":[{"key":"stock","value":{"string_value":"in stock"}},{"key":"rating","value":{"double_value":4.5}}],)");
      }
      close_object(text);
      text.push_back(',');
    }
  }
  close_object(text, ']');
  text.push_back(',');
}

}  // namespace shoplake::generate
