# pixpop_room: one folder of firmware/ becomes one static library with its own include door.
#
#   pixpop_room(http FLOOR 1 MAY_USE base SOURCES parser.c ... [LIBRARIES PkgConfig::X m] [PRIVATE_INCLUDES dir])
#
# The door is <room>/include, so public headers are included as "http/parser.h"; private headers lie beside the
# .c files. A room sees its own door and the doors of the rooms in MAY_USE, nothing else: doors are not passed on, so
# any other #include "room/..." does not compile. A room in MAY_USE must stand on a strictly lower floor.

set_property(GLOBAL PROPERTY PIXPOP_ROOMS "")

# What sanitizers may overlook: faults inside drivers and layers that are not ours, each with its reason.
set(PIXPOP_SUPPRESSIONS
  LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp:print_suppressions=0
  TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp)

# Gives `target` the doors of the named rooms and links them without passing their doors on.
function(pixpop_use_rooms target)
  foreach(room IN LISTS ARGN)
    if(NOT TARGET pixpop_${room})
      message(FATAL_ERROR "${target}: there is no room '${room}' (yet): rooms are added floor by floor")
    endif()
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/firmware/${room}/include)
    target_link_libraries(${target} PUBLIC $<LINK_ONLY:pixpop_${room}>)
  endforeach()
endfunction()

function(pixpop_room room)
  cmake_parse_arguments(ARG "" "FLOOR" "MAY_USE;SOURCES;LIBRARIES;PRIVATE_INCLUDES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS OR NOT DEFINED ARG_FLOOR OR NOT ARG_SOURCES)
    message(FATAL_ERROR "pixpop_room(${room}): wants FLOOR and SOURCES; not understood: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  foreach(used IN LISTS ARG_MAY_USE)
    get_property(used_floor GLOBAL PROPERTY PIXPOP_FLOOR_${used})
    if("${used_floor}" STREQUAL "" OR NOT used_floor LESS ARG_FLOOR)
      message(FATAL_ERROR "room ${room} (floor ${ARG_FLOOR}) may not use ${used} (floor '${used_floor}'): only strictly lower floors")
    endif()
  endforeach()
  add_library(pixpop_${room} STATIC ${ARG_SOURCES})
  target_include_directories(pixpop_${room} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/include ${ARG_PRIVATE_INCLUDES})
  pixpop_use_rooms(pixpop_${room} ${ARG_MAY_USE})
  target_link_libraries(pixpop_${room} PRIVATE pixpop_flags ${ARG_LIBRARIES} Threads::Threads)
  set_property(GLOBAL PROPERTY PIXPOP_FLOOR_${room} ${ARG_FLOOR})
  set_property(GLOBAL PROPERTY PIXPOP_MAY_USE_${room} "${ARG_MAY_USE}")
  set_property(GLOBAL APPEND PROPERTY PIXPOP_ROOMS ${room})
endfunction()

# pixpop_program(pixpopd MAY_USE ... SOURCES ... [LIBRARIES ...])
function(pixpop_program program)
  cmake_parse_arguments(ARG "" "" "MAY_USE;SOURCES;LIBRARIES;PRIVATE_INCLUDES" ${ARGN})
  add_executable(${program} ${ARG_SOURCES})
  target_include_directories(${program} PRIVATE ${ARG_PRIVATE_INCLUDES})
  pixpop_use_rooms(${program} ${ARG_MAY_USE})
  target_link_libraries(${program} PRIVATE pixpop_flags ${ARG_LIBRARIES} Threads::Threads)
endfunction()

# pixpop_unit_test(http parser [MAY_USE ...] [SUPPORT files] [LIBRARIES ...]): tests/unit/http/parser_test.c with
# cmocka; sees the room, its MAY_USE rooms, what is named here, and tests/support.
function(pixpop_unit_test room name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "MAY_USE;SUPPORT;LIBRARIES;PRIVATE_INCLUDES" ${ARGN})
  set(target ${room}_${name}_test)
  add_executable(${target} ${PROJECT_SOURCE_DIR}/tests/unit/${room}/${name}_test.c ${ARG_SUPPORT})
  get_property(room_may_use GLOBAL PROPERTY PIXPOP_MAY_USE_${room})
  set(rooms ${room} ${room_may_use} ${ARG_MAY_USE})
  list(REMOVE_DUPLICATES rooms)
  pixpop_use_rooms(${target} ${rooms})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support ${ARG_PRIVATE_INCLUDES})
  target_link_libraries(${target} PRIVATE pixpop_flags PkgConfig::CMOCKA ${ARG_LIBRARIES} Threads::Threads m)
  # A test is compiled as often as it runs: -O1 is quicker in sum, but where its support calculates pictures.
  if(NOT ARG_SUPPORT)
    target_compile_options(${target} PRIVATE -O1 -g1)
  endif()
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME unit/${room}/${name} COMMAND ${target})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(unit/${room}/${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS unit
    ENVIRONMENT "${PIXPOP_SUPPRESSIONS}")
endfunction()

# pixpop_program_test(system data MAY_USE base ... SOURCES data.c): tests/unit/system/data_test.c with cmocka, for the parts
# of a program, which is no library: its SOURCES are compiled into the test.
function(pixpop_program_test program name)
  cmake_parse_arguments(ARG "" "" "MAY_USE;SOURCES" ${ARGN})
  set(target ${program}_${name}_test)
  set(folder ${PROJECT_SOURCE_DIR}/firmware/programs/${program})
  list(TRANSFORM ARG_SOURCES PREPEND ${folder}/)
  add_executable(${target} ${PROJECT_SOURCE_DIR}/tests/unit/${program}/${name}_test.c ${ARG_SOURCES})
  pixpop_use_rooms(${target} ${ARG_MAY_USE})
  target_include_directories(${target} PRIVATE ${folder} ${PROJECT_SOURCE_DIR}/tests/support)
  target_link_libraries(${target} PRIVATE pixpop_flags PkgConfig::CMOCKA Threads::Threads)
  target_compile_options(${target} PRIVATE -O1 -g1)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME unit/${program}/${name} COMMAND ${target})
  set_tests_properties(unit/${program}/${name} PROPERTIES TIMEOUT 120 LABELS unit
    ENVIRONMENT "${PIXPOP_SUPPRESSIONS}")
