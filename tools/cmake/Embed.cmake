# Files become C arrays at build time.
#
#   pixpop_embed_shader(header SHADER x.comp SYMBOL gpu_x_spirv [DEFINES A B])   GLSL -> SPIR-V -> shaders/gpu_x_spirv.h
#
# The shader lies in shaders/ or is named by its absolute path; the header's path is returned, for the SOURCES of its user.
# The SPIR-V is made by glslangValidator with a dep-file, so that an edited include rebuilds its shader.

function(pixpop_embed_shader out_header)
  cmake_parse_arguments(ARG "" "SHADER;SYMBOL" "DEFINES" ${ARGN})
  cmake_path(ABSOLUTE_PATH ARG_SHADER BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/shaders OUTPUT_VARIABLE source)
  set(folder ${PROJECT_BINARY_DIR}/shaders)
  set(header ${folder}/${ARG_SYMBOL}.h)
  file(MAKE_DIRECTORY ${folder})
  list(TRANSFORM ARG_DEFINES PREPEND -D)
  add_custom_command(
    OUTPUT ${header}
    DEPFILE ${header}.d
    DEPENDS ${source}
    COMMAND glslangValidator -V --target-env vulkan1.1 -I${PROJECT_SOURCE_DIR}/shaders ${ARG_DEFINES} --quiet
            --depfile ${header}.d --vn ${ARG_SYMBOL} -o ${header} ${source}
    COMMENT "Shader ${ARG_SHADER} -> ${ARG_SYMBOL}"
    VERBATIM)
  set(${out_header} ${header} PARENT_SCOPE)
endfunction()

# pixpop_embed_web(out): builds web/ with Vite and puts its files into a C file that defines web_assets[].
function(pixpop_embed_web out_source)
  set(web ${PROJECT_SOURCE_DIR}/web)
  set(dist ${PROJECT_BINARY_DIR}/web/dist)
  set(source ${PROJECT_BINARY_DIR}/web/web_assets.c)
  file(GLOB_RECURSE inputs CONFIGURE_DEPENDS ${web}/index.html ${web}/vite.config.* ${web}/package.json ${web}/src/*
    ${web}/public/*)
  if(NOT EXISTS ${web}/node_modules/.bin/vite)
    message(FATAL_ERROR "web/node_modules is missing: run tools/setup (or configure with -DPIXPOP_WEB=OFF)")
  endif()
  add_custom_command(
    OUTPUT ${source}
    DEPENDS ${inputs} ${PROJECT_SOURCE_DIR}/tools/embed-assets.mjs
    COMMAND ${web}/node_modules/.bin/vite build --logLevel warn --outDir ${dist} --emptyOutDir ${web}
    COMMAND node ${PROJECT_SOURCE_DIR}/tools/embed-assets.mjs ${dist} ${source}
    COMMENT "Web page"
    VERBATIM)
  set(${out_source} ${source} PARENT_SCOPE)
endfunction()
