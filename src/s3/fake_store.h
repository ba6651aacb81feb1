// FakeStore: an S3-compatible store in memory behind the Transport interface, for tests. It checks signatures, serves
// ranges, pages, conditions and uploads in parts, and does to chosen requests what networks and stores do: refuse,
// break before or after the deed, answer 503, cut the body, or answer an error with status 200. Thread safe.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "aws/signature.h"
#include "base/digest.h"
#include "http/transport.h"
#include "s3/xml.h"

namespace shoplake::s3 {

class FakeStore final : public http::Transport {
 public:
  enum class Fault {
    refused,         // no connection
    broken_before,   // the connection breaks before the store did anything
    broken_after,    // … after it did what was asked
    unavailable,     // 503 SlowDown
    internal_error,  // 500
    truncated,       // the answer's body is cut
    error_in_200,    // status 200 with an error in the body, nothing done
    denied,          // 403
    expired_token,   // 400 ExpiredToken
  };
  static constexpr char kKeyId[] = "AKID";
  static constexpr char kSecret[] = "SECRET";

  // The next `times` requests whose "METHOD path?query" contains `match` meet the fault.
  void fail(Fault fault, std::string match, int times = 1) {
    const std::lock_guard lock(mutex_);
    faults_.push_back({fault, std::move(match), times});
  }

  base::Result<http::Answer> send(const http::Call& call) override {
    const std::lock_guard lock(mutex_);
    requests.push_back(call.method + " " + call.url.substr(call.url.find('/', 8)));
    const std::optional<Fault> fault = take_fault(requests.back());
    if (fault == Fault::refused)
      return error("http.cannot_connect");
    if (fault == Fault::broken_before)
      return error("http.broken");
    if (fault == Fault::unavailable)
      return complain(503, "SlowDown");
    if (fault == Fault::internal_error)
      return complain(500, "InternalError");
    if (fault == Fault::denied)
      return complain(403, "AccessDenied");
    if (fault == Fault::expired_token)
      return complain(400, "ExpiredToken");
    if (fault == Fault::error_in_200)
      return complain(200, "InternalError");
    http::Answer answer = serve(call);
    if (fault == Fault::broken_after)
      return error("http.broken");
    if (fault == Fault::truncated)
      return error("http.truncated");
    return answer;
  }

  // Read and set by tests between calls.
  std::map<std::string, std::string> objects;  // "bucket/key"
  std::map<std::string, std::string> etags;
  std::map<std::string, std::map<int, std::string>> uploads;  // by id
  std::map<std::string, std::string> upload_keys;
  std::map<std::string, http::Headers> put_headers;  // of the last PUT of an object, or of beginning its upload
  std::vector<std::string> requests;
  std::size_t page_size_max = 1000;
  bool knows_lifecycle = true;
  std::string lifecycle;

  int count(std::string_view match) {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(
        std::ranges::count_if(requests, [&](const std::string& one) { return one.find(match) != std::string::npos; }));
  }

 private:
  struct Planned {
    Fault fault;
    std::string match;
    int times;
  };

  static base::Error error(const char* code) {
    return base::make_error(base::ErrorKind::environment, code, "on purpose");
  }
  static http::Answer complain(int status, const std::string& code) {
    return {status, {}, "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>no</Message></Error>"};
  }

  std::optional<Fault> take_fault(const std::string& request) {
    for (auto planned = faults_.begin(); planned != faults_.end(); ++planned) {
      if (request.find(planned->match) == std::string::npos)
        continue;
      const Fault fault = planned->fault;
      if (--planned->times == 0)
        faults_.erase(planned);
      return fault;
    }
    return std::nullopt;
  }

  static std::string header(const http::Call& call, std::string_view name) {
    for (const auto& [other, value] : call.headers) {
      if (other == name)
        return value;
    }
    return {};
  }

