#include "generate/shop_books.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "generate/journey.h"
#include "generate/plan.h"
#include "generate/random.h"
#include "generate/vocabulary.h"

namespace shoplake::generate {

namespace {

constexpr std::int64_t kDayMicros = kDaySeconds * 1'000'000;
// Of 10,000 orders.
constexpr std::uint32_t kCancelled = 350;
constexpr std::uint32_t kPartlyReturned = 700;
constexpr std::uint32_t kDiscounted = 120;
constexpr std::uint32_t kReturnDaysMax = 20;
constexpr std::uint32_t kPostageCents = 495;
constexpr std::uint32_t kOrdersPerUnknownSale = 60;  // one cancellation of an older sale for so many orders
constexpr int kStockDays = 12;                       // the stock lasts for so many average days
constexpr std::int32_t kStockMin = 40;

class BookKeeper {
 public:
  BookKeeper(std::uint64_t seed, int days, std::int64_t first_day) : seed_(seed), days_(days) {
    books_.first_day = first_day;
  }

  Books make(const Plan& plan, int days) {
    for (const PlannedVisit& planned : plan.visits) {
      add_visit(planned, days);
    }
    for (int day = 0; day < days; ++day) {
      add_day(day);
    }
    number_invoices();
    count_stock();
    return std::move(books_);
  }

 private:
  std::int64_t day_of(std::int64_t micros) const { return micros / kDayMicros - books_.first_day; }

  Invoice& add(std::int64_t at_micros, std::uint32_t customer, std::uint8_t place, Invoice::Kind kind) {
    books_.invoices.push_back(
        {at_micros, 0, customer, static_cast<std::uint32_t>(books_.lines.size()), 0, place, kind});
    return books_.invoices.back();
  }
  void add_line(Invoice& invoice, std::uint8_t item, std::int32_t quantity, std::uint32_t price_cents) {
    books_.lines.push_back({item, quantity, price_cents});
    ++invoice.line_count;
  }

  void add_visit(const PlannedVisit& planned, int days) {
    const User user = make_user(seed_, planned.user, books_.first_day, days);
    const std::uint64_t seed = visit_seed(user, planned.number);
    make_visit({seed, planned.number, planned.channel, user.in_app}, visit_);
    if (!visit_.buys) {
      return;
    }
    const std::int64_t begin = ((books_.first_day + planned.day) * kDaySeconds + planned.second) * 1'000'000;
    const std::int64_t midnight = (books_.first_day + planned.day + 1) * kDayMicros;
    for (const VisitEvent& event : visit_.events) {
      if (event.kind != EventKind::purchase) {
        continue;
      }
      const std::int64_t at = begin + event.at_ms * 1'000ll;
      // A visit over midnight is planned for both days; each has its own events.
      if (planned.part_of_day && (at >= midnight) != (planned.file_day > planned.day)) {
        continue;
      }
      if (day_of(at) < days_) {
        add_order(at, seed, planned, user, event.cart_lines);
      }
    }
  }

