#include "collect/ga4_gtag.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "base/digest.h"
#include "collect/ga4_hit.h"

namespace shoplake::collect {

namespace {

constexpr std::size_t kEventNameBytesMax = 256;

// A short key as a number, so that a switch can tell keys apart. Longer ones than 8 bytes are none of ours.
constexpr std::uint64_t packed(std::string_view key) {
  if (key.size() > 8) {
    return 0;
  }
  std::uint64_t bytes = 0;
  for (const char c : key) {
    bytes = bytes << 8 | static_cast<unsigned char>(c);
  }
  return bytes;
}

// What a hit says, decoded. Of a key that comes twice the first counts.
struct Fields {
  std::string_view version, tid, cid, uid, sid, session_number, engaged, event_name;
  std::string_view location, referrer, title, hostname, language, screen;
  std::string_view page_id, hit_number, engagement_time, session_start, first_visit, debug, traffic_type;
  std::string_view ignore_referrer, currency, consent, consent_defaults;
  TrafficSource traffic;
  UserAgent hints;
  std::vector<Parameter> parameters;
  std::vector<Parameter> user_properties;
  std::vector<std::pair<int, std::string_view>> items;  // number after "pr", text
};

void set_first(std::string_view& field, std::string_view value) {
  if (field.empty()) {
    field = value;
  }
}

void read_pair(std::string_view raw_key, std::string_view raw_value, TextArena& arena, Fields& fields) {
  const auto set = [&](std::string_view& field) { set_first(field, arena.decoded(raw_value)); };
  const auto custom = [&](std::size_t prefix, bool is_number, std::vector<Parameter>& list) {
    const std::string_view key = arena.decoded(raw_key.substr(prefix));
    const std::string_view text = arena.decoded(raw_value);
    if (!key.empty() && !text.empty()) {
      list.push_back({key, is_number ? Value::number_or_text(text) : Value::of(text)});
    }
  };
  if (raw_key.starts_with("ep.")) {
    return custom(3, false, fields.parameters);
  }
  if (raw_key.starts_with("epn.")) {
    return custom(4, true, fields.parameters);
  }
  if (raw_key.starts_with("up.")) {
    return custom(3, false, fields.user_properties);
  }
  if (raw_key.starts_with("upn.")) {
    return custom(4, true, fields.user_properties);
  }
  if (raw_key.starts_with("pr") && raw_key.size() <= 5) {
    const std::optional<std::int64_t> number = to_integer(raw_key.substr(2));
    if (number && *number >= 1 && *number <= static_cast<std::int64_t>(kGa4ItemsMax)) {
      fields.items.emplace_back(static_cast<int>(*number), arena.decoded(raw_value));
    }
    return;
  }
  switch (packed(raw_key)) {
    case packed("v"): return set(fields.version);
    case packed("tid"): return set(fields.tid);
    case packed("cid"): return set(fields.cid);
    case packed("uid"): return set(fields.uid);
    case packed("sid"): return set(fields.sid);
    case packed("sct"): return set(fields.session_number);
    case packed("seg"): return set(fields.engaged);
    case packed("en"): return set(fields.event_name);
    case packed("dl"): return set(fields.location);
    case packed("dr"): return set(fields.referrer);
    case packed("dt"): return set(fields.title);
    case packed("dh"): return set(fields.hostname);
    case packed("ul"): return set(fields.language);
    case packed("sr"): return set(fields.screen);
    case packed("_p"): return set(fields.page_id);
    case packed("_s"): return set(fields.hit_number);
    case packed("_et"): return set(fields.engagement_time);
    case packed("_ss"): return set(fields.session_start);
    case packed("_fv"): return set(fields.first_visit);
    case packed("_dbg"): return set(fields.debug);
    case packed("tt"): return set(fields.traffic_type);
    case packed("ir"): return set(fields.ignore_referrer);
    case packed("cu"): return set(fields.currency);
    case packed("gcs"): return set(fields.consent);
    case packed("gcd"): return set(fields.consent_defaults);
    case packed("cs"): return set(fields.traffic.source);
    case packed("cm"): return set(fields.traffic.medium);
    case packed("cn"): return set(fields.traffic.campaign);
    case packed("ci"): return set(fields.traffic.campaign_id);
    case packed("cc"): return set(fields.traffic.content);
    case packed("ct"):
    case packed("ck"): return set(fields.traffic.term);
    case packed("ccf"): return set(fields.traffic.creative_format);
    case packed("cmt"): return set(fields.traffic.marketing_tactic);
    case packed("gclid"): return set(fields.traffic.gclid);
    case packed("dclid"): return set(fields.traffic.dclid);
    case packed("srsltid"): return set(fields.traffic.srsltid);
    case packed("uafvl"): return set(fields.hints.brands);
    case packed("uamb"): return set(fields.hints.mobile);
    case packed("uam"): return set(fields.hints.model);
    case packed("uap"): return set(fields.hints.platform);
    case packed("uapv"): return set(fields.hints.platform_version);
    default: return;
  }
}

void read_pairs(std::string_view text, TextArena& arena, Fields& fields) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && equals + 1 < pair.size()) {
      const std::string_view key = pair.substr(0, equals);
      // Names are rarely escaped, but may be.
      read_pair(key.find('%') == std::string_view::npos ? key : arena.decoded(key), pair.substr(equals + 1), arena,
                fields);
    }
  }
}

