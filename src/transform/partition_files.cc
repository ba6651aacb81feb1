#include "transform/partition_files.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "io/parallel.h"
#include "io/sync_files.h"
#include "transform/bounded_queue.h"

namespace shoplake::transform {

namespace {

// Sets kept for reuse: their memory is already mapped.
constexpr std::size_t kSparesMax = 3;

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Job {
  std::size_t partition = 0;
  std::unique_ptr<ColumnSet> set;
};

struct Partition {
  std::string directory;
  std::vector<std::string> values;  // of the partition's columns
  std::unique_ptr<ParquetWriter> writer;
  int part = 0;
  std::vector<DataFile> files;
  std::vector<std::unique_ptr<ColumnSet>> last_sets;  // for the end

  bool is_known() const { return !directory.empty(); }  // has had a set
};

}  // namespace

struct PartitionFiles::State {
  explicit State(PartitionFilesOptions given)
      : options(std::move(given)), jobs(kQueuedSetsMax), thread([this] { encode_all(); }) {}

  PartitionFilesOptions options;
  BoundedQueue<Job> jobs;
  std::vector<std::unique_ptr<Partition>> partitions;  // grown by the submitting thread under `mutex`
  std::mutex mutex;
  std::optional<base::Error> error;
  std::atomic<bool> failed = false;
  std::vector<std::unique_ptr<ColumnSet>> spares;
  std::vector<std::string> paths;  // of files that may exist
  std::atomic<double> seconds = 0;
  bool finished = false;
  std::thread thread;  // last: it uses all of the above

  void fail(base::Error why) {
    const std::lock_guard lock(mutex);
    if (!error)
      error = std::move(why);
    failed = true;
  }

  // Under `mutex`.
  Partition& know(std::size_t number, const std::string& name) {
    while (partitions.size() <= number)
      partitions.push_back(std::make_unique<Partition>());
    Partition& partition = *partitions[number];
    if (partition.is_known())
      return partition;
    partition.values = contract::partition_values(options.partitioning, name);
    partition.directory = options.directory;
    for (std::size_t column = 0; column < partition.values.size(); ++column) {
      partition.directory = io::join_path(
          partition.directory, fmt::format("{}={}", options.partitioning.columns[column], partition.values[column]));
    }
    return partition;
  }

  Partition& partition(std::size_t number) {
    const std::lock_guard lock(mutex);
    return *partitions[number];
  }

  Result<void> append(Partition& partition, ColumnSet& set, PageEncoder& encoder) {
    if (!partition.writer) {
      ParquetWriterOptions writer;
      writer.env = options.env;
      writer.layout = options.layout;
      writer.dictionaries = options.dictionaries;
      writer.constants = &options.constants;
      writer.path =
          io::join_path(partition.directory, fmt::format("{:05}-{}.parquet", partition.part++, options.file_stem));
      writer.partition.assign(partition.values.begin(), partition.values.end());
      {
        const std::lock_guard lock(mutex);
        paths.push_back(writer.path);
      }
      partition.writer = std::make_unique<ParquetWriter>(std::move(writer));
    }
    SHOPLAKE_TRY(partition.writer->append(set, encoder));
    return partition.writer->row_group_count() >= kFileRowGroupsMax ? end_file(partition, encoder) : Result<void>();
  }

  static Result<void> end_file(Partition& partition, PageEncoder& encoder) {
    if (!partition.writer)
      return {};
    partition.files.push_back(SHOPLAKE_TRY(partition.writer->finish(encoder)));
    partition.writer.reset();
    return {};
  }

  // Keeps the number of open files and the pages in memory within their limits.
  Result<void> keep_bounds(PageEncoder& encoder) {
    std::size_t held = 0;
    std::size_t open = 0;
    Partition* largest = nullptr;
    Partition* first_open = nullptr;
    const std::lock_guard lock(mutex);
    for (const auto& candidate : partitions) {
      if (!candidate->writer)
        continue;
      const std::size_t bytes = candidate->writer->held_bytes();
      held += bytes;
      if (bytes > 0 && (largest == nullptr || bytes > largest->writer->held_bytes()))
        largest = candidate.get();
      if (candidate->writer->is_file_open()) {
        ++open;
        if (first_open == nullptr)
          first_open = candidate.get();
      }
    }
    if (held > kHeldPagesBytes && largest != nullptr)
      SHOPLAKE_TRY(largest->writer->finish_row_group(encoder));
    if (open > kOpenFilesMax && first_open != nullptr && first_open->writer)
      SHOPLAKE_TRY(end_file(*first_open, encoder));
    return {};
  }

