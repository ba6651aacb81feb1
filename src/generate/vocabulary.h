// What the generated shop sells, who visits it and how they come: fixed tables with weights. Channels name the traffic
// of one session; their weights differ between a user's first session (paid and organic discovery) and later ones
// (direct, email, search for the brand), which is why first and last click tell different stories.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace shoplake::generate {

struct Product {
  std::string_view id;
  std::string_view name;
  std::string_view brand;
  std::string_view variant;
  std::string_view category;
  std::string_view slug;
  std::uint32_t price_cents;
  std::uint16_t weight;
};
std::span<const Product> products();
std::span<const std::string_view> categories();

// What a click brings with it.
enum class ClickId : std::uint8_t { none, gclid, fbclid, msclkid, ttclid };

struct Channel {
  std::string_view source;  // as the collected traffic source spells it
  std::string_view medium;
  std::string_view campaign;  // empty: none
  std::string_view referrer;  // empty: none
  std::string_view group;     // Google's default channel group
  ClickId click_id;
  bool tagged;                  // utm parameters in the URL
  std::uint16_t first_weight;   // of a user's first session
  std::uint16_t return_weight;  // of later ones
  std::uint16_t intent;         // per cent of the usual chance to buy
};
std::span<const Channel> channels();
std::span<const std::uint16_t> first_channel_weights();
std::span<const std::uint16_t> return_channel_weights();
inline constexpr std::uint8_t kDirect = 0;  // index in channels()

struct Device {
  std::string_view category;
  std::string_view brand;
  std::string_view model;
  std::string_view system;
  std::string_view system_version;
  std::string_view browser;
  std::string_view browser_version;
  std::uint16_t weight;
};
std::span<const Device> devices();
std::span<const std::uint16_t> device_weights();

struct Place {
  std::string_view city;
  std::string_view region;
  std::string_view country;
  std::string_view continent;
  std::string_view sub_continent;
  std::string_view language;
  bool pays_in_euro;
  std::uint16_t weight;
};
std::span<const Place> places();
std::span<const std::uint16_t> place_weights();

std::span<const std::string_view> first_names();
std::span<const std::string_view> search_terms();

// Of 10,000 users first seen on a day, how many come again `day` days later (1 … kReturnDays).
inline constexpr int kReturnDays = 30;
std::uint32_t return_chance(int day);

}  // namespace shoplake::generate
