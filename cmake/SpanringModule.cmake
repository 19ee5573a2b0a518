# What every part shares: language level, warnings, sanitizers, and the two ways to declare something.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
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
target_compile_options(spanring_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror=return-type)
if(SPANRING_SANITIZE)
    target_compile_options(spanring_flags INTERFACE -fsanitize=${SPANRING_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(spanring_flags INTERFACE -fsanitize=${SPANRING_SANITIZE})
endif()

# spanring_library(codec SOURCES src/a.cpp ... LINK spanring_base ... PRIVATE_LINK lz4): static library spanring_codec with include/.
function(spanring_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
    add_library(spanring_${name} STATIC ${ARG_SOURCES})
    target_include_directories(spanring_${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}> PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
    target_link_libraries(spanring_${name} PUBLIC ${ARG_LINK} Threads::Threads
                          PRIVATE $<BUILD_INTERFACE:spanring_flags> ${ARG_PRIVATE_LINK})
endfunction()

# spanring_test(unit_codec SOURCES a_test.cpp ... LINK spanring_codec ... [LABELS long] [TIMEOUT 120]): a GoogleTest program, run by ctest.
function(spanring_test name)
    cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
    if(NOT BUILD_TESTING)
        return()
    endif()
    find_package(GTest REQUIRED)
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gmock GTest::gtest_main spanring_flags)
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()
