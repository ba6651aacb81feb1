#include "generate/vocabulary.h"

#include <array>

namespace shoplake::generate {

namespace {

constexpr Product kProducts[] = {
    {"SKU-1001", "Trail Runner 3", "Northpeak", "42", "Shoes", "trail-runner-3", 11900, 30},
    {"SKU-1002", "City Sneaker", "Northpeak", "39", "Shoes", "city-sneaker", 7950, 42},
    {"SKU-1003", "Hiking Boot Mid", "Alderwick", "43", "Shoes", "hiking-boot-mid", 16500, 16},
    {"SKU-1004", "Canvas Slip-on", "Lumen", "40", "Shoes", "canvas-slip-on", 4490, 28},
    {"SKU-1005", "Leather Chelsea", "Alderwick", "41", "Shoes", "leather-chelsea", 18900, 9},
    {"SKU-1101", "Rain Shell", "Northpeak", "M", "Jackets", "rain-shell", 13950, 22},
    {"SKU-1102", "Down Vest", "Northpeak", "L", "Jackets", "down-vest", 9900, 18},
    {"SKU-1103", "Wool Overcoat", "Alderwick", "M", "Jackets", "wool-overcoat", 24900, 7},
    {"SKU-1104", "Windbreaker", "Lumen", "S", "Jackets", "windbreaker", 5990, 26},
    {"SKU-1201", "Merino Tee", "Alderwick", "M", "Shirts", "merino-tee", 4900, 40},
    {"SKU-1202", "Organic Cotton Tee", "Lumen", "L", "Shirts", "organic-cotton-tee", 2490, 64},
    {"SKU-1203", "Oxford Shirt", "Alderwick", "40", "Shirts", "oxford-shirt", 6990, 21},
    {"SKU-1204", "Linen Shirt", "Lumen", "M", "Shirts", "linen-shirt", 5490, 19},
    {"SKU-1205", "Long Sleeve Base Layer", "Northpeak", "S", "Shirts", "long-sleeve-base-layer", 5900, 17},
    {"SKU-1301", "Slim Jeans", "Lumen", "32/32", "Trousers", "slim-jeans", 6990, 33},
    {"SKU-1302", "Trekking Pants", "Northpeak", "50", "Trousers", "trekking-pants", 8950, 18},
    {"SKU-1303", "Chino", "Alderwick", "34/32", "Trousers", "chino", 7490, 22},
    {"SKU-1304", "Running Shorts", "Northpeak", "M", "Trousers", "running-shorts", 3990, 27},
    {"SKU-1401", "Day Pack 22 L", "Northpeak", "Moss", "Bags", "day-pack-22", 8900, 24},
    {"SKU-1402", "Weekender", "Alderwick", "Cognac", "Bags", "weekender", 21900, 6},
    {"SKU-1403", "Tote", "Lumen", "Sand", "Bags", "tote", 1990, 48},
    {"SKU-1404", "Hip Bag", "Northpeak", "Black", "Bags", "hip-bag", 3490, 25},
    {"SKU-1501", "Wool Beanie", "Alderwick", "Grey", "Accessories", "wool-beanie", 2950, 38},
    {"SKU-1502", "Running Cap", "Northpeak", "White", "Accessories", "running-cap", 2490, 35},
    {"SKU-1503", "Leather Belt", "Alderwick", "95", "Accessories", "leather-belt", 4990, 18},
    {"SKU-1504", "Merino Socks, 2 pairs", "Northpeak", "42-44", "Accessories", "merino-socks", 2290, 58},
    {"SKU-1505", "Sunglasses", "Lumen", "Tortoise", "Accessories", "sunglasses", 8900, 16},
    {"SKU-1506", "Scarf “Fjord”", "Alderwick", "Blue", "Accessories", "scarf-fjord", 4590, 14},
    {"SKU-1601", "Water Bottle 0.7 L", "Northpeak", "Steel", "Outdoor", "water-bottle", 2490, 44},
    {"SKU-1602", "Head Lamp 400", "Northpeak", "Orange", "Outdoor", "head-lamp-400", 5490, 15},
    {"SKU-1603", "Tent Två", "Northpeak", "Green", "Outdoor", "tent-tva", 34900, 4},
    {"SKU-1604", "Camping Mug", "Lumen", "Enamel", "Outdoor", "camping-mug", 1290, 50},
    {"SKU-1605", "Sleeping Bag 0 °C", "Northpeak", "Regular", "Outdoor", "sleeping-bag-0", 15900, 8},
    {"SKU-1701", "Gift Card", "Lumen", "", "Gifts", "gift-card", 5000, 12},
    {"SKU-1702", "Candle “Cedar & Smoke”", "Lumen", "220 g", "Gifts", "candle-cedar-smoke", 3200, 20},
    {"SKU-1703", "Wash Set", "Lumen", "", "Gifts", "wash-set", 1790, 17},
};

constexpr std::string_view kCategories[] = {"Shoes", "Jackets",     "Shirts",  "Trousers",
                                            "Bags",  "Accessories", "Outdoor", "Gifts"};

constexpr Channel kChannels[] = {
    // source, medium, campaign, referrer, group, click id, tagged, first, return, intent
    {"(direct)", "(none)", "(direct)", "", "Direct", ClickId::none, false, 110, 330, 105},
    {"google", "organic", "(organic)", "https://www.google.com/", "Organic Search", ClickId::none, false, 270, 190,
     100},
    {"google", "cpc", "brand_search", "https://www.google.com/", "Paid Search", ClickId::gclid, true, 60, 70, 150},
    {"google", "cpc", "generic_shoes", "https://www.google.com/", "Paid Search", ClickId::gclid, false, 110, 25, 85},
    {"google", "cpc", "pmax_cross-network", "https://www.google.com/", "Cross-network", ClickId::gclid, true, 40, 20,
     80},
    {"facebook", "paid_social", "spring_prospecting", "https://l.facebook.com/", "Paid Social", ClickId::fbclid, true,
     130, 20, 55},
    {"facebook", "cpc", "retargeting_cart", "https://l.facebook.com/", "Paid Social", ClickId::fbclid, true, 5, 45,
     110},
    {"instagram", "paid_social", "reels_spring", "https://l.instagram.com/", "Paid Social", ClickId::fbclid, true, 60,
     12, 50},
    {"m.facebook.com", "referral", "(referral)", "https://m.facebook.com/", "Organic Social", ClickId::fbclid, false,
     38, 15, 60},
    {"l.instagram.com", "referral", "(referral)", "https://l.instagram.com/", "Organic Social", ClickId::fbclid, false,
     40, 15, 55},
    {"newsletter", "email", "weekly_news", "", "Email", ClickId::none, true, 8, 130, 130},
    {"newsletter", "email", "cart_reminder", "", "Email", ClickId::none, true, 1, 60, 190},
    {"bing", "organic", "(organic)", "https://www.bing.com/", "Organic Search", ClickId::none, false, 22, 12, 95},
    {"bing", "cpc", "brand_search", "https://www.bing.com/", "Paid Search", ClickId::msclkid, true, 12, 8, 120},
    {"duckduckgo", "organic", "(organic)", "https://duckduckgo.com/", "Organic Search", ClickId::none, false, 9, 6, 95},
    {"tiktok", "paid_social", "tt_hauls", "https://www.tiktok.com/", "Paid Social", ClickId::ttclid, true, 24, 4, 40},
    {"gearblog.example", "referral", "(referral)", "https://gearblog.example/best-of/", "Referral", ClickId::none,
     false, 34, 14, 120},
    {"forum.example", "referral", "(referral)", "https://forum.example/t/8841", "Referral", ClickId::none, false, 20, 9,
     95},
    {"partnernet", "affiliate", "partner_42", "https://go.partnernet.example/", "Affiliates", ClickId::none, true, 12,
     7, 125},
    {"youtube.com", "referral", "(referral)", "https://www.youtube.com/", "Organic Video", ClickId::none, false, 14, 4,
     60},
    {"chatgpt.com", "referral", "(referral)", "https://chatgpt.com/", "Referral", ClickId::none, false, 10, 5, 115},
};

constexpr Device kDevices[] = {
    {"mobile", "Apple", "iPhone", "iOS", "iOS 18.5", "Safari", "18.5", 265},
    {"mobile", "Samsung", "SM-S921B", "Android", "Android 15", "Chrome", "137.0.7151.89", 130},
    {"mobile", "Samsung", "SM-A546B", "Android", "Android 14", "Samsung Internet", "28.0", 62},
    {"mobile", "Google", "Pixel 9", "Android", "Android 16", "Chrome", "138.0.7204.63", 45},
    {"mobile", "Xiaomi", "2311DRK48G", "Android", "Android 14", "Chrome", "137.0.7151.89", 40},
    {"mobile", "Apple", "iPhone", "iOS", "iOS 17.7.2", "Safari (in-app)", "17.7.2", 55},
    {"desktop", "Google", "Chrome", "Windows", "Windows 11", "Chrome", "138.0.7204.50", 170},
    {"desktop", "Microsoft", "Edge", "Windows", "Windows 11", "Edge", "137.0.3296.83", 52},
    {"desktop", "Apple", "Safari", "Macintosh", "Macintosh Intel 10.15.7", "Safari", "18.4", 60},
    {"desktop", "Google", "Chrome", "Macintosh", "Macintosh Intel 10.15.7", "Chrome", "138.0.7204.50", 58},
    {"desktop", "Mozilla", "Firefox", "Linux", "Linux x86_64", "Firefox", "140.0", 14},
    {"desktop", "Mozilla", "Firefox", "Windows", "Windows 10", "Firefox", "139.0.4", 18},
    {"tablet", "Apple", "iPad", "iOS", "iPadOS 18.5", "Safari", "18.5", 26},
    {"tablet", "Samsung", "SM-X710", "Android", "Android 14", "Chrome", "137.0.7151.89", 9},
};

constexpr Place kPlaces[] = {
    {"New York", "New York", "United States", "Americas", "Northern America", "en-us", false, 120},
    {"Los Angeles", "California", "United States", "Americas", "Northern America", "en-us", false, 90},
    {"Chicago", "Illinois", "United States", "Americas", "Northern America", "en-us", false, 60},
    {"Austin", "Texas", "United States", "Americas", "Northern America", "es-us", false, 45},
    {"(not set)", "(not set)", "United States", "Americas", "Northern America", "en-us", false, 40},
    {"Toronto", "Ontario", "Canada", "Americas", "Northern America", "en-ca", false, 48},
    {"Montréal", "Quebec", "Canada", "Americas", "Northern America", "fr-ca", false, 22},
    {"Mexico City", "Mexico City", "Mexico", "Americas", "Central America", "es-mx", false, 26},
    {"São Paulo", "State of São Paulo", "Brazil", "Americas", "South America", "pt-br", false, 38},
    {"London", "England", "United Kingdom", "Europe", "Northern Europe", "en-gb", false, 75},
    {"Manchester", "England", "United Kingdom", "Europe", "Northern Europe", "en-gb", false, 30},
    {"Dublin", "County Dublin", "Ireland", "Europe", "Northern Europe", "en-ie", true, 16},
    {"Berlin", "Berlin", "Germany", "Europe", "Western Europe", "de-de", true, 62},
    {"München", "Bavaria", "Germany", "Europe", "Western Europe", "de-de", true, 40},
    {"Wien", "Vienna", "Austria", "Europe", "Western Europe", "de-at", true, 18},
    {"Paris", "Ile-de-France", "France", "Europe", "Western Europe", "fr-fr", true, 55},
    {"Amsterdam", "North Holland", "Netherlands", "Europe", "Western Europe", "nl-nl", true, 26},
    {"Madrid", "Community of Madrid", "Spain", "Europe", "Southern Europe", "es-es", true, 34},
    {"Milano", "Lombardy", "Italy", "Europe", "Southern Europe", "it-it", true, 30},
    {"Warszawa", "Masovian Voivodeship", "Poland", "Europe", "Eastern Europe", "pl-pl", false, 22},
    {"Mumbai", "Maharashtra", "India", "Asia", "Southern Asia", "en-in", false, 40},
    {"東京", "Tokyo", "Japan", "Asia", "Eastern Asia", "ja-jp", false, 28},
    {"Singapore", "(not set)", "Singapore", "Asia", "Southeast Asia", "en-sg", false, 18},
    {"Sydney", "New South Wales", "Australia", "Oceania", "Australasia", "en-au", false, 30},
};

constexpr std::string_view kFirstNames[] = {"ada",  "ben",   "carla", "dmitri", "emeka", "fatima", "greta", "hiro",
                                            "ines", "jonas", "keiko", "lena",   "mateo", "noor",   "olga",  "pavel"};

constexpr std::string_view kSearchTerms[] = {"rain jacket", "trail shoes", "merino",        "gift",
                                             "backpack",    "wool socks",  "tent 2 person", "sneaker",
                                             "jeans",       "head lamp",   "tote bag",      "chelsea boots"};

// Steep at first, a small rise after a week (the newsletter), a long tail.
constexpr std::array<std::uint16_t, kReturnDays> kReturns = {1500, 980, 760, 620, 530, 500, 640, 470, 400, 360,
                                                             330,  310, 320, 390, 290, 260, 240, 225, 210, 205,
                                                             220,  185, 175, 165, 158, 150, 145, 148, 130, 125};

template <typename Row, std::size_t size, typename Member>
constexpr auto weights_of(const Row (&rows)[size], Member member) {
  std::array<std::uint16_t, size> weights{};
  for (std::size_t row = 0; row < size; ++row) {
    weights[row] = rows[row].*member;
  }
  return weights;
}

constexpr auto kFirstWeights = weights_of(kChannels, &Channel::first_weight);
constexpr auto kReturnWeights = weights_of(kChannels, &Channel::return_weight);
constexpr auto kDeviceWeights = weights_of(kDevices, &Device::weight);
constexpr auto kPlaceWeights = weights_of(kPlaces, &Place::weight);

}  // namespace

std::span<const Product> products() { return kProducts; }
std::span<const std::string_view> categories() { return kCategories; }
std::span<const Channel> channels() { return kChannels; }
std::span<const std::uint16_t> first_channel_weights() { return kFirstWeights; }
std::span<const std::uint16_t> return_channel_weights() { return kReturnWeights; }
std::span<const Device> devices() { return kDevices; }
std::span<const std::uint16_t> device_weights() { return kDeviceWeights; }
std::span<const Place> places() { return kPlaces; }
std::span<const std::uint16_t> place_weights() { return kPlaceWeights; }
std::span<const std::string_view> first_names() { return kFirstNames; }
std::span<const std::string_view> search_terms() { return kSearchTerms; }

std::uint32_t return_chance(int day) { return kReturns[static_cast<std::size_t>(day - 1)]; }

}  // namespace shoplake::generate