endfunction()

# pixpop_fuzz(http request MAY_USE http base): tests/fuzz/http_request_fuzz.c with libFuzzer, seeds in
# tests/fuzz/corpus/http_request/; ctest runs it for a few seconds over its corpus. Without libFuzzer, but with
# AddressSanitizer, it runs over its seeds once. For a program in the place of a room: its SOURCES and PRIVATE_INCLUDES.
function(pixpop_fuzz room name)
  cmake_parse_arguments(ARG "" "" "MAY_USE;LIBRARIES;SOURCES;PRIVATE_INCLUDES" ${ARGN})
  set(target ${room}_${name}_fuzz)
  set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${room}_${name})
  add_executable(${target} ${PROJECT_SOURCE_DIR}/tests/fuzz/${target}.c ${ARG_SOURCES})
  if(ARG_SOURCES)
    target_include_directories(${target} PRIVATE ${ARG_PRIVATE_INCLUDES})
  else()
    pixpop_use_rooms(${target} ${room})
  endif()
  pixpop_use_rooms(${target} ${ARG_MAY_USE})
  target_link_libraries(${target} PRIVATE pixpop_flags ${ARG_LIBRARIES} Threads::Threads)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  if(NOT PIXPOP_FUZZ)
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
    add_test(NAME seeds/${room}/${name} COMMAND ${target} ${corpus})
    set_tests_properties(seeds/${room}/${name} PROPERTIES LABELS unit TIMEOUT 120 ENVIRONMENT "${PIXPOP_SUPPRESSIONS}")
    return()
  endif()
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  add_test(NAME fuzz/${room}/${name} COMMAND ${CMAKE_COMMAND} -E env
    ${PROJECT_SOURCE_DIR}/tools/fuzz-one $<TARGET_FILE:${target}> ${corpus})
  set_tests_properties(fuzz/${room}/${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()

# Writes what tools/check-house reads: every room with its floor, MAY_USE list and library file.
function(pixpop_write_house_plan)
  get_property(rooms GLOBAL PROPERTY PIXPOP_ROOMS)
  set(plan "")
  foreach(room IN LISTS rooms)
    get_property(floor GLOBAL PROPERTY PIXPOP_FLOOR_${room})
    get_property(may_use GLOBAL PROPERTY PIXPOP_MAY_USE_${room})
    list(JOIN may_use "," may_use)
    string(APPEND plan "${room} ${floor} ${may_use}- $<TARGET_FILE:pixpop_${room}>\n")
  endforeach()
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/house-plan.txt CONTENT "${plan}")
endfunction()