  static bool is_signed(const http::Call& call, const std::string& host, const std::string& path,
                        const std::string& query) {
    const std::string stamp = header(call, "x-amz-date");
    if (header(call, "x-amz-content-sha256") != base::sha256_hex(call.body) || stamp.empty())
      return false;
    aws::CanonicalRequest request;
    request.method = call.method;
    request.path = path;
    request.query = query;
    const std::string hash = header(call, "x-amz-content-sha256");
    request.payload_sha256 = hash;
    request.headers = {{"host", host}};
    for (const auto& one : call.headers) {
      if (one.first != "authorization" && one.first != "user-agent")
        request.headers.push_back(one);
    }
    std::ranges::sort(request.headers);
    const aws::Scope scope{stamp.substr(0, 8), "us-east-1", "s3"};
    return header(call, "authorization") ==
           aws::authorization(request, kKeyId, aws::signing_key(kSecret, scope), stamp, scope);
  }

  http::Answer serve(const http::Call& call) {
    const std::size_t host_begin = call.url.find("://") + 3;
    const std::size_t path_begin = call.url.find('/', host_begin);
    const std::size_t query_begin = std::min(call.url.find('?'), call.url.size());
    const std::string host = call.url.substr(host_begin, path_begin - host_begin);
    const std::string path = call.url.substr(path_begin, query_begin - path_begin);
    const std::string query = query_begin < call.url.size() ? call.url.substr(query_begin + 1) : "";
    if (!is_signed(call, host, path, query))
      return complain(403, "SignatureDoesNotMatch");
    http::Request parsed;
    parsed.query = query;
    const std::string name = http::percent_decode(path).substr(1);
    const std::size_t slash = name.find('/');
    const std::string bucket = name.substr(0, slash);
    if (bucket != "bucket")
      return complain(404, "NoSuchBucket");
    if (slash == std::string::npos)
      return serve_bucket(call, bucket, parsed);
    if (parsed.parameter("uploads") || parsed.parameter("uploadId"))
      return serve_upload(call, name, parsed);
    if (call.method == "PUT")
      return serve_put(call, name);
    const auto found = objects.find(name);
    if (call.method == "DELETE") {
      objects.erase(name);
      return {204, {}, ""};
    }
    if (found == objects.end())
      return call.method == "HEAD" ? http::Answer{404, {}, ""} : complain(404, "NoSuchKey");
    if (call.method == "HEAD")
      return {200, {{"content-length", std::to_string(found->second.size())}, {"etag", etags[name]}}, ""};
    return serve_get(call, name, found->second);
  }

  http::Answer serve_put(const http::Call& call, const std::string& name) {
    if (header(call, "if-none-match") == "*" && objects.contains(name))
      return complain(412, "PreconditionFailed");
    put_headers[name] = call.headers;
    const std::string source = header(call, "x-amz-copy-source");
    if (!source.empty()) {
      const auto found = objects.find(http::percent_decode(source).substr(1));
      if (found == objects.end())
        return complain(404, "NoSuchKey");
      objects[name] = found->second;
      etags[name] = etags[found->first];
      return {200, {}, "<CopyObjectResult/>"};
    }
    objects[name] = call.body;
    etags[name] = "\"" + base::md5_hex(call.body) + "\"";
    return {200, {{"etag", etags[name]}}, ""};
  }

  http::Answer serve_get(const http::Call& call, const std::string& name, const std::string& bytes) {
    const std::string match = header(call, "if-match");
    if (!match.empty() && match != etags[name])
      return complain(412, "PreconditionFailed");
    std::size_t first = 0, last = 0;
    if (std::sscanf(header(call, "range").c_str(), "bytes=%zu-%zu", &first, &last) != 2)
      return {200, {{"etag", etags[name]}}, bytes};
    if (first >= bytes.size())
      return complain(416, "InvalidRange");
    const std::string piece = bytes.substr(first, last - first + 1);
    return {206,
            {{"etag", etags[name]},
             {"content-range", fmt::format("bytes {}-{}/{}", first, first + piece.size() - 1, bytes.size())}},
            piece};
  }

