#include "serve/live_feed.h"

#include <gtest/gtest.h>

namespace shoplake::serve {
namespace {

TEST(LiveJson, SaysWhatIsKnownAndNullForTheRest) {
  EXPECT_EQ(live_json({}),
            R"({"state":"off","events_per_second":0.0,"latency_ms":null,"acknowledged":0,"waiting_records":0,)"
            R"("dead_letters":0,"late":0,"version":"0","events":[]})");
  LiveView view;
  view.state = LiveState::paused;
  view.message = "build";
  view.events_per_second = 12.345;
  view.latency_p50_micros = 612'345;
  view.latency_p99_micros = 1'200'000;
  view.version = 7;
  view.events = {{.at_micros = 1'795'000'000'000'000, .stream = "events", .name = "purchase\xff", .value = 9.5}};
  EXPECT_EQ(live_json(view),
            R"({"state":"paused","message":"build","events_per_second":12.3,"latency_ms":{"p50":612.0,"p99":1200.0},)"
            R"("acknowledged":0,"waiting_records":0,"dead_letters":0,"late":0,"version":"7","events":[)"
            R"({"at":"2026-11-18T11:06:40Z","stream":"events","name":"purchase�","page":"","source":"","user":"",)"
            R"("value":9.5}]})");
}

}  // namespace
}  // namespace shoplake::serve
