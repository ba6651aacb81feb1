# shoplake_module(<name> [DEPENDS modules…] [LINK libraries…])
#
# One static library shoplake_<name> of all src/<name>/*.cc, and one test program <name>_test of all
# src/<name>/*_test.cc. DEPENDS names other modules and must agree with tools/layers.txt.
function(shoplake_module name)
  cmake_parse_arguments(MODULE "" "" "DEPENDS;LINK;TEST_DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  list(TRANSFORM MODULE_DEPENDS PREPEND shoplake_)
  list(TRANSFORM MODULE_TEST_DEPENDS PREPEND shoplake_)
  if(sources)
    add_library(shoplake_${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(shoplake_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(shoplake_${name} ${scope} "${CMAKE_SOURCE_DIR}/src")
  target_link_libraries(shoplake_${name} ${scope} ${MODULE_DEPENDS} ${MODULE_LINK})
  if(sources)
    shoplake_compile_options(shoplake_${name})
  endif()

  if(SHOPLAKE_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE shoplake_${name} ${MODULE_TEST_DEPENDS} GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE SHOPLAKE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SHOPLAKE_DEPS_DIR="${SHOPLAKE_DEPS}")
    shoplake_compile_options(${name}_test)
    add_test(NAME ${name} COMMAND ${name}_test WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  endif()
endfunction()

function(shoplake_compile_options target)
  # No path of the building machine in the program, and the same objects wherever it is built.
  target_compile_options(${target} PRIVATE "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wno-pedantic -Wno-restrict -Wnon-virtual-dtor -Woverloaded-virtual)
  # Designated initialisers leave out what has a default, on purpose.
  target_compile_options(${target} PRIVATE -Wno-missing-field-initializers)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 takes the value that SHOPLAKE_TRY moves out of a Result for one that may not be there.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
  if(SHOPLAKE_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link -Wno-unknown-warning-option)
  endif()
  if(SHOPLAKE_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${SHOPLAKE_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${SHOPLAKE_SANITIZE})
  endif()
  if(SHOPLAKE_SANITIZE MATCHES thread)
    # A program that exports its copies of inline functions lends them to libraries: DuckDB would lock by the program's
    # std::mutex::lock(), which ThreadSanitizer sees, and unlock by code of its own, which it does not.
    set(no_exports "${CMAKE_SOURCE_DIR}/cmake/no_exports.map")
    target_link_options(${target} PUBLIC "LINKER:--version-script=${no_exports}" LINKER:--no-as-needed)
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${no_exports}")
    target_link_libraries(${target} PUBLIC uninstrumented_strings)
  endif()
endfunction()

if(SHOPLAKE_SANITIZE MATCHES thread)
  add_library(uninstrumented_strings SHARED "${CMAKE_SOURCE_DIR}/test/uninstrumented_strings.cc")
  set_target_properties(uninstrumented_strings PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")  # where bin/shoplake looks
endif()
