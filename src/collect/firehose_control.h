// The operations of Firehose that create, change and show streams. They write to SQLite, so they run on worker threads.
// Internal to collect/firehose.
#pragma once

#include <string>
#include <string_view>

#include "collect/streams.h"
#include "http/message.h"

namespace shoplake::collect {

bool is_control_operation(std::string_view operation);

// `operation` is one of those; `body` the request's JSON.
http::Response control(Streams& streams, std::string_view region, std::string_view operation, std::string_view body);

}  // namespace shoplake::collect
