// What every user of the live path needs: the home's streams with their contracts, and Live's options.
#pragma once

#include <string>
#include <vector>

#include "app/app.h"
#include "base/result.h"
#include "collect/streams.h"
#include "live/live.h"

namespace shoplake::app {

// The home's registry of streams: its own, those of shoplake.yml, and the two that always exist.
base::Result<std::unique_ptr<collect::Streams>> open_streams(App& app);

// Streams whose records enter their dataset by the live path; `all`: also those with `live: off`. A stream whose
// dataset has no contract is left out (its records are only kept in the raw zone) and named in the log.
base::Result<std::vector<live::Stream>> live_streams(App& app, const collect::Streams& streams, bool all);

// Without log and metrics.
base::Result<live::LiveOptions> live_options(App& app, std::vector<live::Stream> streams);

}  // namespace shoplake::app
