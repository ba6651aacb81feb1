// One visit to the shop: the events of a session in order, with their times, pages and batches. A visit is a pure
// function of its seed and facts; the plan (which only counts) and the writer (which prints) both make it.
//
// Model. A visit lands on a page that suits its channel, looks around, and may go down the funnel view_item →
// add_to_cart → view_cart → begin_checkout → add_shipping_info → add_payment_info → purchase. The chance of each step
// depends on the channel's intent and grows with the number of the visit. Visits have 5 to 20 events. The tag sends
// what happens together as one batch: its events share a timestamp and are told apart by batch_event_index.
#pragma once

#include <cstdint>
#include <vector>

namespace shoplake::generate {

enum class EventKind : std::uint8_t {
  first_visit,
  session_start,
  page_view,
  scroll,
  user_engagement,
  view_promotion,
  view_search_results,
  view_item_list,
  select_item,
  view_item,
  add_to_cart,
  view_cart,
  begin_checkout,
  add_shipping_info,
  add_payment_info,
  purchase,
  ad_impression,
};
const char* event_name(EventKind kind);

enum class PageKind : std::uint8_t { home, category, product, search, article, cart, checkout, confirmation };

struct Page {
  PageKind kind;
  std::uint8_t subject = 0;     // product, category or search term
  std::uint32_t opened_ms = 0;  // since the beginning of the session
};

struct CartLine {
  std::uint8_t product;
  std::uint8_t quantity;
};

struct VisitEvent {
  EventKind kind;
  std::uint8_t page;         // index in Visit::pages
  std::uint8_t cart_lines;   // how many lines of the cart it concerns
  std::uint8_t batch;        // batch_ordering_id: batches of a page, from 1
  std::uint8_t batch_index;  // batch_event_index: events of a batch, from 1
  std::uint32_t at_ms;       // since the beginning of the session
  std::uint32_t engagement_ms;
};

struct VisitFacts {
  std::uint64_t seed;
  std::uint32_t number;  // ga_session_number
  std::uint8_t channel;
  bool in_app;
};

struct Visit {
  std::vector<Page> pages;
  std::vector<VisitEvent> events;
  std::vector<CartLine> cart;
  // Index of the event that is sent twice, with identical content, after the last one; -1: none.
  int duplicate = -1;
  bool buys = false;

  std::size_t line_count() const { return events.size() + (duplicate >= 0 ? 1 : 0); }
  std::uint32_t duration_ms() const { return events.back().at_ms; }
  std::int64_t cart_cents() const;
};

// Makes the visit into `visit`, whose memory is reused.
void make_visit(const VisitFacts& facts, Visit& visit);

inline constexpr std::uint32_t kVisitDurationMaxMs = 2 * 3600 * 1000;
inline constexpr std::size_t kVisitEventsMin = 5;
inline constexpr std::size_t kVisitEventsMax = 20;

}  // namespace shoplake::generate
