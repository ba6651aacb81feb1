#include "collect/ga4_collect.h"

#include "collect/ga4_gtag.h"
#include "collect/ga4_hit.h"
#include "collect/ga4_measurement.h"

namespace shoplake::collect {

namespace {

std::string messages_body(const std::vector<ValidationMessage>& messages) {
  std::string body = R"({"validationMessages":[)";
  for (const ValidationMessage& message : messages) {
    body.append(body.back() == '[' ? "{" : ",{");
    if (!message.field_path.empty()) {
      body.append(R"("fieldPath":)");
      append_json_text(message.field_path, body);
      body.push_back(',');
    }
    body.append(R"("description":)");
    append_json_text(message.description, body);
    body.append(R"(,"validationCode":)");
    append_json_text(message.validation_code, body);
    body.push_back('}');
  }
  return body + "]}\n";
}

}  // namespace

Ga4Endpoint ga4_endpoint(std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) {
    path.remove_suffix(1);
  }
  return path == "/g/collect"          ? Ga4Endpoint::gtag
         : path == "/mp/collect"       ? Ga4Endpoint::measurement_protocol
         : path == "/debug/mp/collect" ? Ga4Endpoint::measurement_protocol_debug
                                       : Ga4Endpoint::none;
}

Ga4Result collect_ga4(const Ga4Request& request, const Ga4Options& options) {
  Ga4Result result;
  const Ga4Endpoint endpoint = ga4_endpoint(request.path);
  const bool is_post = request.method == "POST";
  if (endpoint == Ga4Endpoint::none) {
    result.status = 404;
  } else if (!is_post && !(endpoint == Ga4Endpoint::gtag && request.method == "GET")) {
    result.status = 405;
  } else if (endpoint == Ga4Endpoint::gtag) {
    collect_gtag(request, options, result);
  } else if (endpoint == Ga4Endpoint::measurement_protocol) {
    collect_measurement(request, options, result);
  } else {
    validate_measurement(request, result);
    result.status = 200;
    result.content_type = "application/json";
    result.body = messages_body(result.messages);
  }
  return result;
}

}  // namespace shoplake::collect
