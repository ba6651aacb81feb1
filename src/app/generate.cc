#include "app/generate.h"

#include <fmt/format.h>

#include <utility>

namespace shoplake::app {

base::Result<generate::Dataset> generated_dataset(const std::string& name) {
  for (const generate::Dataset dataset : {generate::Dataset::events, generate::Dataset::clickstream}) {
    if (name == generate::dataset_name(dataset)) {
      return dataset;
    }
  }
  return base::make_error(
      base::ErrorKind::not_found, "generate.unknown_dataset", fmt::format("dataset \"{}\" cannot be generated", name),
      "events, clickstream, transactions, products and reviews can: shoplake generate events --events N "
      "--out PATH");
}

std::optional<generate::ShopDataset> generated_shop_dataset(const std::string& name) {
  for (const generate::ShopDataset dataset : generate::kShopDatasets) {
    if (name == generate::dataset_name(dataset)) {
      return dataset;
    }
  }
  return std::nullopt;
}

base::Result<generate::EventsSummary> generate_dataset(io::Env& env, const std::string& dataset,
                                                       const generate::EventsOptions& options, base::Progress& progress,
                                                       std::stop_token stop) {
  generate::EventsOptions of_dataset = options;
  of_dataset.dataset = SHOPLAKE_TRY(generated_dataset(dataset));
  return generate::generate_events(env, of_dataset, progress, std::move(stop));
}

}  // namespace shoplake::app
