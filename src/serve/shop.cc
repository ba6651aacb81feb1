#include "serve/shop.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "engine/session.h"

namespace shoplake::serve {
namespace {

using base::Result;

struct Part {
  std::string_view name;
  std::array<std::string_view, 2> tables;  // the second may be empty
  std::string_view sql;

  std::span<const std::string_view> read() const { return std::span(tables).first(tables[1].empty() ? 1 : 2); }
};

// Days count back from the last day that has sales, not from today: the page of a lake is the same tomorrow.
constexpr std::array kParts = {
    Part{"sales",
         {"curated.daily_sales"},
         R"(select
    sales_date as date, orders, cancellations, customers, new_customers, gross_revenue, cancelled_revenue, net_revenue,
    average_order_value
from curated.daily_sales
where sales_date > (select max(sales_date) from curated.daily_sales) - interval 30 day
order by sales_date)"},
    Part{"products",
         {"curated.product_performance"},
         R"(select
    product_id, product_name, category, orders, sold_quantity, net_revenue, cancellation_rate, reviews, average_rating,
    stock_quantity, stock_status, is_in_catalogue
from curated.product_performance
order by revenue_rank, product_id
limit 25)"},
    Part{"segments",
         {"curated.customer_360"},
         R"(select
    rfm_segment as segment, count(*) as customers, round(sum(net_revenue_micros) / 1000000.0, 2) as net_revenue,
    round(median(recency_days), 1) as median_recency_days, round(avg(orders), 2) as average_orders
from curated.customer_360
group by rfm_segment
order by sum(net_revenue_micros) desc, rfm_segment)"},
    Part{"reviews",
         {"curated.reviews", "curated.product_performance"},
         R"(select
    reviews.review_id, reviews.product_id, products.product_name, reviews.reviewed_at, reviews.rating, reviews.title,
    reviews.review_text, reviews.is_verified
from curated.reviews as reviews
left join curated.product_performance as products on reviews.product_id = products.product_id
where reviews.is_valid and reviews.text_length > 0
order by reviews.reviewed_at desc, reviews.review_id
limit 25)"},
};

std::string to_json(const Rows& rows) {
  std::string out = "[";
  for (const std::vector<engine::Value>& row : rows.rows) {
    out += out.size() > 1 ? ",{" : "{";
    for (std::size_t i = 0; i < rows.columns.size(); ++i)
      out += fmt::format("{}{}:{}", i > 0 ? "," : "", engine::to_json_string(rows.columns[i]), engine::to_json(row[i]));
    out += '}';
  }
  return out + "]";
}

}  // namespace

Result<std::string> Shop::part(std::string_view name, std::span<const std::string_view> tables, std::string_view sql) {
  const std::vector<TableVersion> versions =
      SHOPLAKE_TRY(lake_.versions(std::vector<std::string>(tables.begin(), tables.end())));
  if (versions.size() < tables.size())
    return std::string("[]");
  std::string key;
  for (const TableVersion& version : versions)
    key += version.metadata_location + '\n';
  {
    const std::lock_guard lock(mutex_);
    const auto found = answered_.find(name);
    if (found != answered_.end() && found->second.key == key)
      return found->second.rows;
  }
  std::string rows = to_json(SHOPLAKE_TRY(lake_.query(std::string(sql))));
  const std::lock_guard lock(mutex_);
  answered_.insert_or_assign(std::string(name), Answered{std::move(key), rows});
  return rows;
}

Result<std::string> Shop::document() {
  std::string out = "{";
  for (const Part& one : kParts) {
    const std::string rows = SHOPLAKE_TRY(part(one.name, one.read(), one.sql));
    out += fmt::format("{}\"{}\":{}", out.size() > 1 ? "," : "", one.name, rows);
  }
  return out + "}";
}

http::Response Shop::respond(const http::Request& /*request*/) {
  Result<std::string> body = document();
  if (!body.ok())
    return http::error_response(body.error());
  http::Response response = http::json_response(std::move(body).value());
  response.set("Cache-Control", "no-store");
  return response;
}

std::vector<std::string> Shop::tables() {
  std::vector<std::string> tables;
  for (const Part& part : kParts) {
    for (const std::string_view table : part.read()) {
      if (std::find(tables.begin(), tables.end(), table) == tables.end())
        tables.emplace_back(table);
    }
  }
  return tables;
}

}  // namespace shoplake::serve
