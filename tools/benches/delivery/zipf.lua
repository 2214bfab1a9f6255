-- wrk -s zipf.lua URL -- PATHS SEED: asks for the paths of the file PATHS (one a line, the most wanted first) as often as Zipf's
-- law says: the n-th with a weight of n ^ -0.9, as studies of web and picture traffic find. The same SEED asks for the same.
local exponent = 0.9
local asked = {}
local position = 0

function init(args)
  local requests, sums, sum = {}, {}, 0
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format('GET', path)
    sum = sum + (#requests) ^ -exponent
    sums[#requests] = sum
  end
  math.randomseed(tonumber(args[2]))
  for i = 1, 400000 do
    local wanted, low, high = math.random() * sum, 1, #requests
    while low < high do
      local middle = math.floor((low + high) / 2)
      if sums[middle] < wanted then low = middle + 1 else high = middle end
    end
    asked[i] = requests[low]
  end
end

function request()
  position = position % #asked + 1
  return asked[position]
end
