#include "http/transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace shoplake::http {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

struct EasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDeleter>;

// What libcurl's callbacks fill.
struct Received {
  Answer answer;
  std::uint64_t body_bytes_max = 0;
  bool is_too_large = false;
};

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* into) {
  auto& received = *static_cast<Received*>(into);
  const std::size_t got = size * count;
  if (received.answer.body.size() + got > received.body_bytes_max) {
    received.is_too_large = true;
    return 0;
  }
  received.answer.body.append(bytes, got);
  return got;
}

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* into) {
  auto& received = *static_cast<Received*>(into);
  std::string_view line(bytes, size * count);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' '))
    line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // of an interim answer (100 Continue), or the real one
    received.answer.headers.clear();
    return size * count;
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    std::string name(line.substr(0, colon));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
      value.remove_prefix(1);
    received.answer.headers.emplace_back(std::move(name), std::string(value));
  }
  return size * count;
}

int look_for_stop(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::stop_token*>(stop)->stop_requested() ? 1 : 0;
}

const char* code_of(CURLcode outcome) {
  switch (outcome) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT: return "http.cannot_connect";
    case CURLE_OPERATION_TIMEDOUT: return "http.timeout";
    case CURLE_PARTIAL_FILE: return "http.truncated";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE: return "http.untrusted";
    default: return "http.broken";
  }
}

class CurlTransport final : public Transport {
 public:
  explicit CurlTransport(std::size_t idle_max) : idle_max_(idle_max) {
    static std::once_flag initialised;
    std::call_once(initialised, [] { SHOPLAKE_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
  }

  Result<Answer> send(const Call& call) override {
    Easy handle = take();
    Received received;
    received.body_bytes_max = call.body_bytes_max;
    char reason[CURL_ERROR_SIZE] = "";
    const List headers = prepare(handle.get(), call, received, reason);
    const CURLcode outcome = curl_easy_perform(handle.get());
    if (outcome == CURLE_OK) {
      long status = 0;
      curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
      received.answer.status = static_cast<int>(status);
      give_back(std::move(handle));
      return std::move(received.answer);
    }
    // A handle that failed goes, and its connections with it.
    const std::string where = call.method + " " + call.url.substr(0, call.url.find('?'));
    if (received.is_too_large) {
      return make_error(ErrorKind::environment, "http.too_large",
                        where + ": the answer has more than " + std::to_string(call.body_bytes_max) + " bytes");
    }
    if (outcome == CURLE_ABORTED_BY_CALLBACK)
      return make_error(ErrorKind::cancelled, "http.stopped", where + ": stopped before the answer was there");
    const char* code = code_of(outcome);
    return make_error(ErrorKind::environment, code, where + ": " + (*reason ? reason : curl_easy_strerror(outcome)));
  }

 private:
  static List prepare(CURL* handle, const Call& call, Received& received, char* reason) {
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_URL, call.url.c_str());
    curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);  // "a/../b" is a key like others
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(call.connect_timeout.count()));
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(call.total_timeout.count()));
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(call.stall_timeout.count()));
    curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    if (!call.ca_file.empty())
      curl_easy_setopt(handle, CURLOPT_CAINFO, call.ca_file.c_str());
    if (call.stop.stop_possible()) {
      curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &look_for_stop);
      curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &call.stop);
      curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    }
    if (call.is_direct)
      curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &take_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &received);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &take_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, &received);

    // Without these two curl would name a content type of its own and wait for "100 Continue".
    List list(curl_slist_append(nullptr, "Expect:"));
    bool names_type = false;
    for (const auto& [name, value] : call.headers) {
      names_type = names_type || name == "content-type" || name == "Content-Type";
      list.reset(curl_slist_append(list.release(), (value.empty() ? name + ";" : name + ": " + value).c_str()));
    }
    if (!names_type)
      list.reset(curl_slist_append(list.release(), "Content-Type:"));
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, list.get());

    if (call.method == "HEAD") {
      curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    } else if (call.method == "PUT" || call.method == "POST" || !call.body.empty()) {
      curl_easy_setopt(handle, CURLOPT_POST, 1L);
      curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
      curl_easy_setopt(handle, CURLOPT_POSTFIELDS, call.body.empty() ? "" : call.body.data());
      curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, call.method.c_str());
    } else {
      curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
      curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, call.method.c_str());
    }
    return list;
  }

  Easy take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Easy handle = std::move(idle_.back());
        idle_.pop_back();
        return handle;
      }
    }
    Easy handle(curl_easy_init());
    SHOPLAKE_CHECK(handle != nullptr);
    return handle;
  }

  void give_back(Easy handle) {
    curl_easy_reset(handle.get());  // options only; connections stay
    const std::lock_guard lock(mutex_);
    if (idle_.size() < idle_max_)
      idle_.push_back(std::move(handle));
  }

  const std::size_t idle_max_;
  std::mutex mutex_;
  std::vector<Easy> idle_;
};

}  // namespace

std::string_view Answer::header(std::string_view name) const {
  for (const auto& [other, value] : headers) {
    if (other == name)
      return value;
  }
  return {};
}

std::unique_ptr<Transport> make_transport(std::size_t idle_connections_max) {
  return std::make_unique<CurlTransport>(idle_connections_max);
}

}  // namespace shoplake::http
