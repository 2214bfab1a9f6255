pixpop_fuzz(integrity entry MAY_USE base)
pixpop_fuzz(integrity note MAY_USE base)
pixpop_fuzz(integrity proof MAY_USE base)
pixpop_fuzz(integrity tile MAY_USE base)
