-- wrk -s cycle.lua URL -- PATHS: asks for the paths of the file PATHS (one a line) in turn, again and again.
local requests = {}
local position = 0

function init(args)
  for path in io.lines(args[1]) do requests[#requests + 1] = wrk.format('GET', path) end
end

function request()
  position = position % #requests + 1
  return requests[position]
end
