# Warnings, hardening and sanitizers, for every target of ours.
add_library(pixpop_flags INTERFACE)
target_compile_options(pixpop_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
  -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough -Wcast-qual
  -fno-common -fvisibility=hidden -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
target_compile_definitions(pixpop_flags INTERFACE _GNU_SOURCE PIXPOP_VERSION="${PROJECT_VERSION}")

if(PIXPOP_SANITIZE)
  target_compile_options(pixpop_flags INTERFACE -fsanitize=${PIXPOP_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(pixpop_flags INTERFACE -fsanitize=${PIXPOP_SANITIZE})
else()
  target_compile_options(pixpop_flags INTERFACE -fstack-protector-strong -fstack-clash-protection
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  target_link_options(pixpop_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)
  add_link_options($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>)
endif()
