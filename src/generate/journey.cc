#include "generate/journey.h"

#include <algorithm>

#include "generate/random.h"
#include "generate/vocabulary.h"

namespace shoplake::generate {

namespace {

// Chances of 10,000 at a channel of intent 100; later visits are likelier to go on.
constexpr std::uint32_t kViewsItem = 7200;
constexpr std::uint32_t kAddsToCart = 2300;
constexpr std::uint32_t kBeginsCheckout = 4300;
constexpr std::uint32_t kGivesShipping = 8200;
constexpr std::uint32_t kGivesPayment = 8500;
constexpr std::uint32_t kBuys = 8200;
constexpr std::uint32_t kDuplicate = 450;
constexpr std::uint32_t kSessionStartMissing = 150;

class VisitMaker {
 public:
  VisitMaker(const VisitFacts& facts, Visit& visit)
      : facts_(facts), visit_(visit), random_(facts.seed), channel_(channels()[facts.channel]) {
    visit.pages.clear();
    visit.events.clear();
    visit.cart.clear();
    visit.duplicate = -1;
    visit.buys = false;
  }

  void make() {
    land();
    if (random_.chance(kViewsItem) || landed_on_product_) {
      browse_products();
      if (random_.chance(likely(kAddsToCart))) {
        fill_cart();
        if (random_.chance(likely(kBeginsCheckout))) {
          check_out();
        }
      }
    }
    linger();
    if (random_.chance(kDuplicate)) {
      visit_.duplicate = static_cast<int>(random_.below(static_cast<std::uint32_t>(visit_.events.size())));
    }
  }

 private:
  // A chance raised by the channel's intent and by earlier visits, at most 95 %.
  std::uint32_t likely(std::uint32_t chance) const {
    const std::uint32_t experience = std::min(facts_.number - 1, 3u) * 22 + 88;  // per cent
    return std::min<std::uint32_t>(chance * channel_.intent / 100 * experience / 100, 9500);
  }

  bool room_for(std::size_t count) const { return visit_.events.size() + count <= kVisitEventsMax; }

  // Seconds that people take: mostly short, sometimes long (a square of a uniform number).
  std::uint32_t think_ms(std::uint32_t most_seconds) {
    const std::uint64_t part = random_.below(1000);
    return 800 + static_cast<std::uint32_t>(part * part * most_seconds / 1000) + random_.below(997);
  }

  void open_page(PageKind kind, std::uint8_t subject = 0) {
    if (!visit_.pages.empty()) {
      now_ms_ += think_ms(95);
    }
    visit_.pages.push_back({kind, subject, now_ms_});
    batch_ = 0;
    next_batch();
  }

  void next_batch() {
    ++batch_;
    batch_index_ = 0;
  }

  // A new batch of the page a while later.
  void wait(std::uint32_t most_seconds) {
    now_ms_ += think_ms(most_seconds);
    next_batch();
  }