// "G1<ad storage><analytics storage>": 1 granted, 0 denied, - not asked.
std::string_view consent_of_gcs(std::string_view gcs, std::size_t at) {
  if (gcs.size() < 4 || gcs.substr(0, 2) != "G1") {
    return {};
  }
  return gcs[at] == '1' ? "Yes" : gcs[at] == '0' ? "No" : "Unset";
}

// "13<ad storage>3<analytics storage>3…": a letter for the default and the update of each. "l" is neither.
std::string_view consent_of_gcd(std::string_view gcd, std::size_t at) {
  if (gcd.size() <= at) {
    return {};
  }
  switch (gcd[at]) {
    case 'n':
    case 'r':
    case 't':
    case 'v': return "Yes";
    case 'm':
    case 'p':
    case 'q':
    case 'u': return "No";
    default: return "Unset";
  }
}

std::string_view first_of(std::string_view a, std::string_view b, std::string_view otherwise = {}) {
  return !a.empty() ? a : !b.empty() ? b : otherwise;
}

// "id12~nmShoes~pr9.99~k0color~v0red": keys of two characters; "~~" is a tilde.
void read_item(std::string_view text, TextArena& arena, Item& item) {
  std::string_view custom_keys[10];
  std::string unescaped;
  while (!text.empty()) {
    std::size_t end = 0;
    bool escaped = false;
    while (end < text.size() && (text[end] != '~' || (end + 1 < text.size() && text[end + 1] == '~'))) {
      escaped = escaped || text[end] == '~';
      end += text[end] == '~' ? 2 : 1;
    }
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (escaped) {
      unescaped.clear();
      for (std::size_t i = 0; i < part.size(); ++i) {
        unescaped.push_back(part[i]);
        i += part[i] == '~' ? 1 : 0;
      }
      part = arena.copy(unescaped);
    }
    if (part.size() < 3) {
      continue;
    }
    const std::string_view code = part.substr(0, 2);
    const std::string_view value = part.substr(2);
    if (code[0] == 'k' && code[1] >= '0' && code[1] <= '9') {
      custom_keys[code[1] - '0'] = value;
      continue;
    }
    if (code[0] == 'v' && code[1] >= '0' && code[1] <= '9') {
      if (const std::string_view key = custom_keys[code[1] - '0']; !key.empty()) {
        item.parameters.push_back({key, Value::of(value)});
      }
      continue;
    }
    if (code == "ds") {
      item.parameters.push_back({"discount", Value::number_or_text(value)});
      continue;
    }
    for (std::size_t column = 0; column < kItemColumnCount; ++column) {
      if (kItemColumns[column].code == code) {
        item.set(column,
                 kItemColumns[column].type == ItemColumnType::text ? Value::of(value) : Value::number_or_text(value));
        break;
      }
    }
  }
}

