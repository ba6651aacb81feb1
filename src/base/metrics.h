// Counters, gauges and histograms with labels, and their text exposition. Thread safe; writing costs one mutex and one
// lookup, which is far below what one request costs.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4)
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shoplake::base {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class Metrics {
  struct Series;
  struct Family;

 public:
  // A metric must be described before it is written; describing it again changes nothing.
  void describe_counter(const std::string& name, const std::string& help);
  void describe_gauge(const std::string& name, const std::string& help);
  // Upper bounds in rising order, without +Inf.
  void describe_histogram(const std::string& name, const std::string& help, std::vector<double> bounds);

  void add(const std::string& name, Labels labels, double amount = 1);
  void set(const std::string& name, Labels labels, double value);
  // `count` observations of the same value.
  void observe(const std::string& name, Labels labels, double value, std::uint64_t count = 1);

  // A series that is written often: looked up once, then one mutex a write. Lives as long as the Metrics.
  class Handle {
   public:
    void add(double amount = 1);
    void observe(double value);  // of histograms only

   private:
    friend class Metrics;
    Metrics* metrics_ = nullptr;
    const Family* family_ = nullptr;
    Series* series_ = nullptr;
  };
  Handle handle(const std::string& name, Labels labels);

  // Runs before each exposition, to set gauges that are read rather than counted.
  void before_exposition(std::function<void(Metrics&)> refresh);

  std::string exposition();

  // The same as values: what alarms and the ledger of costs read.
  enum class Type { counter, gauge, histogram };
  struct Sample {
    std::string name;
    Type type = Type::gauge;
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;         // of a histogram the sum of what was observed
    std::uint64_t count = 0;  // of a histogram only
  };
  // Of the metrics of these names, after the refreshers have run.
  std::vector<Sample> samples(const std::set<std::string>& names);

 private:
  struct Series {
    double value = 0;
    std::vector<std::uint64_t> buckets;  // of histograms, not cumulated, the last one +Inf
    std::uint64_t count = 0;
  };
  struct Family {
    std::string type;
    std::string help;
    std::vector<double> bounds;
    std::map<std::string, Series> series;  // by the labels' text
  };
  void refresh();
  static void observe_in(const Family& family, Series& series, double value, std::uint64_t count);

  std::mutex mutex_;
  std::map<std::string, Family> families_;
  std::vector<std::function<void(Metrics&)>> refreshers_;
};

}  // namespace shoplake::base
