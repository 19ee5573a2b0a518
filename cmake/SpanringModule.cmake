# What every part shares: language level, warnings, sanitizers, and the ways to declare something:
# spanring_library, spanring_test, spanring_fuzz, spanring_bench.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
find_program(SPANRING_CCACHE ccache)
if(SPANRING_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${SPANRING_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${SPANRING_CCACHE})
endif()

set(SPANRING_SANITIZE "" CACHE STRING "address,undefined or thread or empty")
find_package(Threads REQUIRED)

add_library(spanring_flags INTERFACE)
target_compile_options(spanring_flags INTERFACE
                       -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
                       -Werror=return-type
                       # __FILE__ names no machine's folder, and hits the cache of another clone.
                       -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(SPANRING_SANITIZE)
    target_compile_options(spanring_flags INTERFACE -fsanitize=${SPANRING_SANITIZE}
                           -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(spanring_flags INTERFACE -fsanitize=${SPANRING_SANITIZE})
endif()
if(SPANRING_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ warns at every atomic_thread_fence; the ring's fences are each beside an atomic access
    # that the sanitizer does see.
    target_compile_options(spanring_flags INTERFACE -Wno-tsan)
endif()
if(SPANRING_FUZZ)
    # What is left out takes a tenth of the compiler's time, and the address sanitizer finds it too.
    target_compile_options(spanring_flags INTERFACE -fsanitize=fuzzer-no-link
                           -fno-sanitize=null,object-size,vptr)
    add_custom_target(fuzz_programs)
endif()

# toml++, headers alone. Version 3.3 asserts that a table has a key before it reports that it has
# none ("[+"). What is parsed is checked by spanring/base/toml_letters.hpp before.
add_library(spanring_toml INTERFACE)
target_compile_options(spanring_toml INTERFACE "-DTOML_ASSERT(expr)=static_cast<void>(0)")

# spanring_library(codec SOURCES src/a.cpp ... LINK spanring_base ... PRIVATE_LINK lz4):
# static library spanring_codec with include/.
function(spanring_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
    add_library(spanring_${name} STATIC ${ARG_SOURCES})
    target_include_directories(
        spanring_${name}
        PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
        PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
    target_link_libraries(spanring_${name} PUBLIC ${ARG_LINK} Threads::Threads
                          PRIVATE $<BUILD_INTERFACE:spanring_flags> ${ARG_PRIVATE_LINK})
endfunction()

# spanring_headers(test_headers LINK GTest::gtest HEADERS <gtest/gtest.h> ... [OPTIONS -fPIE]): what
# nearly every file of a kind includes, parsed once: it costs more than most files' own code. No
# header of ours among them: its path would keep ccache from hitting in another clone.
function(spanring_headers name)
    cmake_parse_arguments(ARG "" "" "LINK;HEADERS;OPTIONS" ${ARGN})
    if(NOT TARGET ${name} AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        add_library(${name} OBJECT ${CMAKE_SOURCE_DIR}/cmake/no_code.cpp)
        # The compiler takes them only for what is compiled with the same options.
        target_compile_options(${name} PRIVATE ${ARG_OPTIONS})
        target_link_libraries(${name} PRIVATE ${ARG_LINK} spanring_flags)
        target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
    endif()
endfunction()

# spanring_use_headers(unit_codec test_headers)
function(spanring_use_headers name headers)
    if(TARGET ${headers})
        target_precompile_headers(${name} REUSE_FROM ${headers})
        # For ccache, which otherwise does not see into them.
        target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
    endif()
endfunction()

# What need not be quick is compiled faster: the tests' own code, and that of the tools' commands.
set(SPANRING_TEST_FLAGS "" CACHE STRING "options for code that need not be quick")
function(spanring_test_headers name)
    spanring_headers(test_headers
        LINK GTest::gtest GTest::gmock
        HEADERS <gmock/gmock.h> <gtest/gtest.h> <algorithm> <atomic> <chrono> <filesystem> <fstream>
                <functional> <iostream> <map> <random> <set> <sstream> <string> <thread> <vector>
        OPTIONS -fPIE ${SPANRING_TEST_FLAGS})
    if(TARGET test_headers)
        set_target_properties(test_headers PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    endif()
    spanring_use_headers(${name} test_headers)
    target_compile_options(${name} PRIVATE ${SPANRING_TEST_FLAGS})
endfunction()

# spanring_test_timeout(unit_codec 120): seconds in a plain build; a sanitizer has five times as much.
function(spanring_test_timeout name seconds)
    if(SPANRING_SANITIZE)
        math(EXPR seconds "${seconds} * 5")
    endif()
    # What may take longest begins first: no core waits for it at the end.
    set_tests_properties(${name} PROPERTIES TIMEOUT ${seconds} COST ${seconds})
endfunction()

# spanring_test(unit_codec SOURCES a_test.cpp ... LINK spanring_codec ... [LABELS long]
#               [TIMEOUT 120] [OPTIMIZED]): a GoogleTest program, run by ctest. OPTIMIZED: its own
# code runs for long, as a model's does, and is compiled as the libraries are.
# Labels with a meaning: long (only `tools/dev test-long`), no_sanitizer (not `test-san`).
function(spanring_test name)
    cmake_parse_arguments(ARG "OPTIMIZED" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
    if(NOT BUILD_TESTING)
        return()
    endif()
    find_package(GTest REQUIRED)
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gmock GTest::gtest_main
                                          spanring_flags)
    if(NOT ARG_OPTIMIZED AND NOT ARG_SOURCES MATCHES "\\.c(;|$)")
        spanring_test_headers(${name})
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
    spanring_test_timeout(${name} ${ARG_TIMEOUT})
endfunction()

# spanring_fuzz(fuzz_batch SOURCES batch_fuzz.cpp LINK spanring_codec [THREADS 2]): with
# SPANRING_FUZZ (the preset fuzz) a libFuzzer program, fuzz_...; elsewhere the test that runs it.
function(spanring_fuzz name)
    cmake_parse_arguments(ARG "" "THREADS" "SOURCES;LINK" ${ARGN})
    if(SPANRING_FUZZ)
        add_executable(${name} ${ARG_SOURCES})
        target_link_libraries(${name} PRIVATE ${ARG_LINK} spanring_flags)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        add_dependencies(fuzz_programs ${name})
    elseif(BUILD_TESTING)
        if(NOT ARG_THREADS)
            set(ARG_THREADS 1)
        endif()
        add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/tests/fuzz/run.py run ${name})
        # run.py ends it in its time, which may be set to hours.
        set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED fuzz_programs TIMEOUT 86400
                             PROCESSORS ${ARG_THREADS} LABELS "fuzz;no_sanitizer")
    endif()
endfunction()

# spanring_bench(bench_tracer SOURCES tracer_bench.cpp LINK spanring_producer): a Google Benchmark
# program with a main of its own; exists with SPANRING_BENCH only. Name it bench_...: `tools/dev
# bench` runs bin/bench_*.
function(spanring_bench name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
    if(NOT SPANRING_BENCH)
        return()
    endif()
    find_package(benchmark REQUIRED)
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINK} benchmark::benchmark spanring_flags)
endfunction()

# spanring_programs(out_var part...): the executables declared in these parts' folders, tests
# (which are declared from the same CMakeLists.txt but live under tests/) left out.
function(spanring_programs out_var)
    set(found)
    set(todo)
    foreach(part IN LISTS ARGN)
        if(EXISTS ${CMAKE_SOURCE_DIR}/${part}/CMakeLists.txt AND part IN_LIST SPANRING_PARTS)
            list(APPEND todo ${CMAKE_SOURCE_DIR}/${part})
        endif()
    endforeach()
    while(todo)
        list(POP_FRONT todo folder)
        string(FIND "${folder}" "${CMAKE_SOURCE_DIR}/tests" in_tests)
        if(in_tests EQUAL 0)
            continue()
        endif()
        get_directory_property(children DIRECTORY ${folder} SUBDIRECTORIES)
        list(APPEND todo ${children})
        get_directory_property(targets DIRECTORY ${folder} BUILDSYSTEM_TARGETS)
        foreach(target IN LISTS targets)
            get_target_property(type ${target} TYPE)
            if(type STREQUAL "EXECUTABLE")
                list(APPEND found ${target})
            endif()
        endforeach()
    endwhile()
    set(${out_var} ${found} PARENT_SCOPE)
endfunction()
