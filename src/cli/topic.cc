// shoplake topic ls|publish|history|deliver: notifications and who is told.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/operations_json.h"
#include "app/topics.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/help.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

using base::Result;
using watch::DeliveryState;

struct Options {
  std::string topic;
  std::string subject;
  std::string message;
  std::string id;
  std::vector<std::string> attributes;
  std::int64_t limit = 50;
};

Result<int> list(Context& context) {
  const auto topics = SHOPLAKE_TRY(app::list_topics(*SHOPLAKE_TRY(context.app())));
  if (context.json) {
    context.print(app::to_json(topics));
    return 0;
  }
  Table table({{"topic"},
               {"subscription"},
               {"delivered", Align::right},
               {"waiting", Align::right},
               {"given up", Align::right},
               {"last"},
               {"trouble"}});
  for (const app::TopicView& topic : topics) {
    if (topic.subscriptions.empty())
      table.add_row({topic.name, "nobody"});
    std::string shown = topic.name;
    for (const auto& [subscription, status] : topic.subscriptions) {
      table.add_row({std::exchange(shown, ""), subscription.name, format_count(status.delivered),
                     format_count(status.waiting), format_count(status.given_up),
                     status.last_delivered_micros ? format_minute(*status.last_delivered_micros) : "",
                     status.last_error});
    }
  }
  context.say(table.render(standard_output()));
  context.say("Subscriptions stand in shoplake.yml under topics.");
  return 0;
}

Result<watch::Attributes> parse_attributes(const std::vector<std::string>& given) {
  watch::Attributes attributes;
  for (const std::string& text : given) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return base::make_error(base::ErrorKind::usage, "cli.usage",
                              fmt::format("--attribute {}: it is not NAME=VALUE", text));
    attributes[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return attributes;
}

Result<int> publish(const Options& options, Context& context) {
  watch::Notification notification;
  notification.id = options.id;
  notification.topic = options.topic;
  notification.subject = options.subject;
  notification.message =
      options.message == "-" ? std::string(std::istreambuf_iterator<char>(std::cin), {}) : options.message;
  notification.attributes = SHOPLAKE_TRY(parse_attributes(options.attributes));
  const auto published = SHOPLAKE_TRY(app::publish_notification(*SHOPLAKE_TRY(context.app()), std::move(notification)));
  if (context.json)
    context.print(fmt::format(R"({{"id":{},"is_new":{}}})", json_quoted(published.id), published.is_new));
  context.say(published.is_new ? fmt::format("published as {}", published.id)
                               : fmt::format("{} was published before", published.id));
  context.say("A running `shoplake serve` delivers it; else: shoplake topic deliver");
  return 0;
}

// "2 delivered, 1 waiting: connection refused"
std::string deliveries_text(const watch::PublishedNotification& one) {
  if (!one.is_routed)
    return "to be routed";
  if (one.deliveries.empty())
    return "nobody is subscribed";
  std::string text, error;
  for (const DeliveryState state : {DeliveryState::delivered, DeliveryState::sending, DeliveryState::waiting,
                                    DeliveryState::refused, DeliveryState::uncertain}) {
    const auto count = std::ranges::count(one.deliveries, state, &watch::Delivery::state);
    if (count > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name(state));
  }
  for (const watch::Delivery& delivery : one.deliveries) {
    if (delivery.state != DeliveryState::delivered && !delivery.last_error.empty())
      error = ": " + delivery.last_error;
  }
  return text + error;
}

Result<int> history(const Options& options, Context& context) {
  const auto all = SHOPLAKE_TRY(app::topic_history(*SHOPLAKE_TRY(context.app()), options.topic, options.limit));
  if (context.json) {
    context.print(app::to_json(all));
    return 0;
  }
  if (all.empty()) {
    context.say("nothing was published");
    return 0;
  }
  Table table({{"at"}, {"topic"}, {"subject"}, {"deliveries"}, {"id"}});
  for (const watch::PublishedNotification& one : all) {
    table.add_row({format_minute(one.published_micros), one.notification.topic, one.notification.subject,
                   deliveries_text(one), one.notification.id});
  }
  context.say(table.render(standard_output()));
  return 0;
}

Result<int> deliver(Context& context) {
  const auto report = SHOPLAKE_TRY(app::deliver_notifications(*SHOPLAKE_TRY(context.app()), context.stop));
  if (context.json)
    context.print(
        fmt::format(R"({{"delivered":{},"failed":{},"refused":{}}})", report.delivered, report.failed, report.refused));
  context.say(fmt::format("{} delivered, {} failed and will be tried again, {} given up", report.delivered,
                          report.failed, report.refused));
  return report.failed + report.refused > 0 ? 1 : 0;
}

}  // namespace

void add_topic(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("topic", "notifications: who is told, what was told");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake topic ls\n\ndocs/watch.md says how subscriptions are written.");
  auto options = std::make_shared<Options>();

  auto* ls = command->add_subcommand("ls", "topics, their subscriptions, and how deliveries go");
  ls->footer(std::string("Example:\n  shoplake topic ls\n\n") + kExitCodes);
  ls->callback([&context] { context.finish(list(context)); });

  auto* say = command->add_subcommand("publish", "tell the subscriptions of a topic");
  say->add_option("topic", options->topic, "its name, or an ARN that ends with it")->required();
  say->add_option("--subject", options->subject, "one line")->required();
  say->add_option("--message", options->message, "the text; - reads it from standard input")->required();
  say->add_option("--id", options->id, "what makes it the same notification when it is published again");
  say->add_option("--attribute", options->attributes, "NAME=VALUE; may be repeated")->allow_extra_args(false);
  say->footer(std::string("Example:\n  shoplake topic publish pipeline-notifications --subject \"Release\" --message "
                          "\"shoplake is updated at 14:00\"\n\n") +
              kExitCodes);
  say->callback([options, &context] { context.finish(publish(*options, context)); });

  auto* past = command->add_subcommand("history", "what was published, and to whom it was delivered");
  past->add_option("topic", options->topic, "of one topic; all if left out");
  past->add_option("--limit", options->limit, "how many notifications")->check(CLI::Range(1, 10'000));
  past->footer(std::string("Example:\n  shoplake topic history cost-alerts\n\n") + kExitCodes);
  past->callback([options, &context] { context.finish(history(*options, context)); });

  auto* bring = command->add_subcommand("deliver", "bring what is due to its subscriptions, now");
  bring->footer(
      "Example:\n  shoplake topic deliver\n\nA running `shoplake serve` does it by itself.\n\nExit codes: 0 all "
      "was delivered, 1 a delivery failed, 2 bad configuration, 4 disk failed, or a server delivers");
  bring->callback([&context] { context.finish(deliver(context)); });
}

}  // namespace shoplake::cli
