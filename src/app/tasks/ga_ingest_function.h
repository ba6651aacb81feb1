// ga_ingest: days of a GA4 property by the Data API, as `shoplake ga4 ingest` reads them.
//
//   payload  {"property": "123456789", "date": "yesterday" | "2026-11-20", "from", "to", "reread_days": 3,
//             "api_url", "ca_file"}, all optional; a text that is empty counts as absent
//   answer   {"run_id", "property", "days": [{"day", "status": "loaded" | "unchanged" | "empty", "rows",
//             "rejected_rows", "landing_object"}], "day_count", "rows", "rejected_rows", "requests", "retries",
//             "is_sampled", "is_thresholded", "has_other_row", "quota"}
//
// Without days, yesterday is read, with the days that Google still revises. The service account's key is named by
// $GOOGLE_APPLICATION_CREDENTIALS alone: who may start a flow may not choose a file of the machine. Errors: those of
// Ga4Ingest, also where earlier days are complete: they stay, and the next call finds them unchanged.
#pragma once

#include "app/app.h"
#include "base/result.h"
#include "flow/json.h"
#include "flow/task.h"

namespace shoplake::app {

base::Result<flow::Json> ga_ingest(App& app, const flow::TaskCall& call, const flow::Json& payload);

}  // namespace shoplake::app
