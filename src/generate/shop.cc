#include "generate/shop.h"

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <libdeflate.h>

#include "generate/events.h"
#include "generate/output_file.h"
#include "generate/plan.h"
#include "generate/random.h"
#include "generate/shop_books.h"
#include "generate/shop_oddities.h"
#include "generate/vocabulary.h"

namespace shoplake::generate {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

constexpr int kCompressionLevel = 1;
constexpr std::uint32_t kOddLines = 60;     // of 10,000 lines
constexpr std::uint32_t kReviewed = 1'600;  // of 10,000 lines sold to customers with an account
constexpr std::uint32_t kReviewDaysMax = 12;
constexpr std::string_view kTransactionsHeader =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

struct Opinion {
  std::uint8_t rating;
  std::uint16_t weight;
  std::string_view language;
  std::string_view title;
  std::string_view text;
};
constexpr Opinion kOpinions[] = {
    {5, 90, "en", "Exactly what I hoped for", "Fits well, feels solid, arrived in two days. I would buy it again."},
    {5, 60, "en", "Great", "Love it!"},
    {5, 25, "de", "Sehr zufrieden", "Gute Verarbeitung, schöne Farbe, schnelle Lieferung."},
    {5, 20, "fr", "Parfait", "Très bon produit, conforme à la description. Livraison rapide."},
    {5, 12, "ja", "大満足です", "サイズもぴったりで、とても気に入りました。"},
    {4, 60, "en", "Good, with small flaws", "Nice material, but the colour is a little darker than in the pictures."},
    {4, 15, "es", "Buena compra", "Cómodo y ligero. La talla es un poco grande."},
    {4, 10, "pt", "Gostei", "Boa qualidade pelo preço."},
    {3, 24, "en", "It is okay", "Does what it should. For the price I expected a bit more."},
    {3, 10, "pl", "Może być", "Przeciętna jakość, ale dostawa szybka."},
    {2, 14, "en", "Not for me", "Runs small and the seam came loose after a week."},
    {2, 6, "it", "Deluso", "Il colore non è quello della foto."},
    {1, 12, "en", "Broken on arrival", "The parcel was open. Asked for a refund, no answer yet."},
    {1, 4, "nl", "Niet goed", "Na één keer wassen was het kapot."},
};

constexpr auto kOpinionWeights = [] {
  std::array<std::uint16_t, std::size(kOpinions)> weights{};
  for (std::size_t index = 0; index < weights.size(); ++index) {
    weights[index] = kOpinions[index].weight;
  }
  return weights;
}();

std::string date_text(std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

// HH:MM:SS of the day.
std::string clock_text(std::int64_t micros) {
  const std::int64_t second = micros / 1'000'000 % kDaySeconds;
  return fmt::format("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
}

std::string money(std::int64_t cents) { return fmt::format("{}.{:02}", cents / 100, cents % 100); }

struct Review {
  std::int64_t at_micros;
  std::uint64_t seed;
  std::uint32_t customer;
  std::uint8_t product;
};

// The lines of one day after another.
class DayWriter {
 public:
  DayWriter(const ShopOptions& options, const Books& books) : options_(options), books_(books) {
    if (options.dataset == ShopDataset::reviews) {
      plan_reviews();
    }
  }

  std::string day(int day, ShopSummary& summary) {
    text_.clear();
    const std::string date = date_text(books_.first_day + day);
    Random random(Random::child(options_.seed ^ 0x0DDull, static_cast<std::uint64_t>(day)));
    const auto ended_line = [&] {
      ++summary.rows;
      if (options_.chaos && random.chance(kOddLines)) {
        oddities_.plant(options_.dataset, date, random, text_);
      }
    };
    switch (options_.dataset) {
      case ShopDataset::transactions: write_transactions(day, date, summary, ended_line); break;
      case ShopDataset::products: write_products(day, date, ended_line); break;
      case ShopDataset::reviews: write_reviews(day, date, ended_line); break;
    }
    return text_;
  }

  const ShopOddities& oddities() const { return oddities_; }

 private:
  template <typename EndedLine>
  void write_transactions(int day, const std::string& date, ShopSummary& summary, const EndedLine& ended_line) {
    text_ += kTransactionsHeader;
    const std::size_t at = static_cast<std::size_t>(day);
    for (std::size_t index = books_.day_begins[at]; index < books_.day_begins[at + 1]; ++index) {
      const Invoice& invoice = books_.invoices[index];
      summary.sales += invoice.kind == Invoice::Kind::sale ? 1 : 0;
      summary.cancellations += invoice.kind == Invoice::Kind::cancellation ? 1 : 0;
      const std::string customer = invoice.customer == 0 ? "" : fmt::format("{}", invoice.customer);
      for (const InvoiceLine& line : books_.lines_of(invoice)) {
        text_ += fmt::format("{}{},{},{},{},{} {},{},{},{}\n", invoice.kind == Invoice::Kind::cancellation ? "C" : "",
                             invoice.number, item_code(line.item), csv_field(item_name(line, invoice)), line.quantity,
                             date, clock_text(invoice.at_micros), money(line.price_cents), customer,
                             csv_field(places()[invoice.place].country));
        ended_line();
      }
    }
  }

  static std::string_view item_code(std::uint8_t item) {
    if (item < kServiceItems) {
      return products()[item].id;
    }
    switch (static_cast<ServiceItem>(item)) {
      case ServiceItem::postage: return "POST";
      case ServiceItem::discount: return "D";
      case ServiceItem::manual: return "M";
    }
    return "M";
  }

  static std::string_view item_name(const InvoiceLine& line, const Invoice& invoice) {
    if (invoice.kind == Invoice::Kind::adjustment) {
      return line.quantity % 2 == 0 ? "damaged" : "";
    }
    if (line.item < kServiceItems) {
      return products()[line.item].name;
    }
    switch (static_cast<ServiceItem>(line.item)) {
      case ServiceItem::postage: return "POSTAGE";
      case ServiceItem::discount: return "Discount";
      case ServiceItem::manual: return "Manual";
    }
    return "Manual";
  }

  // Some products leave the catalogue for a while.
  static bool is_listed(std::size_t product, std::int64_t day) {
    return product % 12 != 7 || (day + static_cast<std::int64_t>(product)) / 9 % 5 != 3;
  }

  template <typename EndedLine>
  void write_products(int day, const std::string& date, const EndedLine& ended_line) {
    const std::int64_t on = books_.first_day + day;
    for (std::size_t index = 0; index < products().size(); ++index) {
      if (!is_listed(index, on)) {
        continue;
      }
      const Product& product = products()[index];
      const std::int64_t price = price_on(options_.seed, static_cast<std::uint8_t>(index), on);
      const std::int32_t stock = books_.stock[static_cast<std::size_t>(day) * products().size() + index];
      text_ += fmt::format(
          R"({{"product_id":{},"name":{},"description":{},"category":{},"subcategory":{},"brand":{},"price":{},"currency":"USD",)"
          R"("cost":{},"stock_quantity":{},"reorder_level":{},"is_active":{},"created_at":"2024-03-01T09:00:00Z",)"
          R"("updated_at":"{}T23:30:00Z","image_url":"https://www.shop.example/i/{}.jpg","tags":[{},{}]}})"
          "\n",
          json_text(product.id), json_text(product.name),
          json_text(fmt::format("{} by {}", product.name, product.brand)), json_text(product.category),
          json_text(product.variant), json_text(product.brand), money(price),
          money(product.price_cents * (45 + index % 20) / 100), stock, books_.reorder_level[index],
          stock > 0 || index % 5 != 0 ? "true" : "false", date, product.slug, json_text(product.category),
          json_text(price < product.price_cents ? "sale" : "regular"));
      ended_line();
    }
  }

  void plan_reviews() {
    for (const Invoice& invoice : books_.invoices) {
      if (invoice.customer == 0 || invoice.kind != Invoice::Kind::sale) {
        continue;
      }
      std::uint64_t line_number = 0;
      for (const InvoiceLine& line : books_.lines_of(invoice)) {
        const std::uint64_t seed = Random::child(options_.seed ^ (std::uint64_t{invoice.number} << 20), ++line_number);
        Random random(seed);
        if (line.item >= kServiceItems || !random.chance(kReviewed)) {
          continue;
        }
        const std::int64_t at = invoice.at_micros + random.between(1, kReviewDaysMax) * kDaySeconds * 1'000'000 +
                                random.below(20'000) * std::int64_t{1'000'000};
        const std::int64_t day = at / (kDaySeconds * 1'000'000) - books_.first_day;
        if (day < options_.days) {
          if (reviews_.size() <= static_cast<std::size_t>(day)) {
            reviews_.resize(static_cast<std::size_t>(day) + 1);
          }
          reviews_[static_cast<std::size_t>(day)].push_back({at, seed, invoice.customer, line.item});
        }
      }
    }
  }

  template <typename EndedLine>
  void write_reviews(int day, const std::string& date, const EndedLine& ended_line) {
    if (static_cast<std::size_t>(day) >= reviews_.size()) {
      return;
    }
    for (const Review& review : reviews_[static_cast<std::size_t>(day)]) {
      Random random(Random::child(review.seed, 7));
      const Opinion& opinion = kOpinions[random.weighted(kOpinionWeights)];
      const std::string_view author = first_names()[review.customer % first_names().size()];
      text_ += fmt::format(
          R"({{"review_id":"r-{:016x}","product_id":{},"customer_id":"{}","rating":{},"title":{},"text":{},"language":"{}",)"
          R"("created_at":"{}T{}Z","is_verified":{},"helpful_votes":{},"author":"{}","email":"{}.{}@mail.example","ip":"203.0.113.{}"}})"
          "\n",
          review.seed, json_text(products()[review.product].id), review.customer, opinion.rating,
          json_text(opinion.title), json_text(opinion.text), opinion.language, date, clock_text(review.at_micros),
          random.chance(9'000) ? "true" : "false", random.below(30), author, author, review.customer,
          random.between(1, 254));
      ended_line();
    }
  }

  const ShopOptions& options_;
  const Books& books_;
  std::vector<std::vector<Review>> reviews_;  // by day
  ShopOddities oddities_;
  std::string text_;
};

std::string gzip(std::string_view text) {
  const std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> compressor(
      libdeflate_alloc_compressor(kCompressionLevel), libdeflate_free_compressor);
  SHOPLAKE_CHECK(compressor != nullptr);
  std::string bytes(libdeflate_gzip_compress_bound(compressor.get(), text.size()), '\0');
  bytes.resize(libdeflate_gzip_compress(compressor.get(), text.data(), text.size(), bytes.data(), bytes.size()));
  return bytes;
}

std::string manifest_text(const ShopOptions& options, const ShopSummary& summary, const ShopOddities& oddities) {
  const auto counts = [](const std::map<std::string, std::uint64_t>& planted) {
    std::string text;
    for (const auto& [name, count] : planted) {
      text += fmt::format("{}\"{}\": {}", text.empty() ? "" : ", ", name, count);
    }
    return text;
  };
  return fmt::format(
      "{{\n  \"seed\": {},\n  \"rows\": {},\n  \"rejected_rows\": {},\n  \"rejected\": {{{}}},\n  \"accepted\": "
      "{{{}}}\n}}\n",
      options.seed, summary.rows + summary.planted_rows, summary.planted_rejects, counts(oddities.rejected),
      counts(oddities.accepted));
}

Result<void> check(const ShopOptions& options) {
  if (options.events == 0 || options.events > kEventsMax) {
    return make_error(ErrorKind::usage, "generate.bad_events",
                      fmt::format("{} events cannot be generated", options.events),
                      fmt::format("ask for 1 to {}", kEventsMax));
  }
  if (options.days < 1 || options.days > kDaysMax) {
    return make_error(ErrorKind::usage, "generate.bad_days", fmt::format("{} days cannot be generated", options.days),
                      fmt::format("ask for 1 to {}", kDaysMax));
  }
  if (options.out.empty()) {
    return make_error(ErrorKind::usage, "generate.no_output", "no output was named", "give --out a folder");
  }
  return {};
}

}  // namespace

std::string_view dataset_name(ShopDataset dataset) {
  switch (dataset) {
    case ShopDataset::transactions: return "transactions";
    case ShopDataset::products: return "products";
    case ShopDataset::reviews: return "reviews";
  }
  return "transactions";
}

Result<ShopSummary> generate_shop(io::Env& env, const ShopOptions& options, base::Progress& progress,
                                  std::stop_token stop) {
  SHOPLAKE_TRY(check(options));
  const std::int64_t end_day = SHOPLAKE_TRY(parse_date(options.end_date));
  const std::string name(dataset_name(options.dataset));
  const std::string folder = io::join_path(options.out, name);
  const Books books = make_books(options.seed, options.events, options.days, end_day - options.days + 1);
  DayWriter writer(options, books);
  ShopSummary summary;
  progress.begin(fmt::format("generate {}", name), static_cast<std::uint64_t>(options.days),
                 base::Progress::Unit::items);
  for (int day = 0; day < options.days; ++day) {
    if (stop.stop_requested()) {
      progress.end();
      return make_error(ErrorKind::cancelled, "generate.cancelled",
                        fmt::format("generate {}: stopped; {} of {} days were finished", name, day, options.days),
                        "run the same command again: it makes the same files");
    }
    const std::string text = writer.day(day, summary);
    progress.update(static_cast<std::uint64_t>(day) + 1);
    if (text.empty()) {
      continue;  // no review on that day
    }
    const std::string of_day = io::join_path(folder, "date=" + date_text(books.first_day + day));
    SHOPLAKE_TRY(env.create_directories(of_day));
    const std::string path =
        io::join_path(of_day, name + (options.dataset == ShopDataset::transactions ? ".csv.gz" : ".ndjson.gz"));
    OutputFile file = SHOPLAKE_TRY(OutputFile::create(env, path));
    const std::string bytes = gzip(text);
    SHOPLAKE_TRY(file.append(bytes));
    SHOPLAKE_TRY(file.finish());
    summary.files.push_back(path);
    summary.text_bytes += text.size();
    summary.file_bytes += bytes.size();
  }
  progress.end();
  const ShopOddities& oddities = writer.oddities();
  for (const auto& [odd, count] : oddities.rejected) {
    summary.planted_rejects += count;
  }
  for (const auto& [odd, count] : oddities.accepted) {
    summary.planted_rows += count;
  }
  if (options.chaos) {
    summary.manifest = folder + ".expected.json";
    SHOPLAKE_TRY(env.write_file(summary.manifest, manifest_text(options, summary, oddities)));
  }
  return summary;
}

}  // namespace shoplake::generate
