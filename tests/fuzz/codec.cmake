pixpop_fuzz(codec inspect MAY_USE base image)
pixpop_fuzz(codec decode MAY_USE base image)
