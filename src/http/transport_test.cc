#include "http/transport.h"

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "http/server.h"

namespace shoplake::http {
namespace {

class TransportTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.route({.path = "/echo",
                   .handler =
                       [](const Request& request) {
                         auto response = text_response(request.method + " " + request.query + " " + request.body, 201);
                         response.set("X-Seen", std::string(request.header("x-given").value_or("")));
                         return response;
                       },
                   .methods = {"GET", "PUT", "POST", "DELETE"}});
    server_.route({.path = "/large", .handler = [](const Request&) { return text_response(std::string(5000, 'x')); }});
    server_.route({.path = "/breaks", .handler = [](const Request&) {
                     Response response;
                     response.stream = [sent = false]() mutable -> base::Result<std::optional<std::string>> {
                       if (std::exchange(sent, true))
                         return base::make_error(base::ErrorKind::failed, "test.break", "broken on purpose");
                       return std::optional<std::string>("half");
                     };
                     return response;
                   }});
    ASSERT_TRUE(server_.start().ok());
  }

  std::string url(const std::string& target) { return "http://127.0.0.1:" + std::to_string(server_.port()) + target; }

  base::Metrics metrics_;
  Server server_{ServerOptions{.port = 0}, io::posix_env(), metrics_};
  std::unique_ptr<Transport> transport_ = make_transport();
};

TEST_F(TransportTest, SendsEveryMethodWithHeadersAndBody) {
  for (const char* method : {"PUT", "POST", "GET", "DELETE", "PUT"}) {
    Call call{.method = method, .url = url("/echo?a=%2F"), .headers = {{"X-Given", "b"}}};
    if (call.method == "PUT" || call.method == "POST")
      call.body = "body";
    const Answer answer = transport_->send(call).value();
    EXPECT_EQ(answer.status, 201);
    EXPECT_EQ(answer.body, call.method + " a=%2F " + std::string(call.body));
    EXPECT_EQ(answer.header("x-seen"), "b");
    EXPECT_EQ(answer.header("x-none"), "");
  }
  const Answer head = transport_->send({.method = "HEAD", .url = url("/large")}).value();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(head.header("content-length"), "5000");
}

TEST_F(TransportTest, TellsHowItFailed) {
  EXPECT_EQ(transport_->send({.url = url("/large"), .body_bytes_max = 4999}).error().code, "http.too_large");
  EXPECT_EQ(transport_->send({.url = url("/large"), .body_bytes_max = 5000}).value().body.size(), 5000U);
  const auto broken = transport_->send({.url = url("/breaks")});
  EXPECT_TRUE(broken.error().code == "http.broken" || broken.error().code == "http.truncated") << broken.error().code;
  const std::string gone = url("/echo");
  server_.stop();
  EXPECT_EQ(transport_->send({.url = gone}).error().code, "http.cannot_connect");
  EXPECT_EQ(transport_->send({.url = "file:///etc/passwd"}).error().code, "http.broken");
}

}  // namespace
}  // namespace shoplake::http