  void add_order(std::int64_t at, std::uint64_t seed, const PlannedVisit& planned, const User& user,
                 std::size_t cart_lines) {
    Random random(Random::child(seed, 901));
    const std::uint32_t customer = user.has_account ? kFirstCustomer + planned.user : 0;
    const std::int64_t day = at / kDayMicros;
    Invoice& order = add(at, customer, user.place, Invoice::Kind::sale);
    for (std::size_t line = 0; line < cart_lines; ++line) {
      const CartLine& item = visit_.cart[line];
      add_line(order, item.product, item.quantity, price_on(seed_, item.product, day));
    }
    if (places()[user.place].country != "United States") {
      add_line(order, static_cast<std::uint8_t>(ServiceItem::postage), 1, kPostageCents);
    }
    const Invoice placed = order;  // the reference does not last over another invoice
    const std::int64_t later =
        at + (1 + random.below(kReturnDaysMax)) * kDayMicros - random.below(40'000) * std::int64_t{1'000'000};
    if (random.chance(kDiscounted)) {
      Invoice& discount = add(at + 60'000'000, customer, user.place, Invoice::Kind::cancellation);
      add_line(discount, static_cast<std::uint8_t>(ServiceItem::discount), -1, 500);
    }
    if (day_of(later) >= days_) {
      return;
    }
    if (random.chance(kCancelled)) {
      Invoice& cancellation = add(later, customer, user.place, Invoice::Kind::cancellation);
      for (std::uint16_t line = 0; line < placed.line_count; ++line) {
        const InvoiceLine sold = books_.lines[placed.first_line + line];
        add_line(cancellation, sold.item, -sold.quantity, sold.price_cents);
      }
    } else if (random.chance(kPartlyReturned)) {
      const InvoiceLine sold = books_.lines[placed.first_line + random.below(static_cast<std::uint32_t>(cart_lines))];
      Invoice& cancellation = add(later, customer, user.place, Invoice::Kind::cancellation);
      add_line(cancellation, sold.item,
               -static_cast<std::int32_t>(random.between(1, static_cast<std::uint32_t>(sold.quantity))),
               sold.price_cents);
    }
  }

  // What happens on a day without a visit: returns of what was sold before the first day, and losses.
  void add_day(int day) {
    Random random(Random::child(seed_ ^ 0x5709ull, static_cast<std::uint64_t>(books_.first_day + day)));
    const std::int64_t morning = (books_.first_day + day) * kDayMicros + 9 * 3'600'000'000ll;
    const auto item = [&] {
      return static_cast<std::uint8_t>(random.below(static_cast<std::uint32_t>(products().size())));
    };
    const std::size_t orders = books_.invoices.size() / static_cast<std::size_t>(days_);
    const std::size_t unknown = orders / kOrdersPerUnknownSale + (random.chance(3'000) ? 1 : 0);
    for (std::size_t number = 0; number < unknown; ++number) {
      const std::uint8_t product = item();
      Invoice& cancellation =
          add(morning + random.below(30'000) * std::int64_t{1'000'000}, kFirstCustomer + 9'000'000 + random.below(500),
              static_cast<std::uint8_t>(random.weighted(place_weights())), Invoice::Kind::cancellation);
      add_line(cancellation, product, -static_cast<std::int32_t>(random.between(1, 3)),
               price_on(seed_, product, books_.first_day + day));
    }
    if (random.chance(5'000)) {
      Invoice& loss = add(morning + random.below(30'000) * std::int64_t{1'000'000}, 0, 0, Invoice::Kind::adjustment);
      add_line(loss, item(), -static_cast<std::int32_t>(random.between(1, 6)), 0);
    }
  }

  void number_invoices() {
    std::sort(books_.invoices.begin(), books_.invoices.end(), [](const Invoice& a, const Invoice& b) {
      return std::tie(a.at_micros, a.customer, a.kind, a.first_line) <
             std::tie(b.at_micros, b.customer, b.kind, b.first_line);
    });
    std::uint32_t number = kFirstInvoice;
    std::size_t index = 0;
    for (int day = 0; day < days_; ++day) {
      books_.day_begins.push_back(index);
      for (; index < books_.invoices.size() && day_of(books_.invoices[index].at_micros) <= day; ++index) {
        books_.invoices[index].number = number++;
      }
    }
    books_.day_begins.push_back(index);
  }

  void count_stock() {
    const std::size_t count = products().size();
    std::vector<std::int64_t> sold(count);
    for (const InvoiceLine& line : books_.lines) {
      if (line.item < kServiceItems && line.quantity > 0) {
        sold[line.item] += line.quantity;
      }
    }
    std::vector<std::int32_t> full(count), stock;
    for (std::size_t product = 0; product < count; ++product) {
      full[product] = std::max(kStockMin, static_cast<std::int32_t>(sold[product] * kStockDays / days_));
      books_.reorder_level.push_back(full[product] / 4);
    }
    stock = full;
    for (int day = 0; day < days_; ++day) {
      for (std::size_t product = 0; product < count; ++product) {
        // What was ordered in the evening comes over night, but not always.
        const bool comes = !Random(Random::child(seed_ ^ product, static_cast<std::uint64_t>(day))).chance(3'000);
        if (stock[product] <= books_.reorder_level[product] && comes) {
          stock[product] = full[product];
        }
      }
      const std::size_t at = static_cast<std::size_t>(day);
      for (std::size_t index = books_.day_begins[at]; index < books_.day_begins[at + 1]; ++index) {
        for (const InvoiceLine& line : books_.lines_of(books_.invoices[index])) {
          if (line.item < kServiceItems) {
            stock[line.item] = std::max(0, stock[line.item] - line.quantity);
          }
        }
      }
      books_.stock.insert(books_.stock.end(), stock.begin(), stock.end());
    }
  }

  const std::uint64_t seed_;
  const int days_;
  Books books_;
  Visit visit_;
};

}  // namespace

Books make_books(std::uint64_t seed, std::uint64_t events, int days, std::int64_t first_day) {
  return BookKeeper(seed, days, first_day).make(make_plan(seed, events, days, first_day), days);
}

std::uint32_t price_on(std::uint64_t seed, std::uint8_t product, std::int64_t day) {
  static constexpr std::array<std::uint16_t, 6> kChanceOfReduction = {60, 12, 10, 8, 6, 4};
  static constexpr std::array<std::uint32_t, 6> kPerCent = {100, 90, 80, 85, 70, 105};
  const std::uint32_t list_price = products()[product].price_cents;
  const std::int64_t period = (day + product * 3) / (3 + product % 5);
  Random random(Random::child(seed ^ (std::uint64_t{product} << 40), static_cast<std::uint64_t>(period)));
  const std::uint32_t price = list_price * kPerCent[random.weighted(kChanceOfReduction)] / 100;
  return price == list_price ? price : price / 10 * 10 + 9;
}

}  // namespace shoplake::generate
