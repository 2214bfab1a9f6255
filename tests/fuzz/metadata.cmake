pixpop_fuzz(metadata exif MAY_USE base)
pixpop_fuzz(metadata icc MAY_USE base)
pixpop_fuzz(metadata strip MAY_USE base)
