#include "model/publisher.h"

#include <span>
#include <utility>

namespace shoplake::model {

Publisher::Publisher(Lake& lake, std::unique_ptr<engine::Session> session, Wanted wanted, Done done, TryAgain try_again)
    : lake_(lake),
      session_(std::move(session)),
      wanted_(std::move(wanted)),
      done_(std::move(done)),
      try_again_(std::move(try_again)),
      thread_([this] { work(); }) {}

Publisher::~Publisher() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
}

void Publisher::hand_over(std::string id, Publication publication) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(id), std::move(publication)});
  }
  changed_.notify_all();
}

void Publisher::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty())
      return;
    // Tables up to the next view, or that view.
    std::vector<Item> items;
    do {
      items.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    } while (items.back().publication.table && !waiting_.empty() && waiting_.front().publication.table);
    lock.unlock();
    publish(items);
    lock.lock();
  }
}

void Publisher::publish(std::vector<Item>& items) {
  std::vector<UnpublishedTable*> tables;
  for (Item& item : items) {
    if (item.publication.table && wanted_(item.id))
      tables.push_back(&*item.publication.table);
  }
  // If that does not work for all, each is tried by itself, so that what is wrong with one does not stop the others.
  const bool together = tables.size() > 1 && lake_.publish_together(tables).ok();
  for (Item& item : items)
    done_(item.id, together ? Result<void>() : publish_alone(item));
}

Result<void> Publisher::publish_alone(Item& item) {
  if (!wanted_(item.id))
    return {};
  Result<void> published = publish_once(item.publication);
  for (int failures = 1; !published.ok() && try_again_(item.id, published.error(), failures); ++failures)
    published = publish_once(item.publication);
  return published;
}

Result<void> Publisher::publish_once(Publication& publication) {
  if (publication.table)
    return lake_.publish(*session_, *publication.table);
  return lake_.publish_view(publication.view, publication.view_sql, publication.view_properties);
}

}  // namespace shoplake::model
