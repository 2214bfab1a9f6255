pixpop_fuzz(pop native MAY_USE base image integrity recipe)
