#include "watch/metric_store.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoplake::watch {

using base::Result;

bool Selection::takes(const base::Metrics::Sample& sample) const {
  return sample.name == metric && std::ranges::all_of(dimensions, [&](const auto& wanted) {
           return std::ranges::any_of(sample.labels, [&](const auto& label) {
             return label.first == wanted.first && label.second == wanted.second;
           });
         });
}

std::string Selection::text() const {
  std::string labels;
  for (const auto& [name, value] : dimensions)
    labels += fmt::format("{}{}=\"{}\"", labels.empty() ? "" : ",", name, value);
  return labels.empty() ? metric : fmt::format("{}{{{}}}", metric, labels);
}

Selection selection_of(const Alarm& alarm) { return {alarm.metric, alarm.dimensions}; }

void StatisticSet::add(const StatisticSet& other) {
  if (other.count <= 0)
    return;
  minimum = count > 0 ? std::min(minimum, other.minimum) : other.minimum;
  maximum = count > 0 ? std::max(maximum, other.maximum) : other.maximum;
  count += other.count;
  sum += other.sum;
}

double StatisticSet::value(Statistic statistic) const {
  switch (statistic) {
    case Statistic::average: return sum / count;
    case Statistic::sum: return sum;
    case Statistic::minimum: return minimum;
    case Statistic::maximum: return maximum;
    case Statistic::sample_count: break;
  }
  return count;
}

std::optional<StatisticSet> Differences::of(const base::Metrics::Sample& sample) {
  if (sample.type == base::Metrics::Type::gauge)
    return StatisticSet{1, sample.value, sample.value, sample.value};
  std::string key = sample.name;
  for (const auto& [name, value] : sample.labels)
    key += '\0' + name + '\0' + value;
  Before& before = before_[key];
  const double grown = sample.value - before.value;
  const double observed = static_cast<double>(sample.count - before.count);
  before = {sample.value, sample.count};
  if (sample.type == base::Metrics::Type::counter)
    return StatisticSet{1, grown, grown, grown};
  if (observed <= 0)
    return {};
  // Single observations are not kept: their mean stands for the least and the greatest.
  return StatisticSet{observed, grown, grown / observed, grown / observed};
}

Result<void> MetricStore::prepare(io::Database& control_plane) {
  return control_plane.execute(
      "create table if not exists metric_samples (selection text not null, slot integer not null, count real not null, "
      "sum real not null, minimum real not null, maximum real not null, primary key (selection, slot)) without rowid; "
      "create index if not exists metric_samples_by_slot on metric_samples (slot)");
}

Result<void> MetricStore::add(io::Database& control_plane, const Selection& selection, std::int64_t slot_micros,
                              const StatisticSet& set) {
  auto insert = SHOPLAKE_TRY(control_plane.prepare(
      "insert into metric_samples (selection, slot, count, sum, minimum, maximum) values (?, ?, ?, ?, ?, ?) on "
      "conflict (selection, slot) do update set count = count + excluded.count, sum = sum + excluded.sum, minimum = "
      "min(minimum, excluded.minimum), maximum = max(maximum, excluded.maximum)"));
  insert.bind(1, selection.text()).bind(2, slot_micros);
  insert.bind(3, set.count).bind(4, set.sum).bind(5, set.minimum).bind(6, set.maximum);
  SHOPLAKE_TRY(insert.run());
  return {};
}

Result<std::optional<StatisticSet>> MetricStore::read(io::Database& control_plane, const Selection& selection,
                                                      std::int64_t begin_micros, std::int64_t end_micros) {
  auto select = SHOPLAKE_TRY(
      control_plane.prepare("select sum(count), sum(sum), min(minimum), max(maximum) from metric_samples where "
                            "selection = ? and slot >= ? and slot < ?"));
  select.bind(1, selection.text()).bind(2, begin_micros).bind(3, end_micros);
  SHOPLAKE_TRY(select.step());
  if (select.is_null(0) || select.number(0) <= 0)
    return std::optional<StatisticSet>();
  return std::optional(StatisticSet{select.number(0), select.number(1), select.number(2), select.number(3)});
}

Result<void> MetricStore::forget_before(io::Database& control_plane, std::int64_t micros) {
  auto remove = SHOPLAKE_TRY(control_plane.prepare("delete from metric_samples where slot < ?"));
  SHOPLAKE_TRY(remove.bind(1, micros).run());
  return {};
}

}  // namespace shoplake::watch
