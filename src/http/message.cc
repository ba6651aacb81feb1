#include "http/message.h"

#include <libdeflate.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>

namespace shoplake::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// The next element of a comma-separated header value; advances `rest`.
std::string_view next_element(std::string_view& rest) {
  const auto comma = rest.find(',');
  const auto element = trim(rest.substr(0, comma));
  rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  return element;
}

}  // namespace

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name)
      return value;
  }
  return std::nullopt;
}

std::vector<std::pair<std::string, std::string>> Request::parameters() const {
  std::vector<std::pair<std::string, std::string>> found;
  std::string_view rest = query;
  while (!rest.empty()) {
    const auto end = rest.find('&');
    const auto pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (pair.empty())
      continue;
    const auto equals = pair.find('=');
    found.emplace_back(
        percent_decode(pair.substr(0, equals), true),
        equals == std::string_view::npos ? std::string() : percent_decode(pair.substr(equals + 1), true));
  }
  return found;
}

std::optional<std::string> Request::parameter(std::string_view name) const {
  for (auto& [key, value] : parameters()) {
    if (key == name)
      return std::move(value);
  }
  return std::nullopt;
}

Response json_response(std::string body, int status) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

Response text_response(std::string body, int status) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  return response;
}

int status_of(base::ErrorKind kind) {
  switch (kind) {
    case base::ErrorKind::usage:
    case base::ErrorKind::input:
    case base::ErrorKind::failed: return 400;
    case base::ErrorKind::not_found: return 404;
    case base::ErrorKind::already_exists:
    case base::ErrorKind::conflict: return 409;
    case base::ErrorKind::environment:
    case base::ErrorKind::cancelled: return 503;
    case base::ErrorKind::unknown_outcome:
    case base::ErrorKind::internal: return 500;
  }
  return 500;
}

Response error_response(const base::Error& error) {
  return error_response(status_of(error.kind), error.code, error.message, error.advice);
}

Response error_response(int status, std::string_view code, std::string_view message, std::string_view advice) {
  nlohmann::ordered_json body;
  body["error"]["code"] = code;
  body["error"]["message"] = message;
  body["error"]["advice"] = advice;
  // Messages may quote bytes that a client sent: what is not UTF-8 is replaced.
  return json_response(body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace), status);
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      decoded.push_back(static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])));
      i += 2;
    } else if (plus_is_space && text[i] == '+') {
      decoded.push_back(' ');
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

bool accepts_gzip(const Request& request) {
  const auto header = request.header("accept-encoding");
  if (!header)
    return false;
  std::string_view rest = *header;
  bool any = false;
  while (!rest.empty()) {
    std::string_view element = next_element(rest);
    const auto semicolon = element.find(';');
    const auto coding = trim(element.substr(0, semicolon));
    bool wanted = true;
    if (semicolon != std::string_view::npos) {
      auto weight = trim(element.substr(semicolon + 1));
      if (weight.starts_with("q=") || weight.starts_with("Q=")) {
        weight.remove_prefix(2);
        wanted = weight.find_first_of("123456789") != std::string_view::npos;
      }
    }
    if (equal_ignoring_case(coding, "gzip"))
      return wanted;
    if (coding == "*")
      any = wanted;
  }
  return any;
}

std::string gzip(std::string_view bytes, int level) {
  const std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> compressor(
      libdeflate_alloc_compressor(level), libdeflate_free_compressor);
  SHOPLAKE_CHECK(compressor != nullptr);
  std::string out(libdeflate_gzip_compress_bound(compressor.get(), bytes.size()), '\0');
  const std::size_t size =
      libdeflate_gzip_compress(compressor.get(), bytes.data(), bytes.size(), out.data(), out.size());
  SHOPLAKE_CHECK(size != 0);
  out.resize(size);
  out.shrink_to_fit();
  return out;
}

bool matches_etag(const Request& request, std::string_view etag) {
  const auto header = request.header("if-none-match");
  if (!header)
    return false;
  std::string_view rest = *header;
  while (!rest.empty()) {
    std::string_view element = next_element(rest);
    if (element == "*")
      return true;
    if (element.starts_with("W/"))
      element.remove_prefix(2);
    if (element == etag)
      return true;
  }
  return false;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 419: return "Authentication Timeout";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return status < 400 ? "OK" : "Error";
  }
}

}  // namespace shoplake::http
