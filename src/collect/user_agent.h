// What kind of device and browser a request comes from, told by its User-Agent and, where the browser sends them, its
// client hints (which win: browsers freeze the User-Agent). Names are those that the GA4 export uses: category
// "desktop", "mobile", "tablet", "smart tv"; operating systems "Windows", "Macintosh", "iOS", "Android", "Linux",
// "Chrome OS" … One category is ours: "bot", for programs that say that they are one.
//
// Tables of tokens in user_agent.cc decide; cases in test/cases/user_agents.tsv. Sources: RFC 9110 section 10.1.5,
// https://wicg.github.io/ua-client-hints/.
//
// Thread safe.
#pragma once

#include <string>
#include <string_view>

namespace shoplake::collect {

// Unknown parts are empty. Views are of the request or of the tables.
struct UserAgent {
  std::string_view user_agent{};
  // "Chromium;122.0.6261.171|Google Chrome;122.0.6261.171" as gtag sends them (brands percent-encoded), or the header's
  // form "\"Chromium\";v=\"122.0.6261.171\", …".
  std::string_view brands{};
  std::string_view mobile{};            // "1", "?1", "0", "?0"
  std::string_view model{};             // "Pixel 7"
  std::string_view platform{};          // "Windows", "macOS"
  std::string_view platform_version{};  // "15.0.0"
};

struct Device {
  std::string_view category;
  std::string_view operating_system;
  std::string operating_system_version;
  std::string_view browser;
  std::string browser_version;
  std::string_view brand;  // of phones and tablets
  std::string model;
};

Device classify(const UserAgent& from);

}  // namespace shoplake::collect
