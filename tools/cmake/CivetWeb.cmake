# CivetWeb as a static library, from the pinned source that tools/fetch-source unpacks.
#
# One source file, without our warnings. Only what the console uses is compiled: no TLS, files, CGI, Lua,
# WebSockets. It gets its connections from the console (firmware/console/civet_hooks.h).

set(PIXPOP_DEPS ${PROJECT_SOURCE_DIR}/build/deps CACHE PATH "Where tools/setup unpacks pinned source packages")
set(PIXPOP_CIVETWEB ${PIXPOP_DEPS}/civetweb-1.15)
if(NOT EXISTS ${PIXPOP_CIVETWEB}/.pixpop-version)
  message(FATAL_ERROR "CivetWeb's source is not in ${PIXPOP_CIVETWEB}: run tools/setup")
endif()

set(hooks ${PROJECT_SOURCE_DIR}/firmware/console/civet_hooks.h)
add_library(civetweb STATIC ${PIXPOP_CIVETWEB}/src/civetweb.c)
target_compile_definitions(civetweb PRIVATE _GNU_SOURCE
  NO_SSL NO_FILES NO_CGI NO_CACHING NO_POPEN USE_IPV6
  SOCKET_TIMEOUT_QUANTUM=200)  # ms: how soon its threads see that they shall stop
target_include_directories(civetweb PRIVATE ${PIXPOP_CIVETWEB}/include ${PROJECT_SOURCE_DIR}/firmware/console
  ${PROJECT_SOURCE_DIR}/firmware/base/include)
# -fwrapv: it adds a chunk's length, which the client chooses, to a signed sum without a check.
target_compile_options(civetweb PRIVATE -w -fwrapv -fvisibility=hidden "SHELL:-include ${hooks}")
set_property(SOURCE ${PIXPOP_CIVETWEB}/src/civetweb.c APPEND PROPERTY OBJECT_DEPENDS "${hooks}")
if(PIXPOP_SANITIZE)
  target_compile_options(civetweb PRIVATE -fsanitize=${PIXPOP_SANITIZE} -fno-omit-frame-pointer)
else()
  target_compile_options(civetweb PRIVATE -fstack-protector-strong -fstack-clash-protection)
endif()
target_link_libraries(civetweb PRIVATE Threads::Threads)
