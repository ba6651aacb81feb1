// The shop's page as a JSON document: sales by day, the best products, segments of customers and the newest reviews,
// from the curated tables of the dbt project. docs/http_api.md describes the answer.
//
//   GET /api/shop
//
// A part whose tables the lake does not have is an empty list. Parts are computed again when their tables changed.
// Thread safe, if the Lake is.
#pragma once

#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"
#include "serve/dashboard.h"

namespace shoplake::serve {

class Shop {
 public:
  explicit Shop(Lake& lake) : lake_(lake) {}  // outlives it

  http::Response respond(const http::Request& request);

  // The tables that it reads.
  static std::vector<std::string> tables();

 private:
  struct Answered {
    std::string key;  // the tables' versions
    std::string rows;
  };

  base::Result<std::string> document();
  base::Result<std::string> part(std::string_view name, std::span<const std::string_view> tables, std::string_view sql);

  Lake& lake_;
  std::mutex mutex_;
  std::map<std::string, Answered, std::less<>> answered_;
};

}  // namespace shoplake::serve
