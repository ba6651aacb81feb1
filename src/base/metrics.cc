#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/result.h"

namespace shoplake::base {
namespace {

std::string labels_text(Labels labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty())
      text += ',';
    text += name;
    text += "=\"";
    for (const char c : value) {
      if (c == '\\' || c == '"')
        text += '\\';
      if (c == '\n') {
        text += "\\n";
      } else {
        text += c;
      }
    }
    text += '"';
  }
  return text;
}

// The inverse of labels_text().
std::vector<std::pair<std::string, std::string>> parse_labels(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> labels;
  while (!text.empty()) {
    const std::size_t equals = text.find('=');
    auto& [name, value] = labels.emplace_back(text.substr(0, equals), "");
    std::size_t at = equals + 2;  // behind ="
    for (; text[at] != '"'; ++at) {
      const bool is_escaped = text[at] == '\\';
      if (is_escaped)
        ++at;
      value += is_escaped && text[at] == 'n' ? '\n' : text[at];
    }
    text.remove_prefix(std::min(at + 2, text.size()));  // behind ",
  }
  return labels;
}

std::string number(double value) {
  if (std::isnan(value))
    return "NaN";
  if (std::isinf(value))
    return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

void Metrics::describe_counter(const std::string& name, const std::string& help) {
  const std::scoped_lock lock(mutex_);
  families_.try_emplace(name, Family{"counter", help, {}, {}});
}

void Metrics::describe_gauge(const std::string& name, const std::string& help) {
  const std::scoped_lock lock(mutex_);
  families_.try_emplace(name, Family{"gauge", help, {}, {}});
}

void Metrics::describe_histogram(const std::string& name, const std::string& help, std::vector<double> bounds) {
  const std::scoped_lock lock(mutex_);
  families_.try_emplace(name, Family{"histogram", help, std::move(bounds), {}});
}

void Metrics::add(const std::string& name, Labels labels, double amount) {
  const std::scoped_lock lock(mutex_);
  const auto family = families_.find(name);
  SHOPLAKE_CHECK(family != families_.end());
  family->second.series[labels_text(labels)].value += amount;
}

void Metrics::set(const std::string& name, Labels labels, double value) {
  const std::scoped_lock lock(mutex_);
  const auto family = families_.find(name);
  SHOPLAKE_CHECK(family != families_.end());
  family->second.series[labels_text(labels)].value = value;
}

void Metrics::observe(const std::string& name, Labels labels, double value, std::uint64_t count) {
  const std::scoped_lock lock(mutex_);
  const auto family = families_.find(name);
  SHOPLAKE_CHECK(family != families_.end());
  observe_in(family->second, family->second.series[labels_text(labels)], value, count);
}

void Metrics::observe_in(const Family& family, Series& series, double value, std::uint64_t count) {
  const auto& bounds = family.bounds;
  series.buckets.resize(bounds.size() + 1);
  series.buckets[static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin())] +=
      count;
  series.count += count;
  series.value += value * static_cast<double>(count);
}

Metrics::Handle Metrics::handle(const std::string& name, Labels labels) {
  const std::scoped_lock lock(mutex_);
  const auto family = families_.find(name);
  SHOPLAKE_CHECK(family != families_.end());
  Series& series = family->second.series[labels_text(labels)];
  series.buckets.resize(family->second.type == "histogram" ? family->second.bounds.size() + 1 : 0);
  Handle handle;
  handle.metrics_ = this;
  handle.family_ = &family->second;
  handle.series_ = &series;
  return handle;
}

void Metrics::Handle::add(double amount) {
  const std::scoped_lock lock(metrics_->mutex_);
  series_->value += amount;
}

void Metrics::Handle::observe(double value) {
  const std::scoped_lock lock(metrics_->mutex_);
  observe_in(*family_, *series_, value, 1);
}

void Metrics::before_exposition(std::function<void(Metrics&)> refresh) {
  const std::scoped_lock lock(mutex_);
  refreshers_.push_back(std::move(refresh));
}

void Metrics::refresh() {
  std::vector<std::function<void(Metrics&)>> refreshers;
  {
    const std::scoped_lock lock(mutex_);
    refreshers = refreshers_;
  }
  for (const auto& refresh : refreshers)
    refresh(*this);
}

std::vector<Metrics::Sample> Metrics::samples(const std::set<std::string>& names) {
  refresh();
  const std::scoped_lock lock(mutex_);
  std::vector<Sample> samples;
  for (const std::string& name : names) {
    const auto family = families_.find(name);
    if (family == families_.end())
      continue;
    const Type type = family->second.type == "counter" ? Type::counter
                      : family->second.type == "gauge" ? Type::gauge
                                                       : Type::histogram;
    for (const auto& [labels, series] : family->second.series)
      samples.push_back({name, type, parse_labels(labels), series.value, series.count});
  }
  return samples;
}

std::string Metrics::exposition() {
  refresh();
  const std::scoped_lock lock(mutex_);
  std::string text;
  for (const auto& [name, family] : families_) {
    if (family.series.empty())
      continue;
    text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, family.help, name, family.type);
    for (const auto& [labels, series] : family.series) {
      if (family.type != "histogram") {
        text += labels.empty() ? fmt::format("{} {}\n", name, number(series.value))
                               : fmt::format("{}{{{}}} {}\n", name, labels, number(series.value));
        continue;
      }
      const std::string comma = labels.empty() ? "" : ",";
      const std::string braces = labels.empty() ? "" : "{" + labels + "}";
      std::uint64_t cumulated = 0;
      for (std::size_t i = 0; i <= family.bounds.size(); ++i) {
        cumulated += series.buckets[i];
        text += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, comma,
                            i < family.bounds.size() ? number(family.bounds[i]) : "+Inf", cumulated);
      }
      text +=
          fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, braces, number(series.value), name, braces, series.count);
    }
  }
  return text;
}

}  // namespace shoplake::base
