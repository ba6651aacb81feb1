#include "http/server.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <condition_variable>
#include <mutex>

#include "base/log.h"
#include "http/connection.h"

namespace shoplake::http {
namespace {

constexpr milliseconds kAcceptRetryDelay{50};
constexpr milliseconds kSweepPeriodMax{250};
constexpr milliseconds kSweepPeriodMin{10};
constexpr rlim_t kOtherFiles = 256;  // beside the connections

// So many connections need as many open files, and a shell's usual limit is 1,024.
void raise_file_limit(std::size_t connections_max) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, connections_max + kOtherFiles);
  if (limit.rlim_cur >= wanted)
    return;
  limit.rlim_cur = wanted;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

struct Server::State {
  State(ServerOptions options, io::Env& env, base::Metrics& metrics) : context(std::move(options), env, metrics) {}

  ConnectionContext context;
  std::vector<std::unique_ptr<IoThread>> threads;
  std::unique_ptr<Acceptor> acceptor;  // runs on the first thread
  Tcp::endpoint endpoint;
  milliseconds sweep_period{kSweepPeriodMax};
  bool started = false;

  std::mutex connections_mutex;
  std::condition_variable connections_changed;
  std::size_t connections = 0;

  // --- connections ---

  Task<void> accept_connections() {
    for (std::size_t turn = 0;; ++turn) {
      IoThread& thread = *threads[turn % threads.size()];
      Socket socket(thread.context.get_executor());
      error_code error;
      co_await acceptor->async_accept(socket, net::redirect_error(kAwait, error));
      if (context.stopping || error == net::error::operation_aborted || error == net::error::bad_descriptor)
        co_return;
      if (error) {
        // Out of file descriptors or memory, or the peer is gone already: others may still get through.
        base::log::warning("http.accept_failed", {{"reason", error.message()}});
        Timer timer(acceptor->get_executor(), kAcceptRetryDelay);
        co_await timer.async_wait(net::redirect_error(kAwait, error));
        continue;
      }
      error_code ignored;
      socket.set_option(Tcp::no_delay(true), ignored);
      if (!count_connection()) {
        refuse_connection(socket);
        continue;
      }
      auto connection = std::make_shared<Connection>(std::move(socket), thread,
                                                     context.options.limits.header_bytes_max + kReadAheadBytes);
      const auto remote = connection->socket.remote_endpoint(ignored);
      if (!ignored)
        connection->peer = remote.address().to_string();
      net::post(thread.context, [this, connection] { begin(connection); });
    }
  }

  bool count_connection() {
    const std::scoped_lock lock(connections_mutex);
    if (connections >= context.options.limits.connections_max)
      return false;
    ++connections;
    context.metrics.set("shoplake_http_connections", {}, static_cast<double>(connections));
    return true;
  }

  void refuse_connection(Socket& socket) {
    context.metrics.add("shoplake_http_refused_total", {{"reason", "connections"}});
    if (context.tls)
      return;  // there is no way to say it before a handshake
    static constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(net::buffer(kFull), ignored);
    socket.shutdown(Tcp::socket::shutdown_send, ignored);
  }

  void begin(const std::shared_ptr<Connection>& connection) {
    IoThread& thread = connection->thread;
    thread.connections.insert(connection);
    connection->closing = context.stopping;
    if (!std::exchange(thread.sweeping, true))
      sweep_later(thread);
    net::co_spawn(thread.context, serve(connection), net::detached);
  }

  // Closes what is over its deadline, as long as there are connections.
  void sweep_later(IoThread& thread) {
    thread.sweep.expires_after(sweep_period);
    thread.sweep.async_wait([this, &thread](const error_code& error) {
      if (error)
        return;
      const auto now = Clock::now();
      for (const auto& connection : thread.connections) {
        if (now >= connection->deadline && !connection->timed_out) {
          connection->timed_out = true;
          connection->close();
        }
      }
      thread.sweeping = !thread.connections.empty();
      if (thread.sweeping)
        sweep_later(thread);
    });
  }

  Task<void> serve(std::shared_ptr<Connection> connection) {
    co_await converse(context, *connection);
    connection->close();
    connection->thread.connections.erase(connection);
    // Whoever waits for the last connection may destroy this right after, so the lock covers all of it.
    const std::scoped_lock lock(connections_mutex);
    --connections;
    context.metrics.set("shoplake_http_connections", {}, static_cast<double>(connections));
    connections_changed.notify_all();
  }

