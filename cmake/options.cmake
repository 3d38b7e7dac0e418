# Compiler flags that every target shares.

# What the numerics rest on: no contraction behind our back, no value-changing
# optimisation. Fused multiply-adds are written out where they are meant.
add_compile_options(-ffp-contract=off -fno-fast-math)
add_compile_options(-Wall -Wextra -Wpedantic -Werror)

set(COLOSSUS_SANITIZE "" CACHE STRING
    "Sanitizers, as -fsanitize= takes them: address,undefined or thread")
if(COLOSSUS_SANITIZE)
  add_compile_options(-fsanitize=${COLOSSUS_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${COLOSSUS_SANITIZE})
endif()

option(COLOSSUS_FUZZ "Build the libFuzzer targets (needs clang)" OFF)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
