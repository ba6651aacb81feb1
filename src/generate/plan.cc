#include "generate/plan.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "generate/journey.h"
#include "generate/random.h"
#include "generate/vocabulary.h"

namespace shoplake::generate {

namespace {

// Visits by local hour, and first visits by weekday (Monday first; 1970-01-01 was a Thursday).
constexpr std::array<std::uint16_t, 24> kHours = {14, 8,  5,  3,  3,  5,  12, 26, 38, 44, 46, 48,
                                                  56, 50, 46, 46, 50, 58, 68, 82, 92, 84, 56, 30};
constexpr std::array<std::uint16_t, 7> kWeekdays = {88, 84, 86, 90, 92, 100, 98};

constexpr std::uint32_t kSecondVisitOfDay = 700;
constexpr std::uint32_t kOffline = 40;
constexpr std::uint32_t kDeniesConsent = 300;
constexpr std::uint32_t kHasAccount = 2500;
constexpr std::uint32_t kInApp = 400;

std::size_t weekday(std::int64_t day) { return static_cast<std::size_t>(((day + 3) % 7 + 7) % 7); }

std::uint32_t second_of_day(Random& random) {
  return static_cast<std::uint32_t>(random.weighted(kHours)) * 3600 + random.below(3600);
}

class Planner {
 public:
  Planner(std::uint64_t seed, std::uint64_t events, int days, std::int64_t first_day)
      : seed_(seed), events_(events), days_(days), by_day_(static_cast<std::size_t>(days)) {
    plan_.first_day = first_day;
  }

  Plan make() {
    for (std::uint32_t user = 0; lines_ < events_; ++user) {
      plan_user(user);
    }
    std::size_t total = 0;
    for (const auto& visits : by_day_) {
      total += visits.size();
    }
    plan_.visits.reserve(total);
    for (auto& visits : by_day_) {
      plan_.day_begins.push_back(plan_.visits.size());
      std::sort(visits.begin(), visits.end(), [](const PlannedVisit& a, const PlannedVisit& b) {
        return std::tie(a.second, a.user, a.number, a.day) < std::tie(b.second, b.user, b.number, b.day);
      });
      plan_.visits.insert(plan_.visits.end(), visits.begin(), visits.end());
      std::vector<PlannedVisit>().swap(visits);
    }
    plan_.day_begins.push_back(plan_.visits.size());
    return std::move(plan_);
  }

 private:
  void plan_user(std::uint32_t number) {
    user_ = make_user(seed_, number, plan_.first_day, days_);
    user_number_ = number;
    ltv_cents_ = 0;
    visit_number_ = 0;
    last_non_direct_ = kDirect;
    seen_ = false;
    Random random(Random::child(user_.seed, 1));

    first_channel_ = static_cast<std::uint8_t>(random.weighted(first_channel_weights()));
    visit(user_.first_day, user_.first_second, first_channel_);
    for (int later = 1; later <= kReturnDays; ++later) {
      const bool returns = random.chance(return_chance(later));
      if (returns && user_.first_day + later < days_) {
        const auto channel = static_cast<std::uint8_t>(random.weighted(return_channel_weights()));
        const std::uint32_t second = second_of_day(random);
        visit(user_.first_day + later, second, channel);
        if (random.chance(kSecondVisitOfDay) && second < 12 * 3600) {
          visit(user_.first_day + later, second + random.between(3 * 3600, 8 * 3600),
                static_cast<std::uint8_t>(random.weighted(return_channel_weights())));
        }
      }
    }
    plan_.users += seen_ ? 1 : 0;
  }

