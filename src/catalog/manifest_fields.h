// Field ids of Iceberg's manifests and manifest lists (table spec v2). Internal to catalog/manifest*.cc.
#pragma once

#include <cstdint>

namespace shoplake::catalog {

enum ManifestFieldId : std::int32_t {
  kStatus = 0,
  kSnapshotId = 1,
  kDataFile = 2,
  kSequenceNumber = 3,
  kFileSequenceNumber = 4,
  kFilePath = 100,
  kFileFormat = 101,
  kPartition = 102,
  kRecordCount = 103,
  kFileSize = 104,
  kColumnSizes = 108,
  kValueCounts = 109,
  kNullCounts = 110,
  kLowerBounds = 125,
  kUpperBounds = 128,
  kKeyMetadata = 131,
  kSplitOffsets = 132,
  kContent = 134,
  kEqualityIds = 135,
  kNanCounts = 137,
  kSortOrderId = 140,
  kReferencedDataFile = 143,
  kManifestPath = 500,
  kManifestLength = 501,
  kPartitionSpecId = 502,
  kAddedSnapshotId = 503,
  kAddedFiles = 504,
  kExistingFiles = 505,
  kDeletedFiles = 506,
  kPartitions = 507,
  kContainsNull = 509,
  kLowerBound = 510,
  kUpperBound = 511,
  kAddedRows = 512,
  kExistingRows = 513,
  kDeletedRows = 514,
  kListSequenceNumber = 515,
  kMinSequenceNumber = 516,
  kListContent = 517,
  kContainsNan = 518,
  kListKeyMetadata = 519,
};

}  // namespace shoplake::catalog
