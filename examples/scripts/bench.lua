-- bench.lua ROUNDS: numbers, strings and tables, some of each in every round.
local rounds = tonumber(arg[1]) or 1

local function primes(n)
  local composite, found = {}, 0
  for i = 2, n do
    if not composite[i] then
      found = found + 1
      for j = i * i, n, i do composite[j] = true end
    end
  end
  return found
end

local function words(n)
  local parts = {}
  for i = 1, n do parts[i] = string.format("%x", i * 7919 % 65536) end
  local seen = 0
  for word in table.concat(parts, " "):gmatch("%x+") do seen = seen + (#word > 0 and 1 or 0) end
  return seen
end

local function sorted(n)
  local t = {}
  for i = 1, n do t[i] = i * 7919 % 1000003 end
  table.sort(t)
  for i = 2, n do if t[i - 1] > t[i] then return false end end
  return true
end

local p, w, s = 0, 0, true
for _ = 1, rounds do
  p, w, s = p + primes(50000), w + words(20000), s and sorted(20000)
end
print("primes", p, "words", w, "sorted", s)
