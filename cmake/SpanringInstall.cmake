# What `cmake --install` puts in place: the tracer (one static library with everything it needs, its
# headers, a CMake package and a pkg-config file), the programs, and an annotated configuration.
#
# The tracer's library is made of base, shm and the producer. It needs the C++ runtime and POSIX
# threads, nothing else; codec, store and their third parties stay inside the programs.

include(CMakePackageConfigHelpers)

if(TARGET spanring_producer)
    add_library(spanring_tracer STATIC
                $<TARGET_OBJECTS:spanring_base> $<TARGET_OBJECTS:spanring_shm>
                $<TARGET_OBJECTS:spanring_producer>)
    # A target made of object files only has no language of its own.
    set_target_properties(spanring_tracer PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME spanring)

    install(FILES $<TARGET_FILE:spanring_tracer> DESTINATION ${CMAKE_INSTALL_LIBDIR})
    foreach(part producer shm base)
        install(DIRECTORY ${CMAKE_SOURCE_DIR}/${part}/include/
                DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
                FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h"
                PATTERN mapping EXCLUDE)
    endforeach()

    configure_package_config_file(
        ${CMAKE_SOURCE_DIR}/cmake/spanringConfig.cmake.in
        ${CMAKE_BINARY_DIR}/spanringConfig.cmake
        INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/spanring
        PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
    # 0.x promises nothing between minor versions.
    write_basic_package_version_file(${CMAKE_BINARY_DIR}/spanringConfigVersion.cmake
                                     COMPATIBILITY SameMinorVersion)
    install(FILES ${CMAKE_BINARY_DIR}/spanringConfig.cmake
                  ${CMAKE_BINARY_DIR}/spanringConfigVersion.cmake
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/spanring)

    # The prefix is relative to the file itself, so that an installed tree can be moved.
    cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
               BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
               OUTPUT_VARIABLE SPANRING_PC_TO_PREFIX)
    configure_file(${CMAKE_SOURCE_DIR}/cmake/spanring.pc.in ${CMAKE_BINARY_DIR}/spanring.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/spanring.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()

# `spanring up` looks for spanringd beside itself.
spanring_programs(programs consumer tools)
foreach(program IN LISTS programs)
    get_target_property(output ${program} OUTPUT_NAME)
    if(NOT output)
        set(output ${program})
    endif()
    if(output MATCHES "^spanringd?$")
        install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    endif()
endforeach()

if(EXISTS ${CMAKE_SOURCE_DIR}/consumer/spanringd.toml)
    install(FILES ${CMAKE_SOURCE_DIR}/consumer/spanringd.toml
            DESTINATION ${CMAKE_INSTALL_DATADIR}/spanring)
endif()
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
