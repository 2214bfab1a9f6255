# libheif as a static library that only reads, from the pinned source that tools/fetch-source unpacks: no codec of its own
# (firmware/codec/hevc_decode.c is its only one), no plugins from folders, no threads, no encoders. Without our warnings.

set(PIXPOP_DEPS ${PROJECT_SOURCE_DIR}/build/deps CACHE PATH "Where tools/setup unpacks pinned source packages")
set(PIXPOP_LIBHEIF ${PIXPOP_DEPS}/libheif-1.15.1)
if(NOT EXISTS ${PIXPOP_LIBHEIF}/.pixpop-version)
  message(FATAL_ERROR "libheif's source is not in ${PIXPOP_LIBHEIF}: run tools/setup")
endif()

enable_language(CXX)
add_library(heif STATIC)
foreach(source bitstream box common_utils error heif heif_avif heif_colorconversion heif_context heif_file heif_hevc heif_image
    heif_init heif_plugin heif_plugin_registry metadata_compression nclx)
  target_sources(heif PRIVATE ${PIXPOP_LIBHEIF}/libheif/${source}.cc)
endforeach()
set_target_properties(heif PROPERTIES CXX_STANDARD 14 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
  CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
# Debian's own libheif may be installed, and in /usr/include: ours comes first.
target_include_directories(heif SYSTEM BEFORE PUBLIC ${PIXPOP_LIBHEIF})
target_compile_definitions(heif PRIVATE HAVE_UNISTD_H LIBHEIF_EXPORTS HAVE_VISIBILITY)
# -fwrapv: it calculates with a crop's fractions, which the file chooses, without a check.
target_compile_options(heif PRIVATE -w -fwrapv -ffile-prefix-map=${PIXPOP_LIBHEIF}/=)
# Programs of ours are linked as C.
target_link_libraries(heif INTERFACE stdc++)
if(PIXPOP_SANITIZE)
  # vptr, function: their runtime only comes when a program is linked as C++.
  target_compile_options(heif PRIVATE -fsanitize=${PIXPOP_SANITIZE} -fno-sanitize=vptr
    $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function> -fno-sanitize-recover=all -fno-omit-frame-pointer)
else()
  target_compile_options(heif PRIVATE -fstack-protector-strong -fstack-clash-protection)
endif()
