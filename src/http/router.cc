#include "http/router.h"

#include <algorithm>

namespace shoplake::http {

void Router::add(Route route) {
  if (route.name.empty())
    route.name = route.path;
  if (route.match == Route::Match::prefix && std::ranges::find(prefixes_, route.path) == prefixes_.end()) {
    prefixes_.push_back(route.path);
    std::ranges::stable_sort(prefixes_, std::greater<>(), &std::string::size);
  }
  routes_.push_back(std::make_unique<Route>(std::move(route)));
  const Route* added = routes_.back().get();
  auto& place = places_[added->path];
  // Exact routes first: they win at the path itself.
  place.insert(
      added->match == Route::Match::exact ? std::ranges::find(place, Route::Match::prefix, &Route::match) : place.end(),
      added);
}

bool Router::takes(const Route& route, std::string_view method) {
  return route.methods.empty() || std::ranges::find(route.methods, method) != route.methods.end();
}

const std::vector<const Route*>* Router::place_of(std::string_view path) const {
  if (const auto exact = places_.find(path); exact != places_.end())
    return &exact->second;
  for (const std::string& prefix : prefixes_) {
    if (path.starts_with(prefix))
      return &places_.find(prefix)->second;
  }
  return nullptr;
}

const Route* Router::find(std::string_view path, std::string_view method) const {
  const auto* place = place_of(path);
  if (place == nullptr)
    return nullptr;
  const Route* found = nullptr;
  for (const Route* route : *place) {
    if (route->match == Route::Match::exact && route->path != path)
      continue;
    if (takes(*route, method))
      return route;
    if (found == nullptr)
      found = route;
  }
  return found;
}

std::string Router::allowed_methods(const Route& route) const {
  std::vector<std::string> methods;
  for (const Route* other : places_.find(route.path)->second) {
    for (const auto& method : other->methods) {
      for (const char* name : {method.c_str(), method == "GET" ? "HEAD" : ""}) {
        if (*name != '\0' && std::ranges::find(methods, name) == methods.end())
          methods.emplace_back(name);
      }
    }
  }
  std::string text;
  for (const auto& method : methods)
    text += (text.empty() ? "" : ", ") + method;
  return text;
}

}  // namespace shoplake::http