void append_part(std::string& bytes, std::string_view part) {
  const auto size = static_cast<std::uint32_t>(part.size());
  for (int shift = 0; shift < 32; shift += 8) {
    bytes.push_back(static_cast<char>(size >> shift & 0xFF));
  }
  bytes.append(part);
}

bool is_set(std::string_view flag) { return !flag.empty() && flag != "0" && flag != "false"; }

bool has_own_id(const std::vector<Parameter>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(), [](const Parameter& parameter) {
    return parameter.key == "event_id" || parameter.key == "insert_id" || parameter.key == "insertId";
  });
}

class HitReader {
 public:
  HitReader(const Ga4Request& request, const Ga4Options& options, Ga4Result& result)
      : request_(request), options_(options), result_(result) {}

  // `line` is the hit's part of the body, `index` its number among the request's hits.
  void read(std::string_view line, std::size_t index) {
    TextArena arena;
    Fields fields;
    read_pairs(line, arena, fields);
    read_pairs(request_.query, arena, fields);
    if (!check(fields, line)) {
      return;
    }
    Hit hit;
    fill_shared(fields, arena, hit);
    // GA4 adds these two to what the tag sends; they carry the page and the session, and nothing of the event.
    if (is_set(fields.first_visit) && fields.event_name != "first_visit") {
      write(fields, hit, "first_visit", index);
    }
    if (is_set(fields.session_start) && fields.event_name != "session_start") {
      write(fields, hit, "session_start", index);
    }
    fill_event(fields, arena, index, hit);
    write(fields, hit, fields.event_name, index);
  }

  void reject(std::string_view line, std::string_view reason, std::string message) {
    std::string bytes(request_.query);
    if (!line.empty()) {
      bytes.append("\n").append(line);
    }
    result_.rejected.push_back({std::string(reason), std::move(message), std::move(bytes)});
  }

 private:
  bool check(const Fields& fields, std::string_view line) {
    const auto fail = [&](std::string_view reason, std::string_view message) {
      reject(line, reason, std::string(message));
      return false;
    };
    if (!fields.version.empty() && fields.version != "2") {
      return fail("ga4.bad_version", "The hit's protocol version v is not 2.");
    }
    if (fields.tid.empty()) {
      return fail("ga4.no_stream", "The hit has no measurement id (tid).");
    }
    if (fields.cid.empty()) {
      return fail("ga4.no_client_id", "The hit has no client id (cid).");
    }
    if (fields.event_name.find_first_not_of(" \t\r\n") == std::string_view::npos) {
      return fail("ga4.no_event_name", "The hit has no event name (en).");
    }
    if (fields.event_name.size() > kEventNameBytesMax) {
      return fail("ga4.bad_event_name",
                  fmt::format("The event's name (en) has more than {} bytes.", kEventNameBytesMax));
    }
    return true;
  }