  void visit(int day, std::uint32_t second, std::uint8_t channel) {
    ++visit_number_;
    if (channel != kDirect) {
      last_non_direct_ = channel;
    }
    if (day < 0 || lines_ >= events_) {
      return;
    }
    make_visit({visit_seed(user_, visit_number_), visit_number_, channel, user_.in_app}, visit_);
    const std::uint32_t duration_seconds = visit_.duration_ms() / 1000 + 1;
    if (day == days_ - 1 && second + duration_seconds >= kDaySeconds) {
      second =
          static_cast<std::uint32_t>(kDaySeconds) - duration_seconds - 1;  // nothing of it falls behind the last day
    }

    Random random(Random::child(user_.seed, 2 + visit_number_));
    PlannedVisit planned{};
    planned.user = user_number_;
    planned.second = second;
    planned.ltv_cents = ltv_cents_;
    planned.day = static_cast<std::int16_t>(day);
    planned.number = static_cast<std::uint16_t>(visit_number_);
    planned.channel = channel;
    planned.last_non_direct = last_non_direct_;
    planned.first_channel = first_channel_;
    if (random.chance(kOffline)) {
      const int late = static_cast<int>(random.between(1, 2));
      planned.late_days = static_cast<std::uint8_t>(day + late < days_ ? late : 0);
    }

    const std::uint64_t room = events_ - lines_;
    const auto lines = static_cast<std::uint16_t>(std::min<std::uint64_t>(room, visit_.line_count()));
    const std::size_t before_midnight = lines_before_midnight(second);
    if (planned.late_days > 0 || before_midnight == visit_.line_count()) {
      add(planned, day + planned.late_days, lines);
    } else {
      const auto first_part = static_cast<std::uint16_t>(std::min<std::size_t>(before_midnight, lines));
      planned.part_of_day = true;
      add(planned, day, first_part);
      add(planned, day + 1, static_cast<std::uint16_t>(lines - first_part));
    }
    lines_ += lines;
    ++plan_.sessions;
    seen_ = true;
    plan_.late_visits += planned.late_days > 0 ? 1 : 0;
    plan_.duplicates += lines > visit_.events.size() ? 1 : 0;
    if (visit_.buys && lines >= visit_.events.size()) {
      ++plan_.purchases;
      ltv_cents_ += static_cast<std::uint32_t>(visit_.cart_cents());
    }
  }

  // How many of the visit's lines fall on its first day; the copy of a duplicate has its event's time.
  std::size_t lines_before_midnight(std::uint32_t second) const {
    const std::uint64_t left_ms = (kDaySeconds - second) * 1000ull;
    std::size_t count = 0;
    for (const VisitEvent& event : visit_.events) {
      count += event.at_ms < left_ms ? 1 : 0;
    }
    if (visit_.duplicate >= 0 && visit_.events[static_cast<std::size_t>(visit_.duplicate)].at_ms < left_ms) {
      ++count;
    }
    return count;
  }

  void add(PlannedVisit planned, int file_day, std::uint16_t lines) {
    if (lines == 0) {
      return;
    }
    planned.file_day = static_cast<std::int16_t>(file_day);
    planned.lines = lines;
    by_day_[static_cast<std::size_t>(file_day)].push_back(planned);
  }

  const std::uint64_t seed_;
  const std::uint64_t events_;
  const int days_;
  Plan plan_;
  std::vector<std::vector<PlannedVisit>> by_day_;
  std::uint64_t lines_ = 0;

  User user_{};
  std::uint32_t user_number_ = 0;
  std::uint32_t visit_number_ = 0;
  std::uint32_t ltv_cents_ = 0;
  std::uint8_t last_non_direct_ = kDirect;
  std::uint8_t first_channel_ = kDirect;
  bool seen_ = false;
  Visit visit_;
};

}  // namespace

User make_user(std::uint64_t seed, std::uint32_t number, std::int64_t first_day, int days) {
  User user{};
  user.seed = Random::child(seed, number);
  Random random(user.seed);
  do {
    user.first_day =
        static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(days + kReturnDays))) - kReturnDays;
  } while (random.below(100) >= kWeekdays[weekday(first_day + user.first_day)]);
  user.first_second = second_of_day(random);
  user.device = static_cast<std::uint8_t>(random.weighted(device_weights()));
  user.place = static_cast<std::uint8_t>(random.weighted(place_weights()));
  user.consents = !random.chance(kDeniesConsent);
  user.has_account = user.consents && random.chance(kHasAccount);
  user.is_member = user.has_account && random.chance(4000);
  user.in_app = devices()[user.device].category == "mobile" && random.chance(kInApp);
  return user;
}

std::uint64_t visit_seed(const User& user, std::uint32_t number) {
  return Random::child(user.seed, 0x10000ull + number);
}

Plan make_plan(std::uint64_t seed, std::uint64_t events, int days, std::int64_t first_day) {
  return Planner(seed, events, days, first_day).make();
}

}  // namespace shoplake::generate
