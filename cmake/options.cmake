# Compiler flags that every target shares.

# What the numerics rest on: no contraction behind our back, no value-changing
# optimisation. Fused multiply-adds are written out where they are meant.
add_compile_options(-ffp-contract=off -fno-fast-math)
add_compile_options(-Wall -Wextra -Wpedantic -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 invents these in std::string and fmt once it inlines at -O3
  # (GCC's bugs 105329 and 105651).
  add_compile_options(-Wno-restrict -Wno-stringop-overflow)
endif()

set(COLOSSUS_SANITIZE "" CACHE STRING
    "Sanitizers, as -fsanitize= takes them: address,undefined or thread")
if(COLOSSUS_SANITIZE)
  # GCC 12 takes what the sanitizers insert for uses of unset variables.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
  add_compile_options(-fsanitize=${COLOSSUS_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${COLOSSUS_SANITIZE})
endif()

option(COLOSSUS_FUZZ "Build the libFuzzer targets (needs clang)" OFF)
if(COLOSSUS_FUZZ)
  # Coverage in the libraries; each fuzzing program adds the driver.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
