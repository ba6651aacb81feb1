#include "http/client.h"

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "http/server.h"

namespace shoplake::http {
namespace {

TEST(ParseUrl, TakesHostPortAndTarget) {
  const Url url = parse_url("http://127.0.0.1:8080/v1/events/a?b=c").value();
  EXPECT_EQ(url.host, "127.0.0.1");
  EXPECT_EQ(url.port, 8080);
  EXPECT_EQ(url.target, "/v1/events/a?b=c");
  EXPECT_EQ(parse_url("http://[::1]:9?x=1").value().target, "/?x=1");
  EXPECT_EQ(parse_url("http://localhost").value().target, "/");
  for (const char* bad : {"", "localhost:80", "https://localhost/", "http://", "http:///a", "http://a:99999/"})
    EXPECT_EQ(parse_url(bad).error().code, "http.bad_url") << bad;
}

TEST(Client, SendsOverOneConnectionAndAgainWhenItWasClosed) {
  base::Metrics metrics;
  const auto serve = [&](std::uint16_t port) {
    auto server = std::make_unique<Server>(ServerOptions{.port = port}, io::posix_env(), metrics);
    server->route({.path = "/echo",
                   .handler = [](const Request& request) { return text_response(request.method + request.body, 201); },
                   .methods = {"POST"}});
    EXPECT_TRUE(server->start().ok());
    return server;
  };
  auto server = serve(0);
  const std::uint16_t port = server->port();
  Client client("127.0.0.1", port);
  for (int round = 0; round < 3; ++round) {
    const Response response = client.send("POST", "/echo", {{"X-A", "b"}}, "body").value();
    EXPECT_EQ(response.status, 201);
    EXPECT_EQ(response.body, "POSTbody");
  }
  EXPECT_EQ(client.send("GET", "/none", {}, "").value().status, 404);
  server->stop();
  server = serve(port);
  EXPECT_EQ(client.send("POST", "/echo", {}, "again").value().body, "POSTagain");
  server.reset();
  EXPECT_FALSE(client.send("POST", "/echo", {}, "").ok());
}

}  // namespace
}  // namespace shoplake::http
