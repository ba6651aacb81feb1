#include "collect/user_agent.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace shoplake::collect {

namespace {

// Longer ones say nothing more, and each token is searched in what is left.
constexpr std::size_t kUserAgentBytesMax = 1'024;
constexpr std::size_t kVersionBytesMax = 32;
constexpr std::size_t kModelBytesMax = 64;

constexpr std::string_view kDesktop = "desktop";
constexpr std::string_view kMobile = "mobile";
constexpr std::string_view kTablet = "tablet";
constexpr std::string_view kTelevision = "smart tv";
constexpr std::string_view kBot = "bot";

struct Token {
  std::string_view text;
  std::string_view name;
};

// Lower case, as all tokens; the order is by how often they come.
constexpr std::string_view kBotTokens[] = {"bot",        "crawl",       "spider",        "facebookexternalhit",
                                           "slurp",      "lighthouse",  "preview",       "curl/",
                                           "wget/",      "python-",     "python/",       "go-http-",
                                           "java/",      "libwww-perl", "httpclient",    "node-fetch",
                                           "axios/",     "phantomjs",   "pingdom",       "uptime",
                                           "monitoring", "scrapy",      "mediapartners", "feedfetcher"};
// Names of devices that contain a token of a bot.
constexpr std::string_view kNoBotTokens[] = {"cubot"};

// The first whose text is found decides; its version follows the text.
constexpr Token kBrowsers[] = {
    {"edg/", "Edge"},
    {"edga/", "Edge"},
    {"edgios/", "Edge"},
    {"edge/", "Edge"},
    {"opr/", "Opera"},
    {"opt/", "Opera"},
    {"opios/", "Opera"},
    {"opera mini/", "Opera Mini"},
    {"opera/", "Opera"},
    {"samsungbrowser/", "Samsung Internet"},
    {"yabrowser/", "YaBrowser"},
    {"vivaldi/", "Vivaldi"},
    {"ucbrowser/", "UC Browser"},
    {"whale/", "Whale Browser"},
    {"silk/", "Amazon Silk"},
    {"miuibrowser/", "Mi Browser"},
    {"huaweibrowser/", "Huawei Browser"},
    {"qqbrowser/", "QQ Browser"},
    {"duckduckgo/", "DuckDuckGo"},
    {"ddg/", "DuckDuckGo"},
    {"seamonkey/", "SeaMonkey"},
    {"fxios/", "Firefox"},
    {"firefox/", "Firefox"},
    {"crios/", "Chrome"},
    {"msie ", "Internet Explorer"},
    {"headlesschrome/", "Chrome"},
};

// Brands of client hints. "Chromium" is the engine: only if no other is named.
constexpr Token kBrands[] = {
    {"Microsoft Edge", "Edge"}, {"Opera", "Opera"},           {"Samsung Internet", "Samsung Internet"},
    {"YaBrowser", "YaBrowser"}, {"Yandex", "YaBrowser"},      {"Brave", "Brave"},
    {"Vivaldi", "Vivaldi"},     {"DuckDuckGo", "DuckDuckGo"}, {"Android WebView", "Android Webview"},
    {"Whale", "Whale Browser"}, {"Google Chrome", "Chrome"},  {"HeadlessChrome", "Chrome"},
};

constexpr Token kPlatforms[] = {
    {"Windows", "Windows"}, {"macOS", "Macintosh"},     {"Android", "Android"},      {"iOS", "iOS"},
    {"Linux", "Linux"},     {"Chrome OS", "Chrome OS"}, {"Chromium OS", "Chrome OS"}};

constexpr std::string_view kTelevisionTokens[] = {"smarttv",    "smart-tv",    "hbbtv",  "appletv",  "apple tv",
                                                  "googletv",   "android tv",  "bravia", "roku",     "crkey",
                                                  "netcast",    "web0s",       "viera",  "; aft",    "aquos",
                                                  "tizen 2.4)", "playstation", "xbox",   "nintendo", "television"};

// The first whose text begins the model decides.
constexpr Token kDeviceBrands[] = {
    {"sm-", "Samsung"},    {"gt-", "Samsung"},   {"samsung", "Samsung"},
    {"galaxy", "Samsung"}, {"pixel", "Google"},  {"nexus", "Google"},
    {"redmi", "Xiaomi"},   {"xiaomi", "Xiaomi"}, {"poco", "Xiaomi"},
    {"mi ", "Xiaomi"},     {"m20", "Xiaomi"},    {"m21", "Xiaomi"},
    {"220", "Xiaomi"},     {"221", "Xiaomi"},    {"230", "Xiaomi"},
    {"cph", "OPPO"},       {"oppo", "OPPO"},     {"rmx", "Realme"},
    {"realme", "Realme"},  {"vivo", "Vivo"},     {"v20", "Vivo"},
    {"v21", "Vivo"},       {"v22", "Vivo"},      {"oneplus", "OnePlus"},
    {"huawei", "Huawei"},  {"honor", "Honor"},   {"ele-", "Huawei"},
    {"vog-", "Huawei"},    {"ane-", "Huawei"},   {"moto", "Motorola"},
    {"xt", "Motorola"},    {"nokia", "Nokia"},   {"lm-", "LG"},
    {"lg-", "LG"},         {"lenovo", "Lenovo"}, {"asus", "Asus"},
    {"zte", "ZTE"},        {"tecno", "Tecno"},   {"infinix", "Infinix"},
    {"kf", "Amazon"},      {"aft", "Amazon"},    {"fairphone", "Fairphone"},
    {"sony", "Sony"},      {"xq-", "Sony"},      {"htc", "HTC"},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = lower(c);
  }
  return out;
}

