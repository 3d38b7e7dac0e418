# One library and one test program per folder of src/.
#
#   colossus_folder(NAME LEVEL n DEPS other folders LINK third-party targets)
#
# Every *.cc of the folder is part of it; every *_test.cc goes into NAME_test,
# so no test can be left out by forgetting to register it.
function(colossus_folder name)
  cmake_parse_arguments(ARG "" "" "DEPS;LINK;TEST_DEPS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
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
  if(tests)
    list(TRANSFORM ARG_TEST_DEPS PREPEND colossus_)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test ${lib} ${ARG_TEST_DEPS}
                          GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE
      COLOSSUS_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    gtest_discover_tests(${name}_test DISCOVERY_TIMEOUT 60
                         PROPERTIES TIMEOUT 600)
  endif()
endfunction()
