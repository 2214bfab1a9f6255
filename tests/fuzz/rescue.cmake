set(rescue ${PROJECT_SOURCE_DIR}/firmware/programs/rescue)
pixpop_fuzz(rescue api MAY_USE update slots archive http integrity base
  SOURCES ${rescue}/access.c ${rescue}/api.c ${rescue}/exchange.c ${rescue}/install.c ${rescue}/page.c
    ${rescue}/report.c ${rescue}/reset.c ${rescue}/state.c
  PRIVATE_INCLUDES ${rescue} ${PROJECT_BINARY_DIR}/firmware/programs/rescue)
# Its headers know lwIP's addresses; nothing of lwIP runs.
target_include_directories(rescue_api_fuzz SYSTEM PRIVATE $<TARGET_PROPERTY:lwip,INTERFACE_INCLUDE_DIRECTORIES>)
add_dependencies(rescue_api_fuzz pixpop-rescue-page)