  void add(EventKind kind, std::uint8_t cart_lines = 0) {
    const std::uint32_t since = now_ms_ - last_engagement_ms_;
    last_engagement_ms_ = now_ms_;
    visit_.events.push_back({kind, static_cast<std::uint8_t>(visit_.pages.size() - 1), cart_lines, batch_,
                             ++batch_index_, now_ms_, std::min(since, 180'000u)});
  }

  std::uint8_t any_product() {
    // Popular ones more often: the better of two draws by weight.
    const auto all = products();
    const std::uint32_t a = random_.below(static_cast<std::uint32_t>(all.size()));
    const std::uint32_t b = random_.below(static_cast<std::uint32_t>(all.size()));
    return static_cast<std::uint8_t>(all[a].weight >= all[b].weight ? a : b);
  }

  void land() {
    const std::uint32_t kind = random_.below(100);
    if (facts_.channel == kDirect || kind < 30) {
      open_page(PageKind::home);
    } else if (kind < 60) {
      open_page(PageKind::category,
                static_cast<std::uint8_t>(random_.below(static_cast<std::uint32_t>(categories().size()))));
    } else if (kind < 92) {
      open_page(PageKind::product, any_product());
    } else {
      open_page(PageKind::article);
    }
    if (facts_.number == 1) {
      add(EventKind::first_visit);
    }
    if (!random_.chance(kSessionStartMissing)) {
      add(EventKind::session_start);
    }
    add(EventKind::page_view);
    if (visit_.pages[0].kind == PageKind::product) {
      landed_on_product_ = true;
      visit_.cart.push_back({visit_.pages[0].subject, 1});
      add(EventKind::view_item, 1);
    } else if (visit_.pages[0].kind == PageKind::home && random_.chance(4000)) {
      add(EventKind::view_promotion);
    }
    if (facts_.in_app && random_.chance(2500)) {
      wait(10);
      add(EventKind::ad_impression);
    }
    if (random_.chance(6000)) {
      wait(20);
      add(EventKind::scroll);
      if (random_.chance(5000)) {
        add(EventKind::user_engagement);
      }
    }
  }

  // Before the cart there are at most 11 events, so that the whole funnel fits kVisitEventsMax.
  void browse_products() {
    if (!landed_on_product_ || random_.chance(2500)) {
      if (random_.chance(2000)) {
        open_page(PageKind::search,
                  static_cast<std::uint8_t>(random_.below(static_cast<std::uint32_t>(search_terms().size()))));
        add(EventKind::page_view);
        add(EventKind::view_search_results);
      } else if (visit_.pages.back().kind != PageKind::category) {
        open_page(PageKind::category,
                  static_cast<std::uint8_t>(random_.below(static_cast<std::uint32_t>(categories().size()))));
        add(EventKind::page_view);
        add(EventKind::view_item_list);
      }
      view_product();
    }
    if (visit_.events.size() <= 9 && random_.chance(3500)) {
      view_product();
    }
  }

  void view_product() {
    // The cart begins with what was looked at; the lines that are really bought are counted by cart_lines.
    visit_.cart.insert(visit_.cart.begin(), {any_product(), 1});
    if (visit_.events.size() <= 6 && random_.chance(4000)) {
      wait(20);
      add(EventKind::select_item, 1);
    }
    open_page(PageKind::product, visit_.cart.front().product);
    add(EventKind::page_view);
    add(EventKind::view_item, 1);
  }

  void fill_cart() {
    for (CartLine& line : visit_.cart) {
      line.quantity = static_cast<std::uint8_t>(random_.chance(1800) ? random_.between(2, 4) : 1);
    }
    bought_lines_ = static_cast<std::uint8_t>(std::min<std::size_t>(visit_.cart.size(), random_.between(1, 3)));
    wait(45);
    add(EventKind::add_to_cart, 1);
    open_page(PageKind::cart);
    add(EventKind::page_view);
    add(EventKind::view_cart, bought_lines_);
  }

  void check_out() {
    open_page(PageKind::checkout);
    add(EventKind::page_view);
    add(EventKind::begin_checkout, bought_lines_);
    if (!random_.chance(kGivesShipping)) {
      return;
    }
    wait(70);
    add(EventKind::add_shipping_info, bought_lines_);
    if (!random_.chance(kGivesPayment)) {
      return;
    }
    wait(60);
    add(EventKind::add_payment_info, bought_lines_);
    if (!random_.chance(kBuys)) {
      return;
    }
    open_page(PageKind::confirmation);
    add(EventKind::page_view);
    add(EventKind::purchase, bought_lines_);
    visit_.buys = true;
  }

  // Ends the visit, and fills it up to its least number of events.
  void linger() {
    static constexpr EventKind kFill[] = {EventKind::scroll, EventKind::user_engagement};
    std::size_t fill = 0;
    while (visit_.events.size() < kVisitEventsMin) {
      if (fill % 2 == 0) {
        wait(30);
      }
      add(kFill[fill++ % 2]);
    }
    if (room_for(1) && random_.chance(5000)) {
      wait(60);
      add(EventKind::user_engagement);
    }
  }

  const VisitFacts& facts_;
  Visit& visit_;
  Random random_;
  const Channel& channel_;
  bool landed_on_product_ = false;
  std::uint8_t bought_lines_ = 1;
  std::uint32_t now_ms_ = 0;
  std::uint32_t last_engagement_ms_ = 0;
  std::uint8_t batch_ = 0;
  std::uint8_t batch_index_ = 0;
};

}  // namespace

const char* event_name(EventKind kind) {
  static constexpr const char* kNames[] = {
      "first_visit",         "session_start",     "page_view",        "scroll",    "user_engagement", "view_promotion",
      "view_search_results", "view_item_list",    "select_item",      "view_item", "add_to_cart",     "view_cart",
      "begin_checkout",      "add_shipping_info", "add_payment_info", "purchase",  "ad_impression"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::int64_t Visit::cart_cents() const {
  std::size_t lines = 0;
  for (const VisitEvent& event : events) {
    if (event.kind == EventKind::purchase) {
      lines = event.cart_lines;
    }
  }
  std::int64_t cents = 0;
  for (std::size_t line = 0; line < lines; ++line) {
    cents += static_cast<std::int64_t>(products()[cart[line].product].price_cents) * cart[line].quantity;
  }
  return cents;
}

void make_visit(const VisitFacts& facts, Visit& visit) { VisitMaker(facts, visit).make(); }

}  // namespace shoplake::generate