  // Of the page, the session and the visitor.
  void fill_shared(const Fields& fields, TextArena& arena, Hit& hit) {
    hit.timestamp_micros = request_.received_at_micros;
    hit.stream_id = fields.tid;
    hit.platform = "WEB";
    hit.user_id = fields.uid;
    hit.analytics_storage =
        first_of(consent_of_gcs(fields.consent, 3), consent_of_gcd(fields.consent_defaults, 4), "Unset");
    hit.ads_storage = first_of(consent_of_gcs(fields.consent, 2), consent_of_gcd(fields.consent_defaults, 2), "Unset");
    // Without consent the ids are random and belong to one page; GA4 does not export them.
    const bool denied = hit.analytics_storage == "No";
    if (!denied) {
      hit.user_pseudo_id = fields.cid;
      hit.first_touch_micros = first_touch(fields.cid, is_set(fields.first_visit));
    }

    const std::string_view location = first_of(fields.location, request_.referer);
    hit.hostname = first_of(fields.hostname, url_host(location, arena));
    hit.language = arena.lower(first_of(fields.language, accepted_language()));
    UserAgent agent = fields.hints;
    agent.user_agent = request_.user_agent;
    agent.brands = first_of(agent.brands, request_.sec_ch_ua_full_version_list, request_.sec_ch_ua);
    agent.mobile = first_of(agent.mobile, request_.sec_ch_ua_mobile);
    agent.model = first_of(agent.model, request_.sec_ch_ua_model);
    agent.platform = first_of(agent.platform, request_.sec_ch_ua_platform);
    agent.platform_version = first_of(agent.platform_version, request_.sec_ch_ua_platform_version);
    hit.device = classify(agent);
    hit.traffic = fields.traffic;
    read_traffic_source(location, is_set(fields.ignore_referrer) ? std::string_view() : fields.referrer, arena,
                        hit.traffic);

    if (!denied) {
      hit.add("ga_session_id", Value::number_or_text(fields.sid));
      hit.add("ga_session_number", Value::number_or_text(fields.session_number));
    }
    hit.add("page_location", Value::of(location));
    hit.add("page_referrer", Value::of(fields.referrer));
    hit.add("page_title", Value::of(fields.title));
    hit.add("session_engaged", Value::of(fields.engaged));
    if (fields.engaged == "1") {
      hit.add("engaged_session_event", Value::of(std::int64_t{1}));
    }
    hit.add("language", Value::of(hit.language));
    hit.add("screen_resolution", Value::of(fields.screen));
    hit.add("source", Value::of(hit.traffic.source));
    hit.add("medium", Value::of(hit.traffic.medium));
    hit.add("campaign", Value::of(hit.traffic.campaign));
    hit.add("campaign_id", Value::of(hit.traffic.campaign_id));
    hit.add("term", Value::of(hit.traffic.term));
    hit.add("content", Value::of(hit.traffic.content));
    hit.add("gclid", Value::of(hit.traffic.gclid));
    hit.add("dclid", Value::of(hit.traffic.dclid));
    hit.add("srsltid", Value::of(hit.traffic.srsltid));
    hit.add("traffic_type", Value::of(fields.traffic_type));
    if (is_set(fields.ignore_referrer)) {
      hit.add("ignore_referrer", Value::of("true"));
    }
    if (is_set(fields.debug)) {
      hit.add("debug_mode", Value::of(std::int64_t{1}));
    }

    hit.user_properties = fields.user_properties;
    for (Parameter& property : hit.user_properties) {
      property.set_at_micros = hit.timestamp_micros;
    }
    const std::optional<std::int64_t> engagement = to_integer(fields.engagement_time);
    hit.is_active_user = fields.engaged == "1" || is_set(fields.first_visit) || (engagement && *engagement > 0);
    hit.bundle_sequence_id = to_integer(fields.hit_number);
    hit.batch_page_id = to_integer(fields.page_id);
    hit.batch_ordering_id = hit.bundle_sequence_id;
  }

