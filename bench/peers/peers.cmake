# Peers beside which ours is measured, where this system has them.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
    pkg_check_modules(LTTNG_UST QUIET IMPORTED_TARGET lttng-ust)
endif()
if(LTTNG_UST_FOUND)
    spanring_bench(bench_lttng SOURCES peers/lttng_bench.cpp peers/lttng_provider.c
                   LINK spanring_producer bench_consumer_beside PkgConfig::LTTNG_UST)
    target_include_directories(bench_lttng PRIVATE ${CMAKE_CURRENT_LIST_DIR}
                                                   ${CMAKE_CURRENT_LIST_DIR}/..)
    # The provider is made of the peer's macros.
    set_source_files_properties(peers/lttng_provider.c PROPERTIES
                                COMPILE_OPTIONS -w SKIP_UNITY_BUILD_INCLUSION ON)
else()
    message(STATUS "benchmarks: NO LTTng-UST beside ours: "
                   "install lttng-tools, liblttng-ust-dev and babeltrace2")
endif()
find_package(spdlog QUIET)
if(spdlog_FOUND)
    spanring_bench(bench_spdlog SOURCES peers/spdlog_bench.cpp
                   LINK spanring_producer bench_consumer_beside spdlog::spdlog)
    target_include_directories(bench_spdlog PRIVATE ${CMAKE_CURRENT_LIST_DIR}/..)
else()
    message(STATUS "benchmarks: NO spdlog beside ours: install libspdlog-dev")
endif()
