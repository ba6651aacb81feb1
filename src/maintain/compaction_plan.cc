#include "maintain/compaction_plan.h"

#include <algorithm>
#include <set>

#include "maintain/compaction.h"

namespace shoplake::maintain {
namespace {

using Content = transform::DataFile::Content;
using StoredFile = catalog::Catalog::StoredFile;

// A file below this part of the target is worth merging; above the other it is worth splitting.
constexpr double kSmallPart = 0.6;
constexpr double kLargePart = 1.8;

struct Candidate {
  const StoredFile* file = nullptr;
  bool has_deletes = false;
};

// How many files come out of so many bytes.
std::int64_t files_of(std::int64_t bytes, std::int64_t target) {
  return std::max<std::int64_t>(1, (bytes + target / 2) / target);
}

Bin bin_of(const std::vector<const Candidate*>& members) {
  Bin bin;
  bin.partition = members.front()->file->file.partition;
  for (const Candidate* member : members) {
    bin.paths.push_back(member->file->file.path);
    bin.rows += member->file->file.record_count;
    bin.bytes += member->file->file.file_size_bytes;
  }
  return bin;
}

class Planner {
 public:
  Planner(const std::vector<StoredFile>& files, const DeletedRows& deleted, const PlanOptions& options)
      : files_(files), deleted_(deleted), options_(options) {
    for (const StoredFile& file : files) {
      if (file.file.content != Content::data) {
        deletes_.push_back(&file);
        continue;
      }
      live_.insert(file.file.path);
      if (file.spec_id == options.spec_id) {
        partitions_[file.file.partition].push_back({&file, hides_rows_of(file)});
      }
    }
  }

  std::vector<Group> plan() {
    for (const auto& [partition, candidates] : partitions_) {
      for (Bin& bin : bins_of(candidates)) {
        add(std::move(bin));
      }
    }
    close_group();
    drop_spent_deletes();
    return std::move(groups_);
  }

 private:
  bool hides_rows_of(const StoredFile& data) const {
    if (deleted_.rows.contains(data.file.path)) {
      return true;
    }
    return std::any_of(files_.begin(), files_.end(), [&](const StoredFile& file) {
      return file.file.content == Content::equality_deletes && file.sequence_number > data.sequence_number &&
             (file.file.partition.empty() ||
              (file.spec_id == data.spec_id && file.file.partition == data.file.partition));
    });
  }

  // The files of one partition that are worth writing anew, in pieces that one commit can take.
  std::vector<Bin> bins_of(const std::vector<Candidate>& candidates) const {
    std::vector<Bin> bins;
    std::vector<const Candidate*> members;
    std::int64_t bytes = 0;
    bool must = false;
    const auto close = [&] {
      const bool fewer = static_cast<std::int64_t>(members.size()) > files_of(bytes, options_.target_file_bytes);
      if (!members.empty() && (must || fewer)) {
        bins.push_back(bin_of(members));
      }
      members.clear();
      bytes = 0;
      must = false;
    };
    for (const Candidate& candidate : candidates) {
      const std::int64_t size = candidate.file->file.file_size_bytes;
      const auto part = static_cast<double>(size) / static_cast<double>(options_.target_file_bytes);
      const bool is_meant = options_.all_files && !options_.done.contains(candidate.file->file.path);
      const bool must_go = is_meant || candidate.has_deletes || part > kLargePart;
      if (!must_go && part >= kSmallPart) {
        continue;
      }
      if (!members.empty() && (bytes + size > kGroupBytesMax || members.size() >= kGroupFilesMax)) {
        close();
      }
      members.push_back(&candidate);
      bytes += size;
      must = must || must_go;
    }
    close();
    return bins;
  }

  void add(Bin bin) {
    std::size_t paths = bin.paths.size();
    for (const Bin& other : group_.bins) {
      paths += other.paths.size();
    }
    if (!group_.bins.empty() && (group_.bytes + bin.bytes > kGroupBytesMax || paths > kGroupFilesMax ||
                                 group_.bins.size() >= kGroupPartitionsMax)) {
      close_group();
    }
    group_.bytes += bin.bytes;
    group_.bins.push_back(std::move(bin));
  }

  void close_group() {
    if (group_.bins.empty()) {
      return;
    }
    for (const Bin& bin : group_.bins) {
      for (const std::string& path : bin.paths) {
        live_.erase(path);
      }
    }
    take_spent(group_);
    groups_.push_back(std::move(group_));
    group_ = Group();
  }

  // Delete files that no data file is left for.
  void take_spent(Group& group) {
    std::erase_if(deletes_, [&](const StoredFile* file) {
      if (!is_spent(*file)) {
        return false;
      }
      group.spent_deletes.push_back(file->file.path);
      return true;
    });
  }

  bool is_spent(const StoredFile& file) const {
    if (file.file.content == Content::position_deletes) {
      const auto named = deleted_.of.find(file.file.path);
      return named != deleted_.of.end() && std::none_of(named->second.begin(), named->second.end(),
                                                        [&](const std::string& path) { return live_.contains(path); });
    }
    return std::none_of(files_.begin(), files_.end(), [&](const StoredFile& data) {
      return data.file.content == Content::data && live_.contains(data.file.path) &&
             data.sequence_number < file.sequence_number &&
             (file.file.partition.empty() ||
              (data.spec_id == file.spec_id && data.file.partition == file.file.partition));
    });
  }

  // What was spent before compaction began, if no group takes it along.
  void drop_spent_deletes() {
    Group rest;
    take_spent(rest);
    if (!rest.spent_deletes.empty()) {
      groups_.push_back(std::move(rest));
    }
  }

  const std::vector<StoredFile>& files_;
  const DeletedRows& deleted_;
  const PlanOptions& options_;
  std::map<std::vector<transform::PartitionValue>, std::vector<Candidate>> partitions_;
  std::vector<const StoredFile*> deletes_;
  std::set<std::string> live_;  // data files that are still there after the groups so far
  std::vector<Group> groups_;
  Group group_;
};

}  // namespace

std::vector<Group> plan_groups(const std::vector<StoredFile>& files, const DeletedRows& deleted,
                               const PlanOptions& options) {
  return Planner(files, deleted, options).plan();
}

}  // namespace shoplake::maintain
