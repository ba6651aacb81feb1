// The use case "generate": synthetic data of a dataset into files. Needs no home.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/progress.h"
#include "base/result.h"
#include "generate/events.h"
#include "generate/shop.h"
#include "io/env.h"

namespace shoplake::app {

// "events" or "clickstream". Error generate.unknown_dataset (not_found).
base::Result<generate::Dataset> generated_dataset(const std::string& name);

// "transactions", "products" or "reviews": files of the shop.
std::optional<generate::ShopDataset> generated_shop_dataset(const std::string& name);

base::Result<generate::EventsSummary> generate_dataset(io::Env& env, const std::string& dataset,
                                                       const generate::EventsOptions& options, base::Progress& progress,
                                                       std::stop_token stop);

}  // namespace shoplake::app