  // --- start and stop ---

  base::Result<void> load_certificate() {
    if (!context.options.tls)
      return {};
    error_code error;
    auto made = std::make_unique<net::ssl::context>(net::ssl::context::tls_server);
    made->set_options(net::ssl::context::default_workarounds | net::ssl::context::no_sslv2 |
                          net::ssl::context::no_sslv3 | net::ssl::context::no_tlsv1 | net::ssl::context::no_tlsv1_1 |
                          net::ssl::context::single_dh_use,
                      error);
    const auto bad = [&](const std::string& file) {
      return base::make_error(base::ErrorKind::usage, "serve.bad_certificate",
                              fmt::format("cannot use {} for TLS: {}", file, error.message()),
                              "give a certificate with its chain and its private key, both as PEM files");
    };
    made->use_certificate_chain_file(context.options.tls->certificate_file, error);
    if (error)
      return bad(context.options.tls->certificate_file);
    made->use_private_key_file(context.options.tls->key_file, net::ssl::context::pem, error);
    if (error)
      return bad(context.options.tls->key_file);
    context.tls = std::move(made);
    return {};
  }

  base::Result<void> listen() {
    error_code error;
    const Executor executor = threads.front()->context.get_executor();
    net::ip::basic_resolver<Tcp, Executor> resolver(executor);
    const auto found = resolver.resolve(context.options.host, std::to_string(context.options.port),
                                        Tcp::resolver::passive | Tcp::resolver::numeric_service, error);
    const auto fail = [&](const std::string& what) -> base::Error {
      return base::make_error(
          base::ErrorKind::environment, "serve.cannot_listen",
          fmt::format("cannot listen on {}:{}: {}", context.options.host, context.options.port, what),
          error == net::error::address_in_use
              ? "another program uses this port: end it, or choose another one with --port (0: any free one)"
              : "give an address of this machine with --listen HOST:PORT");
    };
    if (error || found.empty())
      return fail(error ? error.message() : "no such address");
    // "localhost" may be both ::1 and 127.0.0.1: the latter is what other programs take it for.
    endpoint = found.begin()->endpoint();
    for (const auto& entry : found) {
      if (entry.endpoint().address().is_v4()) {
        endpoint = entry.endpoint();
        break;
      }
    }
    acceptor = std::make_unique<Acceptor>(executor);
    acceptor->open(endpoint.protocol(), error);
    if (!error)
      acceptor->set_option(Acceptor::reuse_address(true), error);
    if (!error)
      acceptor->bind(endpoint, error);
    if (!error)
      acceptor->listen(net::socket_base::max_listen_connections, error);
    if (error)
      return fail(error.message());
    endpoint = acceptor->local_endpoint(error);
    return {};
  }

  void make_threads() {
    for (int i = 0; i < std::max(1, context.options.io_threads); ++i) {
      auto thread = std::make_unique<IoThread>();
      thread->handover = std::make_shared<Handover>(
          [raw = thread.get()] { net::post(raw->context, [handover = raw->handover] { handover->run(); }); });
      threads.push_back(std::move(thread));
    }
    const Limits& limits = context.options.limits;
    const milliseconds shortest =
        std::min({limits.idle_timeout, limits.header_timeout, limits.body_timeout, limits.write_timeout});
    sweep_period = std::clamp(shortest / 4, kSweepPeriodMin, kSweepPeriodMax);
  }

  void make_workers() {
    context.workers =
        std::make_unique<net::thread_pool>(static_cast<std::size_t>(std::max(1, context.options.worker_threads)));
    context.run_on_worker = std::make_shared<const RunOnWorker>([this](std::function<void()> work) {
      if (context.stopping)
        return false;
      if (context.waiting_requests.fetch_add(1) >= context.options.limits.waiting_requests_max) {
        --context.waiting_requests;
        return false;
      }
      net::post(*context.workers, [this, work = std::move(work)] {
        --context.waiting_requests;
        work();
      });
      return true;
    });
  }