bool same_ignoring_case(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(), [](char a, char b) { return lower(a) == lower(b); });
}

template <std::size_t N>
bool contains_any(std::string_view text, const std::string_view (&tokens)[N]) {
  return std::any_of(std::begin(tokens), std::end(tokens),
                     [&](std::string_view token) { return text.find(token) != std::string_view::npos; });
}

bool contains(std::string_view text, std::string_view token) { return text.find(token) != std::string_view::npos; }

// Digits, dots and (as iOS and macOS write them) underscores at the begin of the text, as "17.4.1".
std::string version_at_begin(std::string_view text) {
  std::string version;
  for (const char c : text) {
    if (!(is_digit(c) || ((c == '.' || c == '_') && !version.empty())) || version.size() == kVersionBytesMax) {
      break;
    }
    version.push_back(c == '_' ? '.' : c);
  }
  while (!version.empty() && version.back() == '.') {
    version.pop_back();
  }
  return version;
}

std::string version_after(std::string_view text, std::string_view token) {
  const std::size_t at = text.find(token);
  return at == std::string_view::npos ? std::string() : version_at_begin(text.substr(at + token.size()));
}

std::string_view trimmed(std::string_view text, std::string_view of = " \t\"") {
  const std::size_t begin = text.find_first_not_of(of);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(of) - begin + 1);
}

