// shoplake generate: synthetic data, as a GA4 export (events), flat events (clickstream) or files of the shop.

#include "app/generate.h"
#include "app/send.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"

namespace shoplake::cli {

namespace {

constexpr std::int64_t kSecondsMax = 30 * 86'400;

struct Options {
  std::string dataset;
  generate::EventsOptions events;
  app::SendOptions send;
  std::string protocol = "plain";
  std::string time;  // of --for
};

std::string summary_as_json(const std::string& dataset, const generate::EventsSummary& summary, std::int64_t micros) {
  std::string files;
  for (const std::string& file : summary.files) {
    files += (files.empty() ? "" : ",") + json_quoted(file);
  }
  return fmt::format(
      R"({{"dataset":{},"events":{},"users":{},"sessions":{},"purchases":{},"duplicates":{},"late_sessions":{},)"
      R"("planted_rejects":{},"planted_rows":{},"json_bytes":{},"file_bytes":{},"files":[{}],"manifest":{},"seconds":{:.3f}}})",
      json_quoted(dataset), summary.events, summary.users, summary.sessions, summary.purchases, summary.duplicates,
      summary.late_sessions, summary.planted.with_outcome(generate::Outcome::rejected),
      summary.planted.with_outcome(generate::Outcome::accepted), summary.json_bytes, summary.file_bytes, files,
      summary.manifest.empty() ? "null" : json_quoted(summary.manifest), static_cast<double>(micros) / 1e6);
}

// "60s", "10m", "2h", "90".
base::Result<std::int64_t> parse_seconds(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, text.data() + text.size());
  const std::int64_t factor = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (code != std::errc() || factor == 0 || number < 1 || number > kSecondsMax / factor) {
    return base::make_error(base::ErrorKind::usage, "generate.bad_time", fmt::format("--for {} is no time", text),
                            "Write seconds, minutes or hours: 60s, 10m, 2h.");
  }
  return number * factor;
}

base::Result<int> send(const Options& options, Context& context) {
  app::SendOptions send = options.send;
  send.dataset = options.dataset;
  send.seed = options.events.seed;
  send.protocol = options.protocol == "firehose" ? app::SendOptions::Protocol::firehose
                  : options.protocol == "mp"     ? app::SendOptions::Protocol::measurement_protocol
                                                 : app::SendOptions::Protocol::plain;
  if (!options.time.empty())
    send.seconds = SHOPLAKE_TRY(parse_seconds(options.time));
  context.say(fmt::format("generate {}: {:.0f} events a second by {} to {}{}", options.dataset, send.rate,
                          options.protocol, send.url,
                          send.seconds > 0 ? fmt::format(", for {}", options.time) : ", until Ctrl-C"));
  const std::uint64_t total =
      send.seconds > 0 ? static_cast<std::uint64_t>(send.rate * static_cast<double>(send.seconds)) : 0;
  context.progress().begin(fmt::format("send {}", options.dataset), total, base::Progress::Unit::rows);
  const auto sent = app::send_generated(
      io::posix_env(), send, [&](const app::SendReport& so_far) { context.progress().update(so_far.events); },
      context.stop);
  context.progress().end();
  const app::SendReport report = SHOPLAKE_TRY(std::move(sent));
  if (context.json) {
    context.print(fmt::format(
        R"({{"dataset":{},"events":{},"requests":{},"retries":{},"refused":{},"seconds":{:.3f},"ack_p50_ms":{:.2f},"ack_p99_ms":{:.2f}}})",
        json_quoted(options.dataset), report.events, report.requests, report.retries, report.refused,
        static_cast<double>(report.micros) / 1e6, static_cast<double>(report.ack_p50_micros) / 1e3,
        static_cast<double>(report.ack_p99_micros) / 1e3));
    return 0;
  }
  context.say(fmt::format("done: {} acknowledged in {}, {}; an answer took {} (p99 {}); {} sent again, {} refused",
                          format_noun(static_cast<std::int64_t>(report.events), "event"),
                          format_duration(report.micros), format_rate(report.events, report.micros, "events"),
                          format_duration(report.ack_p50_micros), format_duration(report.ack_p99_micros),
                          format_noun(static_cast<std::int64_t>(report.retries), "request"),
                          format_noun(static_cast<std::int64_t>(report.refused), "event")));
  return 0;
}

std::string summary_as_json(const std::string& dataset, const generate::ShopSummary& summary, std::int64_t micros) {
  std::string files;
  for (const std::string& file : summary.files)
    files += (files.empty() ? "" : ",") + json_quoted(file);
  return fmt::format(
      R"({{"dataset":{},"rows":{},"sales":{},"cancellations":{},"planted_rejects":{},"planted_rows":{},"text_bytes":{},)"
      R"("file_bytes":{},"files":[{}],"manifest":{},"seconds":{:.3f}}})",
      json_quoted(dataset), summary.rows, summary.sales, summary.cancellations, summary.planted_rejects,
      summary.planted_rows, summary.text_bytes, summary.file_bytes, files,
      summary.manifest.empty() ? "null" : json_quoted(summary.manifest), static_cast<double>(micros) / 1e6);
}

base::Result<int> run_shop(generate::ShopDataset dataset, const Options& options, Context& context) {
  io::Env& env = io::posix_env();
  generate::ShopOptions shop;
  shop.dataset = dataset;
  shop.events = options.events.events;
  shop.days = options.events.days;
  shop.seed = options.events.seed;
  shop.end_date = options.events.end_date;
  shop.chaos = options.events.chaos;
  shop.out = options.events.out;
  context.say(fmt::format("generate {}: of the visits of {} over {}, seed {} → {}", options.dataset,
                          format_noun(static_cast<std::int64_t>(shop.events), "event"), format_noun(shop.days, "day"),
                          shop.seed, io::join_path(shop.out, options.dataset)));
  const std::int64_t began = env.monotonic_micros();
  const generate::ShopSummary summary =
      SHOPLAKE_TRY(generate::generate_shop(env, shop, context.progress(), context.stop));
  const std::int64_t took = env.monotonic_micros() - began;
  if (context.json) {
    context.print(summary_as_json(options.dataset, summary, took));
    return 0;
  }
  if (dataset == generate::ShopDataset::transactions) {
    context.say(fmt::format("  {}, {}", format_noun(static_cast<std::int64_t>(summary.sales), "order"),
                            format_noun(static_cast<std::int64_t>(summary.cancellations), "cancellation")));
  }
  if (!summary.manifest.empty()) {
    context.say(fmt::format("  chaos: {} that a load must reject, {} odd ones that it must accept; all counted in {}",
                            format_noun(static_cast<std::int64_t>(summary.planted_rejects), "line"),
                            format_count(static_cast<std::int64_t>(summary.planted_rows)), summary.manifest));
  }
  context.say(fmt::format("done: {}, {} in {} of {} on disk, {}     next: shoplake load {} {}/*/*.gz",
                          format_noun(static_cast<std::int64_t>(summary.rows), "row"), format_bytes(summary.text_bytes),
                          format_noun(static_cast<std::int64_t>(summary.files.size()), "file"),
                          format_bytes(summary.file_bytes), format_duration(took), options.dataset,
                          io::join_path(shop.out, options.dataset)));
  return 0;
}

base::Result<int> run(const Options& options, Context& context) {
  if (!options.send.url.empty())
    return send(options, context);
  if (options.events.out.empty()) {
    return base::make_error(base::ErrorKind::usage, "generate.no_target", "--out or --stream is required",
                            "Name a file with --out, or a server with --stream.");
  }
  if (const auto shop = app::generated_shop_dataset(options.dataset))
    return run_shop(*shop, options, context);
  io::Env& env = io::posix_env();
  context.say(fmt::format("generate {}: {} over {}, seed {} → {}", options.dataset,
                          format_noun(static_cast<std::int64_t>(options.events.events), "event"),
                          format_noun(options.events.days, "day"), options.events.seed, options.events.out));
  const std::int64_t began = env.monotonic_micros();
  const generate::EventsSummary summary =
      SHOPLAKE_TRY(app::generate_dataset(env, options.dataset, options.events, context.progress(), context.stop));
  const std::int64_t took = env.monotonic_micros() - began;
  if (context.json) {
    context.print(summary_as_json(options.dataset, summary, took));
    return 0;
  }
  context.say(fmt::format("  {} in {} of {}: {} sent twice, {} late, {}",
                          format_noun(static_cast<std::int64_t>(summary.sessions), "session"),
                          format_noun(static_cast<std::int64_t>(summary.files.size()), "file"),
                          format_noun(static_cast<std::int64_t>(summary.users), "user"),
                          format_count(static_cast<std::int64_t>(summary.duplicates)),
                          format_noun(static_cast<std::int64_t>(summary.late_sessions), "session"),
                          format_noun(static_cast<std::int64_t>(summary.purchases), "purchase")));
  if (!summary.manifest.empty()) {
    context.say(fmt::format(
        "  chaos: {} that a load must reject, {} odd ones that it must accept; all counted in {}",
        format_noun(static_cast<std::int64_t>(summary.planted.with_outcome(generate::Outcome::rejected)), "line"),
        format_count(static_cast<std::int64_t>(summary.planted.with_outcome(generate::Outcome::accepted))),
        summary.manifest));
  }
  context.say(fmt::format("done: {}, {} of JSON in {} on disk, {}, {}     next: shoplake load {} {}{}",
                          format_noun(static_cast<std::int64_t>(summary.events), "event"),
                          format_bytes(summary.json_bytes), format_bytes(summary.file_bytes), format_duration(took),
                          format_rate(summary.events, took, "events"), options.dataset, options.events.out,
                          summary.files.size() > 1 ? "/*.ndjson.gz" : ""));
  return 0;
}

}  // namespace

