#include "app/operations_json.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/moment.h"

namespace shoplake::app {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Json moment(const std::optional<std::int64_t>& micros) {
  return micros && *micros != 0 ? Json(base::timestamp_text(*micros)) : Json(nullptr);
}
template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json alarm_document(const AlarmView& view) {
  const watch::Alarm& alarm = view.alarm;
  Json document;
  document["name"] = alarm.name;
  document["description"] = alarm.description;
  document["state"] = name(view.status.state);
  document["since"] = moment(view.status.since_micros);
  document["reason"] = view.status.reason;
  document["condition"] = condition_text(alarm);
  document["metric"] = alarm.metric;
  document["dimensions"] = alarm.dimensions;
  document["statistic"] = name(alarm.statistic);
  document["period"] = alarm.period_seconds;
  document["evaluation_periods"] = alarm.evaluation_periods;
  document["datapoints_to_alarm"] = alarm.datapoints_to_alarm;
  document["comparison"] = name(alarm.comparison);
  document["threshold"] = alarm.threshold;
  document["missing_data"] = name(alarm.missing_data);
  document["topic"] = alarm.topic;
  document["place"] = alarm.place;
  document["evaluated_until"] = moment(view.status.evaluated_until_micros);
  return document;
}

Json change_documents(const std::vector<watch::StateChange>& changes) {
  Json all = Json::array();
  for (const watch::StateChange& change : changes) {
    all.push_back({{"alarm", change.alarm},
                   {"at", moment(change.at_micros)},
                   {"from", name(change.from)},
                   {"to", name(change.to)},
                   {"reason", change.reason}});
  }
  return all;
}

Json delivery_document(const watch::Delivery& delivery) {
  return {{"subscription", delivery.subscription},
          {"state", name(delivery.state)},
          {"attempts", delivery.attempts},
          {"next_at", delivery.ended_micros ? Json(nullptr) : moment(delivery.next_micros)},
          {"ended_at", moment(delivery.ended_micros)},
          {"last_error", text_or_null(delivery.last_error)}};
}

}  // namespace

std::string to_json(const AlarmView& view) { return text_of(alarm_document(view)); }

std::string to_json(const AlarmDetail& detail) {
  Json document = alarm_document(detail.view);
  document["datapoints"] = Json::array();
  for (const auto& value : detail.datapoints)
    document["datapoints"].push_back(or_null(value));
  document["history"] = change_documents(detail.history);
  return text_of(document);
}

std::string to_json(const std::vector<AlarmView>& views) {
  Json all = Json::array();
  for (const AlarmView& view : views)
    all.push_back(alarm_document(view));
  return text_of(all);
}

std::string to_json(const std::vector<watch::StateChange>& changes) { return text_of(change_documents(changes)); }

std::string to_json(const std::vector<TopicView>& topics) {
  Json all = Json::array();
  for (const TopicView& topic : topics) {
    Json subscriptions = Json::array();
    for (const auto& [subscription, status] : topic.subscriptions) {
      subscriptions.push_back({{"name", subscription.name},
                               {"channel", name(subscription.channel)},
                               {"delivered", status.delivered},
                               {"waiting", status.waiting},
                               {"given_up", status.given_up},
                               {"last_delivered_at", moment(status.last_delivered_micros)},
                               {"last_error", text_or_null(status.last_error)}});
    }
    all.push_back({{"topic", topic.name}, {"subscriptions", std::move(subscriptions)}});
  }
  return text_of(all);
}

std::string to_json(const std::vector<watch::PublishedNotification>& notifications) {
  Json all = Json::array();
  for (const watch::PublishedNotification& one : notifications) {
    Json deliveries = Json::array();
    for (const watch::Delivery& delivery : one.deliveries)
      deliveries.push_back(delivery_document(delivery));
    all.push_back({{"id", one.notification.id},
                   {"topic", one.notification.topic},
                   {"subject", one.notification.subject},
                   {"message", one.notification.message},
                   {"attributes", one.notification.attributes},
                   {"published_at", moment(one.published_micros)},
                   {"is_routed", one.is_routed},
                   {"deliveries", std::move(deliveries)}});
  }
  return text_of(all);
}

std::string to_json(const CostReport& report) {
  Json document{{"from", base::date_text(report.first_day)},
                {"to", base::date_text(report.last_day)},
                {"prices_of", report.price_date},
                {"region", report.region},
                {"total", report.total},
                {"daily_budget", or_null(report.daily_budget)},
                {"monthly_budget", or_null(report.monthly_budget)},
                {"lines", Json::array()},
                {"flows", Json::array()},
                {"queries", Json::array()}};
  for (const CostLine& line : report.lines) {
    document["lines"].push_back({{"day", base::date_text(line.day)},
                                 {"stage", line.stage},
                                 {"meter", line.meter},
                                 {"quantity", line.quantity},
                                 {"unit", line.unit},
                                 {"dollars", line.dollars}});
  }
  for (const FlowCost& flow : report.flows) {
    document["flows"].push_back({{"flow", flow.flow},
                                 {"executions", flow.executions},
                                 {"transitions", flow.transitions},
                                 {"dollars", flow.total},
                                 {"by_meter", flow.dollars}});
  }
  for (const QueryCost& query : report.queries) {
    document["queries"].push_back({{"query", query.group.shape},
                                   {"count", query.group.count},
                                   {"scanned_bytes", query.group.scanned_bytes},
                                   {"billed_bytes", query.group.billed_bytes},
                                   {"seconds", static_cast<double>(query.group.took_micros) / 1e6},
                                   {"last_at", moment(query.group.last_micros)},
                                   {"dollars", query.dollars}});
  }
  return text_of(document);
}

}  // namespace shoplake::app