  void encode_all() {
    PageEncoder encoder;
    while (auto job = jobs.pop()) {
      if (!failed) {
        if (auto done = append(partition(job->partition), *job->set, encoder); !done.ok())
          fail(std::move(done).error());
        if (auto done = keep_bounds(encoder); !done.ok())
          fail(std::move(done).error());
      }
      job->set->clear();
      const std::lock_guard lock(mutex);
      if (spares.size() < kSparesMax)
        spares.push_back(std::move(job->set));
    }
    seconds = seconds + thread_seconds();
  }

  // Making a folder ends with a sync; most files are written by finish(), so that theirs can be made together.
  Result<void> make_directories() {
    std::vector<std::string> directories;
    for (const auto& partition : partitions) {
      if (partition->is_known())
        directories.push_back(partition->directory);
    }
    return io::for_each_in_parallel(directories,
                                    [&](const std::string& path) { return options.env->create_directories(path); });
  }

  // Files and their names, and the names of the folders, which another load may have made just now.
  Result<void> sync_all() {
    SHOPLAKE_TRY(io::sync_files(*options.env, paths));
    std::set<std::string> above;
    for (const auto& partition : partitions) {
      for (std::string folder = partition->directory; folder.size() > options.directory.size(); above.insert(folder))
        folder = io::parent_path(folder);
    }
    return io::for_each_in_parallel(std::vector<std::string>(above.begin(), above.end()),
                                    [&](const std::string& path) { return options.env->sync_directory(path); });
  }

  void remove_files() {
    for (const std::string& path : paths)
      static_cast<void>(options.env->remove_file(path));
  }
};

PartitionFiles::PartitionFiles(PartitionFilesOptions options) : state_(std::make_unique<State>(std::move(options))) {}

PartitionFiles::~PartitionFiles() {
  State& state = *state_;
  state.jobs.close();
  if (state.thread.joinable())
    state.thread.join();
  if (!state.finished) {
    state.partitions.clear();  // closes the files
    state.remove_files();
  }
}

double PartitionFiles::busy_seconds() const { return state_->seconds; }

std::unique_ptr<ColumnSet> PartitionFiles::acquire(bool reuse) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (!reuse)
    state.spares.clear();
  if (state.spares.empty())
    return std::make_unique<ColumnSet>(*state.options.layout);
  auto set = std::move(state.spares.back());
  state.spares.pop_back();
  return set;
}

Result<void> PartitionFiles::submit(std::size_t partition, const std::string& name, std::unique_ptr<ColumnSet> set) {
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    if (state.error)
      return *state.error;
    state.know(partition, name);
  }
  state.jobs.push(Job{partition, std::move(set)});
  return {};
}

Result<void> PartitionFiles::submit_last(std::size_t partition, const std::string& name,
                                         std::unique_ptr<ColumnSet> set) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (state.error)
    return *state.error;
  state.know(partition, name).last_sets.push_back(std::move(set));
  return {};
}

Result<std::vector<DataFile>> PartitionFiles::finish() {
  State& state = *state_;
  // The encoding thread goes on with what is queued, then joins the others.
  state.jobs.close();
  state.thread.join();
  if (state.error)
    return *state.error;
  SHOPLAKE_TRY(state.make_directories());

  // Each partition's end is independent of the others'.
  const std::size_t thread_count = std::min<std::size_t>(std::max(1U, std::thread::hardware_concurrency()),
                                                         std::max<std::size_t>(1, state.partitions.size()));
  std::atomic<std::size_t> next = 0;
  const auto end_partitions = [&] {
    const double begin = thread_seconds();
    PageEncoder encoder;
    while (!state.failed) {
      const std::size_t number = next++;
      if (number >= state.partitions.size())
        break;
      Partition& partition = *state.partitions[number];
      const auto end = [&]() -> Result<void> {
        for (auto& set : partition.last_sets) {
          SHOPLAKE_TRY(state.append(partition, *set, encoder));
          set.reset();
        }
        return State::end_file(partition, encoder);
      };
      if (auto done = end(); !done.ok())
        state.fail(std::move(done).error());
    }
    state.seconds.fetch_add(thread_seconds() - begin);
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < thread_count; ++i)
      threads.emplace_back(end_partitions);
    end_partitions();
  }
  if (state.error)
    return *state.error;
  std::vector<DataFile> files;
  for (const auto& partition : state.partitions) {
    for (DataFile& file : partition->files)
      files.push_back(std::move(file));
  }
  SHOPLAKE_TRY(state.sync_all());
  state.finished = true;
  return files;
}

}  // namespace shoplake::transform
