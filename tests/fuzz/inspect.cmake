pixpop_fuzz(inspect file MAY_USE base image)
