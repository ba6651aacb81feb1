#include "collect/collector.h"

#include <utility>

#include "collect/firehose.h"
#include "collect/ga4_collect.h"
#include "collect/intake.h"
#include "collect/plain.h"

namespace shoplake::collect {
namespace {

constexpr std::string_view kPlainPath = "/v1/events/";
constexpr std::string_view kGa4Source = "ga4";
constexpr std::chrono::milliseconds kBodyTimeout{20'000};

}  // namespace

struct Collector::State {
  explicit State(CollectorOptions given)
      : options(std::move(given)),
        intake({.env = options.env,
                .log = options.log,
                .metrics = options.metrics,
                .dead_letters = options.limits.dead_letters}),
        firehose({.intake = &intake,
                  .streams = options.streams,
                  .region = options.region,
                  .keys = options.access_keys,
                  .open = is_open(),
                  .on_control = options.on_control}),
        plain({.intake = &intake,
               .streams = options.streams,
               .keys = options.api_keys,
               .open = is_open(),
               .limits = {.inflated_bytes_max = options.limits.plain_inflated_bytes_max,
                          .event_bytes_max = options.limits.plain_event_bytes_max,
                          .events_max = options.limits.plain_events_max}}) {
    ga4.time_zone = &options.time_zone;
    if (!options.api_secrets.empty()) {
      ga4.accepts_secret = [this](std::string_view, std::string_view secret) {
        bool accepted = false;
        for (const auto& known : options.api_secrets)
          accepted |= equal_in_constant_time(secret, known);
        return accepted;
      };
    }
  }

  bool is_open() const { return options.access_keys.empty() && options.api_keys.empty(); }

  CollectorOptions options;
  Intake intake;
  Firehose firehose;
  Plain plain;
  Ga4Options ga4;

  void collect_hits(http::Request&& request, const http::Responder& responder) {
    const std::int64_t received_at = intake.now_micros();
    Ga4Request hit;
    hit.received_at_micros = received_at;
    const auto header = [&](std::string_view name) { return request.header(name).value_or(""); };
    hit.user_agent = header("user-agent");
    hit.accept_language = header("accept-language");
    hit.referer = header("referer");
    hit.sec_ch_ua = header("sec-ch-ua");
    hit.sec_ch_ua_full_version_list = header("sec-ch-ua-full-version-list");
    hit.sec_ch_ua_mobile = header("sec-ch-ua-mobile");
    hit.sec_ch_ua_model = header("sec-ch-ua-model");
    hit.sec_ch_ua_platform = header("sec-ch-ua-platform");
    hit.sec_ch_ua_platform_version = header("sec-ch-ua-platform-version");
    hit.method = request.method;
    hit.path = request.path;
    hit.query = request.query;
    std::string inflated;
    if (const auto encoding = request.header("content-encoding"); encoding && *encoding != "identity") {
      auto body = *encoding == "gzip" ? inflate(request.body, kGa4BodyBytesMax)
                                      : base::Result<std::string>(base::make_error(
                                            base::ErrorKind::input, "collect.bad_encoding",
                                            "Content-Encoding is gzip or nothing", "Send the body as it is."));
      if (!body.ok()) {
        intake.count_rejected(nullptr, kGa4Source, body.error().code);
        intake.keep({options.ga4_stream, kGa4Source, body.error().code, body.error().message, request.body});
        return responder.answer(http::error_response(body.error()));
      }
      inflated = *std::move(body);
      hit.body = inflated;
    } else {
      hit.body = request.body;
    }
    Ga4Result result = collect_ga4(hit, ga4);

    const auto stream = options.streams->find(options.ga4_stream);
    if (!stream) {
      return responder.answer(http::error_response(503, "collect.no_such_stream",
                                                   "the stream that hits go to is not there",
                                                   "Restart shoplake, which makes it."));
    }
    std::vector<DeadLetter> letters;
    for (const Ga4Rejected& rejected : result.rejected) {
      intake.count_rejected(stream.get(), kGa4Source, rejected.reason);
      letters.push_back({stream->name, kGa4Source, rejected.reason, rejected.message, rejected.bytes});
    }
    http::Response response;
    response.status = result.status;
    response.content_type = std::move(result.content_type);
    response.body = std::move(result.body);
    response.set("Cache-Control", "no-store");
    auto done = [responder, response = std::make_shared<http::Response>(std::move(response))](
                    const base::Result<wal::Offset>& first) {
      responder.answer(first.ok() ? std::move(*response) : unavailable(first.error()));
    };
    if (result.rows.empty())
      return intake.keep(letters, std::move(done));
    intake.keep(letters);
    const std::vector<std::string_view> rows(result.rows.begin(), result.rows.end());
    intake.append(*stream, rows, received_at, std::move(done));
  }
};

Collector::Collector(CollectorOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Collector::~Collector() = default;

void Collector::routes(http::Server& server) {
  State* state = state_.get();
  // Without keys, a page of any site could write through its visitor's browser.
  server.route({.path = "/",
                .async_handler =
                    [state](http::Request&& request, http::Responder responder) {
                      state->firehose.handle(std::move(request), std::move(responder));
                    },
                .name = "firehose",
                .methods = {"POST"},
                .body_bytes_max = kFirehoseBodyBytesMax,
                .cross_origin = !state->is_open(),
                .body_timeout = kBodyTimeout,
                .refusal = Firehose::refusal});
  server.route({.path = std::string(kPlainPath),
                .async_handler =
                    [state](http::Request&& request, http::Responder responder) {
                      state->plain.handle(std::move(request), std::move(responder), kPlainPath);
                    },
                .match = http::Route::Match::prefix,
                .methods = {"POST"},
                .body_bytes_max = state->options.limits.plain_body_bytes_max,
                .cross_origin = !state->is_open(),
                .body_timeout = kBodyTimeout});
  server.route({.path = "/v1/discard",
                .handler =
                    [](const http::Request&) {
                      http::Response response;
                      response.status = 204;
                      return response;
                    },
                .where = http::Route::Where::io,
                .methods = {"POST"},
                .body_bytes_max = state->options.limits.plain_body_bytes_max});
  for (const char* path : {"/g/collect", "/mp/collect", "/debug/mp/collect"}) {
    for (const char* end : {"", "/"}) {
      server.route(
          {.path = std::string(path) + end,
           .async_handler = [state](http::Request&& request,
                                    http::Responder responder) { state->collect_hits(std::move(request), responder); },
           .name = path,
           .methods = {"GET", "POST"},
           .body_bytes_max = kGa4BodyBytesMax,
           .cross_origin = true,
           .body_timeout = kBodyTimeout});
    }
  }
}

}  // namespace shoplake::collect
