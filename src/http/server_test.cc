#include "http/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <mutex>
#include <thread>

#include "io/temporary_directory.h"

namespace shoplake::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// A client that sends exactly the bytes it is told to.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0)
        return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Up to and including `end`, or all that came before the connection ended.
  std::string read_until(std::string_view end) {
    for (;;) {
      if (const auto found = buffer_.find(end); found != std::string::npos) {
        std::string taken = buffer_.substr(0, found + end.size());
        buffer_.erase(0, found + end.size());
        return taken;
      }
      if (!read_more())
        return std::exchange(buffer_, {});
    }
  }
  std::string read_to_end() {
    while (read_more()) {
    }
    return std::exchange(buffer_, {});
  }
  // One answer with a Content-Length: header and body.
  std::string read_answer() {
    std::string answer = read_until("\r\n\r\n");
    const auto length = answer.find("Content-Length: ");
    if (length == std::string::npos)
      return answer;
    const auto size = static_cast<std::size_t>(std::stoul(answer.substr(length + 16)));
    while (buffer_.size() < size && read_more()) {
    }
    answer += buffer_.substr(0, size);
    buffer_.erase(0, size);
    return answer;
  }
  void finish_sending() { ::shutdown(socket_, SHUT_WR); }

 private:
  bool read_more() {
    char bytes[4096];
    const auto size = ::recv(socket_, bytes, sizeof bytes, 0);
    if (size <= 0)
      return false;
    buffer_.append(bytes, static_cast<std::size_t>(size));
    return true;
  }
  int socket_;
  std::string buffer_;
};

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    options_.port = 0;
    options_.worker_threads = 2;
    options_.limits.stop_timeout = std::chrono::milliseconds(200);
  }

  Server& start() {
    server_ = std::make_unique<Server>(options_, io::posix_env(), metrics_);
    server_->route({.path = "/hello",
                    .handler = [](const Request&) { return text_response("hello"); },
                    .where = Route::Where::io});
    server_->route({.path = "/echo",
                    .handler =
                        [](const Request& request) {
                          Response response = text_response(request.method + " " + request.query + " " + request.body);
                          response.set("X-Line", "a\r\nInjected: b");
                          return response;
                        },
                    .methods = {"GET", "POST"},
                    .body_bytes_max = 1000});
    server_->route({.path = "/tree/",
                    .handler = [](const Request& request) { return text_response("tree " + request.path); },
                    .match = Route::Match::prefix});
    server_->route({.path = "/tree/deep/",
                    .handler = [](const Request&) { return text_response("deep"); },
                    .match = Route::Match::prefix});
    server_->route({.path = "/throws", .handler = [](const Request&) -> Response { throw std::runtime_error("oh"); }});
    server_->route({.path = "/stream", .handler = [](const Request&) {
                      Response response = text_response("");
                      response.stream = [n = 0]() mutable -> base::Result<std::optional<std::string>> {
                        return ++n > 3 ? std::optional<std::string>() : "part" + std::to_string(n);
                      };
                      return response;
                    }});
    server_->route({.path = "/broken", .handler = [](const Request&) {
                      Response response = text_response("");
                      response.stream = [n = 0]() mutable -> base::Result<std::optional<std::string>> {
                        if (++n > 1)
                          return base::make_error(base::ErrorKind::environment, "test.broken", "no more");
                        return std::optional<std::string>("part");
                      };
                      return response;
                    }});
    server_->route({.path = "/open",
                    .handler = [](const Request&) { return text_response("ok"); },
                    .methods = {"POST"},
                    .cross_origin = true});
    server_->route({.path = "/wait", .handler = [this](const Request&) {
                      std::unique_lock lock(mutex_);
                      ++waiting_;
                      changed_.notify_all();
                      changed_.wait(lock, [this] { return released_; });
                      return text_response("released");
                    }});
    const auto started = server_->start();
    EXPECT_TRUE(started.ok());
    return *server_;
  }

  std::string exchange(std::string_view request) {
    Client client(server_->port());
    client.send(request);
    client.finish_sending();
    return client.read_to_end();
  }
  void await_waiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }
  void release() {
    const std::scoped_lock lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }

  base::Metrics metrics_;
  ServerOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool released_ = false;
  std::unique_ptr<Server> server_;
};

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  Client client(start().port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const std::string answer = client.read_answer();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
    EXPECT_THAT(answer, HasSubstr("Content-Length: 5\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\n\r\nhello"));
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  const std::string answers = exchange(
      "GET /tree/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "POST /echo?x=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"
      "GET /tree/deep/b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const auto first = answers.find("tree /tree/a"), second = answers.find("POST x=1 body"),
             third = answers.find("\r\n\r\ndeep");
  EXPECT_NE(third, std::string::npos) << answers;
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
}

TEST_F(HttpServerTest, ReadsChunkedBodies) {
  start();
  EXPECT_THAT(exchange("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
              HasSubstr("POST  abcde"));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  start();
  const std::string answer = exchange("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(HttpServerTest, SpeaksHttp10) {
  start();
  const std::string answer = exchange("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(answer.ends_with("hello"));
  EXPECT_TRUE(exchange("GET /stream HTTP/1.0\r\n\r\n").ends_with("\r\n\r\npart1part2part3"));
}

TEST_F(HttpServerTest, StreamsInChunks) {
  Client client(start().port());
  client.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.read_until("0\r\n\r\n"), HasSubstr("5\r\npart1\r\n5\r\npart2\r\n5\r\npart3\r\n0\r\n\r\n"));
  client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.read_answer(), HasSubstr("hello"));
}

TEST_F(HttpServerTest, BrokenStreamIsNotMistakenForACompleteOne) {
  start();
  const std::string answer = exchange("GET /broken HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("4\r\npart\r\n")) << answer;
}

TEST_F(HttpServerTest, HandlersCannotInjectHeaders) {
  start();
  EXPECT_THAT(exchange("GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"), HasSubstr("X-Line: a  Injected: b\r\n"));
}

TEST_F(HttpServerTest, HandlerFailureIsAnAnswer) {
  Client client(start().port());
  client.send("GET /throws HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.read_answer(), HasSubstr("serve.internal"));
  client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.read_answer(), HasSubstr("hello"));
}

TEST_F(HttpServerTest, SaysWhichMethodsAnAddressTakes) {
  start();
  EXPECT_THAT(exchange("DELETE /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"), HasSubstr("Allow: GET, HEAD, POST\r\n"));
  EXPECT_THAT(exchange("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpServerTest, RefusesLargeBodiesBeforeTheyAreSent) {
  Client client(start().port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, AsksForTheBodyOf100Continue) {
  Client client(start().port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_THAT(client.read_answer(), HasSubstr("POST  body"));
}

TEST_F(HttpServerTest, RefusesChunkedBodiesOverTheLimit) {
  start();
  const std::string chunk = "200\r\n" + std::string(512, 'x') + "\r\n";
  EXPECT_THAT(exchange("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk +
                       "0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, RefusesLargeHeaders) {
  start();
  EXPECT_THAT(exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\nX-Long: " + std::string(200'000, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(exchange("GET /hello?" + std::string(9'000, 'x') + " HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              StartsWith("HTTP/1.1 414 "));
}

TEST_F(HttpServerTest, RefusesWhatIsNotHttp) {
  start();
  for (const std::string_view request :
       {"\x16\x03\x01\x02", "GET\r\n\r\n", "GET /hello HTTP/9.9\r\n\r\n",
        "GET hello HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    const std::string answer = exchange(request);
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 400 ")) << request << "\n" << answer;
  }
}

TEST_F(HttpServerTest, SurvivesTruncatedRequests) {
  start();
  const std::string request = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody";
  for (std::size_t size = 0; size < request.size(); ++size)
    exchange(request.substr(0, size));
  EXPECT_THAT(exchange(request), HasSubstr("POST  body"));
}

TEST_F(HttpServerTest, AnswersOnlyToItsOwnHostNames) {
  options_.host_names = {"lake.example"};
  start();
  EXPECT_THAT(exchange("GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n"), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(exchange("GET /hello HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(exchange("GET /hello HTTP/1.1\r\nHost: [::1]:1\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(exchange("GET /hello HTTP/1.1\r\nHost: Lake.Example:80\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, RefusesWritesFromPagesOfOtherSites) {
  start();
  const std::string head = " HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 0\r\n";
  EXPECT_THAT(exchange("POST /echo" + head + "Origin: http://evil.example\r\n\r\n"), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(exchange("POST /echo" + head + "Origin: null\r\n\r\n"), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(exchange("POST /echo" + head + "Sec-Fetch-Site: cross-site\r\n\r\n"), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(exchange("POST /echo" + head + "Origin: http://localhost:8080\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(exchange("POST /open" + head + "Origin: http://evil.example\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, RefusesConnectionsOverTheLimit) {
  options_.limits.connections_max = 1;
  Client first(start().port());
  first.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(first.read_answer(), HasSubstr("hello"));
  Client second(server_->port());
  EXPECT_THAT(second.read_to_end(), StartsWith("HTTP/1.1 503 "));
  first.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(first.read_answer(), HasSubstr("hello"));
}

TEST_F(HttpServerTest, BusyWorkersDoNotDelayOtherConnections) {
  options_.worker_threads = 1;
  options_.limits.waiting_requests_max = 1;
  start();
  Client busy(server_->port()), waiting(server_->port());
  busy.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await_waiting(1);
  EXPECT_THAT(exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"), HasSubstr("hello"));
  waiting.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
  // The second waits for the worker, so one more than the limit is refused, sooner or later.
  std::string answer;
  while (!answer.starts_with("HTTP/1.1 503 ")) {
    Client third(server_->port());
    third.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
    answer = std::async(std::launch::async, [&third] { return third.read_answer(); }).get();
  }
  EXPECT_THAT(answer, HasSubstr("Retry-After: 1"));
  release();
  EXPECT_THAT(busy.read_answer(), HasSubstr("released"));
  EXPECT_THAT(waiting.read_answer(), HasSubstr("released"));
}

TEST_F(HttpServerTest, SlowClientsAreCutOff) {
  options_.limits.header_timeout = std::chrono::milliseconds(50);
  options_.limits.body_timeout = std::chrono::milliseconds(50);
  options_.limits.body_bytes_per_second_min = 1'000'000;
  start();
  Client slow_header(server_->port()), slow_body(server_->port());
  slow_header.send("GET /hel");
  slow_body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbo");
  EXPECT_EQ(slow_header.read_to_end(), "");
  EXPECT_EQ(slow_body.read_to_end(), "");
  // The connection closes a moment before its coroutine counts that.
  while (metrics_.exposition().find("shoplake_http_refused_total{reason=\"timeout\"} 2\n") == std::string::npos)
    std::this_thread::yield();
}

TEST_F(HttpServerTest, IdleConnectionsAreClosed) {
  options_.limits.idle_timeout = std::chrono::milliseconds(50);
  Client client(start().port());
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(HttpServerTest, StopLetsRequestsFinishAndClosesIdleConnections) {
  options_.limits.stop_timeout = std::chrono::seconds(60);
  start();
  Client idle(server_->port()), busy(server_->port());
  idle.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  idle.read_answer();
  busy.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await_waiting(1);
  std::jthread stopper([this] { server_->stop(); });
  EXPECT_EQ(idle.read_to_end(), "");
  release();
  const std::string answer = busy.read_to_end();
  EXPECT_THAT(answer, HasSubstr("released"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
}

// The threads may be stopped before they come to closing what they were told to close.
TEST_F(HttpServerTest, NobodyIsLetInOnceItHasStopped) {
  for (int round = 0; round < 200; ++round) {
    start();
    const std::uint16_t port = server_->port();
    server_->stop();
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool is_let_in = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    ::close(socket);
    ASSERT_FALSE(is_let_in) << "in round " << round;
  }
}

TEST_F(HttpServerTest, SaysThatThePortIsTaken) {
  start();
  ServerOptions options;
  options.port = server_->port();
  Server other(options, io::posix_env(), metrics_);
  const auto started = other.start();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, "serve.cannot_listen");
  EXPECT_THAT(started.error().advice, HasSubstr("--port"));
}

TEST_F(HttpServerTest, CountsRequests) {
  start();
  exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string text = metrics_.exposition();
  EXPECT_THAT(text, HasSubstr("shoplake_http_requests_total{route=\"/hello\",method=\"GET\",status=\"200\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nshoplake_http_connections "));
  EXPECT_THAT(text, HasSubstr("shoplake_http_request_duration_seconds_count{route=\"/hello\"} 1\n"));
}

// Routes that answer later. What the handlers are given is kept in `kept_`.
class AsyncServerTest : public HttpServerTest {
 protected:
  Server& start_async() {
    server_ = std::make_unique<Server>(options_, io::posix_env(), metrics_);
    const auto add = [&](Route route) { server_->route(std::move(route)); };
    add({.path = "/later",
         .async_handler =
             [this](Request&& request, Responder responder) {
               const std::scoped_lock lock(mutex_);
               kept_.emplace_back(std::move(request), std::move(responder));
               changed_.notify_all();
             },
         .methods = {"POST"},
         .body_bytes_max = 1 << 20});
    add({.path = "/now", .async_handler = [](Request&& request, Responder responder) {
           responder.answer(text_response("now " + request.path));
           responder.answer(text_response("never"));
         }});
    add({.path = "/blocking", .async_handler = [](Request&&, Responder responder) {
           const auto io_thread = std::this_thread::get_id();
           responder.answer_on_worker(
               [=] { return text_response(std::this_thread::get_id() == io_thread ? "io" : "worker"); });
         }});
    add({.path = "/dropped", .async_handler = [](Request&&, Responder) {}});
    add({.path = "/throws",
         .async_handler = [](Request&&, Responder) { throw std::runtime_error("before an answer"); }});
    add({.path = "/broken", .async_handler = [](Request&&, Responder responder) {
           responder.answer_with([]() -> Response { throw std::runtime_error("while making it"); });
         }});
    add({.path = "/feed", .async_handler = [this](Request&&, Responder responder) {
           Response response;
           response.content_type = "text/event-stream";
           response.feed = std::make_shared<Feed>(1000);
           {
             const std::scoped_lock lock(mutex_);
             feed_ = response.feed;
             changed_.notify_all();
           }
           responder.answer(std::move(response));
         }});
    add({.path = "/open",
         .handler = [](const Request&) { return text_response("page"); },
         .match = Route::Match::prefix,
         .methods = {"GET"}});
    add({.path = "/open",
         .async_handler = [](Request&&, Responder responder) { responder.answer(text_response("collected")); },
         .methods = {"POST"},
         .body_bytes_max = 10,
         .cross_origin = true,
         .refusal = [](int status, std::string_view code,
                       std::string_view) { return text_response("refused: " + std::string(code), status); }});
    EXPECT_TRUE(server_->start().ok());
    return *server_;
  }
  void await_kept(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return kept_.size() >= count; });
  }
  std::shared_ptr<Feed> await_feed() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return feed_ != nullptr; });
    return feed_;
  }
  static std::string get(std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  static std::string post(std::string_view path, std::string_view body, std::string_view headers = {}) {
    return "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }

  std::vector<std::pair<Request, Responder>> kept_;
  std::shared_ptr<Feed> feed_;
};

TEST_F(AsyncServerTest, AnswersFromAnotherThreadInAnyOrder) {
  options_.io_threads = 2;
  start_async();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<Client>(server_->port()));
    clients.back()->send(post("/later", "body" + std::to_string(i)));
  }
  await_kept(50);
  std::jthread([this] {
    for (auto kept = kept_.rbegin(); kept != kept_.rend(); ++kept)
      kept->second.answer(text_response("answer to " + kept->first.body));
  }).join();
  for (int i = 0; i < 50; ++i)
    EXPECT_THAT(clients[static_cast<std::size_t>(i)]->read_answer(), HasSubstr("answer to body" + std::to_string(i)));
}

TEST_F(AsyncServerTest, KeepsTheOrderOfPipelinedRequests) {
  start_async();
  Client client(server_->port());
  client.send(post("/later", "first") + get("/now") + post("/later", "second"));
  await_kept(1);
  kept_[0].second.answer_with([] { return text_response("one"); });
  EXPECT_THAT(client.read_answer(), HasSubstr("one"));
  EXPECT_THAT(client.read_answer(), HasSubstr("now /now"));
  await_kept(2);
  kept_[1].second.answer(text_response("two"));
  EXPECT_THAT(client.read_answer(), HasSubstr("two"));
}

TEST_F(AsyncServerTest, EveryRequestIsAnswered) {
  start_async();
  EXPECT_THAT(exchange(get("/blocking")), HasSubstr("worker"));
  for (const char* path : {"/dropped", "/throws", "/broken"}) {
    EXPECT_THAT(exchange(get(path)), StartsWith("HTTP/1.1 500 ")) << path;
  }
}

TEST_F(AsyncServerTest, RefusesMoreRequestsInFlightThanTheLimit) {
  options_.limits.requests_in_flight_max = 2;
  start_async();
  Client first(server_->port()), second(server_->port()), third(server_->port());
  first.send(post("/later", "1"));
  second.send(post("/later", "2"));
  await_kept(2);
  third.send(post("/later", "3"));
  const std::string refused = third.read_answer();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(refused, HasSubstr("Retry-After: 1\r\n"));
  kept_[0].second.answer(text_response("done"));
  first.read_answer();
  third.send(post("/later", "3"));
  await_kept(3);
  kept_[1].second.answer(text_response("done"));
  kept_[2].second.answer(text_response("done"));
  EXPECT_THAT(third.read_answer(), HasSubstr("done"));
  EXPECT_THAT(second.read_answer(), HasSubstr("done"));
}

TEST_F(AsyncServerTest, RefusesMoreBytesInFlightThanTheLimit) {
  options_.limits.bytes_in_flight_max = 300'000;
  start_async();
  Client holds(server_->port());
  holds.send(post("/later", std::string(200'000, 'x')));
  await_kept(1);
  Client refused(server_->port());
  refused.send(post("/later", std::string(200'000, 'x')));
  EXPECT_THAT(refused.read_to_end(), StartsWith("HTTP/1.1 503 "));
  kept_[0].second.answer(text_response("done"));
  EXPECT_THAT(holds.read_answer(), HasSubstr("done"));
  Client later(server_->port());
  later.send(post("/later", std::string(200'000, 'x')));
  await_kept(2);
  kept_[1].second.answer(text_response("done"));
  EXPECT_THAT(later.read_answer(), HasSubstr("done"));
}

TEST_F(AsyncServerTest, StopDoesNotWaitForAnswersForever) {
  options_.limits.stop_timeout = std::chrono::milliseconds(50);
  start_async();
  Client client(server_->port());
  client.send(post("/later", "1"));
  await_kept(1);
  server_->stop();
  EXPECT_EQ(client.read_to_end(), "");
  kept_[0].second.answer(text_response("too late"));
  server_.reset();
  kept_.clear();
}

TEST_F(AsyncServerTest, FeedsAreWrittenAsThingsHappen) {
  start_async();
  Client client(server_->port());
  client.send(get("/feed"));
  const auto feed = await_feed();
  EXPECT_TRUE(feed->push("data: 1\n\n"));
  EXPECT_THAT(client.read_until("1\n\n\r\n"), HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_TRUE(feed->push("data: 2\n\n"));
  EXPECT_EQ(client.read_until("2\n\n\r\n"), "9\r\ndata: 2\n\n\r\n");
  feed->close();
  EXPECT_FALSE(feed->push("data: 3\n\n"));
  EXPECT_EQ(client.read_to_end(), "0\r\n\r\n");
}

TEST_F(AsyncServerTest, FeedsCloseWhenTheClientGoes) {
  start_async();
  {
    Client client(server_->port());
    client.send(get("/feed"));
    await_feed()->push("data: 1\n\n");
    client.read_until("1\n\n");
  }
  while (!feed_->closed())
    std::this_thread::yield();
}

TEST_F(AsyncServerTest, FeedsCutOffClientsThatDoNotRead) {
  options_.limits.write_timeout = std::chrono::milliseconds(200);
  start_async();
  Client client(server_->port());
  client.send(get("/feed"));
  const auto feed = await_feed();
  EXPECT_FALSE(feed->push(std::string(1001, 'x')));
  EXPECT_TRUE(feed->closed());
}

TEST_F(AsyncServerTest, FeedsEndWhenTheServerStops) {
  options_.limits.stop_timeout = std::chrono::seconds(60);
  start_async();
  Client client(server_->port());
  client.send(get("/feed"));
  await_feed()->push("data: 1\n\n");
  client.read_until("1\n\n\r\n");
  server_->stop();
  EXPECT_EQ(client.read_to_end(), "0\r\n\r\n");
}

TEST_F(AsyncServerTest, OnePathMayHaveARouteAMethod) {
  start_async();
  EXPECT_THAT(exchange(get("/open")), HasSubstr("page"));
  EXPECT_THAT(exchange(get("/open/below")), HasSubstr("page"));
  EXPECT_THAT(exchange(post("/open", "x")), HasSubstr("collected"));
  EXPECT_THAT(exchange(post("/open/below", "x")), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(exchange("DELETE /open HTTP/1.1\r\nHost: localhost\r\n\r\n"), HasSubstr("Allow: POST, GET, HEAD\r\n"));
}

TEST_F(AsyncServerTest, AnswersPreflightsOfOpenRoutes) {
  start_async();
  const std::string preflight =
      "OPTIONS /open HTTP/1.1\r\nHost: localhost\r\nOrigin: https://shop.example\r\n"
      "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n";
  const std::string answer = exchange(preflight);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 204 "));
  for (const char* header :
       {"Access-Control-Allow-Origin: https://shop.example\r\n", "Access-Control-Allow-Credentials: true\r\n",
        "Access-Control-Allow-Headers: content-type\r\n", "Vary: Origin\r\n"}) {
    EXPECT_THAT(answer, HasSubstr(header));
  }
  EXPECT_THAT(answer, HasSubstr("Access-Control-Allow-Methods: POST, GET, HEAD\r\n"));
  EXPECT_THAT(exchange(post("/open", "x", "Origin: https://shop.example\r\nSec-Fetch-Site: cross-site\r\n")),
              HasSubstr("Access-Control-Allow-Origin: https://shop.example\r\n"));
  EXPECT_THAT(exchange(post("/later", "x", "Origin: https://shop.example\r\n")), StartsWith("HTTP/1.1 403 "));
}

TEST_F(AsyncServerTest, ARouteMaySayHowItsRefusalsLook) {
  start_async();
  const std::string answer = exchange(post("/open", "more than ten bytes"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(answer, HasSubstr("refused: serve.body_too_large"));
}

TEST_F(AsyncServerTest, SlowAndIdleConnectionsDelayNobody) {
  options_.io_threads = 2;
  start_async();
  std::vector<std::unique_ptr<Client>> others;
  for (int i = 0; i < 300; ++i) {
    others.push_back(std::make_unique<Client>(server_->port()));
    if (i % 3 == 0)
      others.back()->send("POST /later HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nslow");
  }
  Client client(server_->port());
  for (int i = 0; i < 1000; ++i) {
    client.send(get("/now"));
    ASSERT_THAT(client.read_answer(), HasSubstr("now"));
  }
}

// A client of OpenSSL's own, with a certificate made for the test.
TEST_F(AsyncServerTest, SpeaksTls) {
  io::TemporaryDirectory folder;
  const std::string certificate = folder.file("server.pem"), key = folder.file("server.key");
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -keyout " +
      key + " -out " + certificate + " 2>/dev/null";
  if (std::system(make.c_str()) != 0)
    GTEST_SKIP() << "the openssl program that makes a certificate is not installed";
  options_.tls = TlsOptions{certificate, key};
  const std::string port = std::to_string(start_async().port());
  EXPECT_THAT(server_->address(), StartsWith("https://"));
  const auto ask = [&](const std::string& options) {
    const std::string command =
        "printf 'GET /now HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' | openssl "
        "s_client -quiet -connect 127.0.0.1:" +
        port + " " + options + " 2>/dev/null";
    std::string answer;
    FILE* pipe = popen(command.c_str(), "r");
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe))
      answer.push_back(static_cast<char>(c));
    pclose(pipe);
    return answer;
  };
  EXPECT_THAT(ask("-tls1_3"), HasSubstr("now /now"));
  EXPECT_THAT(ask("-tls1_2"), HasSubstr("now /now"));
  EXPECT_EQ(ask("-tls1_1 -cipher ALL:@SECLEVEL=0"), "");
  EXPECT_EQ(exchange(get("/now")).find("HTTP/"), std::string::npos);
}

TEST_F(AsyncServerTest, SaysThatACertificateIsBad) {
  options_.tls = TlsOptions{"/dev/null", "/dev/null"};
  Server server(options_, io::posix_env(), metrics_);
  const auto started = server.start();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, "serve.bad_certificate");
}

}  // namespace
}  // namespace shoplake::http
