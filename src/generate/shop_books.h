// The books of the generated shop: what its visitors ordered, returned and left in stock. The orders are the purchases
// of the visits of plan.h, so that transactions, products and reviews belong to the clickstream and GA4 events of the
// same seed, number of events and days: the same products, times and quantities. Prices differ: events carry the list
// price, invoices the price of the day.
//
// Beside orders there is what real books hold: postage, discounts, cancellations of all or a part days later, also of
// sales from before the first day, and stock that was lost or broken.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace shoplake::generate {

inline constexpr std::uint32_t kFirstInvoice = 536'365;
inline constexpr std::uint32_t kFirstCustomer = 12'346;

// Codes of lines that are no product; an index in lines from kServiceItems on.
inline constexpr std::uint8_t kServiceItems = 200;
enum class ServiceItem : std::uint8_t { postage = kServiceItems, discount, manual };

struct InvoiceLine {
  std::uint8_t item;  // index in products(), or a ServiceItem
  std::int32_t quantity;
  std::uint32_t price_cents;
};

struct Invoice {
  enum class Kind : std::uint8_t { sale, cancellation, adjustment };
  std::int64_t at_micros;  // UTC
  std::uint32_t number;
  std::uint32_t customer;  // 0: a guest
  std::uint32_t first_line;
  std::uint16_t line_count;
  std::uint8_t place;  // index in places()
  Kind kind;
};

struct Books {
  std::int64_t first_day = 0;           // days since 1970-01-01
  std::vector<Invoice> invoices;        // by time
  std::vector<InvoiceLine> lines;       // of the invoices
  std::vector<std::size_t> day_begins;  // index of each day's first invoice, and the number of invoices
  std::vector<std::int32_t> stock;      // of each product at the end of each day: [day * products().size() + product]
  std::vector<std::int32_t> reorder_level;  // of each product

  std::span<const InvoiceLine> lines_of(const Invoice& invoice) const {
    return std::span(lines).subspan(invoice.first_line, invoice.line_count);
  }
};

// The shop of `events` events over `days` days from `first_day`, as make_plan() has it.
Books make_books(std::uint64_t seed, std::uint64_t events, int days, std::int64_t first_day);

// The price of a product on a day (since 1970-01-01): the list price, now and then with a reduction for some days.
std::uint32_t price_on(std::uint64_t seed, std::uint8_t product, std::int64_t day);

}  // namespace shoplake::generate