  void fill_event(const Fields& fields, TextArena& arena, std::size_t index, Hit& hit) {
    // 0, as staging reads NULL, is the place of first_visit and session_start.
    hit.batch_event_index = static_cast<std::int64_t>(index) + 1;
    hit.add("engagement_time_msec", Value::number_or_text(fields.engagement_time));
    if (is_set(fields.session_start) && fields.event_name == "page_view") {
      hit.add("entrances", Value::of(std::int64_t{1}));
    }
    hit.currency = fields.currency;
    hit.add("currency", Value::of(fields.currency));
    for (const Parameter& parameter : fields.parameters) {
      if (parameter.key == "value") {
        hit.value = parameter.value;
      } else if (parameter.key == "shipping") {
        hit.shipping = parameter.value;
      } else if (parameter.key == "tax") {
        hit.tax = parameter.value;
      } else if (parameter.key == "transaction_id") {
        hit.transaction_id = parameter.value.text;
      } else if (parameter.key == "currency" && hit.currency.empty()) {
        hit.currency = parameter.value.text;
      } else if (parameter.key == "debug_mode" && is_set(fields.debug)) {
        continue;
      }
      hit.parameters.push_back(parameter);
    }
    std::vector<std::pair<int, std::string_view>> items = fields.items;
    std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    items.erase(
        std::unique(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.first == b.first; }),
        items.end());
    hit.items.resize(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      read_item(items[i].second, arena, hit.items[i]);
    }
  }

  // A hit that is sent again is the same event: gtag numbers its hits on a page. Without these numbers nothing tells a
  // repeated hit from a second event of the kind, and none is lost.
  std::string identity(const Fields& fields, std::string_view event_name, std::size_t index) const {
    if (fields.page_id.empty() || fields.hit_number.empty()) {
      return {};
    }
    std::string bytes = "shoplake.gtag-hit/1";
    for (const std::string_view part :
         {fields.tid, fields.cid, fields.sid, fields.page_id, fields.hit_number, event_name}) {
      append_part(bytes, part);
    }
    append_part(bytes, std::to_string(index));
    return base::sha256_hex(bytes).substr(0, 32);
  }

  void write(const Fields& fields, Hit& hit, std::string_view event_name, std::size_t index) {
    hit.event_name = event_name;
    const std::string id = event_name == fields.event_name && has_own_id(fields.parameters)
                               ? std::string()
                               : identity(fields, event_name, index);
    if (!id.empty()) {
      hit.add("insert_id", Value::of(std::string_view(id)));
    }
    std::string& row = result_.rows.emplace_back();
    row.reserve(2'048);
    write_row(hit, options_.time_zone, row);
    if (!id.empty()) {
      hit.parameters.pop_back();
    }
  }

  std::optional<std::int64_t> first_touch(std::string_view client_id, bool first_visit) const {
    if (first_visit) {
      return request_.received_at_micros;
    }
    // "<random>.<second of the first visit>", of the cookie that gtag sets.
    const std::size_t dot = client_id.rfind('.');
    const std::optional<std::int64_t> second =
        dot == std::string_view::npos ? std::nullopt : to_integer(client_id.substr(dot + 1));
    constexpr std::int64_t kYear2000 = 946'684'800;
    if (!second || *second < kYear2000 || *second > request_.received_at_micros / 1'000'000) {
      return std::nullopt;
    }
    return *second * 1'000'000;
  }

  std::string_view accepted_language() const {
    const std::string_view first = request_.accept_language.substr(0, request_.accept_language.find_first_of(",; "));
    return first == "*" ? std::string_view() : first.substr(0, 35);
  }

  const Ga4Request& request_;
  const Ga4Options& options_;
  Ga4Result& result_;
};

}  // namespace

void collect_gtag(const Ga4Request& request, const Ga4Options& options, Ga4Result& result) {
  HitReader reader(request, options, result);
  std::string_view body = request.method == "POST" ? request.body : std::string_view();
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    reader.read({}, 0);
    return;
  }
  for (std::size_t index = 0; !body.empty();) {
    if (index == kGa4EventsMax) {
      if (body.find_first_not_of(" \t\r\n") != std::string_view::npos) {
        reader.reject(body, "ga4.too_many_events",
                      fmt::format("A request has at most {} events; these are the others.", kGa4EventsMax));
      }
      return;
    }
    const std::size_t end = std::min(body.find('\n'), body.size());
    std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.find_first_not_of(" \t") != std::string_view::npos) {
      reader.read(line, index++);
    }
  }
}

}  // namespace shoplake::collect