std::string without_escapes(std::string_view text) {
  const auto value = [](char c) {
    return is_digit(c) ? c - '0' : lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && value(text[i + 1]) >= 0 && value(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(value(text[i + 1]) * 16 + value(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// Windows 11 is Windows NT 10.0 in User-Agents; the client hint counts further.
// https://learn.microsoft.com/microsoft-edge/web-platform/how-to-detect-win11
std::string windows_version(std::string_view nt) {
  constexpr Token kVersions[] = {{"10.0", "10"}, {"6.3", "8.1"},   {"6.2", "8"},
                                 {"6.1", "7"},   {"6.0", "Vista"}, {"5.1", "XP"}};
  for (const Token& version : kVersions) {
    if (nt == version.text) {
      return std::string(version.name);
    }
  }
  return std::string(nt);
}

std::string windows_version_of_hint(std::string_view hint) {
  int major = 0;
  for (std::size_t i = 0; i < hint.size() && i < 4 && is_digit(hint[i]); ++i) {
    major = major * 10 + (hint[i] - '0');
  }
  return major >= 13 ? "11" : major >= 1 ? "10" : std::string();
}

std::string_view brand_of(std::string_view model) {
  const std::string text = lower(model.substr(0, kModelBytesMax));
  for (const Token& brand : kDeviceBrands) {
    if (text.compare(0, brand.text.size(), brand.text) == 0) {
      return brand.name;
    }
  }
  return {};
}

// "Mozilla/5.0 (Linux; Android 13; SM-G991B Build/TP1A) …": what stands after the version.
std::string_view android_model(std::string_view user_agent, std::size_t android_at) {
  const std::size_t comment_end = std::min(user_agent.find(')', android_at), user_agent.size());
  std::string_view rest = user_agent.substr(android_at, comment_end - android_at);
  const std::size_t separator = rest.find(';');
  if (separator == std::string_view::npos) {
    return {};
  }
  rest.remove_prefix(separator + 1);
  std::string_view model;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view part = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    // A language as old Androids send it, the mark of a web view, the placeholder of a reduced User-Agent, Firefox.
    if (part == "wv" || part == "K" || part == "U" || part == "Mobile" || part == "Tablet" || part.starts_with("rv:") ||
        (part.size() == 5 && part[2] == '-' && lower(part[0]) == part[0])) {
      continue;
    }
    model = part;
    break;
  }
  const std::size_t build = model.find(" Build");
  return trimmed(model.substr(0, build)).substr(0, kModelBytesMax);
}

void read_system(std::string_view original, std::string_view text, Device& device) {
  const auto set = [&](std::string_view name, std::string version) {
    device.operating_system = name;
    device.operating_system_version = std::move(version);
  };
  if (contains(text, "windows phone")) {
    set("Windows Phone", version_after(text, "windows phone "));
    device.category = kMobile;
  } else if (contains(text, "iphone") || contains(text, "ipod") || contains(text, "ipad")) {
    set("iOS", version_after(text, " os "));
    device.category = contains(text, "ipad") ? kTablet : kMobile;
    device.brand = "Apple";
    device.model = contains(text, "ipad") ? "iPad" : contains(text, "ipod") ? "iPod" : "iPhone";
  } else if (contains(text, "appletv") || contains(text, "apple tv")) {
    set("tvOS", version_after(text, " os "));
  } else if (const std::size_t android = text.find("android"); android != std::string_view::npos) {
    set("Android", version_after(text, "android "));
    device.category = contains(text, "mobile") ? kMobile : kTablet;
    device.model = android_model(original, android);
    device.brand = brand_of(device.model);
  } else if (contains(text, "cros ")) {
    set("Chrome OS", {});
    const std::size_t version = text.find(' ', text.find("cros ") + 5);  // after the processor
    device.operating_system_version =
        version == std::string_view::npos ? "" : version_at_begin(text.substr(version + 1));
  } else if (contains(text, "xbox")) {
    set("Xbox", {});
  } else if (contains(text, "playstation")) {
    set("Playstation", {});
  } else if (contains(text, "windows nt")) {
    set("Windows", windows_version(version_after(text, "windows nt ")));
  } else if (contains(text, "tizen")) {
    set("Tizen", version_after(text, "tizen "));
    device.category = contains(text, "mobile") ? kMobile : kTelevision;
  } else if (contains(text, "web0s") || contains(text, "webos")) {
    set("webOS", {});
    device.category = kTelevision;
  } else if (contains(text, "kaios")) {
    set("KaiOS", version_after(text, "kaios/"));
    device.category = kMobile;
  } else if (contains(text, "mac os x") || contains(text, "macintosh")) {
    set("Macintosh", version_after(text, "mac os x "));
  } else if (contains(text, "linux") || contains(text, "x11")) {
    set("Linux", {});
  }
  if (contains_any(text, kTelevisionTokens)) {
    device.category = kTelevision;
  } else if (device.category.empty() && !device.operating_system.empty()) {
    device.category = contains(text, "tablet") ? kTablet : contains(text, "mobile") ? kMobile : kDesktop;
  }
}

void read_browser(std::string_view text, Device& device) {
  for (const Token& browser : kBrowsers) {
    if (contains(text, browser.text)) {
      device.browser = browser.name;
      device.browser_version = version_after(text, browser.text);
      return;
    }
  }
  const bool apple = device.operating_system == "iOS" || device.operating_system == "Macintosh";
  if (contains(text, "trident/")) {
    device.browser = "Internet Explorer";
    device.browser_version = version_after(text, "rv:");
  } else if (contains(text, "chrome/")) {
    device.browser = contains(text, "; wv)") ? "Android Webview" : "Chrome";
    device.browser_version = version_after(text, "chrome/");
  } else if (apple && contains(text, "version/") && contains(text, "safari/")) {
    device.browser = "Safari";
    device.browser_version = version_after(text, "version/");
  } else if (device.operating_system == "iOS" && contains(text, "applewebkit/")) {
    device.browser = "Safari (in-app)";
  } else if (device.operating_system == "Android" && contains(text, "version/")) {
    device.browser = "Android Browser";
    device.browser_version = version_after(text, "version/");
  } else if (contains(text, "version/") && contains(text, "safari/")) {
    device.browser = "Safari";
    device.browser_version = version_after(text, "version/");
  }
}

// Calls take(brand, version) for each entry of a list of brands in either form.
template <typename Take>
void for_each_brand(std::string_view list, Take take) {
  const bool from_header = contains(list, ";v=");
  const char separator = from_header ? ',' : '|';
  for (std::size_t count = 0; !list.empty() && count < 16; ++count) {
    const std::size_t end = std::min(list.find(separator), list.size());
    const std::string_view entry = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    const std::size_t version = entry.rfind(from_header ? ";v=" : ";");
    if (version != std::string_view::npos) {
      const std::string_view brand = trimmed(entry.substr(0, version));
      take(from_header ? std::string(brand) : without_escapes(brand),
           trimmed(entry.substr(version + (from_header ? 3 : 1))));
    }
  }
}

void read_brands(std::string_view list, Device& device) {
  std::size_t best = std::size(kBrands);
  std::string version;
  std::string engine_version;
  for_each_brand(list.substr(0, kUserAgentBytesMax), [&](const std::string& brand, std::string_view its_version) {
    if (brand == "Chromium") {
      engine_version = version_at_begin(its_version);
    }
    for (std::size_t i = 0; i < best; ++i) {
      if (brand == kBrands[i].text) {
        best = i;
        version = version_at_begin(its_version);
      }
    }
  });
  if (best < std::size(kBrands)) {
    device.browser = kBrands[best].name;
    device.browser_version = std::move(version);
  } else if (!engine_version.empty() && (device.browser.empty() || device.browser == "Chrome")) {
    device.browser = "Chrome";
    device.browser_version = std::move(engine_version);
  }
}

void read_platform(const UserAgent& from, Device& device) {
  const std::string_view platform = trimmed(from.platform);
  for (const Token& known : kPlatforms) {
    if (!same_ignoring_case(platform, known.text)) {
      continue;
    }
    const bool changed = device.operating_system != known.name;
    if (changed) {
      device.operating_system_version.clear();
    }
    device.operating_system = known.name;
    const std::string_view hint = trimmed(from.platform_version);
    std::string version = known.name == "Windows" ? windows_version_of_hint(hint) : version_at_begin(hint);
    if (!version.empty()) {
      device.operating_system_version = std::move(version);
    }
    if (device.category.empty() || (changed && device.category != kTelevision)) {
      device.category = known.name == "Android" ? kTablet : known.name == "iOS" ? kMobile : kDesktop;
    }
  }
  const std::string_view mobile = trimmed(from.mobile);
  if ((mobile == "1" || mobile == "?1") && device.category != kTelevision) {
    device.category = kMobile;
  }
  const std::string_view model = trimmed(from.model).substr(0, kModelBytesMax);
  if (!model.empty() && device.category != kDesktop) {
    device.model = model;
    if (const std::string_view brand = brand_of(model); !brand.empty()) {
      device.brand = brand;
    }
  }
}

}  // namespace

Device classify(const UserAgent& from) {
  Device device;
  const std::string_view original = from.user_agent.substr(0, kUserAgentBytesMax);
  const std::string text = lower(original);
  read_system(original, text, device);
  read_browser(text, device);
  read_brands(from.brands, device);
  read_platform(from, device);
  if (contains_any(text, kBotTokens) && !contains_any(text, kNoBotTokens)) {
    device.category = kBot;
  }
  return device;
}

}  // namespace shoplake::collect
