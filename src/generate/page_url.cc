#include "generate/page_url.h"

#include "generate/spelling.h"
#include "generate/vocabulary.h"

namespace shoplake::generate {

char assign_page_url(std::string& url, const Page& page) {
  url.assign("https://").append(kHost);
  switch (page.kind) {
    case PageKind::home: url.append("/"); break;
    case PageKind::category: url.append("/c/").append(lower(categories()[page.subject])); break;
    case PageKind::product: url.append("/p/").append(products()[page.subject].slug); break;
    case PageKind::search: url.append("/search?q=").append(url_escaped(search_terms()[page.subject])); return '&';
    case PageKind::article: url.append("/journal/how-to-choose-a-rain-jacket"); break;
    case PageKind::cart: url.append("/cart"); break;
    case PageKind::checkout: url.append("/checkout"); break;
    case PageKind::confirmation: url.append("/checkout/thank-you"); break;
  }
  return '?';
}

}  // namespace shoplake::generate
