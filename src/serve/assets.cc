#include "serve/assets.h"

#include <fmt/format.h>

#include <array>

#include "base/digest.h"
#include "serve/page.h"

namespace shoplake::serve {
namespace {

constexpr int kDepthMax = 4;
constexpr std::size_t kWorthCompressing = 1024;
constexpr int kGzipLevel = 6;
constexpr char kIndex[] = "/index.html";
constexpr char kFrame[] = "_frame.html";

constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src "
    "'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Kind {
  std::string_view suffix;
  std::string_view content_type;
  bool compressible;
};
constexpr std::array<Kind, 8> kKinds = {{{".html", "text/html; charset=utf-8", true},
                                         {".css", "text/css; charset=utf-8", true},
                                         {".js", "text/javascript; charset=utf-8", true},
                                         {".json", "application/json", true},
                                         {".webmanifest", "application/manifest+json", true},
                                         {".svg", "image/svg+xml", true},
                                         {".png", "image/png", false},
                                         {".txt", "text/plain; charset=utf-8", true}}};

}  // namespace

struct Assets::File {
  std::shared_ptr<const std::string> bytes;
  std::string content_type = "application/octet-stream";
  std::string digest;
  bool compressible = false;
  mutable std::once_flag compressed_once;
  mutable std::shared_ptr<const std::string> compressed;  // made by the first client that takes it
};

Assets::Assets() = default;
Assets::~Assets() = default;

base::Result<std::unique_ptr<Assets>> Assets::load(io::Env& env, const std::string& directory) {
  std::unique_ptr<Assets> assets(new Assets());
  const std::string frame = io::join_path(directory, kFrame);
  if (SHOPLAKE_TRY(env.exists(frame)))
    assets->frame_ = SHOPLAKE_TRY(env.read_file(frame));
  SHOPLAKE_TRY(assets->load_directory(env, directory, "/", 0).within("dashboard"));
  if (!assets->files_.contains(kIndex)) {
    return base::make_error(base::ErrorKind::environment, "serve.no_assets",
                            fmt::format("the dashboard's index.html is not in {}", directory),
                            "install shoplake again: share/shoplake/web belongs to it");
  }
  return assets;
}

base::Result<void> Assets::load_directory(io::Env& env, const std::string& directory, const std::string& prefix,
                                          int depth) {
  for (const auto& entry : SHOPLAKE_TRY(env.list_directory(directory))) {
    if (entry.name.starts_with('.') || entry.name.starts_with('_'))
      continue;
    const std::string path = io::join_path(directory, entry.name);
    if (entry.is_directory) {
      if (depth < kDepthMax)
        SHOPLAKE_TRY(load_directory(env, path, prefix + entry.name + "/", depth + 1));
      continue;
    }
    SHOPLAKE_TRY(add(prefix + entry.name, SHOPLAKE_TRY(env.read_file(path))));
  }
  return {};
}

base::Result<void> Assets::add(const std::string& path, std::string bytes) {
  if (is_page(bytes))
    bytes = SHOPLAKE_TRY(framed_page(frame_, bytes, path == kIndex ? "/" : path).within(path));
  auto file = std::make_unique<File>();
  file->bytes = std::make_shared<const std::string>(std::move(bytes));
  file->digest = base::sha256_hex(*file->bytes).substr(0, 32);
  for (const Kind& kind : kKinds) {
    if (!path.ends_with(kind.suffix))
      continue;
    file->content_type = kind.content_type;
    file->compressible = kind.compressible && file->bytes->size() >= kWorthCompressing;
  }
  files_.insert_or_assign(path, std::move(file));
  return {};
}

http::Response Assets::respond(const http::Request& request) const {
  const std::string path = http::percent_decode(request.path);
  const auto found = files_.find(path == "/" ? std::string(kIndex) : path);
  if (found == files_.end()) {
    return http::error_response(404, "serve.no_such_address", fmt::format("there is nothing at {}", request.path),
                                "the dashboard is at /");
  }
  const File& file = *found->second;
  const bool compress = file.compressible && http::accepts_gzip(request);
  const std::string etag = fmt::format("\"{}{}\"", file.digest, compress ? "-gzip" : "");

  http::Response response;
  response.content_type = file.content_type;
  response.set("ETag", etag).set("Cache-Control", "no-cache");
  if (file.compressible)
    response.set("Vary", "Accept-Encoding");
  if (file.content_type.starts_with("text/html")) {
    response.set("Content-Security-Policy", std::string(kContentSecurityPolicy))
        .set("Referrer-Policy", "no-referrer")
        .set("Cross-Origin-Opener-Policy", "same-origin");
  }
  if (http::matches_etag(request, etag)) {
    response.status = 304;
    return response;
  }
  if (compress) {
    std::call_once(file.compressed_once, [&file] {
      file.compressed = std::make_shared<const std::string>(http::gzip(*file.bytes, kGzipLevel));
    });
    response.set("Content-Encoding", "gzip");
    response.shared_body = file.compressed;
  } else {
    response.shared_body = file.bytes;
  }
  return response;
}

}  // namespace shoplake::serve
