set(system_folder ${PROJECT_SOURCE_DIR}/firmware/programs/system)
pixpop_fuzz(system request MAY_USE base slots update SOURCES ${system_folder}/request.c PRIVATE_INCLUDES ${system_folder})
