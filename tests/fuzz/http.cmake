pixpop_fuzz(http request MAY_USE base)
pixpop_fuzz(http query MAY_USE base)
pixpop_fuzz(http range MAY_USE base)
pixpop_fuzz(http chunked MAY_USE base)
