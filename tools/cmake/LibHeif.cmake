# libheif as a static library that only reads, from the pinned source that tools/fetch-source unpacks: no codec of its own
# (firmware/codec/hevc_decode.c is its only one), no plugins from folders, no threads, no encoders. Without our warnings.

set(PIXPOP_DEPS ${PROJECT_SOURCE_DIR}/build/deps CACHE PATH "Where tools/setup unpacks pinned source packages")
set(PIXPOP_LIBHEIF ${PIXPOP_DEPS}/libheif-1.15.1)
if(NOT EXISTS ${PIXPOP_LIBHEIF}/.pixpop-version)
  message(FATAL_ERROR "libheif's source is not in ${PIXPOP_LIBHEIF}: run tools/setup")
endif()

# Its objects are the same for every preset but fuzz, which instruments them: they are compiled once, in the folder of the
# source, since they take as long as half of the firmware.
set(PIXPOP_HEIF_OPTIONS -w -std=c++14 -fvisibility=hidden -fvisibility-inlines-hidden
  -fwrapv  # it calculates with a crop's fractions, which the file chooses, without a check
  -ffile-prefix-map=${PIXPOP_LIBHEIF}/=)
set(PIXPOP_HEIF_SOURCES bitstream box common_utils error heif heif_avif heif_colorconversion heif_context heif_file heif_hevc
  heif_image heif_init heif_plugin heif_plugin_registry metadata_compression nclx)
enable_language(CXX)
if(PIXPOP_FUZZ)
  set(heif_folder ${CMAKE_CURRENT_BINARY_DIR}/heif)
  # vptr, function: their runtime only comes when a program is linked as C++.
  list(APPEND PIXPOP_HEIF_OPTIONS -O1 -g1 -fsanitize=${PIXPOP_SANITIZE} -fno-sanitize=vptr,function -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
else()
  list(APPEND PIXPOP_HEIF_OPTIONS -O2 -fPIC -fstack-protector-strong -fstack-clash-protection)
  string(MD5 heif_way "${CMAKE_CXX_COMPILER} ${CMAKE_CXX_COMPILER_VERSION} ${PIXPOP_HEIF_OPTIONS}")
  set(heif_folder ${PIXPOP_LIBHEIF}/build-${heif_way})
endif()
# Ninja takes what another build folder has made for outdated, so the command looks for itself.
set(heif_compile [=[test "$1" -nt "$2" && exit; object=$1; shift 2; "$@" -o "$object.$$" && mv "$object.$$" "$object"]=])
set(heif_objects)
foreach(source IN LISTS PIXPOP_HEIF_SOURCES)
  set(object ${heif_folder}/${source}.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${heif_folder}
    COMMAND sh -c "${heif_compile}" compile ${object} ${PIXPOP_LIBHEIF}/.pixpop-version
      ${CMAKE_CXX_COMPILER} ${PIXPOP_HEIF_OPTIONS} -DHAVE_UNISTD_H -DLIBHEIF_EXPORTS -DHAVE_VISIBILITY -I${PIXPOP_LIBHEIF}
      -c ${PIXPOP_LIBHEIF}/libheif/${source}.cc
    DEPENDS ${PIXPOP_LIBHEIF}/.pixpop-version
    COMMENT "libheif: ${source}.cc" VERBATIM)
  list(APPEND heif_objects ${object})
endforeach()
add_library(heif STATIC ${heif_objects})
set_target_properties(heif PROPERTIES LINKER_LANGUAGE CXX)
# Debian's own libheif may be installed, and in /usr/include: ours comes first.
target_include_directories(heif SYSTEM BEFORE INTERFACE ${PIXPOP_LIBHEIF})
# Programs of ours are linked as C.
target_link_libraries(heif INTERFACE stdc++)
