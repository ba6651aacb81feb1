// `shoplake serve`: the HTTP server with the dashboard, its JSON API, the Iceberg REST catalog, health and metrics.
//
// It listens first and opens the engine afterwards, on a thread of its own; /ready turns to 200 when the dashboard's
// first view has been computed. Start and stop belong to one thread, which is also the App's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/app.h"
#include "base/result.h"

namespace shoplake::app {

struct ServeOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;            // 0: any free one
  std::vector<std::string> host_names;  // names to answer to, beside loopback ones
  std::int64_t stale_after_hours = 48;
};

// Sets host and port from "HOST:PORT", ":PORT", "PORT" or "HOST". Error serve.bad_address (usage).
base::Result<void> parse_listen_address(std::string_view text, ServeOptions& options);

class Server {
 public:
  // Errors: serve.cannot_listen, serve.no_assets, what opening the catalog gives.
  static base::Result<std::unique_ptr<Server>> start(App& app, const ServeOptions& options);
  ~Server();  // stops

  std::string address() const;  // "http://127.0.0.1:8080"
  std::uint16_t port() const;
  bool on_loopback() const;
  void stop();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::app