  http::Answer serve_upload(const http::Call& call, const std::string& name, const http::Request& request) {
    if (request.parameter("uploads")) {
      const std::string id = fmt::format("upload-{}", ++uploads_begun_);
      uploads[id];
      upload_keys[id] = name;
      put_headers[name] = call.headers;
      return {200, {}, "<R><UploadId>" + id + "</UploadId></R>"};
    }
    const std::string id = *request.parameter("uploadId");
    const auto upload = uploads.find(id);
    if (upload == uploads.end())
      return complain(404, "NoSuchUpload");
    if (call.method == "DELETE") {
      uploads.erase(upload);
      return {204, {}, ""};
    }
    if (call.method == "PUT") {
      upload->second[std::stoi(request.parameter("partNumber").value_or("0"))] = call.body;
      return {200, {{"etag", "\"" + base::md5_hex(call.body) + "\""}}, ""};
    }
    std::string bytes, digests;
    int parts = 0;
    const base::Result<Element> wanted = parse_xml(call.body);
    for (const Element& part : wanted->children) {
      const auto found = upload->second.find(std::stoi(part.text_of("PartNumber")));
      if (found == upload->second.end() || part.text_of("ETag") != "\"" + base::md5_hex(found->second) + "\"")
        return complain(400, "InvalidPart");
      bytes += found->second;
      for (const std::string hex = base::md5_hex(found->second);
           const std::size_t i : {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30})
        digests.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
      ++parts;
    }
    objects[name] = bytes;
    etags[name] = fmt::format("\"{}-{}\"", base::md5_hex(digests), parts);
    uploads.erase(upload);
    return {200, {}, "<CompleteMultipartUploadResult/>"};
  }

  http::Answer serve_bucket(const http::Call& call, const std::string& bucket, const http::Request& request) {
    if (request.parameter("lifecycle")) {
      if (!knows_lifecycle)
        return complain(501, "NotImplemented");
      if (call.method == "PUT")
        lifecycle = call.body;
      return call.method == "PUT" || !lifecycle.empty() ? http::Answer{200, {}, lifecycle}
                                                        : complain(404, "NoSuchLifecycleConfiguration");
    }
    if (request.parameter("delete")) {
      const base::Result<Element> wanted = parse_xml(call.body);
      for (const Element& one : wanted->children) {
        if (one.name == "Object")
          objects.erase(bucket + "/" + one.text_of("Key"));
      }
      return {200, {}, "<DeleteResult/>"};
    }
    if (call.method == "HEAD")
      return {200, {}, ""};
    return list(bucket, request);
  }

  http::Answer list(const std::string& bucket, const http::Request& request) {
    const std::string prefix = bucket + "/" + request.parameter("prefix").value_or("");
    const std::string delimiter = request.parameter("delimiter").value_or("");
    const std::string after = request.parameter("continuation-token").value_or("");
    const std::size_t page =
        std::min<std::size_t>(std::stoul(request.parameter("max-keys").value_or("1000")), page_size_max);
    std::string body = "<ListBucketResult><EncodingType>url</EncodingType>";
    std::size_t entries = 0;
    std::string last, last_prefix;
    for (const auto& [name, bytes] : objects) {
      if (!name.starts_with(prefix) || (!after.empty() && name <= after))
        continue;
      const std::size_t end = delimiter.empty() ? std::string::npos : name.find(delimiter, prefix.size());
      const std::string folder = end == std::string::npos ? "" : name.substr(0, end + 1);
      if (!folder.empty() && (folder == last_prefix || after.starts_with(folder))) {
        last = name;
        continue;
      }
      if (entries == page) {
        body +=
            "<IsTruncated>true</IsTruncated><NextContinuationToken>" + escape_xml(last) + "</NextContinuationToken>";
        return {200, {}, body + "</ListBucketResult>"};
      }
      ++entries;
      last = name;
      last_prefix = folder;
      const std::string key = aws::uri_encode((folder.empty() ? name : folder).substr(bucket.size() + 1), true);
      body += folder.empty() ? fmt::format(
                                   "<Contents><Key>{}</Key><LastModified>2026-11-21T08:15:30.123Z</LastModified>"
                                   "<ETag>&quot;{}&quot;</ETag><Size>{}</Size></Contents>",
                                   key, base::md5_hex(bytes), bytes.size())
                             : fmt::format("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", key);
    }
    return {200, {}, body + "<IsTruncated>false</IsTruncated></ListBucketResult>"};
  }

  std::mutex mutex_;
  std::deque<Planned> faults_;
  int uploads_begun_ = 0;
};

}  // namespace shoplake::s3