void add_generate(CLI::App& root, Context& context) {
  auto options = std::make_shared<Options>();
  auto* command = root.add_subcommand(
      "generate", "synthetic data: a shop with returning visitors, several channels and real-life troubles");
  command
      ->add_option("dataset", options->dataset,
                   "events (GA4 export), clickstream (flat events), transactions, products or reviews")
      ->required();
  command
      ->add_option(
          "--out", options->events.out,
          "a file (.ndjson, .ndjson.gz, .json), or a folder for one .ndjson.gz a day; of transactions, products and "
          "reviews a folder for <dataset>/date=YYYY-MM-DD/")
      ->type_name("PATH");
  command
      ->add_option("--events", options->events.events,
                   "how many events, duplicates included; of the others, of the visits they belong to")
      ->type_name("N");
  command->add_option("--days", options->events.days, "over how many days")->type_name("D");
  command->add_option("--seed", options->events.seed, "the same seed gives the same bytes, on every machine")
      ->type_name("S");
  command->add_option("--end-date", options->events.end_date, "the last day, YYYY-MM-DD")->type_name("DATE");
  command
      ->add_option("--threads", options->events.threads,
                   "the output does not depend on it (default: one for each processor)")
      ->type_name("T");
  command->add_flag("--chaos", options->events.chaos,
                    "plant broken and odd lines; what was planted is counted in PATH.expected.json");
  auto* stream =
      command->add_option("--stream", options->send.url, "instead of files: send visits to this server as they happen")
          ->type_name("URL");
  command->add_option("--rate", options->send.rate, "--stream: events a second")
      ->check(CLI::Range(0.1, 1e6))
      ->needs(stream)
      ->type_name("N");
  command->add_option("--for", options->time, "--stream: how long, such as 60s or 10m (default: until Ctrl-C)")
      ->needs(stream)
      ->type_name("TIME");
  command->add_option("--protocol", options->protocol, "--stream: plain, firehose, or mp (Measurement Protocol)")
      ->check(CLI::IsMember({"plain", "firehose", "mp"}))
      ->needs(stream);
  command->add_option("--to", options->send.stream, "--stream: name of the stream (default: the dataset's)")
      ->needs(stream)
      ->type_name("NAME");
  command->add_option("--api-key", options->send.api_key, "--stream: key of the plain endpoint")
      ->needs(stream)
      ->envname("SHOPLAKE_API_KEY");
  command->add_option("--api-secret", options->send.api_secret, "--stream: of the Measurement Protocol")
      ->needs(stream)
      ->envname("SHOPLAKE_API_SECRET");
  command->footer(
      "Examples:\n"
      "  shoplake generate events --events 100000 --days 14 --seed 7 --out events.ndjson.gz\n"
      "  shoplake generate events --events 1000000 --days 30 --out export/\n"
      "  shoplake generate clickstream --events 100000 --out clicks.ndjson.gz\n"
      "  shoplake generate transactions --events 100000 --days 30 --out raw/      the orders of the same visits\n"
      "  shoplake generate events --stream http://127.0.0.1:8080 --rate 100 --for 60s\n"
      "  shoplake generate events --chaos --out nasty.ndjson && shoplake load events nasty.ndjson");
  command->callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace shoplake::cli
