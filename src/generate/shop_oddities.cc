#include "generate/shop_oddities.h"

#include <span>

#include <fmt/format.h>

namespace shoplake::generate {

namespace {

struct Template {
  std::string_view name;
  Outcome outcome;
  std::string_view line;  // {0}: number, {1}: date, {2}: a naughty text, spelled for the format
};

constexpr Template kTransactions[] = {
    {"missing_invoice_no", Outcome::rejected, ",SKU-1001,Trail Runner 3,1,{1} 10:00:00,119.00,12346,Germany"},
    {"invoice_no_of_words", Outcome::rejected,
     "invoice {0},SKU-1001,Trail Runner 3,1,{1} 10:00:00,119.00,12346,Germany"},
    {"missing_stock_code", Outcome::rejected, "{0},,Trail Runner 3,1,{1} 10:00:00,119.00,12346,Germany"},
    {"quantity_is_a_word", Outcome::rejected, "{0},SKU-1001,Trail Runner 3,many,{1} 10:00:00,119.00,12346,Germany"},
    {"quantity_out_of_range", Outcome::rejected,
     "{0},SKU-1001,Trail Runner 3,99999999,{1} 10:00:00,119.00,12346,Germany"},
    {"impossible_date", Outcome::rejected, "{0},SKU-1001,Trail Runner 3,1,2026-13-45 10:00:00,119.00,12346,Germany"},
    {"price_is_a_word", Outcome::rejected, "{0},SKU-1001,Trail Runner 3,1,{1} 10:00:00,cheap,12346,Germany"},
    {"customer_is_a_word", Outcome::rejected, "{0},SKU-1001,Trail Runner 3,1,{1} 10:00:00,119.00,nobody,Germany"},
    {"too_few_fields", Outcome::rejected, "{0},SKU-1001,Trail Runner 3"},
    {"naughty_text", Outcome::accepted, "{0},SKU-1001,{2},1,{1} 10:00:00,119.00,12346,Germany"},
    {"zero_price", Outcome::accepted, "{0},SKU-1001,Trail Runner 3,1,{1} 10:00:00,0,12346,Germany"},
    {"lower_case_code", Outcome::accepted, "{0},sku-1001,Trail Runner 3,1,{1} 10:00:00,119.00,12346,Germany"},
    {"no_description", Outcome::accepted, "{0},SKU-1001,,1,{1} 10:00:00,119.00,,Germany"},
    {"unknown_product", Outcome::accepted, "{0},SKU-9999,Samples,1,{1} 10:00:00,1.00,12346,Germany"},
};

constexpr Template kProducts[] = {
    {"cut_in_the_middle", Outcome::rejected, R"({{"product_id":"odd-{0}","name":"Trail)"},
    {"not_an_object", Outcome::rejected, R"(["odd-{0}","Trail Runner 3",119.0])"},
    {"missing_name", Outcome::rejected, R"({{"product_id":"odd-{0}","price":119.0,"updated_at":"{1}T04:00:00Z"}})"},
    {"missing_price", Outcome::rejected, R"({{"product_id":"odd-{0}","name":"Odd","updated_at":"{1}T04:00:00Z"}})"},
    {"negative_price", Outcome::rejected,
     R"({{"product_id":"odd-{0}","name":"Odd","price":-1,"updated_at":"{1}T04:00:00Z"}})"},
    {"currency_in_words", Outcome::rejected,
     R"({{"product_id":"odd-{0}","name":"Odd","price":1,"currency":"dollars","updated_at":"{1}T04:00:00Z"}})"},
    {"stock_is_a_word", Outcome::rejected,
     R"({{"product_id":"odd-{0}","name":"Odd","price":1,"stock_quantity":"plenty","updated_at":"{1}T04:00:00Z"}})"},
    {"naughty_text", Outcome::accepted,
     R"({{"product_id":"odd-{0}","name":{2},"category":{2},"price":1,"currency":"USD","updated_at":"{1}T04:00:00Z"}})"},
    {"unknown_fields", Outcome::accepted,
     R"({{"product_id":"odd-{0}","name":"Odd","price":1,"colours":["moss"],"size":{{"eu":42}},"updated_at":"{1}T04:00:00Z"}})"},
    {"negative_stock", Outcome::accepted,
     R"({{"product_id":"odd-{0}","name":"Odd","price":"1.50","stock_quantity":-3,"updated_at":"{1}T04:00:00Z"}})"},
};

constexpr Template kReviews[] = {
    {"cut_in_the_middle", Outcome::rejected, R"({{"review_id":"odd-{0}","product_id":"SKU-10)"},
    {"missing_product", Outcome::rejected, R"({{"review_id":"odd-{0}","rating":5,"created_at":"{1}T10:00:00Z"}})"},
    {"rating_of_zero", Outcome::rejected,
     R"({{"review_id":"odd-{0}","product_id":"SKU-1001","rating":0,"created_at":"{1}T10:00:00Z"}})"},
    {"rating_of_six", Outcome::rejected,
     R"({{"review_id":"odd-{0}","product_id":"SKU-1001","rating":6,"created_at":"{1}T10:00:00Z"}})"},
    {"rating_is_a_word", Outcome::rejected,
     R"({{"review_id":"odd-{0}","product_id":"SKU-1001","rating":"five","created_at":"{1}T10:00:00Z"}})"},
    {"impossible_date", Outcome::rejected,
     R"({{"review_id":"odd-{0}","product_id":"SKU-1001","rating":5,"created_at":"2026-13-45"}})"},
    {"naughty_text", Outcome::accepted,
     R"({{"review_id":"odd-{0}","product_id":"SKU-1001","rating":3,"title":{2},"text":{2},"created_at":"{1}T10:00:00Z"}})"},
    {"unknown_fields", Outcome::accepted,
     R"({{"review_id":"odd-{0}","product_id":"SKU-1001","rating":4,"photos":[1,2],"created_at":"{1}T10:00:00Z"}})"},
    {"no_text", Outcome::accepted,
     R"({{"review_id":"odd-{0}","product_id":"SKU-1001","rating":4,"text":null,"created_at":"{1}T10:00:00Z"}})"},
    {"unknown_product", Outcome::accepted,
     R"({{"review_id":"odd-{0}","product_id":"SKU-9999","rating":4,"text":"Nice.","created_at":"{1}T10:00:00Z"}})"},
};

// Texts that break careless programs.
constexpr std::string_view kNaughty[] = {
    "NULL",
    "'; drop table processed.products; --",
    "quote \" comma , semicolon ; backslash \\",
    "two\nlines",
    "\t tab and spaces  ",
    "<script>alert(1)</script>",
    "=1+1",
    "{{ 7 * 7 }}",
    "\xE2\x80\xAEright to left\xE2\x80\xAC",
    "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7 family",
    "Ω≈ç√∫˜µ≤≥÷ 社會科學院 مرحبا",
    "../../etc/passwd",
};

std::span<const Template> templates(ShopDataset dataset) {
  switch (dataset) {
    case ShopDataset::transactions: return kTransactions;
    case ShopDataset::products: return kProducts;
    case ShopDataset::reviews: return kReviews;
  }
  return {};
}

}  // namespace

void ShopOddities::plant(ShopDataset dataset, const std::string& date, Random& random, std::string& text) {
  const std::span<const Template> list = templates(dataset);
  const Template& odd = list[random.below(static_cast<std::uint32_t>(list.size()))];
  const std::string_view naughty = kNaughty[random.below(std::size(kNaughty))];
  const bool is_csv = dataset == ShopDataset::transactions;
  text += fmt::format(fmt::runtime(odd.line), 900'000'000 + number++, date,
                      is_csv ? csv_field(naughty) : json_text(naughty));
  text.push_back('\n');
  ++(odd.outcome == Outcome::rejected ? rejected : accepted)[std::string(odd.name)];
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos && !text.starts_with(' ') && !text.ends_with(' ')) {
    return std::string(text);
  }
  std::string field = "\"";
  for (const char c : text) {
    field.append(c == '"' ? 2 : 1, c);
  }
  return field + '"';
}

std::string json_text(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json.push_back('\\');
      json.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      json += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      json.push_back(c);
    }
  }
  return json + '"';
}

}  // namespace shoplake::generate
