include(GoogleTest)
# One library and one test program per folder of src/.
#
#   colossus_folder(NAME DEPS other folders LINK third-party targets
#                   TEST_DEPS folders that only the tests need
#                   FUZZ_DEPS all folders that the fuzzing programs need, where
#                             DEPS would have them build much more)
#
# Every *.cc of the folder is part of it; every *_test.cc goes into NAME_test,
# so no test can be left out by forgetting to register it. In a fuzzing build
# (preset `fuzz`) every *_fuzz.cc is a program of its own instead.

# All fuzzing programs: `ninja fuzzers`.
if(COLOSSUS_FUZZ)
  add_custom_target(fuzzers)
endif()

function(colossus_add_fuzzers lib fuzz_sources)
  foreach(source ${fuzz_sources})
    get_filename_component(target ${source} NAME_WE)
    add_executable(${target} ${source})
    target_link_libraries(${target} ${lib})
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${target} PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzzers)
    add_dependencies(fuzzers ${target})
  endforeach()
endfunction()

function(colossus_add_tests name lib test_sources deps)
  list(TRANSFORM deps PREPEND colossus_)
  add_executable(${name}_test ${test_sources})
  target_link_libraries(${name}_test ${lib} ${deps}
                        GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name}_test PRIVATE
    COLOSSUS_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    COLOSSUS_BINARY_DIR="${PROJECT_BINARY_DIR}")
  # Tests are listed when ctest runs, not when they are linked: a sanitizer may
  # need a special start (make tsan).
  gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST
                       DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
endfunction()

function(colossus_folder name)
  cmake_parse_arguments(ARG "" "" "DEPS;LINK;TEST_DEPS;FUZZ_DEPS" ${ARGN})
  if(COLOSSUS_FUZZ AND ARG_FUZZ_DEPS)
    set(ARG_DEPS ${ARG_FUZZ_DEPS})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cc)
  set(tests ${sources})
  set(fuzz ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzz INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_main|_fuzz)\\.cc$")
  set(lib colossus_${name})
  if(sources)
    add_library(${lib} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(${lib} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${lib} ${scope} ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM ARG_DEPS PREPEND colossus_)
  target_link_libraries(${lib} ${scope} ${ARG_DEPS} ${ARG_LINK})
  if(fuzz AND COLOSSUS_FUZZ)
    colossus_add_fuzzers(${lib} "${fuzz}")
  endif()
  if(tests AND NOT COLOSSUS_FUZZ)
    colossus_add_tests(${name} ${lib} "${tests}" "${ARG_TEST_DEPS}")
  endif()
endfunction()
