#!lua flags=no-writes
-- Reads the counters of the open period in one step.
--
-- KEYS  1 to 11 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua
-- ARGV[9]   generation of the account, [10] of the plan, [11] of the catalog
-- ARGV[12]  levels: msgpack [level, cap or -1, …]
-- ARGV[13]  start and [14] end of the period to report where the open one has ended
--
-- {'SPEND', now, period's start, end, absorbed, included used, in flight, settled, held, …} with the
-- last two for each level in order; {'STALE', …}
--- @include stale
--- @include periods

local is_fresh = is_current(ACCOUNT, ARGV[9]) and is_current(PLAN, ARGV[10]) and is_current(CATALOG, ARGV[11])
if not is_fresh then
  return stale(ARGV[9], ARGV[10], ARGV[11])
end
read_fields({'pid', 'pstart', 'pend', 'cl'})
if not open_period(tonumber(ARGV[13]), tonumber(ARGV[14])) then
  return stale(ARGV[9], ARGV[10], ARGV[11])
end

local levels = unpack_blob(ARGV[12])
local names = {'abs:' .. period, 'inc:' .. period}
for i = 1, #levels, 2 do
  names[i + 2], names[i + 3] = counters(levels[i], period, hour)
end
read_fields(names)
local in_flight = redis.call('HLEN', HOLDS)
local reply = {'SPEND', now, period_start, period_end, value[names[1]], value[names[2]], in_flight > 0 and in_flight - 1 or 0}
for i = 3, #names do
  reply[i + 5] = value[names[i]]
end
return reply
