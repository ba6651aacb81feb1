#include "app/generate.h"

#include <fmt/format.h>

#include <utility>

namespace shoplake::app {

base::Result<generate::EventsSummary> generate_dataset(io::Env& env, const std::string& dataset,
                                                       const generate::EventsOptions& options, base::Progress& progress,
                                                       std::stop_token stop) {
  if (dataset != "events") {
    return base::make_error(base::ErrorKind::not_found, "generate.unknown_dataset",
                            fmt::format("dataset \"{}\" cannot be generated", dataset),
                            "only events can: shoplake generate events --events N --out PATH");
  }
  return generate::generate_events(env, options, progress, std::move(stop));
}

}  // namespace shoplake::app
