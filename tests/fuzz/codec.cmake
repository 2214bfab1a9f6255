pixpop_fuzz(codec inspect MAY_USE base image)
pixpop_fuzz(codec decode MAY_USE base image)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pixpop_fuzz(codec level MAY_USE base image LIBRARIES PkgConfig::ZLIB)