  void close_connections(bool also_busy) {
    for (const auto& thread : threads) {
      net::post(thread->context, [raw = thread.get(), also_busy] {
        for (const auto& connection : raw->connections) {
          connection->closing = true;
          if (connection->feed)
            connection->feed->close();
          if (connection->idle || also_busy)
            connection->close();
          if (also_busy && connection->awaited)
            net::post(raw->context, [awaited = connection->awaited] { awaited->settle(std::nullopt); });
        }
      });
    }
  }

  bool wait_for_connections(milliseconds timeout) {
    std::unique_lock lock(connections_mutex);
    return connections_changed.wait_for(lock, timeout, [this] { return connections == 0; });
  }
};

Server::Server(ServerOptions options, io::Env& env, base::Metrics& metrics)
    : state_(std::make_unique<State>(std::move(options), env, metrics)) {
  metrics.describe_counter("shoplake_http_requests_total", "Requests answered, by route, method and status.");
  metrics.describe_counter("shoplake_http_response_bytes_total", "Bytes written as answers, headers included.");
  metrics.describe_counter("shoplake_http_refused_total",
                           "Connections and requests refused before their handler, by reason.");
  metrics.describe_gauge("shoplake_http_connections", "Open connections.");
  metrics.describe_gauge("shoplake_http_requests_in_flight", "Requests handed to handlers and not answered.");
  metrics.describe_gauge("shoplake_http_body_bytes_in_flight", "Bytes of bodies, from their first byte to the answer.");
  metrics.before_exposition([in_flight = state_->context.in_flight](base::Metrics& m) {
    m.set("shoplake_http_requests_in_flight", {}, static_cast<double>(in_flight->requests.load()));
    m.set("shoplake_http_body_bytes_in_flight", {}, static_cast<double>(in_flight->bytes.load()));
  });
  metrics.describe_histogram("shoplake_http_request_duration_seconds",
                             "From the end of a request's header to the end of its answer.",
                             {0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30});
}

Server::~Server() { stop(); }

void Server::route(Route route) {
  SHOPLAKE_CHECK(!state_->started);
  SHOPLAKE_CHECK(static_cast<bool>(route.handler) != static_cast<bool>(route.async_handler));
  state_->context.router.add(std::move(route));
}

base::Result<void> Server::start() {
  State& state = *state_;
  SHOPLAKE_CHECK(!state.started);
  SHOPLAKE_TRY(state.load_certificate());
  state.threads.clear();
  state.make_threads();
  SHOPLAKE_TRY(state.listen());
  state.context.admission.set_on_loopback(state.endpoint.address().is_loopback());
  raise_file_limit(state.context.options.limits.connections_max);
  state.started = true;
  state.make_workers();
  net::co_spawn(state.threads.front()->context, state.accept_connections(), net::detached);
  for (const auto& thread : state.threads)
    thread->thread = std::jthread([raw = thread.get()] { raw->context.run(); });
  return {};
}

std::uint16_t Server::port() const { return state_->endpoint.port(); }

std::string Server::address() const {
  const auto ip = state_->endpoint.address();
  const std::string host = ip.is_unspecified() ? "localhost" : ip.is_v6() ? "[" + ip.to_string() + "]" : ip.to_string();
  return fmt::format("{}://{}:{}", state_->context.options.tls ? "https" : "http", host, state_->endpoint.port());
}

bool Server::on_loopback() const { return state_->endpoint.address().is_loopback(); }

void Server::stop() {
  State& state = *state_;
  if (!state.started || state.context.stopping.exchange(true))
    return;
  net::post(state.threads.front()->context, [&state] {
    error_code ignored;
    state.acceptor->close(ignored);
  });
  state.close_connections(false);
  state.wait_for_connections(state.context.options.limits.stop_timeout);
  state.close_connections(true);
  state.context.workers->join();
  state.wait_for_connections(std::chrono::seconds(1));
  for (const auto& thread : state.threads) {
    thread->handover->close();
    thread->work.reset();
    thread->context.stop();
  }
  for (const auto& thread : state.threads)
    thread->thread = std::jthread();
  // A thread may have stopped before it came to what was posted to it: no socket outlives this, or a client would be
  // let in by the system and wait for ever.
  error_code ignored;
  state.acceptor->close(ignored);
  for (const auto& thread : state.threads) {
    for (const auto& connection : thread->connections)
      connection->close();
  }
}

}  // namespace shoplake::http
