// Router: which route a request belongs to. Internal to http. Filled before the server starts, constant afterwards.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"

namespace shoplake::http {

class Router {
 public:
  void add(Route route);

  // The route of this path that takes the method; one of the path's that does not, if none does; null if nothing is
  // there.
  const Route* find(std::string_view path, std::string_view method) const;

  // "GET, HEAD, POST": what all routes at the path of this one take.
  std::string allowed_methods(const Route& route) const;

  static bool takes(const Route& route, std::string_view method);

 private:
  // The routes that share a path, exact ones first. A path may be the exact one of some and the prefix of others.
  using Places = std::map<std::string, std::vector<const Route*>, std::less<>>;
  const std::vector<const Route*>* place_of(std::string_view path) const;

  std::vector<std::unique_ptr<Route>> routes_;
  Places places_;
  std::vector<std::string> prefixes_;  // longest first
};

}  // namespace shoplake::http
