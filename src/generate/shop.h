// The shop's files: transactions (CSV, invoice lines with the columns of UCI's Online Retail), products (the catalogue
// of each day, JSON) and reviews (JSON), in the shapes of datasets/*.yml. All three tell of the shop that the events of
// the same seed, number of events and days tell of (shop_books.h); product ids are those of events and clickstream.
//
// One file a day, in the layout of the raw zone: <out>/<dataset>/date=YYYY-MM-DD/<dataset>.csv.gz or .ndjson.gz.
// Deterministic: the options decide every byte before compression.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "io/env.h"

namespace shoplake::generate {

enum class ShopDataset : std::uint8_t { transactions, products, reviews };
inline constexpr ShopDataset kShopDatasets[] = {ShopDataset::transactions, ShopDataset::products, ShopDataset::reviews};
std::string_view dataset_name(ShopDataset dataset);

struct ShopOptions {
  ShopDataset dataset = ShopDataset::transactions;
  std::uint64_t events = 100'000;  // of the visits whose purchases these are
  int days = 14;
  std::uint64_t seed = 42;
  std::string end_date = "2026-06-30";
  bool chaos = false;
  std::string out;  // a folder
};

struct ShopSummary {
  std::vector<std::string> files;
  std::string manifest;  // of chaos; else empty
  std::uint64_t rows = 0;
  std::uint64_t sales = 0;          // invoices; of transactions
  std::uint64_t cancellations = 0;  // likewise
  std::uint64_t text_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t planted_rejects = 0;  // lines that a load must reject
  std::uint64_t planted_rows = 0;     // odd lines that it must accept; not part of `rows`
};

// Errors: generate.bad_events, generate.bad_days, generate.bad_date, generate.no_output (usage), generate.cancelled:
// only whole days are left.
base::Result<ShopSummary> generate_shop(io::Env& env, const ShopOptions& options, base::Progress& progress,
                                        std::stop_token stop);

}  // namespace shoplake::generate
