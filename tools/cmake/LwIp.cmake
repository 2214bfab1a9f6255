# lwIP as a static library, from the pinned source that tools/fetch-source unpacks. Without our warnings; its options are
# those of firmware/programs/rescue/lwip, whose program is its only user.

set(PIXPOP_DEPS ${PROJECT_SOURCE_DIR}/build/deps CACHE PATH "Where tools/setup unpacks pinned source packages")
set(PIXPOP_LWIP ${PIXPOP_DEPS}/lwip-2.1.3)
if(NOT EXISTS ${PIXPOP_LWIP}/.pixpop-version)
  message(FATAL_ERROR "lwIP's source is not in ${PIXPOP_LWIP}: run tools/setup")
endif()

file(GLOB lwip_sources ${PIXPOP_LWIP}/src/core/*.c ${PIXPOP_LWIP}/src/core/ipv4/*.c ${PIXPOP_LWIP}/src/core/ipv6/*.c
  ${PIXPOP_LWIP}/src/apps/mdns/*.c ${PIXPOP_LWIP}/src/apps/altcp_tls/*.c)
add_library(lwip STATIC ${lwip_sources} ${PIXPOP_LWIP}/src/netif/ethernet.c)
target_include_directories(lwip SYSTEM PUBLIC ${PIXPOP_LWIP}/src/include
  ${PROJECT_SOURCE_DIR}/firmware/programs/rescue/lwip)
target_compile_definitions(lwip PRIVATE _GNU_SOURCE)
target_compile_options(lwip PRIVATE -w -fno-strict-aliasing -fvisibility=hidden -ffile-prefix-map=${PIXPOP_LWIP}/=lwip/)
# Its TLS takes whatever mbedTLS has (TLS 1.0 too) and asks every browser for a certificate: secure.c decides these two.
set_source_files_properties(${PIXPOP_LWIP}/src/apps/altcp_tls/altcp_tls_mbedtls.c PROPERTIES COMPILE_DEFINITIONS
  "mbedtls_ssl_config_defaults=secure_config_defaults;mbedtls_ssl_conf_authmode=secure_conf_authmode")
if(PIXPOP_SANITIZE)
  target_compile_options(lwip PRIVATE -fsanitize=${PIXPOP_SANITIZE} -fno-omit-frame-pointer)
else()
  target_compile_options(lwip PRIVATE -fstack-protector-strong -fstack-clash-protection)
endif()
